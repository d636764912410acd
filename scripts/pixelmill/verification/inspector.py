"""Inspector: opens outputs and runs the checks on each of them; the work of one worker."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pixelmill.core.files import modified_ns
from pixelmill.core.root import Root
from pixelmill.storage.archives import Member, Place
from pixelmill.verification.checks import OUTPUT_CHECKS, SIDECAR_CHECK
from pixelmill.verification.expectations import expectations_of
from pixelmill.verification.manifest import UNKNOWN, SourceState
from pixelmill.verification.opened_output import OpenedOutput
from pixelmill.verification.sidecar_check import SUFFIX, sidecar_fault


class Task(NamedTuple):
    """An output to open.

    Attributes
    ----------
    output, source : str
        Paths below the folders of outputs and sources.
    variant : str
        Name of the output in its recipe.
    sha256 : str
        Digest that the manifest records.
    is_sampled : bool
        Whether the picture is compared even if nothing else is wrong.
    source_state : tuple of int
        State of the source, as the catalog has it.
    member : Member or None
        The source, if it is a member of an archive.
    """

    output: str
    source: str
    variant: str
    sha256: str
    is_sampled: bool
    source_state: SourceState = UNKNOWN
    member: Member | None = None

    def place(self, source_root: str) -> Place:
        """Return where the source is read."""
        return self.member or os.path.join(source_root, self.source)


class Finding(NamedTuple):
    """What the checks found in an output.

    Attributes
    ----------
    output : str
        Its path.
    faults : tuple of (str, str)
        Names of checks that failed, and why.
    sha256 : str
        Digest of its content.
    bytes, mtime_ns : int
        Size and time of modification of the file.
    similarity_db : float or None
        None if the picture was not compared.
    is_sampled : bool
        Whether it should have been compared.
    sized : bool
        Whether its expected size is known.
    pictures : tuple of ndarray or None
        Output and reference, reduced, if they differ.
    source_state : tuple of int
        As in the task.
    """

    output: str
    faults: tuple[tuple[str, str], ...]
    sha256: str
    bytes: int
    mtime_ns: int
    similarity_db: float | None
    is_sampled: bool
    sized: bool
    pictures: tuple[Any, Any] | None
    source_state: SourceState = UNKNOWN


class Tasks:
    """A batch of tasks, opaque to Dask, which would look into a list.

    Dask wants all batches in advance; the tasks of one are made when it is sent to a worker.

    Parameters
    ----------
    tasks : sequence of Task
    part : slice, optional
        Those of them that belong to the batch.
    """

    __slots__ = ("_part", "_tasks")

    def __init__(self, tasks: Sequence[Task], part: slice = slice(None)) -> None:
        self._tasks = tasks
        self._part = part

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks[self._part])

    def __reduce__(self) -> tuple[type[Tasks], tuple[tuple[Task, ...]]]:
        return Tasks, (tuple(self),)


def read_output(descriptor: int) -> tuple[os.stat_result, bytes]:
    """Return state and content of an open file, with few calls, and close it."""
    try:
        state = os.fstat(descriptor)
        data = os.read(descriptor, state.st_size + 1)
        if len(data) != state.st_size:  # it grows, or is larger than what one call reads
            with open(descriptor, "rb", buffering=0, closefd=False) as file:
                data += file.readall()
        return state, data
    finally:
        os.close(descriptor)


class Inspector:
    """Runs the checks of outputs.

    Parameters
    ----------
    source_root, images : str
        Folders of the sources and of the outputs.
    recipe : mapping
        As in the config.
    min_psnr : float
        Least similarity, in dB.
    """

    def __init__(
        self, source_root: str, images: str, recipe: Mapping[str, Any], min_psnr: float
    ) -> None:
        self._source_root = source_root
        self._images = Root(images, follow=False)
        self._expectations = expectations_of(recipe)
        self._min_psnr = min_psnr

    def __call__(self, tasks: Tasks) -> list[Finding]:
        """Open each output of a batch and run the checks."""
        self._images.refresh()
        return [self.inspect(task) for task in tasks]

    def inspect(self, task: Task) -> Finding:
        """Open one output and run the checks."""
        try:
            state, data = read_output(self._images.open(task.output))
        except OSError as error:
            fault = ("decodes", f"cannot be read: {error.strerror}")
            return Finding(task.output, (fault,), "", 0, 0, None, False, False, None)
        if task.variant.endswith(SUFFIX):
            return self._inspect_sidecar(task, data, modified_ns(state))
        opened = OpenedOutput(
            self._expectations[task.variant],
            task.place(self._source_root),
            data,
            task.sha256,
            task.is_sampled,
            self._min_psnr,
        )
        for check in OUTPUT_CHECKS:
            if opened.decoding_error and check.needs_picture:
                continue
            if why := check.find(opened):
                opened.faults.append((check.name, why))
        verdict = opened.verdict
        return Finding(
            task.output,
            tuple(opened.faults),
            opened.sha256,
            len(data),
            modified_ns(state),
            None if verdict is None else verdict.similarity_db,
            task.is_sampled,
            opened.expected_size is not None,
            None if verdict is None or verdict.why is None else verdict.pictures,
            task.source_state,
        )

    def _inspect_sidecar(self, task: Task, data: bytes, mtime_ns: int) -> Finding:
        """Compare a sidecar with the manifest and with what it describes."""
        sha256 = hashlib.sha256(data).hexdigest()
        faults: list[tuple[str, str]] = []
        source = task.place(self._source_root)
        if sha256 != task.sha256:
            faults.append(("sha256", "bytes differ from the manifest"))
        if why := sidecar_fault(data, self._images, task.source, source):
            faults.append((SIDECAR_CHECK.name, why))
        return Finding(
            task.output, tuple(faults), sha256, len(data), mtime_ns, None, False, False, None,
            task.source_state,
        )  # fmt: skip
