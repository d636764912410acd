"""Geometry: steps that crop, rotate, flip and frame the picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from PIL import Image

from pixelmill.imaging.arrays import opencv
from pixelmill.imaging.parameters import Choice, Color, Flag, Integer, Number, Sides, Size
from pixelmill.imaging.steps import canvas
from pixelmill.imaging.steps.alpha import mixed
from pixelmill.imaging.steps.registry import MAX_SIDE, WITH_ALPHA, step

_HALF = Fraction(1, 2)

#: Clockwise quarter turns by their angle.
_QUARTERS = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}

_DIRECTIONS = {
    "horizontal": Image.Transpose.FLIP_LEFT_RIGHT,
    "vertical": Image.Transpose.FLIP_TOP_BOTTOM,
    "both": Image.Transpose.ROTATE_180,
}


def _check_crop(params: Mapping[str, Any]) -> None:
    given = {key: params[key] for key in ("width", "height", "left", "top")}
    given = {key: value for key, value in given.items() if value is not None}
    if not given:
        raise ValueError("width, height, left or top")
    for key, value in given.items():
        if params["unit"] == "pixels" and value != int(value):
            raise ValueError(f"{key} in whole pixels, or unit: percent")
        if params["unit"] == "percent" and value > 100:
            raise ValueError(f"{key} as 100 percent at most")
        if key in ("width", "height") and value == 0:
            raise ValueError(f"{key} as more than 0")


@step(
    "any_mode",
    check=_check_crop,
    size_effect="by_parameters",
    examples=[
        {"width": 120, "height": 90},
        {"width": 50, "height": 50, "unit": "percent", "gravity": "top_right"},
    ],
    deep=True,
    width=Number(0, MAX_SIDE, None),
    height=Number(0, MAX_SIDE, None),
    left=Number(0, MAX_SIDE, None),
    top=Number(0, MAX_SIDE, None),
    gravity=Choice(tuple(canvas.GRAVITIES), "center"),
    unit=Choice(("pixels", "percent"), "pixels"),
)
def crop(
    image: Image.Image,
    *,
    width: float | None,
    height: float | None,
    left: float | None,
    top: float | None,
    gravity: str,
    unit: str,
) -> Image.Image:
    """Crop to a rectangle; a part of it that lies outside the image is ignored.

    Percentages are rounded to the nearest pixel, halves up. A side has at least one pixel.

    Parameters
    ----------
    width : float, optional
        Width of the rectangle, in `unit`; if missing, everything to the right of `left`.
    height : float, optional
        Height of the rectangle, in `unit`; if missing, everything below `top`.
    left : float, optional
        First column that is kept, in `unit`, counted from 0; if missing, `gravity` decides.
    top : float, optional
        First row that is kept, in `unit`, counted from 0; if missing, `gravity` decides.
    gravity : str
        The part of the image that is kept.
    unit : str
        Pixels, or percent of the image's width and height.
    """
    across, down = canvas.GRAVITIES[gravity]
    first, last = _span(image.width, left, width, across, unit, "left", "wide")
    upper, lower = _span(image.height, top, height, down, unit, "top", "high")
    return image.crop((first, upper, last, lower))


def _span(
    whole: int,
    start: float | None,
    length: float | None,
    gravity: float,
    unit: str,
    name: str,
    adjective: str,
) -> tuple[int, int]:
    """Return the first pixel of a side that is kept, and the one after the last."""

    def rounded(*parts: float) -> int:
        total = sum(Fraction(str(part)) for part in parts)  # decimal, so that halves stay exact
        return math.floor(total * (Fraction(whole, 100) if unit == "percent" else 1) + _HALF)

    if start is None:
        size = whole if length is None else max(1, rounded(length))
        begin = int((whole - min(size, whole)) * gravity // 1)
    else:
        begin = rounded(start)
        if unit == "percent" and start < 100:
            begin = min(begin, whole - 1)  # rounding may lead beyond the last pixel
        end = whole if length is None else rounded(start, length)
        size = max(1, end - begin)
    if begin >= whole:
        raise ValueError(
            f"nothing is left: {name} is {begin}, the image {whole} pixels {adjective}"
        )
    return begin, min(whole, begin + size)


@step(
    "any_mode",
    size_effect="by_parameters",
    mode_effect="by_parameters",
    examples=[{"angle": 90}, {"angle": 15}, {"angle": 15, "expand": False}],
    deep=True,
    angle=Number(-360, 360),
    expand=Flag(True),
    color=Color("#ffffff", also=("transparent",)),
)
def rotate(image: Image.Image, *, angle: float, expand: bool, color: str) -> Image.Image:
    """Rotate clockwise; quarter turns move pixels without changing them.

    Parameters
    ----------
    angle : float
        Angle in degrees, clockwise.
    expand : bool
        Enlarge the frame so that nothing is cut off; otherwise the frame keeps its size, and
        the picture is rotated about its centre.
    color : str
        The colour of the corners; with ``transparent``, the result has alpha.
    """
    quarters = angle % 360
    if quarters in (0, *_QUARTERS):
        turned = image.transpose(_QUARTERS[int(quarters)]) if quarters else image
        if expand or turned.size == image.size:
            return canvas.place(turned, turned.size, 0, 0, color)
        place = canvas.offset(image.size, turned.size, "center")
        return canvas.place(turned, image.size, *place, color)
    return _turn(image, angle, expand, color)


def _turn(image: Image.Image, angle: float, expand: bool, color: str) -> Image.Image:
    mode = canvas.mode_on(image.mode, color)
    if image.mode == "I;16":
        return _turn_deep(image, angle, expand, color)
    turned = _turned(image, angle, expand)
    if color == "transparent":
        return turned
    made = canvas.new(mode, turned.size, color)
    turned = turned.convert(WITH_ALPHA.get(mode, mode))
    if turned.mode == mode:
        return Image.alpha_composite(made, turned)
    made.paste(turned.convert(mode), mask=turned)
    return made


def _turned(image: Image.Image, angle: float, expand: bool) -> Image.Image:
    """Rotate an image with bicubic interpolation; the result has alpha and smooth edges."""
    import numpy as np

    def turn(channels: Any) -> Image.Image:
        turned = Image.fromarray(channels).rotate(-angle, Image.Resampling.BICUBIC, expand=expand)
        return turned.crop((1, 1, turned.width - 1, turned.height - 1))

    # A transparent seam of one pixel is mixed with the outermost pixels.
    pixels = np.asarray(image)
    seam = ((1, 1), (1, 1))
    if image.mode in WITH_ALPHA:
        made = turn(np.pad(pixels, (*seam, (0, 0))[: pixels.ndim], "edge"))
        made.putalpha(turn(np.pad(np.full(pixels.shape[:2], 255, np.uint8), seam)))
        return made
    *colors, alpha = (np.pad(channel, seam) for channel in opencv().split(pixels))
    part = alpha.astype(np.float32) / 255
    *colors, alpha = mixed(colors, part, lambda channel: np.asarray(turn(channel)))
    levels = np.stack([*colors, alpha * 255], axis=-1)
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def _turn_deep(image: Image.Image, angle: float, expand: bool, color: str) -> Image.Image:
    """Rotate 16-bit grey as floats, because Pillow interpolates its bytes separately."""
    import numpy as np

    floats = Image.fromarray(np.asarray(image).astype(np.float32))
    fill = canvas.new(image.mode, (1, 1), color).getpixel((0, 0))
    turned = floats.rotate(-angle, Image.Resampling.BICUBIC, expand=expand, fillcolor=fill)
    return Image.fromarray(np.rint(np.clip(np.asarray(turned), 0, 65535)).astype(np.uint16))


@step(
    "any_mode",
    examples=[{"direction": "horizontal"}, {"direction": "vertical"}],
    deep=True,
    direction=Choice(tuple(_DIRECTIONS), "horizontal"),
)
def flip(image: Image.Image, *, direction: str) -> Image.Image:
    """Mirror the picture.

    Parameters
    ----------
    direction : str
        ``horizontal`` swaps left and right, ``vertical`` top and bottom, ``both`` does both.
    """
    return image.transpose(_DIRECTIONS[direction])


@step(
    "any_mode",
    size_effect="by_content",
    subject="scanned",
    deep=True,
    opencv=True,
    tolerance=Integer(0, 255, 10),
)
def trim(image: Image.Image, *, tolerance: int) -> Image.Image:
    """Remove a border that has the colour of the top left corner.

    A picture of one colour stays as it is. All fully transparent pixels count as one colour.

    Parameters
    ----------
    tolerance : int
        Largest difference of each channel from the corner, in levels of 0..255.
    """
    import numpy as np

    cv2 = opencv()
    seen = {"RGBA": "RGBa", "LA": "La"}.get(image.mode, image.mode)
    pixels = np.asarray(image.convert(seen))
    corner = np.atleast_1d(pixels[0, 0]).astype(int)
    most = tolerance * (257 if image.mode == "I;16" else 1)
    same = cv2.inRange(pixels, corner - most, corner + most)
    left, top, width, height = cv2.boundingRect(cv2.bitwise_not(same))
    return image.crop((left, top, left + width, top + height)) if width else image


@step(
    "any_mode",
    size_effect="by_parameters",
    mode_effect="by_parameters",
    examples=[{"width": 12, "color": "black"}, {"width": [0, 0, 40, 0]}],
    deep=True,
    width=Sides(10_000),
    color=Color("#ffffff", also=("transparent",)),
)
def border(image: Image.Image, *, width: tuple[int, ...], color: str) -> Image.Image:
    """Add a border around the picture.

    Parameters
    ----------
    width : int or list of int
        Width in pixels of all sides, or of top, right, bottom and left.
    color : str
        Colour of the border; with ``transparent``, the result has alpha.
    """
    top, right, bottom, left = width
    frame: Size = (image.width + left + right, image.height + top + bottom)
    return canvas.place(image, frame, left, top, color)
