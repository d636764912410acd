"""Canvas: the position of a picture in a frame, and what surrounds it."""

from __future__ import annotations

from PIL import Image, ImageColor

from pixelmill.imaging.parameters import Size
from pixelmill.imaging.steps.registry import IN_COLOR, WITH_ALPHA

#: Fractions of the free space to the left of a picture and above it.
GRAVITIES = {
    "center": (0.5, 0.5),
    "top": (0.5, 0.0),
    "bottom": (0.5, 1.0),
    "left": (0.0, 0.5),
    "right": (1.0, 0.5),
    "top_left": (0.0, 0.0),
    "top_right": (1.0, 0.0),
    "bottom_left": (0.0, 1.0),
    "bottom_right": (1.0, 1.0),
}


def offset(frame: Size, size: Size, gravity: str) -> Size:
    """Left and top edge of a picture in a frame, in pixels, rounded down.

    They are negative if the picture is larger than the frame.

    Examples
    --------
    >>> offset((100, 100), (61, 20), "top")
    (19, 0)
    """
    across, down = GRAVITIES[gravity]
    return int((frame[0] - size[0]) * across // 1), int((frame[1] - size[1]) * down // 1)


def mode_on(mode: str, color: str) -> str:
    """Mode of a picture on a colour: with alpha if it is transparent, RGB unless it is grey.

    Raises
    ------
    ValueError
        If the picture is 16-bit grey, which Pillow cannot hold with colour or alpha.

    Examples
    --------
    >>> mode_on("L", "#ff0000"), mode_on("LA", "#808080"), mode_on("RGB", "transparent")
    ('RGB', 'LA', 'RGBA')
    """
    if color != "transparent" and is_gray(color):
        return mode
    if mode == "I;16":
        held = "transparency" if color == "transparent" else f"the colour {color}"
        raise ValueError(f"16-bit grey cannot hold {held}; set depth: 8")
    return (WITH_ALPHA if color == "transparent" else IN_COLOR).get(mode, mode)


def is_gray(color: str) -> bool:
    """Whether a colour, ``#rrggbb``, is a grey."""
    return len(set(ImageColor.getrgb(color))) == 1


def new(mode: str, size: Size, color: str) -> Image.Image:
    """Create a canvas of one colour: ``#rrggbb`` or ``transparent``."""
    if color == "transparent":
        return Image.new(mode, size)
    if mode == "I;16":
        return Image.new(mode, size, ImageColor.getcolor(color, "L") * 257)  # 255 * 257 = 65535
    return Image.new(mode, size, ImageColor.getcolor(color, mode))


def place(image: Image.Image, frame: Size, left: int, top: int, color: str) -> Image.Image:
    """Put an image, with its alpha, into a frame of a colour; crop what exceeds the frame.

    A grey image stays grey if the colour is grey or is not visible.
    """
    if color != "transparent" and image.size == frame and not left and not top:
        return image
    mode = mode_on(image.mode, color)
    canvas = new(mode, frame, color)
    canvas.paste(image.convert(mode), (left, top))
    return canvas
