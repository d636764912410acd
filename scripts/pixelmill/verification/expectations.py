"""Expectations: what a recipe asks of its outputs, derived from the recipe alone.

Nothing here uses the code that renders images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pixelmill.storage.archives import Place, opened
from pixelmill.verification import expected_geometry, second_sizes
from pixelmill.verification.file_structure import kind_of

#: Number of bytes of a source that are read first; in most JPEGs, everything before the pixels.
_HEAD = 64 * 1024

#: Modes after a step that decides them.
_MODES = {
    "grayscale": ("L", "LA", "I;16"),
    "color_matrix": ("RGB", "RGBA"),
    "sepia": ("RGB", "RGBA"),
    "lookup": ("RGB", "RGBA"),
}

#: Formats without grey, or with palettes only.
_COLORFUL = ("AVIF", "WEBP", "GIF")


class Expectation(NamedTuple):
    """What a recipe asks of an output.

    Attributes
    ----------
    steps : tuple
        Name and parameters of each step.
    format : str
        Pillow's name; empty if the format is that of the source.
    upright : bool
        Whether the picture is turned upright.
    deep : bool
        Whether 16 bits are kept.
    comparable : bool
        Whether a reference can be rendered.
    color, background : str
        As in the recipe.
    moving : bool
        Whether all frames are kept.
    pages : bool
        Whether all pages are kept.
    colors_alpha : bool
        Whether grey with alpha is stored as colours: OpenCV has no such arrays.
    options : mapping
        Of the output.
    keeps_source : bool
        Whether the picture of a source is copied if encoding it again saves too little.
    min_saving : float
        The least saving, in percent.
    most_bytes, least_ssim : float
        What files must reach; infinite and 0 if nothing is asked.
    """

    steps: tuple[tuple[str, Mapping[str, Any]], ...]
    format: str
    upright: bool
    deep: bool
    comparable: bool
    color: str
    background: str
    moving: bool
    pages: bool
    colors_alpha: bool
    options: Mapping[str, Any]
    keeps_source: bool = False
    min_saving: float = 0.0
    most_bytes: float = math.inf
    least_ssim: float = 0.0


def expectations_of(recipe: Mapping[str, Any]) -> dict[str, Expectation]:
    """Return what a recipe asks of each of its outputs, by their names."""
    outputs = recipe.get("outputs") or [{"name": "", **recipe.get("output", {})}]
    upright = recipe.get("orientation", "apply") == "apply"
    found = {}
    for output in outputs:
        steps = tuple(
            name_and_params(step) for step in (*recipe.get("steps", []), *output.get("steps", []))
        )
        format_ = output.get("format", "jpeg").upper()
        target = output.get("target") or {}
        min_saving = float(str(output.get("min_saving", 0)).rstrip("% "))
        found[output["name"]] = Expectation(
            steps=steps,
            format="" if format_ == "SAME" else format_,
            upright=upright,
            deep=recipe.get("depth", 8) == "keep",
            comparable=expected_geometry.can_render(steps),
            color=recipe.get("color", "srgb"),
            background=recipe.get("background", "#ffffff"),
            moving=recipe.get("animation", "first") == "all",
            pages=recipe.get("pages", "first") == "all",
            colors_alpha=recipe.get("backend", "pillow") == "opencv",
            options=output,
            keeps_source=bool(min_saving) or output.get("if_larger") == "keep_source",
            min_saving=min_saving,
            most_bytes=byte_count(target.get("bytes", math.inf)),
            least_ssim=target.get("ssim", 0.0),
        )
    return found


def byte_count(value: str | float) -> float:
    """Return a number of bytes as a recipe may write it.

    Examples
    --------
    >>> byte_count("200k"), byte_count("1.5 MB"), byte_count(300)
    (200000.0, 1500000.0, 300.0)
    """
    text = str(value).removesuffix("B")
    factor = {"k": 1e3, "M": 1e6}.get(text[-1], 1.0)
    return float(text.rstrip("kM ")) * factor


def format_of(source: Place) -> str:
    """Return Pillow's name of the format of an output with `format: same`; empty if unknown."""
    try:
        with opened(source) as file:
            found = kind_of(file.read(_HEAD))
    except OSError:  # another check reports a source that is gone
        return ""
    return {"pnm": "PNG", "ico": "PNG", "heif": "JPEG"}.get(found, found.upper())


def size_of(expectation: Expectation, source: Place) -> tuple[int, int] | None:
    """Return the size in pixels that an output must have; None if it cannot be known."""
    size = expected_size(expectation.steps, None)
    if size == "source":
        size = expected_size(expectation.steps, stored_size(source, expectation.upright))
    return size if isinstance(size, tuple) else None


def name_and_params(step: Any) -> tuple[str, Mapping[str, Any]]:
    """Split a step, as it is written in a recipe, into its name and its parameters."""
    if isinstance(step, str):
        return step, {}
    ((name, params),) = step.items()
    return name, params or {}


#: Modes of outputs, by format.
_FLAT = ("RGB", "L")
_HELD = {
    "JPEG": _FLAT,
    "BMP": _FLAT,
    "GIF": ("P", "L", "RGB", "RGBA"),
    "AVIF": (*_FLAT, "RGBA", "LA"),
    "WEBP": ("RGB", "RGBA"),
}


def expected_modes(expectation: Expectation, source: Place | None = None) -> tuple[str, ...]:
    """Return the modes that an output may have.

    Modes with alpha are possible if the format has alpha, and necessary if a step fills with
    transparency what is still visible in the output.

    Parameters
    ----------
    expectation : Expectation
    source : path or Member, optional
        The source; it decides the format if the recipe does not, and what is visible of a fill.

    Examples
    --------
    >>> gray = {"steps": ["grayscale"], "output": {"format": "png"}}
    >>> expected_modes(expectations_of(gray)[""])
    ('L', 'LA')
    """
    format_ = expectation.format or (format_of(source) if source else "")
    held = _HELD.get(format_, (*_FLAT, "RGBA", "LA", "P"))
    if expectation.deep:
        held = (*held, "I;16")
    if expectation.keeps_source and format_ == "PNG":
        held = (*held, "1")
    modes = held
    for name, _ in expectation.steps:
        if name == "call":
            modes = held
        elif name in _MODES and format_ not in _COLORFUL:
            known = (*_MODES[name], *(("RGBA",) if expectation.colors_alpha else ()))
            modes = tuple(mode for mode in held if mode in known)
    layered = tuple(mode for mode in modes if mode in ("RGBA", "LA"))
    if not layered or format_ == "GIF" or not _shows_a_gap(expectation.steps, source):
        return modes  # Pillow opens a GIF with its palette, with or without a transparent colour
    return layered


def _shows_a_gap(steps: Sequence[tuple[str, Mapping[str, Any]]], source: Place | None) -> bool:
    """Whether something transparent that a step adds is certainly visible after the last step."""
    clears = [place for place, (_, params) in enumerate(steps) if _is_clear(params)]
    if not clears:
        return False
    size, seen = stored_size(source) if source else None, False
    for place, (name, params) in enumerate(steps):
        if name in _CUTTING or (name == "resize" and params.get("fit") == "cover"):
            seen = False
        if place in clears and _shows_fill(name, params, expected_size(steps[:place], size)):
            seen = True
    return seen


#: Steps that may cut off what is transparent, or put something in its place.
_CUTTING = ("call", "crop", "trim")


def _is_clear(params: Mapping[str, Any]) -> bool:
    return params.get("color") == "transparent"


def _shows_fill(name: str, params: Mapping[str, Any], size: tuple[int, int] | str | None) -> bool:
    """Whether a step certainly fills something around a picture of a size."""
    if name == "border":
        return any(expected_geometry.sides(params))
    if not isinstance(size, tuple):
        return False
    if name == "resize" and params.get("fit") == "pad":
        frame = params["width"], params["height"]
        return expected_geometry.resampled(*size, params) != frame
    if name == "rotate":
        quarters = expected_geometry.quarter_turns(params)
        if quarters is not None:
            return quarters % 2 == 1 and not _expands(params) and size[0] != size[1]
        # A smaller turn may leave every pixel at the corners half covered.
        return max(size) * abs(math.sin(math.radians(params["angle"]))) >= _VISIBLE
    return False


#: How far a turn must move the corners to leave pixels that are fully transparent.
_VISIBLE = 4


def expected_size(
    steps: Sequence[tuple[str, Mapping[str, Any]]], source: tuple[int, int] | None
) -> tuple[int, int] | str | None:
    """Return the size in pixels that an output must have.

    It is "source" if the size of the source has to be known first, and None if it cannot be
    known.

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
    """Whether the result of a resize has the size of its frame for every source."""
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


def stored_size(place: Place, upright: bool = True) -> tuple[int, int] | None:
    """Return width and height of a source as verification sees it; None if they are unknown.

    By default, they are those of the picture turned upright.
    """
    try:
        with opened(place) as file:
            data = file.read(_HEAD)
            if not second_sizes.tells_size(data):
                data += file.read()
    except OSError:  # another check reports a source that is gone
        return None
    return second_sizes.size_of(data, upright)


def swaps_sides(place: Place) -> bool:
    """Whether turning a source upright swaps its width and height."""
    return stored_size(place) != stored_size(place, upright=False)
