"""OpenCV as a backend: the steps that it has, on arrays, by the same policies.

Files are decoded as by the backend of Pillow, so that both say the same of a damaged one, but
that 16 bits of colour are kept. Plain JPEGs are encoded by OpenCV, and 16-bit PNG; for all else,
where it knows less of colours and metadata, other libraries write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image

from pixelmill.core import files
from pixelmill.core.errors import ImageError
from pixelmill.imaging.arrays import AnyArray, from_levels, levels_of, packed, upright
from pixelmill.imaging.backends.opencv_steps import OPENCV_STEPS, Array
from pixelmill.imaging.codecs import decoding, encoding, icc, jpeg, metadata
from pixelmill.imaging.codecs.color import deep_to_srgb, describes, is_srgb
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

    Where a recipe keeps the depth, they may be uint16.
    """

    def decode(
        self, data: bytes, target: SizeHint | None, reading: DecodeOptions, limits: Limits
    ) -> Decoded:
        """Decode a file; see `pixelmill.imaging.codecs.decoding.decode`."""
        decoded = _decode_deep(data, reading, limits) if reading.depth == "keep" else None
        if decoded is None:
            decoded = decoding.decode_to_levels(data, target, reading, limits)
            if decoded.box is not None and decoded.box[:2] != (0, 0):
                # The steps know only a region that begins at the upper left.
                decoded = decoding.decode_to_levels(data, None, reading, limits)
            decoded.frames = [_to_array(frame) for frame in decoded.frames]
        return decoded

    def prepare(self, step: Step, folder: str) -> Callable[[Array, Box | None], Array]:
        """Return what does a step."""

        def do(picture: Array, box: Box | None) -> Array:
            if step.name == "call":
                return _to_array(custom.call(_to_image(picture), step.params, folder))
            if box is not None:
                return OPENCV_STEPS[step.name](picture, **step.params, region=box[2:])
            return OPENCV_STEPS[step.name](picture, **step.params)

        return do

    def reduce(self, picture: Array, factor: int, box: Box | None) -> tuple[Array, Box | None]:
        """Leave the picture as it is: OpenCV resizes large ones as fast."""
        return picture, box

    def encoder(
        self, name: str, options: Mapping[str, Any], background: str
    ) -> Callable[[Sequence[Array], int, Decoded], bytes]:
        """Return what writes outputs of a format."""
        format_ = OUTPUT_FORMATS[name]
        values = format_.values_of(options)
        encode_levels = format_.array_encoder(values)

        def encode(frames: Sequence[Array], descriptor: int, decoded: Decoded) -> bytes:
            first = frames[0]
            plain = not decoded.exif and decoded.profile is None and first.shape[2:] != (4,)
            if first.dtype == np.uint16 and first.ndim == 3:
                data = _encode_deep(format_, first, values, decoded)
            elif encode_levels is not None and plain:
                data = encode_levels(first)
            else:
                images = [_to_image(frame) for frame in frames]
                return encoding.encode_to(descriptor, images, name, values, background, decoded)
            files.write_all(descriptor, data)
            return data

        return encode

    def size(self, picture: Array) -> Size:
        """Width and height in pixels."""
        return picture.shape[1], picture.shape[0]


def _decode_deep(data: bytes, reading: DecodeOptions, limits: Limits) -> Decoded | None:
    """Decode a file of 16 bits per channel; None for any other, and for a broken one."""
    kind = sniff(data[:SNIFF_BYTES])
    if kind is None:
        return None
    limits.check_file(len(data), kind)
    source = FORMATS[kind].deep_source(data, reading)
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
    kept = 1 if reading.orientation == "apply" else orientation
    exif = metadata.exif_of(source.exif, reading.metadata, kept)
    levels = samples.colors[..., 0] if samples.space == "L" else samples.colors
    mode = Image.new(samples.space, (1, 1))
    if reading.color == "drop" or not describes(profile, mode) or is_srgb(profile or b""):
        profile = None
    elif reading.color == "srgb":
        levels, profile = deep_to_srgb(levels, profile or b""), None
    if samples.alpha is not None:
        levels = _with_alpha(levels, samples.alpha, reading)
    if levels.ndim == 3:
        order = (2, 1, 0, 3)[: levels.shape[2]]  # blue first
        levels = np.ascontiguousarray(levels[..., order])
    turned = orientation if orientation != kept else 1
    height, width = levels.shape[:2]
    return Decoded([upright(levels, turned)], None, width * height, kind, profile, exif)


def _with_alpha(levels: Array, alpha: Array, reading: DecodeOptions) -> Array:
    """Put alpha behind colours (OpenCV knows no grey with alpha), or flatten them by it."""
    colors = np.dstack([levels] * 3) if levels.ndim == 2 else levels
    if reading.alpha:
        return np.dstack([colors, alpha])
    text = reading.background
    behind = np.asarray([int(text[k : k + 2], 16) * 257 for k in (1, 3, 5)])
    share = alpha[..., None] / 65535
    flat = np.rint(colors * share + behind * (1 - share)).astype(np.uint16)
    gray = levels.ndim == 2 and len(set(behind)) == 1
    return np.ascontiguousarray(flat[..., 0]) if gray else flat


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


def _to_array(frame: Any) -> Array:
    if not isinstance(frame, Image.Image):
        return np.asarray(packed(frame))
    # OpenCV knows no grey with alpha.
    return np.asarray(levels_of(frame.convert("RGBA") if frame.mode == "LA" else frame))


def _to_image(picture: Array) -> Image.Image:
    if picture.dtype == np.uint16:
        return Image.fromarray(picture)
    return from_levels(np.ascontiguousarray(picture))
