"""OpenCV as a backend: the steps that it supports, on arrays, with the same policies.

Files are decoded as in the backend Pillow, so that both report the same about a damaged one, except
that 16 bits of colour are kept. OpenCV encodes plain JPEG and 16-bit PNG. Other libraries write
everything else, because OpenCV supports fewer kinds of colours and metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image

from pixelmill.core import files
from pixelmill.core.errors import ImageError
from pixelmill.imaging.arrays import AnyArray, array_of, as_bgr, image_of, upright
from pixelmill.imaging.backends.opencv_steps import OPENCV_STEPS
from pixelmill.imaging.codecs import decoding, encoding, icc, jpeg, metadata
from pixelmill.imaging.codecs.color import describes
from pixelmill.imaging.codecs.color_management import deep_to_srgb, is_srgb
from pixelmill.imaging.codecs.decoded import Decoded, DecodeOptions, SizeHint
from pixelmill.imaging.codecs.formats import (
    FORMATS,
    OUTPUT_FORMATS,
    SNIFF_BYTES,
    OutputFormat,
    sniff,
)
from pixelmill.imaging.codecs.ifd import Tags
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.parameters import Box, Size
from pixelmill.imaging.recipe import Step
from pixelmill.imaging.steps import custom

cv2.setNumThreads(1)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class OpenCV:
    """Pictures are uint8 arrays of shape (height, width), or with 3 or 4 channels, blue first.

    If a recipe keeps the depth, they may be uint16.
    """

    def decode(
        self, data: bytes, size_hint: SizeHint | None, options: DecodeOptions, limits: Limits
    ) -> Decoded:
        """Decode a file; see `pixelmill.imaging.codecs.decoding.decode`."""
        decoded = _decode_deep(data, options, limits) if options.depth == "keep" else None
        if decoded is None:
            decoded = decoding.decode_to_array(data, size_hint, options, limits)
            if decoded.box is not None and decoded.box[:2] != (0, 0):
                # The steps support only a region that begins in the upper left corner.
                decoded = decoding.decode_to_array(data, None, options, limits)
            decoded.frames = [_to_array(frame) for frame in decoded.frames]
        return decoded

    def prepare(self, step: Step, folder: str) -> Callable[[AnyArray, Box | None], AnyArray]:
        """Return a function that does a step."""

        def do(picture: AnyArray, box: Box | None) -> AnyArray:
            if step.name == "call":
                return _to_array(custom.call(_to_image(picture), step.params, folder))
            if box is not None:
                return OPENCV_STEPS[step.name](picture, **step.params, region=box[2:])
            return OPENCV_STEPS[step.name](picture, **step.params)

        return do

    def reduce(
        self, picture: AnyArray, factor: int, box: Box | None
    ) -> tuple[AnyArray, Box | None]:
        """Return the picture as it is: OpenCV resizes large ones just as fast."""
        return picture, box

    def encoder(
        self, name: str, options: Mapping[str, Any], background: str
    ) -> Callable[[Sequence[AnyArray], int, Decoded], bytes]:
        """Return a function that writes outputs of a format."""
        format_ = OUTPUT_FORMATS[name]
        values = format_.values_of(options)
        encode_array = format_.array_encoder(values)

        def encode(frames: Sequence[AnyArray], descriptor: int, decoded: Decoded) -> bytes:
            first = frames[0]
            plain = not decoded.exif and decoded.profile is None and first.shape[2:] != (4,)
            if first.dtype == np.uint16 and first.ndim == 3:
                data = _encode_deep(format_, first, values, decoded)
            elif encode_array is not None and plain:
                data = encode_array(first)
            else:
                images = [_to_image(frame) for frame in frames]
                return encoding.encode_to(descriptor, images, name, values, background, decoded)
            files.write_all(descriptor, data)
            return data

        return encode

    def size(self, picture: AnyArray) -> Size:
        """Width and height of a picture in pixels."""
        return picture.shape[1], picture.shape[0]

    def image(self, picture: AnyArray) -> Image.Image:
        """Return a picture as an image of Pillow."""
        return _to_image(picture)


def _decode_deep(data: bytes, options: DecodeOptions, limits: Limits) -> Decoded | None:
    """Decode a file of 16 bits per channel; None for any other, and for a broken one."""
    kind = sniff(data[:SNIFF_BYTES])
    if kind is None:
        return None
    limits.check_file(len(data), kind)
    source = FORMATS[kind].deep_source(data, options)
    if source is None:
        return None
    limits.check_header(*source.size, 1)
    for stream in source.jpegs:
        limits.check_scans(jpeg.scans(stream, limits.max_scans))
    try:
        samples, profile = source.read()
    except ImageError:
        raise
    except Exception:  # Pillow says why when the file is decoded with 8 bits
        return None
    if not samples.is_deep:
        return None
    orientation = source.orientation
    kept = 1 if options.orientation == "apply" else orientation
    exif = metadata.exif_of(source.exif, options.metadata, kept)
    levels = samples.colors[..., 0] if samples.space == "L" else samples.colors
    mode = Image.new(samples.space, (1, 1))
    if options.color == "drop" or not describes(profile, mode) or is_srgb(profile or b""):
        profile = None
    elif options.color == "srgb":
        levels, profile = deep_to_srgb(levels, profile or b""), None
    if samples.alpha is not None:
        levels = _with_alpha(levels, samples.alpha)
    if levels.ndim == 3:
        order = (2, 1, 0, 3)[: levels.shape[2]]  # blue first
        levels = np.ascontiguousarray(levels[..., order])
    turned = orientation if orientation != kept else 1
    height, width = levels.shape[:2]
    return Decoded([upright(levels, turned)], None, width * height, kind, profile, exif)


def _with_alpha(colors: AnyArray, alpha: AnyArray) -> AnyArray:
    """Add alpha to colours; OpenCV has no grey with alpha.

    It is never flattened here: all formats of 16 bits hold transparency.
    """
    return np.dstack([colors] * (3 if colors.ndim == 2 else 1) + [alpha])


def _encode_deep(
    format_: OutputFormat, picture: AnyArray, values: Mapping[str, Any], decoded: Decoded
) -> bytes:
    # The output is in colour, even if the source was grey.
    profile = None if decoded.profile is None else icc.of_space(decoded.profile, icc.RGB)
    tags = Tags()
    if decoded.exif:
        size = picture.shape[1], picture.shape[0]
        tags = format_.tags(decoded.exif, size, srgb=decoded.profile is None)
    return format_.encode_deep(picture, values, profile, tags)


def _to_array(frame: Any) -> AnyArray:
    if not isinstance(frame, Image.Image):
        return np.asarray(as_bgr(frame))
    # OpenCV has no grey with alpha.
    return np.asarray(array_of(frame.convert("RGBA") if frame.mode == "LA" else frame))


def _to_image(picture: AnyArray) -> Image.Image:
    if picture.dtype == np.uint16:
        return Image.fromarray(picture)
    return image_of(np.ascontiguousarray(picture))
