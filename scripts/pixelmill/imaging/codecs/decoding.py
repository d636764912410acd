"""Decode: an image file in, upright pictures out that the steps take.

Reads with Pillow, JPEG at a fraction of its size where that cannot be seen.
"""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
    features,
)

from pixelmill.core.errors import ImageError, describe
from pixelmill.imaging.arrays import SWAPPING, upright
from pixelmill.imaging.codecs import jpeg, metadata, png
from pixelmill.imaging.codecs.color import to_working
from pixelmill.imaging.codecs.formats import SNIFF_BYTES, sniff
from pixelmill.imaging.codecs.frame_timing import as_shown, in_units
from pixelmill.imaging.codecs.jpeg import Target
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.parameters import Box, Size

if TYPE_CHECKING:  # what only some formats need is imported when there is one
    from pixelmill.imaging.codecs import gif, tiff

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

#: What Pillow calls the formats besides GIF that may hold animations; pages are none.
_ANIMATED = ("PNG", "WEBP", "AVIF")

#: Formats whose first pictures Pillow leaves incomplete.
_COMPLETED = ("avif", "webp")

#: Formats that describe colours not by ICC profiles alone.
_DESCRIBED = ("png", "avif", "heif")

_UNSUPPORTED = re.compile(
    r"not available|unsupported|not supported|not implemented|unknown|cannot handle", re.I
)
_TRUNCATED = re.compile(r"truncated|unexpected end|not enough|premature", re.I)

warnings.filterwarnings("ignore", module=r"PIL\.")  # what matters arrives as an outcome

# What is left of a PNG's packed values is known to be within this.
PngImagePlugin.MAX_TEXT_CHUNK = png.MOST_UNPACKED


@dataclass(frozen=True)
class Reading:
    """How images are taken in.

    Attributes
    ----------
    orientation : {"apply", "keep"}
        Turn upright by EXIF, or leave the pixels as stored and hand the tag on.
    color : {"srgb", "keep", "drop"}
        What to do by an ICC profile: see `pixelmill.imaging.codecs.color.to_working`.
    depth : {8, "keep"}
        Bits of grey.
    animation : {"first", "all", "error"}
        Frames of moving pictures.
    metadata : {"strip", "keep", "none"}
        See `pixelmill.imaging.codecs.metadata.exif`.
    alpha : bool
        Keep transparency; else flatten it on `background`.
    background : str
        ``#rrggbb``.
    shrink_margin : float
        A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, as long as that stays
        this many times larger than the target; 0 always decodes in full.
    """

    orientation: str = "apply"
    color: str = "srgb"
    depth: int | str = 8
    animation: str = "first"
    metadata: str = "strip"
    alpha: bool = False
    background: str = "#ffffff"
    shrink_margin: float = 0.0


@dataclass
class Decoded:
    """An image in memory.

    Attributes
    ----------
    frames : list of PIL.Image.Image or ndarray
        One, or all of a moving picture; RGB, L, RGBA, LA or I;16, or levels.
    box : tuple of float or None
        The region of the frame that holds the picture, where a shrunken decode
        rounded its size up.
    pixels : int
        Of the source as stored.
    kind : str
        Format of the source, as `pixelmill.imaging.codecs.formats.sniff` names it.
    profile : bytes or None
        ICC profile that describes the frames, where they are not sRGB.
    exif : bytes
        For the outputs; empty where there is none.
    durations : tuple of int
        How long each frame stands, in ms.
    loop : int or None
        How often a moving picture is shown; 0 for ever, None once.
    """

    frames: list[Any]
    box: Box | None
    pixels: int
    kind: str
    profile: bytes | None = None
    exif: bytes = b""
    durations: tuple[int, ...] = ()
    loop: int | None = None


def decode(
    data: bytes,
    target: Target | None = None,
    reading: Reading = Reading(),
    limits: Limits = Limits(),  # noqa: B008 - frozen
    as_levels: bool = False,
) -> Decoded:
    """Decode an image file.

    Parameters
    ----------
    data : bytes
        The file.
    target : callable, optional
        Given the size of the upright image, the size it will be scaled to first.
    reading : Reading
    limits : Limits
        What is refused before it is decoded.
    as_levels : bool
        Frames may be levels (see `pixelmill.imaging.arrays`), where that is faster.

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
    if kind == "png":
        png.check(data)
        data = png.with_masked_levels(png.lean(data, still=reading.animation != "all"))
    elif kind == "ico":
        from pixelmill.imaging.codecs import ico

        data = ico.best_alone(data)
    elif kind == "avif":
        from pixelmill.imaging.codecs import avif

        data = avif.with_one_table(data)
    elif kind == "webp":
        from pixelmill.imaging.codecs import frame_reading

        data = frame_reading.with_alpha(data)
    # What hides inside a file, as the frames of a GIF, is held to twice of this by Pillow.
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    try:
        return _decode(data, kind, target, reading, limits, as_levels)
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        message = f"{error} (limits.max_pixels = {limits.max_pixels:,})"
        raise ImageError("decode", "too_large", message) from error
    except UnidentifiedImageError as error:
        cause = _cause(data, kind)
        lacking = kind == "avif" and not features.check("avif")
        said = f"{kind.upper()} data that Pillow cannot identify: {describe(cause)}"
        raise _refusal(data, kind, "unsupported" if lacking else _reason(cause), said) from error
    except Exception as error:  # Pillow's plugins raise anything on broken files
        raise _refusal(data, kind, _reason(error), describe(error)) from error


def _decode(
    data: bytes,
    kind: str,
    target: Target | None,
    reading: Reading,
    limits: Limits,
    as_levels: bool,
) -> Decoded:
    if kind == "gif":
        return _decode_gif(data, reading, limits)
    if kind == "heif":
        _register_heif()
    if kind == "tiff":
        from pixelmill.imaging.codecs import tiff

        page = None
        if not tiff.pillow_reads(data, turned=reading.orientation == "apply"):
            page = tiff.first_page(data)
        if page is not None:
            return _decode_page(page, reading, limits)
    if kind == "bmp":
        from pixelmill.imaging.codecs import bmp

        header = bmp.header(data)
        if header is not None:
            limits.check_header(*header.size, 1)
            picture, _ = _working(bmp.decode(data, header), reading)
            return Decoded([picture], None, header.size[0] * header.size[1], kind)
    image: Image.Image
    with Image.open(io.BytesIO(data), formats=(kind.upper(),)) as image:
        full = image.size
        pixels = full[0] * full[1]
        frames = _frames(image, reading.animation == "all")
        limits.check_header(*image.size, frames)
        for part in jpeg.streams(image, data):
            limits.check_scans(jpeg.scans(part, limits.max_scans))
        if frames > 1:
            _check_frames(frames, pixels, reading, limits)
        png.scale_transparency(image)
        image.info.pop("xmp", None)  # Pillow would turn a TIFF by it as it loads the pixels
        if kind in _DESCRIBED and reading.color != "drop":
            from pixelmill.imaging.codecs import colorimetry

            image.info["icc_profile"] = colorimetry.profile_of(image, data, kind)
        gray_alpha = png.raw_mode(image) == "LA;16B"  # of which Pillow makes RGBA
        is_jpeg = image.format in ("JPEG", "MPO")
        scale = 1
        if is_jpeg:
            swapped = reading.orientation == "apply" and metadata.orientation_of(image) in SWAPPING
            scale = jpeg.scale_for(full, target, reading.shrink_margin, swapped)
            if scale > 1:
                image.draft(None, (full[0] // scale, full[1] // scale))
        box = jpeg.region(full, scale)
        if frames > 1 and reading.animation == "all":
            return _decode_all(image, data, kind, reading)
        levels, profile = None, None
        if as_levels and is_jpeg:
            levels, profile = _straight(image, data, full, scale, reading)
        if levels is None:
            image.load()
        orientation = metadata.orientation_of(image)
        kept = 1 if reading.orientation == "apply" else orientation
        exif = metadata.exif(image, data, reading.metadata, kept)
        if orientation != kept and box is not None:
            box = _transposed(box, image.size, orientation)
        if levels is not None:
            turned = orientation if orientation != kept else 1
            return Decoded([upright(levels, turned)], box, pixels, kind, profile, exif)
        whole = image.convert("LA") if gray_alpha else image
        if kind in _COMPLETED:
            from pixelmill.imaging.codecs import frame_reading

            whole = frame_reading.completed(whole, data, kind)
        picture, profile = _working(whole, reading)
        if orientation != kept:
            picture = picture.transpose(metadata.TRANSPOSITIONS[orientation])
    picture.info = {}
    return Decoded([picture], box, pixels, kind, profile, exif)


def _decode_page(page: tiff.Page, reading: Reading, limits: Limits) -> Decoded:
    """Decode a page of a TIFF that Pillow does not read right."""
    from pixelmill.imaging.codecs.photometric import samples_of

    page.check(limits)
    orientation = page.orientation
    kept = 1 if reading.orientation == "apply" else orientation
    exif = metadata.exif_of(page.data, reading.metadata, kept)
    picture, mask = samples_of(page).image(deep=reading.depth == "keep")
    picture.info["icc_profile"] = page.profile
    picture, profile = _working(picture, reading, mask)
    if orientation != kept:
        picture = picture.transpose(metadata.TRANSPOSITIONS[orientation])
    picture.info = {}
    return Decoded([picture], None, page.size[0] * page.size[1], "tiff", profile, exif)


def decode_to_levels(
    data: bytes,
    target: Target | None = None,
    reading: Reading = Reading(),
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Decoded:
    """Decode an image file as `decode` does, to levels where it can.

    See `pixelmill.imaging.arrays`.
    """
    return _decode_plain(data, target, reading, limits) or decode(
        data, target, reading, limits, as_levels=True
    )


def _decode_plain(
    data: bytes, target: Target | None, reading: Reading, limits: Limits
) -> Decoded | None:
    """Decode a JPEG that has nothing else in it; None of others, or where Pillow says why."""
    plain = jpeg.header(data)
    if plain is None:
        return None
    mode, full, lone = plain
    limits.check_file(len(data), "jpeg")
    limits.check_header(*full, 1)
    if not lone:
        limits.check_scans(jpeg.scans(data, limits.max_scans))
    scale = jpeg.scale_for(full, target, reading.shrink_margin)
    levels = jpeg.decode(data, mode, full, scale)
    if levels is None:
        return None
    box = None if scale == 1 else jpeg.region(full, scale)
    return Decoded([levels], box, full[0] * full[1], "jpeg")


def _straight(
    image: Image.Image, data: bytes, full: Size, scale: int, reading: Reading
) -> tuple[Any, bytes | None]:
    """Levels of a JPEG whose pixels are taken as they are, and its profile; None of others."""
    if image.mode not in ("RGB", "L"):
        return None, None
    picture, profile = _working(image, reading)  # loads what it has to convert
    if picture is not image:
        return None, None
    return jpeg.decode(data, image.mode, full, scale), profile


def _working(
    image: Image.Image, reading: Reading, mask: Image.Image | None = None
) -> tuple[Image.Image, bytes | None]:
    return to_working(
        image,
        color=reading.color,
        depth=reading.depth,
        alpha=reading.alpha,
        background=reading.background,
        mask=mask,
    )


def _decode_all(image: Image.Image, data: bytes, kind: str, reading: Reading) -> Decoded:
    """Decode every frame of an animation, each complete and as it is shown."""
    from pixelmill.imaging.codecs import frame_reading

    orientation = metadata.orientation_of(image)
    kept = 1 if reading.orientation == "apply" else orientation
    pictures, profile = [], None
    frames, times = frame_reading.frames(image, data, kind)
    for frame in frames:
        picture, profile = _working(frame, reading)
        if orientation != kept:
            picture = picture.transpose(metadata.TRANSPOSITIONS[orientation])
        picture.info = {}
        pictures.append(picture)
    pixels = image.width * image.height
    exif = metadata.exif(image, data, reading.metadata, kept)
    loop = frame_reading.plays(image, data, kind)
    durations = in_units(times, 1, least=0)
    return Decoded(pictures, None, pixels, kind, profile, exif, durations, loop)


def _decode_gif(data: bytes, reading: Reading, limits: Limits) -> Decoded:
    """Decode a GIF: its first frame, or all of them, each complete and as it is shown."""
    from pixelmill.imaging.codecs import frame_reading, gif

    parsed = gif.parse(data)
    count, pixels = len(parsed.frames), parsed.size[0] * parsed.size[1]
    limits.check_header(*parsed.size, count)
    if count > 1:
        _check_frames(count, pixels, reading, limits)
    _check_drawn(parsed, reading, limits)
    frames, times = [], []
    for picture, time in gif.pictures(parsed):
        frames.append(picture)
        times.append(time)
        if reading.animation != "all":
            break
    pictures = frame_reading.without_needless_alpha(frames)
    for number, picture in enumerate(pictures):
        pictures[number], _ = _working(picture, reading)
    if count == 1 or reading.animation != "all":
        return Decoded(pictures, None, pixels, "gif")
    return Decoded(pictures, None, pixels, "gif", durations=as_shown(times), loop=parsed.plays)


def _frames(image: Image.Image, all_wanted: bool) -> int:
    """Count frames where a file may hold a flood of them."""
    if image.format not in _ANIMATED:
        return 1
    try:
        return getattr(image, "n_frames", 1)
    except Exception:  # a later frame is broken
        if all_wanted:
            raise
        return 1


def _check_frames(frames: int, pixels: int, reading: Reading, limits: Limits) -> None:
    if reading.animation == "error":
        message = f"it has {frames:,} frames, and the recipe's 'animation' is error"
        raise ImageError("decode", "unsupported", message)
    if reading.animation == "all" and frames * pixels > limits.max_pixels:
        message = f"{frames:,} frames of {pixels:,} pixels exceed limits.max_pixels"
        raise ImageError("decode", "too_large", f"{message} = {limits.max_pixels:,}")


def _check_drawn(parsed: gif.Gif, reading: Reading, limits: Limits) -> None:
    """Refuse a GIF that unpacks to much that lies beyond its canvas, and is not shown."""
    pixels = sum(frame.width * frame.height for frame in parsed.frames)
    if reading.animation == "all" and pixels > limits.max_pixels:
        message = f"its frames reach over {pixels:,} pixels, beyond limits.max_pixels"
        raise ImageError("decode", "too_large", f"{message} = {limits.max_pixels:,}")


def _register_heif() -> None:
    try:
        import pillow_heif  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        message = "HEIC needs the package pillow-heif: pip install pillow-heif"
        raise ImageError("decode", "unsupported", message) from error
    if "HEIF" not in Image.OPEN:
        pillow_heif.register_heif_opener(thumbnails=False)


def _transposed(box: Box, size: Size, orientation: int) -> Box:
    """Follow a region through the transposition that an orientation asks for."""
    left, top, right, bottom = box
    width, height = size
    if orientation in (2, 3, 7, 8):
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    return (top, left, bottom, right) if orientation in SWAPPING else (left, top, right, bottom)


def _cause(data: bytes, kind: str) -> Exception:
    """Return the error by which Pillow's plugin refuses a file; Pillow itself does not tell it."""
    try:
        Image.OPEN[kind.upper()][0](io.BytesIO(data), "")
    except Exception as error:
        return error
    return SyntaxError("it gives no reason")


def _refusal(data: bytes, kind: str, reason: str, message: str) -> ImageError:
    """Say why a file is refused.

    Of a JPEG, a process that decoders seldom know is named. libtiff does not tell a page that is
    damaged from one that was cut off.
    """
    if kind == "tiff" and reason == "corrupt":
        from pixelmill.imaging.codecs import tiff

        if tiff.ends_early(data):
            message = f"the file ends before its last strip or tile: {message}"
            return ImageError("decode", "truncated", message)
    rare = jpeg.rare_process(data) if kind == "jpeg" else None
    if rare is not None and reason in ("corrupt", "unsupported"):
        reason, message = "unsupported", f"{rare}: {message}"
    return ImageError("decode", reason, message)


def _reason(error: Exception) -> str:
    text = str(error)
    if "too large" in text:  # as of a text that a PNG would unpack to
        return "too_large"
    if isinstance(error, EOFError) or _TRUNCATED.search(text):
        return "truncated"
    if isinstance(error, NotImplementedError) or _UNSUPPORTED.search(text):
        return "unsupported"
    return "corrupt"
