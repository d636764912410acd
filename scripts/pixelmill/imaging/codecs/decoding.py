"""Decoding: turn an image file into upright pictures for the steps.

Pillow decodes most formats, and `pixelmill.imaging.codecs.jpeg` most JPEGs. JPEGs are decoded at a
reduced size if the result will be much smaller, so that the difference cannot be seen.
"""

from __future__ import annotations

import importlib
import io
import re
import warnings
from typing import Any

from PIL import Image, PngImagePlugin, UnidentifiedImageError

from pixelmill.core.errors import ImageError, describe
from pixelmill.imaging.arrays import SWAPPING, Array, upright
from pixelmill.imaging.codecs import jpeg, metadata, png
from pixelmill.imaging.codecs.color import to_working
from pixelmill.imaging.codecs.decoded import Decoded, DecodeOptions, SizeHint, Source
from pixelmill.imaging.codecs.formats import FORMATS, SNIFF_BYTES, Format, sniff
from pixelmill.imaging.codecs.frame_timing import in_units
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.parameters import Box, Size

for _format in FORMATS.values():
    for _plugin in _format.plugins:  # importing one registers it; Pillow would search them all
        importlib.import_module(f"PIL.{_plugin}")

# What decoders say; these expressions are compiled with the first error.
_UNSUPPORTED = r"not available|unsupported|not supported|not implemented|unknown|cannot handle"
_TRUNCATED = r"truncated|unexpected end|not enough|premature"

warnings.filterwarnings("ignore", module=r"PIL\.")  # what matters becomes an outcome

# Larger texts were removed from a PNG before.
PngImagePlugin.MAX_TEXT_CHUNK = png.MOST_UNPACKED


def decode(
    data: bytes,
    size_hint: SizeHint | None = None,
    options: DecodeOptions = DecodeOptions(),  # noqa: B008 - frozen
    limits: Limits = Limits(),  # noqa: B008 - frozen
    as_arrays: bool = False,
) -> Decoded:
    """Decode an image file.

    Parameters
    ----------
    data : bytes
        The content of the file.
    size_hint : callable, optional
        Takes the size of the upright source, and returns the size that it will be scaled to.
    options : DecodeOptions
    limits : Limits
        What is refused before it is decoded.
    as_arrays : bool
        Whether frames may be arrays (see `pixelmill.imaging.arrays`), if that is faster.

    Raises
    ------
    ImageError
        In stage ``decode``, with the reason.
    MemoryError
        If there is not enough memory.
    """
    kind = sniff(data[:SNIFF_BYTES])
    if kind is None:
        message = "the content is of no known image format" if data else "the file is empty"
        raise ImageError("decode", "not_an_image", message)
    limits.check_file(len(data), kind)
    format_ = FORMATS[kind]
    data = format_.prepared(data, still=options.animation != "all")
    # Pillow allows what is inside a file, such as the frames of a GIF, twice as many.
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    try:
        format_.register()
        source = format_.source(data, options)
        if source is not None:
            return _decode_source(source, kind, options, limits)
        return _decode_with_pillow(format_, data, size_hint, options, limits, as_arrays)
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        message = f"{error} (limits.max_pixels = {limits.max_pixels:,})"
        raise ImageError("decode", "too_large", message) from error
    except UnidentifiedImageError as error:
        cause = _cause(data, kind)
        message = f"{kind.upper()} data that Pillow cannot identify: {describe(cause)}"
        raise _refusal(format_, data, cause, message) from error
    except Exception as error:  # Pillow's plugins raise anything on broken files
        raise _refusal(format_, data, error, describe(error)) from error


def _decode_with_pillow(
    format_: Format,
    data: bytes,
    size_hint: SizeHint | None,
    options: DecodeOptions,
    limits: Limits,
    as_arrays: bool,
) -> Decoded:
    kind = format_.name
    image: Image.Image
    with Image.open(io.BytesIO(data), formats=(kind.upper(),)) as image:
        full = image.size
        pixels = full[0] * full[1]
        frames = _frame_count(image, options) if format_.animation else 1
        limits.check_header(*full, frames)
        for stream in format_.jpegs(image, data):
            limits.check_scans(jpeg.scans(stream, limits.max_scans))
        if frames > 1:
            _check_frames(frames, pixels, options, limits)
        mode = format_.opened(image)
        image.info.pop("xmp", None)  # Pillow would turn a TIFF by it as it loads the pixels
        if options.color != "drop":
            image.info["icc_profile"] = format_.profile(image, data)
        scale = 1
        if format_.shrinks:
            apply = options.orientation == "apply"
            swapped = apply and format_.orientation(image) in SWAPPING
            scale = jpeg.scale_for(full, size_hint, options.shrink_margin, swapped)
            if scale > 1:
                image.draft(None, (full[0] // scale, full[1] // scale))
        box = jpeg.region(full, scale)
        if frames > 1 and options.animation == "all":
            return _decode_all(format_, image, data, options)
        array, profile = None, None
        if as_arrays and format_.shrinks:
            array, profile = _straight(image, data, full, scale, options)
        if array is None:
            image.load()
        orientation = format_.orientation(image)  # 1 if Pillow turned the pixels as it loaded them
        kept = 1 if options.orientation == "apply" else orientation
        exif = _exif(format_, image, data, options, kept)
        if orientation != kept and box is not None:
            box = _transposed(box, image.size, orientation)
        if array is not None:
            turned = orientation if orientation != kept else 1
            return Decoded([upright(array, turned)], box, pixels, kind, profile, exif)
        picture = image if mode is None else image.convert(mode)
        picture, profile = _working(format_.completed(picture, data), options)
        picture = _turned(picture, orientation, kept)
    return Decoded([picture], box, pixels, kind, profile, exif)


def _decode_source(source: Source, kind: str, options: DecodeOptions, limits: Limits) -> Decoded:
    """Decode a file that Pillow would not decode correctly."""
    pixels, moves = source.size[0] * source.size[1], source.frame_count > 1
    limits.check_header(*source.size, source.frame_count)
    for stream in source.jpegs:
        limits.check_scans(jpeg.scans(stream, limits.max_scans))
    if moves:
        _check_frames(source.frame_count, pixels, options, limits)
    if options.animation == "all" and source.drawn_pixels > limits.max_pixels:
        # Much of it may lie outside of the canvas, and is not shown.
        message = f"its frames reach over {source.drawn_pixels:,} pixels, beyond limits.max_pixels"
        raise ImageError("decode", "too_large", f"{message} = {limits.max_pixels:,}")
    kept = 1 if options.orientation == "apply" else source.orientation
    exif = metadata.exif_of(source.exif, options.metadata, kept) if source.exif else b""
    pictures: list[Any] = list(source.frames())
    times = [frame.milliseconds for frame in pictures]
    profile = None
    for number, frame in enumerate(pictures):  # in place, so that no picture is held twice
        picture, profile = _working(frame.image, options, frame.mask)
        pictures[number] = _turned(picture, source.orientation, kept)
    if not moves or options.animation != "all":
        return Decoded(pictures, None, pixels, kind, profile, exif)
    return Decoded(
        pictures, None, pixels, kind, profile, exif, in_units(times, 1, least=0), source.plays
    )


def decode_to_array(
    data: bytes,
    size_hint: SizeHint | None = None,
    options: DecodeOptions = DecodeOptions(),  # noqa: B008 - frozen
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Decoded:
    """Decode an image file like `decode`, to an array if possible.

    See `pixelmill.imaging.arrays`.
    """
    return _decode_plain(data, size_hint, options, limits) or decode(
        data, size_hint, options, limits, as_arrays=True
    )


def _decode_plain(
    data: bytes, size_hint: SizeHint | None, options: DecodeOptions, limits: Limits
) -> Decoded | None:
    """Decode a JPEG without metadata; None for other files, which are opened with Pillow."""
    plain = jpeg.header(data)
    if plain is None:
        return None
    mode, full, lone = plain
    limits.check_file(len(data), "jpeg")
    limits.check_header(*full, 1)
    if not lone:
        limits.check_scans(jpeg.scans(data, limits.max_scans))
    scale = jpeg.scale_for(full, size_hint, options.shrink_margin)
    array = jpeg.decode(data, mode, full, scale)
    if array is None:
        return None
    box = None if scale == 1 else jpeg.region(full, scale)
    return Decoded([array], box, full[0] * full[1], "jpeg")


def _straight(
    image: Image.Image, data: bytes, full: Size, scale: int, options: DecodeOptions
) -> tuple[Array | None, bytes | None]:
    """Array of a JPEG whose pixels need no conversion, and its profile; None for others."""
    if image.mode not in ("RGB", "L"):
        return None, None
    picture, profile = _working(image, options)  # loads what it has to convert
    if picture is not image:
        return None, None
    return jpeg.decode(data, image.mode, full, scale), profile


def _working(
    image: Image.Image, options: DecodeOptions, mask: Image.Image | None = None
) -> tuple[Image.Image, bytes | None]:
    return to_working(
        image,
        color=options.color,
        depth=options.depth,
        alpha=options.alpha,
        background=options.background,
        mask=mask,
    )


def _turned(picture: Image.Image, orientation: int, kept: int) -> Image.Image:
    """Turn a picture upright unless its orientation is kept; it has nothing but its pixels."""
    if orientation != kept:
        picture = picture.transpose(metadata.TRANSPOSITIONS[orientation])
    picture.info = {}
    return picture


def _exif(
    format_: Format, image: Image.Image, data: bytes, options: DecodeOptions, kept: int
) -> bytes:
    """EXIF block for the outputs of an opened file."""
    block = b"" if options.metadata == "none" else format_.exif_block(image, data)
    return metadata.exif_of(block, options.metadata, kept)


def _decode_all(
    format_: Format, image: Image.Image, data: bytes, options: DecodeOptions
) -> Decoded:
    """Decode every frame of an animation, each complete and as it is shown."""
    orientation = format_.orientation(image)
    kept = 1 if options.orientation == "apply" else orientation
    frames, times = format_.frames(image, data)
    described = image.info.get("icc_profile")
    pictures, profile = [], None
    for frame in frames:
        frame.info["icc_profile"] = described
        picture, profile = _working(frame, options)
        pictures.append(_turned(picture, orientation, kept))
    return Decoded(
        pictures,
        None,
        image.width * image.height,
        format_.name,
        profile,
        _exif(format_, image, data, options, kept),
        in_units(times, 1, least=0),
        format_.plays(image, data),
    )


def _frame_count(image: Image.Image, options: DecodeOptions) -> int:
    try:
        return getattr(image, "n_frames", 1)
    except Exception:  # a later frame is broken
        if options.animation == "all":
            raise
        return 1


def _check_frames(frames: int, pixels: int, options: DecodeOptions, limits: Limits) -> None:
    if options.animation == "error":
        message = f"it has {frames:,} frames, and the recipe's 'animation' is error"
        raise ImageError("decode", "unsupported", message)
    if options.animation == "all" and frames * pixels > limits.max_pixels:
        message = f"{frames:,} frames of {pixels:,} pixels exceed limits.max_pixels"
        raise ImageError("decode", "too_large", f"{message} = {limits.max_pixels:,}")


def _transposed(box: Box, size: Size, orientation: int) -> Box:
    """Transform a region like the picture is transposed for an orientation."""
    left, top, right, bottom = box
    width, height = size
    if orientation in (2, 3, 7, 8):
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    return (top, left, bottom, right) if orientation in SWAPPING else (left, top, right, bottom)


def _cause(data: bytes, kind: str) -> Exception:
    """Return the error with which Pillow's plugin refuses a file, because Pillow hides it."""
    try:
        Image.OPEN[kind.upper()][0](io.BytesIO(data), "")
    except Exception as error:
        return error
    return SyntaxError("it gives no reason")


def _refusal(format_: Format, data: bytes, error: Exception, message: str) -> ImageError:
    """Say why a file is refused, as precisely as its format allows."""
    reason, message = format_.explained(data, _reason(error), message)
    return ImageError("decode", reason, message)


def _reason(error: Exception) -> str:
    text = str(error)
    if "too large" in text:  # for example, a text of a PNG when it is decompressed
        return "too_large"
    if isinstance(error, EOFError) or re.search(_TRUNCATED, text, re.I):
        return "truncated"
    if isinstance(error, NotImplementedError) or re.search(_UNSUPPORTED, text, re.I):
        return "unsupported"
    return "corrupt"
