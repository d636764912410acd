"""Inspector: one output opened and held against what the recipe demands.

Nothing here uses the code that makes images.
"""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, UnidentifiedImageError

from pixelmill.core.errors import describe
from pixelmill.core.files import modified_ns
from pixelmill.core.regular_files import content
from pixelmill.core.root import Root
from pixelmill.verification import second_sizes
from pixelmill.verification.expectations import (
    demands,
    expected_modes,
    format_of,
    size_of,
    swaps_sides,
)
from pixelmill.verification.picture_check import Verdict, check_pictures
from pixelmill.verification.second_samples import UndecodableError

warnings.filterwarnings("ignore", module=r"PIL\.")  # what matters arrives as a finding

#: Bytes of the largest source that is read, to be compared with its output.
LARGEST_SOURCE = 1_000_000_000


class Task(NamedTuple):
    """One output to open."""

    output: str
    source: str
    variant: str
    sha256: str
    compare: bool


class Finding(NamedTuple):
    """What opening an output showed.

    `similarity` is in dB, None where not compared; `asked` tells whether it should
    have been. `pictures` are output and reference, reduced, where they differ.
    """

    output: str
    faults: tuple[tuple[str, str], ...]
    sha256: str
    bytes: int
    mtime_ns: int
    similarity: float | None
    asked: bool
    sized: bool
    pictures: tuple[Any, Any] | None


class Tasks:
    """Tasks of one worker; opaque to Dask, which would walk into a list."""

    __slots__ = ("tasks",)

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tuple(tasks)


class Inspector:
    """The work that engines run: outputs in, findings out."""

    def __init__(
        self, source_root: str, images: str, recipe: Mapping[str, Any], min_psnr: float
    ) -> None:
        self._source_root = source_root
        self._images = Root(images, follow=False)
        self._demands = demands(recipe)
        self._min_psnr = min_psnr

    def __call__(self, tasks: Tasks) -> list[Finding]:
        """Open each output of a batch."""
        self._images.refresh()
        return [self.inspect(task) for task in tasks.tasks]

    def inspect(self, task: Task) -> Finding:
        """Open one output and see whether it is what the recipe demands."""
        faults: list[tuple[str, str]] = []
        try:
            with os.fdopen(self._images.open(task.output), "rb", buffering=0) as file:
                state = os.fstat(file.fileno())
                data = file.readall()
        except OSError as error:
            faults.append(("decodes", f"cannot be read: {error.strerror}"))
            return Finding(task.output, tuple(faults), "", 0, 0, None, False, False, None)
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 != task.sha256:
            faults.append(("sha256", "bytes differ from the manifest"))
        similarity, pictures, sized = None, None, False
        try:
            with Image.open(io.BytesIO(data)) as image:
                image.load()
        except UnidentifiedImageError:
            faults.append(("decodes", "is no image" if data else "is empty"))
        except Exception as error:  # anything at all means that it does not decode
            faults.append(("decodes", describe(error)))
        else:
            demand = self._demands[task.variant]
            source = Path(self._source_root, task.source)
            format_ = demand.format or format_of(source)
            if format_ and image.format != format_:
                faults.append(("format", f"is {image.format}, not {format_}"))
            modes = expected_modes(demand)
            if image.mode not in modes:
                faults.append(("mode", f"is {image.mode}, not {' or '.join(modes)}"))
            expected = size_of(demand, source)
            sized = expected is not None
            found = second_sizes.size_of(data, upright=False) or image.size
            if not demand.upright and second_sizes.is_sequence(data) and swaps_sides(source):
                found = found[::-1]  # its frames are turned, as it notes no orientation
            if expected is not None and found != expected:
                faults.append(("size", "is {}x{}, not {}x{}".format(*found, *expected)))
            verdict = None
            if (task.compare or faults) and demand.comparable:
                verdict = self._compare(task, data)
            if verdict is not None:
                similarity = verdict.similarity
                if verdict.why is not None:
                    faults.append(("similarity", f"{verdict.why} ({similarity:.1f} dB)"))
                    pictures = verdict.pictures
        return Finding(
            task.output, tuple(faults), sha256, len(data), modified_ns(state),
            similarity, task.compare, sized, pictures,
        )  # fmt: skip

    def _compare(self, task: Task, data: bytes) -> Verdict | None:
        try:
            source = content(os.path.join(self._source_root, task.source), LARGEST_SOURCE)
            return check_pictures(self._demands[task.variant], source, data, self._min_psnr)
        except (OSError, UndecodableError):
            return None
