"""Expectations: what a recipe asks of its outputs, read off the recipe alone.

Nothing here uses the code that makes images.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pixelmill.core.regular_files import opened
from pixelmill.verification import expected_geometry, reference, second_sizes
from pixelmill.verification.file_structure import kind_of

#: Bytes of a source that are read first: of most JPEGs, all that stands before the pixels.
_HEAD = 64 * 1024

#: Modes that a step leaves, where it does not leave them to the image.
_MODES = {
    "grayscale": ("L", "LA", "I;16"),
    "color_matrix": ("RGB", "RGBA"),
    "sepia": ("RGB", "RGBA"),
    "lookup": ("RGB", "RGBA"),
}

#: Formats that hold no grey, or nothing but palettes.
_COLORFUL = ("AVIF", "WEBP", "GIF")


class Expectation(NamedTuple):
    """What a recipe demands of an output.

    `format` is Pillow's name, empty if it is that of the source; `upright` tells whether the
    source is turned, `moving` whether all frames are kept, `comparable` whether a reference
    can be rendered; `options` are those of the output.
    """

    steps: tuple[tuple[str, Mapping[str, Any]], ...]
    format: str
    upright: bool
    deep: bool
    comparable: bool
    color: str
    background: str
    moving: bool
    options: Mapping[str, Any]


def expectations_of(recipe: Mapping[str, Any]) -> dict[str, Expectation]:
    """What a recipe demands, by the names of its outputs."""
    outputs = recipe.get("outputs") or [{"name": "", **recipe.get("output", {})}]
    upright = recipe.get("orientation", "apply") == "apply"
    found = {}
    for output in outputs:
        steps = tuple(
            name_and_params(step) for step in (*recipe.get("steps", []), *output.get("steps", []))
        )
        format_ = output.get("format", "jpeg").upper()
        found[output["name"]] = Expectation(
            steps=steps,
            format="" if format_ == "SAME" else format_,
            upright=upright,
            deep=recipe.get("depth", 8) == "keep",
            comparable=reference.can_render(steps),
            color=recipe.get("color", "srgb"),
            background=recipe.get("background", "#ffffff"),
            moving=recipe.get("animation", "first") == "all",
            options=output,
        )
    return found


def format_of(source: Path) -> str:
    """Pillow's name for the format that an output of the source's own has; empty if unknown."""
    try:
        with os.fdopen(opened(os.fspath(source)), "rb") as file:
            found = kind_of(file.read(_HEAD))
    except OSError:  # it was there before; what is wrong now is another check's matter
        return ""
    return {"pnm": "PNG", "ico": "PNG", "heif": "JPEG"}.get(found, found.upper())


def size_of(expectation: Expectation, source: Path) -> tuple[int, int] | None:
    """Size in pixels that an output of a source must have; None where nobody can know."""
    size = expected_size(expectation.steps, None)
    if size == "source":
        size = expected_size(expectation.steps, stored_size(source, expectation.upright))
    return size if isinstance(size, tuple) else None


def name_and_params(step: Any) -> tuple[str, Mapping[str, Any]]:
    """Split a step as a recipe writes it."""
    if isinstance(step, str):
        return step, {}
    ((name, params),) = step.items()
    return name, params or {}


#: Modes of an output, by what its format holds.
_FLAT = ("RGB", "L")
_HELD = {
    "JPEG": _FLAT,
    "BMP": _FLAT,
    "GIF": ("P", "L", "RGB", "RGBA"),
    "AVIF": (*_FLAT, "RGBA", "LA"),
    "WEBP": ("RGB", "RGBA"),
}


def expected_modes(expectation: Expectation) -> tuple[str, ...]:
    """Modes that an output may have.

    Those with alpha may be where the format holds it, and must be where a step fills
    with what is transparent.

    Examples
    --------
    >>> gray = {"steps": ["grayscale"], "output": {"format": "png"}}
    >>> expected_modes(expectations_of(gray)[""])
    ('L', 'LA')
    """
    held = _HELD.get(expectation.format, (*_FLAT, "RGBA", "LA", "P"))
    if expectation.deep:
        held = (*held, "I;16")
    modes, must = held, False
    for name, params in expectation.steps:
        if name == "call":
            modes, must = held, False
        elif name in _MODES and expectation.format not in _COLORFUL:
            modes = tuple(mode for mode in held if mode in _MODES[name])
        fills = name in ("border", "rotate") or (name == "resize" and params.get("fit") == "pad")
        must = must or (fills and params.get("color") == "transparent")
    layered = tuple(mode for mode in modes if mode in ("RGBA", "LA"))
    return layered if must and layered else modes


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
        elif (
            name == "rotate"
            and expected_geometry.quarter_turns(params) is None
            and _expands(params)
        ):
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
        return expected_geometry.resized(*size, params)
    if name == "border":
        return expected_geometry.bordered(*size, params)
    if name == "crop":
        box = expected_geometry.cropped(*size, params)
        return None if box is None else (box[2] - box[0], box[3] - box[1])
    if name == "rotate" and _expands(params):
        quarters = expected_geometry.quarter_turns(params)
        if quarters is None:
            return None
        return (size[1], size[0]) if quarters % 2 else size
    return size


def stored_size(path: Path, upright: bool = True) -> tuple[int, int] | None:
    """Width and height of a source as verification sees it; None if they cannot be told.

    By default they are those of the picture when it is turned upright.
    """
    try:
        with os.fdopen(opened(os.fspath(path)), "rb") as file:
            data = file.read(_HEAD)
            if not second_sizes.tells_size(data):
                data += file.read()
    except OSError:  # it was there before; what is wrong now is another check's matter
        return None
    return second_sizes.size_of(data, upright)


def swaps_sides(path: Path) -> bool:
    """Whether a source is seen with width and height swapped."""
    return stored_size(path) != stored_size(path, upright=False)
