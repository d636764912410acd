"""Overlays: steps that put something over the picture."""

from __future__ import annotations

import functools
import io
from collections.abc import Mapping
from typing import Any

from PIL import Image

from pixelmill.core import regular_files
from pixelmill.imaging.codecs.formats import SNIFF_BYTES, dimensions, sniff
from pixelmill.imaging.parameters import Choice, Color, File, Flag, Number, Size, Text
from pixelmill.imaging.steps import canvas, lettering
from pixelmill.imaging.steps.registry import IN_COLOR, step
from pixelmill.imaging.steps.resampling import resample


@step("color_only", examples=[{"strength": 0.9}], strength=Number(0, 1, 0.5))
def vignette(image: Image.Image, *, strength: float) -> Image.Image:
    """Darken towards the corners, with the square of the distance to the centre.

    Parameters
    ----------
    strength : float
        Share of the light that the corners lose, from 0 to 1.
    """
    import numpy as np

    across, down = (np.linspace(-1, 1, side + 2)[1:-1] ** 2 for side in image.size)
    light = 1 - strength * (across + down[:, None]) / 2
    mask = Image.fromarray(np.rint(255 * light).astype(np.uint8))
    return Image.composite(image, Image.new(image.mode, image.size), mask)


#: Formats of images that are put over others: those whose headers tell their size.
_FORMATS = ("png", "jpeg", "webp", "gif", "bmp")

#: Largest size of such an image, in bytes and in pixels.
_MOST_BYTES = 64 * 2**20
_MOST_PIXELS = 4096 * 4096


def check_image(path: str) -> bytes:
    """Check an image that is put over others by its header, and return the content of its file.

    It is not decoded: the process that reads recipes is not confined.

    Raises
    ------
    ValueError
        If the file is missing, is no such image or is too large; the message completes
        "give ...".
    """
    try:
        data = regular_files.content(path, _MOST_BYTES)
    except OSError as error:
        raise ValueError(f"an image; '{path}': {error.strerror or error}") from error
    head = data[:SNIFF_BYTES]
    name = sniff(head)
    if name not in _FORMATS:
        raise ValueError(f"a PNG, JPEG, WebP, GIF or BMP image; '{path}' is none")
    width, height = dimensions(io.BytesIO(data), head, name)
    if not 0 < width * height <= _MOST_PIXELS:
        raise ValueError(
            f"an image of at most {_MOST_PIXELS:,} pixels; '{path}' has {width} x {height}"
        )
    return data


@functools.lru_cache(maxsize=8)
def _read_once(path: str) -> Image.Image:
    with Image.open(io.BytesIO(check_image(path)), formats=_FORMATS) as image:
        return image.convert("RGBA")


def _check_watermark(params: Mapping[str, Any]) -> None:
    if (params["text"] is None) == (params["image"] is None):
        raise ValueError("either text or image")
    if params["text"] is not None:
        lettering.check_text(params["text"], params["font"] or lettering.FONT)


@step(
    "any_mode",
    check=_check_watermark,
    mode_effect="by_parameters",
    examples=[{"text": "© pixelmill", "size": 0.5, "opacity": 0.8}],
    text=Text(None),
    image=File("an image", check_image, None),
    gravity=Choice(tuple(canvas.GRAVITIES), "bottom_right"),
    opacity=Number(0, 1, 0.5),
    size=Number(0.01, 1, 0.25),
    margin=Number(0, 0.5, 0.02),
    color=Color("#ffffff"),
    font=File("a TrueType or OpenType font", lettering.check_font, None),
    outline=Flag(True),
)
def watermark(
    picture: Image.Image,
    *,
    text: str | None,
    image: str | None,
    gravity: str,
    opacity: float,
    size: float,
    margin: float,
    color: str,
    font: str | None,
    outline: bool,
) -> Image.Image:
    """Put a text or an image over the picture.

    Parameters
    ----------
    text : str, optional
        The text of the mark, in one or several lines. Arabic, Hebrew and combining marks need
        FriBiDi, which Pillow loads if it is installed.
    image : str, optional
        An image file, beside the recipe; its transparency is applied.
    gravity : str
        Position of the mark.
    opacity : float
        From 0, which is invisible, to 1.
    size : float
        Width of the mark, as a fraction of the picture's width; less if it would be too high.
    margin : float
        Distance to the picture's edges, as a fraction of its shorter side.
    color : str
        Colour of the text.
    font : str, optional
        A font file, beside the recipe. The built-in one, DejaVu Sans, has Latin, Greek, Cyrillic,
        Arabic, Armenian and Georgian letters.
    outline : bool
        Whether the text has a thin rim, black or white, so that it is readable on any background.
    """

    def made(width: int) -> Image.Image:
        if image is not None:
            return _image(image, width)
        return lettering.draw(text or "", width, color, font, outline)

    edge = round(margin * min(picture.size))
    frame: Size = (picture.width - 2 * edge, picture.height - 2 * edge)
    width = max(1, round(size * picture.width))
    mark = made(width)
    while mark.height > frame[1] > 0 and width > 1:
        width = max(1, width * frame[1] // mark.height)
        mark = made(width)
    mark.putalpha(mark.getchannel("A").point([round(opacity * k) for k in range(256)]))
    left, top = canvas.offset(frame, mark.size, gravity)
    return _over(picture, mark, left + edge, top + edge)


def _image(path: str, width: int) -> Image.Image:
    mark = _read_once(path)
    height = max(1, round(mark.height * width / mark.width))
    return resample(mark, (width, height), "lanczos", (0, 0, *mark.size), vectors=False)


def _over(picture: Image.Image, mark: Image.Image, left: int, top: int) -> Image.Image:
    if picture.mode in IN_COLOR and _is_colored(mark):
        picture = picture.convert(IN_COLOR[picture.mode])
    made = picture.copy()
    if picture.mode in ("RGB", "L"):
        made.paste(mark.convert(picture.mode), (left, top), mask=mark)
    else:
        below = picture.crop((left, top, left + mark.width, top + mark.height))
        made.paste(Image.alpha_composite(below, mark.convert(picture.mode)), (left, top))
    return made


def _is_colored(mark: Image.Image) -> bool:
    """Whether a mark has visible colours."""
    import numpy as np

    colors = np.asarray(mark.convert("RGBa"))[..., :3]
    return bool((colors != colors[..., :1]).any())
