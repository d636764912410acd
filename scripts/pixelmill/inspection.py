"""Inspection: one output opened and held against what the recipe demands.

Nothing here uses the code that makes images.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from pixelmill import reference

#: EXIF tag of the orientation, and the values of it that swap width and height.
_ORIENTATION = 0x0112
_SWAPPING = (5, 6, 7, 8)

#: Formats that Pillow turns upright by itself when it loads them.
_ORIENTED_BY_PILLOW = ("TIFF",)

#: Modes that a step leaves, where it does not leave them to the image.
_MODES = {
    "grayscale": ("L",),
    "color_matrix": ("RGB",),
    "sepia": ("RGB",),
    "lookup": ("RGB",),
}


class Task(NamedTuple):
    """One output to open."""

    output: str
    source: str
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
        self._images = images
        self._steps = [name_and_params(step) for step in recipe.get("steps", [])]
        self._format = recipe.get("output", {}).get("format", "jpeg").upper()
        self._min_psnr = min_psnr

    def __call__(self, tasks: Tasks) -> list[Finding]:
        """Open each output of a batch."""
        return [self.inspect(task) for task in tasks.tasks]

    def inspect(self, task: Task) -> Finding:
        """Open one output and see whether it is what the recipe demands."""
        faults: list[tuple[str, str]] = []
        try:
            with open(os.path.join(self._images, task.output), "rb", buffering=0) as file:
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
            faults.append(("decodes", f"{type(error).__name__}: {error}"))
        else:
            if image.format != self._format:
                faults.append(("format", f"is {image.format}, not {self._format}"))
            modes = expected_modes(self._steps)
            if image.mode not in modes:
                faults.append(("mode", f"is {image.mode}, not {' or '.join(modes)}"))
            expected = self._expected_size(task.source)
            sized = expected is not None
            if expected is not None and image.size != expected:
                faults.append(("size", "is {}x{}, not {}x{}".format(*image.size, *expected)))
            if (task.compare or faults) and reference.can_render(self._steps):
                similarity, pictures = self._compare(task, image, faults)
        return Finding(
            task.output, tuple(faults), sha256, len(data), state.st_mtime_ns,
            similarity, task.compare, sized, pictures,
        )  # fmt: skip

    def _compare(
        self, task: Task, image: Image.Image, faults: list[tuple[str, str]]
    ) -> tuple[float | None, tuple[Any, Any] | None]:
        try:
            data = Path(self._source_root, task.source).read_bytes()
        except OSError:
            return None, None
        expected = reference.render(data, self._steps)
        if expected is None:
            return None, None
        expected = reference.reduce(expected)
        output = reference.reduce(np.asarray(image.convert("RGB")))
        similarity = 0.0
        if output.shape == expected.shape:
            similarity = reference.psnr(output, expected)
        if similarity >= self._min_psnr:
            return similarity, None
        why = reference.explain(output, expected, self._min_psnr)
        faults.append(("similarity", f"{why} ({similarity:.1f} dB)"))
        return similarity, (output, expected)

    def _expected_size(self, source: str) -> tuple[int, int] | None:
        size = expected_size(self._steps, None)
        if size == "source":
            size = expected_size(self._steps, upright_size(Path(self._source_root, source)))
        return size if isinstance(size, tuple) else None


def name_and_params(step: Any) -> tuple[str, Mapping[str, Any]]:
    """Split a step as a recipe writes it."""
    if isinstance(step, str):
        return step, {}
    ((name, params),) = step.items()
    return name, params or {}


def expected_modes(
    steps: Sequence[tuple[str, Mapping[str, Any]]], keeps_alpha: bool = False
) -> tuple[str, ...]:
    """Modes that an output may have after these steps.

    Parameters
    ----------
    steps : sequence of (str, mapping)
    keeps_alpha : bool
        Whether alpha reaches the output: then the modes with alpha may be, and must
        be where a step fills with what is transparent.

    Examples
    --------
    >>> expected_modes([("resize", {}), ("grayscale", {})])
    ('L',)
    >>> expected_modes([("border", {"width": 5, "color": "transparent"})], keeps_alpha=True)
    ('RGBA', 'LA')
    """
    modes: tuple[str, ...] = ("RGB", "L")
    must = False
    for name, params in steps:
        if name == "call":
            modes, must = ("RGB", "L"), False
        modes = _MODES.get(name, modes)
        fills = name in ("border", "rotate") or (name == "resize" and params.get("fit") == "pad")
        must = must or (fills and params.get("color") == "transparent")
    layered = tuple({"RGB": "RGBA", "L": "LA"}[mode] for mode in modes)
    if not keeps_alpha:
        return modes
    return layered if must else (*modes, *layered)


def expected_size(
    steps: Sequence[tuple[str, Mapping[str, Any]]], source: tuple[int, int] | None
) -> tuple[int, int] | str | None:
    """Size in pixels that an output must have.

    "source" where that has to be known first, None where it cannot be known.

    Examples
    --------
    >>> expected_size([("resize", {"width": 64, "height": 48})], None)
    (64, 48)
    """
    size: tuple[int, int] | str | None = source or "source"
    for name, params in steps:
        if name in ("call", "trim"):
            size = None
        elif name == "resize" and _fills_any_frame(params):
            size = (params["width"], params["height"])
        elif isinstance(size, tuple):
            size = _size_after(name, params, size)
        elif name == "rotate" and reference.quarter_turns(params) is None and _expands(params):
            size = None
    return size


def _fills_any_frame(params: Mapping[str, Any]) -> bool:
    """Whether the result of a resize is its frame, whatever the source."""
    framed = params.get("width") is not None and params.get("height") is not None
    fit = params.get("fit", "stretch")
    never = params.get("upscale") == "never"
    return framed and (fit == "pad" or (fit in ("stretch", "cover") and not never))


def _expands(params: Mapping[str, Any]) -> bool:
    return bool(params.get("expand", True))


def _size_after(
    name: str, params: Mapping[str, Any], size: tuple[int, int]
) -> tuple[int, int] | None:
    if name == "resize":
        return reference.resized(*size, params)
    if name == "border":
        return reference.bordered(*size, params)
    if name == "crop":
        box = reference.cropped(*size, params)
        return None if box is None else (box[2] - box[0], box[3] - box[1])
    if name == "rotate" and _expands(params):
        quarters = reference.quarter_turns(params)
        if quarters is None:
            return None
        return (size[1], size[0]) if quarters % 2 else size
    return size


def upright_size(path: Path) -> tuple[int, int] | None:
    """Width and height of a source after its orientation is applied."""
    try:
        with Image.open(path) as image:
            size = image.size
            if image.format in _ORIENTED_BY_PILLOW:
                return size
            if image.format == "PNG":
                image.load()  # its EXIF may follow the pixels
            swapped = image.getexif().get(_ORIENTATION, 1) in _SWAPPING
    except Exception:  # it decoded before; what is wrong now is another check's matter
        return None
    return (size[1], size[0]) if swapped else size
