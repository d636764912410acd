"""Expected geometry: the sizes and positions that a recipe asks for, in exact fractions.

Nothing here uses the code that renders images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

_HALF = Fraction(1, 2)

#: Steps for which a reference can be rendered.
KNOWN_STEPS = ("resize", "crop", "rotate", "flip", "border", "grayscale")


def can_render(steps: Sequence[tuple[str, Mapping[str, Any]]]) -> bool:
    """Whether a reference exists for these steps: at most one resize, and quarter turns only."""
    names = [name for name, _ in steps]
    if not all(name in KNOWN_STEPS for name in names) or names.count("resize") > 1:
        return False
    return all(quarter_turns(params) is not None for name, params in steps if name == "rotate")


def resized(columns: int, rows: int, params: Mapping[str, Any]) -> tuple[int, int]:
    """Return the width and height that `resize` must give to an image.

    Examples
    --------
    >>> resized(4000, 3000, {"longest": 300})
    (300, 225)
    """
    if params.get("fit") == "pad":
        return params["width"], params["height"]
    return resampled(columns, rows, params)


def resampled(columns: int, rows: int, params: Mapping[str, Any]) -> tuple[int, int]:
    """Return width and height of the picture itself, without the padding of `pad`."""
    across, down = scales(columns, rows, params)
    size = math.floor(columns * across + _HALF), math.floor(rows * down + _HALF)
    if params.get("fit") == "cover":
        size = min(size[0], params["width"]), min(size[1], params["height"])
    return max(1, size[0]), max(1, size[1])


def scales(columns: int, rows: int, params: Mapping[str, Any]) -> tuple[Fraction, Fraction]:
    """Return the factors by which `resize` scales width and height of the picture itself."""
    asked = {key: value for key, value in params.items() if value is not None}
    fit = asked.get("fit", "stretch")
    found = []
    if "width" in asked:
        found.append(Fraction(asked["width"], columns))
    if "height" in asked:
        found.append(Fraction(asked["height"], rows))
    if "percent" in asked:
        found.append(Fraction(str(asked["percent"])) / 100)
    if "longest" in asked:
        found.append(Fraction(asked["longest"], max(columns, rows)))
    if "shortest" in asked:
        found.append(Fraction(asked["shortest"], min(columns, rows)))
    if fit in ("contain", "inside", "pad"):
        found = [min(found)]
    elif fit in ("cover", "outside"):
        found = [max(found)]
    if asked.get("upscale") == "never":
        found = [min(scale, Fraction(1)) for scale in found]
    return found[0], found[-1]


def gravity(params: Mapping[str, Any]) -> tuple[Fraction, Fraction]:
    """Return the shares of the free space to the left and above."""
    name = params.get("gravity", "center")
    across = 0 if "left" in name else 1 if "right" in name else _HALF
    down = 0 if "top" in name else 1 if "bottom" in name else _HALF
    return Fraction(across), Fraction(down)


def cropped(columns: int, rows: int, params: Mapping[str, Any]) -> tuple[int, int, int, int] | None:
    """Return left, top, right and bottom of the part that `crop` keeps; None if it is empty."""
    across, down = gravity(params)
    unit = params.get("unit", "pixels")
    x = _kept(columns, params.get("left"), params.get("width"), across, unit)
    y = _kept(rows, params.get("top"), params.get("height"), down, unit)
    return (x[0], y[0], x[1], y[1]) if x and y else None


def _kept(
    side: int, start: Any, length: Any, gravity: Fraction, unit: str
) -> tuple[int, int] | None:
    part = Fraction(side, 100) if unit == "percent" else Fraction(1)

    def pixels(value: Fraction) -> int:
        return math.floor(value * part + _HALF)

    if start is None:
        size = side if length is None else min(side, max(1, pixels(Fraction(str(length)))))
        first = int((side - size) * gravity)
        return first, first + size
    begin = Fraction(str(start))
    if begin * part >= side:
        return None
    first = min(pixels(begin), side - 1)
    last = side if length is None else pixels(begin + Fraction(str(length)))
    return first, min(side, max(last, first + 1))


def quarter_turns(params: Mapping[str, Any]) -> int | None:
    """Return the number of quarter turns clockwise, 0 to 3; None for other angles."""
    quarters, rest = divmod(Fraction(str(params["angle"])), 90)
    return None if rest else int(quarters % 4)


def bordered(columns: int, rows: int, params: Mapping[str, Any]) -> tuple[int, int]:
    """Return width and height of an image with its border."""
    top, right, bottom, left = sides(params)
    return columns + left + right, rows + top + bottom


def sides(params: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Return the widths of a border in pixels: top, right, bottom and left."""
    width = params["width"]
    top, right, bottom, left = [width] * 4 if isinstance(width, int) else width
    return top, right, bottom, left
