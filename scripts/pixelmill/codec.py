"""Open and save: orientation, alpha, modes, limits, shrink-on-load.

Whatever decodes becomes an upright RGB or L image. Only this module and
`pixelmill.operations` know Pillow.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, TypeAlias

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    ImageCms,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
    features,
)

from pixelmill.errors import ImageError
from pixelmill.formats import SNIFF_BYTES, sniff
from pixelmill.limits import Limits
from pixelmill.operations import Box, Size

#: EXIF tag of the orientation, and the values of it that swap width and height.
_ORIENTATION = 0x0112
_SWAPPING = (5, 6, 7, 8)

#: Importing a plugin registers it; Pillow's own search would load all of them.
PLUGINS = (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

_ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")
_DEEP_GRAY = ("I;16", "I;16L", "I;16B", "I;16N")
_UNSUPPORTED = re.compile(r"not available|unsupported|not supported|not implemented|unknown", re.I)
_TRUNCATED = re.compile(r"truncated|unexpected end|not enough|premature", re.I)

#: Tells the size that a source of a given size will be scaled to, in pixels.
Target: TypeAlias = Callable[[Size], tuple[float, float]]

warnings.filterwarnings("ignore", module=r"PIL\.")  # what matters arrives as an outcome


@dataclass
class Decoded:
    """An image in memory.

    Attributes
    ----------
    image : PIL.Image.Image
        Upright, RGB or L.
    box : tuple of float or None
        The region of `image` that holds the picture, where a shrunken decode
        rounded its size up.
    pixels : int
        Of the source as stored.
    profile : bytes or None
        ICC profile that still describes `image`.
    """

    image: Image.Image
    box: Box | None
    pixels: int
    profile: bytes | None


def decode(
    data: bytes,
    target: Target | None = None,
    margin: float = 0.0,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Decoded:
    """Decode the first frame of an image file, upright, as RGB or L.

    Parameters
    ----------
    data : bytes
        The file.
    target : callable, optional
        Given the size of the upright image, the size it will be scaled to first.
    margin : float
        A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, as long as that stays
        this many times larger than the target; 0 always decodes in full.
    limits : Limits
        What is refused before it is decoded.

    Raises
    ------
    ImageError
        In stage ``decode``, with the reason.
    MemoryError
        If there is not enough.
    """
    kind = sniff(data[:SNIFF_BYTES])
    if kind is None:
        message = "the content is of no known image format" if data else "the file is empty"
        raise ImageError("decode", "not_an_image", message)
    limits.check_file(len(data), kind)
    # What hides inside a file, as the frames of a GIF, is held to twice of this by Pillow.
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    try:
        return _decode(data, kind, target, margin, limits)
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        message = f"{error} (limits.max_pixels = {limits.max_pixels:,})"
        raise ImageError("decode", "too_large", message) from error
    except UnidentifiedImageError as error:
        message = f"{kind.upper()} data that Pillow cannot identify"
        lacking = kind == "avif" and not features.check("avif")
        raise ImageError("decode", "unsupported" if lacking else "corrupt", message) from error
    except Exception as error:  # Pillow's plugins raise anything on broken files
        reason = _reason(error)
        raise ImageError("decode", reason, f"{type(error).__name__}: {error}") from error


def _decode(
    data: bytes, kind: str, target: Target | None, margin: float, limits: Limits
) -> Decoded:
    image: Image.Image
    with Image.open(io.BytesIO(data), formats=(kind.upper(),)) as image:
        pixels = image.width * image.height
        limits.check_header(*image.size, _frames(image))
        box = None
        if target is not None and margin and image.format in ("JPEG", "MPO"):
            box = shrink(image, target, margin)
        image.load()
        profile = image.info.get("icc_profile")
        orientation = image.getexif().get(_ORIENTATION, 1)
        if orientation in range(2, 9):
            if box is not None:
                box = _transposed(box, image.size, orientation)
            image = ImageOps.exif_transpose(image)
        image = to_rgb_or_l(image)
    image.info = {}
    return Decoded(image, box, pixels, profile if _describes(profile, image) else None)


def _frames(image: Image.Image) -> int:
    """Count frames where a file may hold a flood of them."""
    if image.format not in _ANIMATED:
        return 1
    try:
        return getattr(image, "n_frames", 1)
    except Exception:  # a later frame is broken; only the first one is used
        return 1


def shrink(image: Any, target: Target, margin: float) -> Box | None:
    """Have libjpeg decode at a fraction of the size, where that cannot be seen.

    Parameters
    ----------
    image : PIL.JpegImagePlugin.JpegImageFile
        Opened and not loaded.
    target, margin
        As for `decode`.

    Returns
    -------
    tuple of float or None
        The region of the image to be decoded that holds the picture, where rounding
        made it larger.
    """
    upright: Size = image.size
    swapped = image.getexif().get(_ORIENTATION, 1) in _SWAPPING
    if swapped:
        upright = (upright[1], upright[0])
    width, height = target(upright)
    if swapped:
        width, height = height, width
    least = (max(1, math.ceil(width * margin)), max(1, math.ceil(height * margin)))
    drafted = image.draft(None, least)
    if drafted is None:
        return None
    box: Box = drafted[1]
    return None if box == (0, 0, *image.size) else box


def _transposed(box: Box, size: Size, orientation: int) -> Box:
    """Follow a region through the transposition that an orientation asks for."""
    left, top, right, bottom = box
    width, height = size
    if orientation in (2, 3, 7, 8):
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    return (top, left, bottom, right) if orientation in _SWAPPING else (left, top, right, bottom)


def to_rgb_or_l(image: Image.Image) -> Image.Image:
    """Turn any mode into RGB or L; what is transparent shows white.

    16-bit grey is scaled to 8 bits, not clipped. 32-bit grey is taken as 16-bit
    where it exceeds 255; floating-point grey as 0..1 where nothing exceeds 1.
    """
    mode = image.mode
    transparent = image.info.get("transparency")
    if mode in _DEEP_GRAY and isinstance(transparent, int):
        return _scale_gray(image, transparent)
    if mode == "RGB" and isinstance(transparent, tuple) and max(transparent) > 255:
        # Of 16-bit pixels Pillow keeps the upper halves, but not of their one colour.
        image.info["transparency"] = tuple(level >> 8 for level in transparent)
    if "transparency" in image.info or mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        return _flatten(image)
    if mode in ("L", "RGB"):
        return image
    if mode == "1":
        return image.convert("L")
    if mode in _DEEP_GRAY or mode in ("I", "F"):
        return _scale_gray(image)
    if mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        assert converted is not None
        return converted
    return image.convert("RGB")


def _flatten(image: Image.Image) -> Image.Image:
    gray = image.mode in ("1", "L", "LA", "La")
    if image.mode == "La":
        image = image.convert("LA")
    layered = image.convert("LA" if gray else "RGBA")
    canvas = Image.new("L" if gray else "RGB", image.size, "white")
    canvas.paste(layered.convert(canvas.mode), mask=layered.getchannel("A"))
    return canvas


def _scale_gray(image: Image.Image, transparent: int | None = None) -> Image.Image:
    import numpy as np

    levels = np.asarray(image)
    if transparent is not None:
        levels = np.where(levels == transparent, 65535, levels)
    if levels.dtype.kind == "f":
        levels = np.nan_to_num(levels, posinf=0, neginf=0)
        scale = 255.0 if levels.size and levels.max() <= 1.0 else 1.0
        levels = np.rint(levels * scale)
    elif image.mode in _DEEP_GRAY or (levels.size and levels.max() > 255):
        # 65535 / 257 = 255: the exact ratio of the two full scales.
        levels = (levels.astype(np.int64) + 128) // 257
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def _describes(profile: bytes | None, image: Image.Image) -> bool:
    """Whether an ICC profile's colour space (bytes 16 to 19) is that of the image."""
    space = {"RGB": b"RGB ", "L": b"GRAY"}[image.mode]
    return bool(profile) and profile is not None and profile[16:20] == space


def _reason(error: Exception) -> str:
    text = str(error)
    if "too large" in text:  # as of a text that a PNG would unpack to
        return "too_large"
    if isinstance(error, EOFError) or _TRUNCATED.search(text):
        return "truncated"
    if isinstance(error, NotImplementedError) or _UNSUPPORTED.search(text):
        return "unsupported"
    return "corrupt"


def encode(
    image: Image.Image, file: IO[bytes], format: str, quality: int, profile: bytes | None
) -> None:
    """Write an image to an open file.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB or L.
    file : binary file
        A real one: only then does Pillow let go of the GIL while it encodes JPEG.
    format : {"jpeg", "png", "webp", "bmp"}
    quality : int
        1..100, for JPEG and WebP.
    profile : bytes or None
        ICC profile to embed, left out where it does not fit the image's mode.
    """
    options: dict[str, Any] = {}
    if format in ("jpeg", "webp"):
        options["quality"] = quality
    if _describes(profile, image) and format != "bmp":
        options["icc_profile"] = profile
    image.save(file, format.upper(), **options)


def is_whole(data: bytes, format: str) -> bool:
    """Whether an encoded file ends where its format says.

    Examples
    --------
    >>> is_whole(b"BM" + (10).to_bytes(4, "little") + bytes(4), "bmp")
    True
    """
    if format == "jpeg":
        return data.endswith(b"\xff\xd9")
    if format == "png":
        return data.endswith(b"IEND\xaeB`\x82")
    start = 2 if format == "bmp" else 4
    length = int.from_bytes(data[start : start + 4], "little")
    return len(data) >= length + (0 if format == "bmp" else 8) > 8
