"""OpenCV as a backend: the steps that it has, on arrays, by the same policies.

Files are decoded as by the backend of Pillow, so that both say the same of a damaged one, but
that 16 bits of colour are kept. Plain JPEGs are encoded by OpenCV, and 16-bit PNG; for all else,
where it knows less of colours and metadata, other libraries write.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
from PIL import Image

from pixelmill.core import files
from pixelmill.core.errors import ImageError
from pixelmill.imaging.arrays import from_levels, levels_of, packed, upright
from pixelmill.imaging.backends.opencv_steps import OPENCV_STEPS, Array
from pixelmill.imaging.codecs import (
    colorimetry,
    decoding,
    encoding,
    icc,
    ifd,
    jpeg,
    metadata,
    png,
    tiff,
)
from pixelmill.imaging.codecs.color import deep_to_srgb, describes, is_srgb
from pixelmill.imaging.codecs.decoding import Decoded, Reading
from pixelmill.imaging.codecs.formats import SNIFF_BYTES, sniff
from pixelmill.imaging.codecs.ifd import Tags
from pixelmill.imaging.codecs.jpeg import Target
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.codecs.photometric import Samples, samples_of
from pixelmill.imaging.parameters import Box, Size
from pixelmill.imaging.recipe import Step
from pixelmill.imaging.steps import custom

cv2.setNumThreads(1)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

#: Where a PNG has its depth, colour type and interlacing, and the type that is grey with alpha.
_PNG_DEPTH, _PNG_COLOR_TYPE, _PNG_INTERLACE, _GRAY_ALPHA = 24, 25, 28, 4

#: Of a 16-bit TIFF, by the names of a recipe.
_COMPRESSIONS = {"none": None, "lzw": "lzw", "deflate": "adobe_deflate"}


class OpenCV:
    """Pictures are uint8 arrays of shape (height, width), or with 3 or 4 channels, blue first.

    Where a recipe keeps the depth, they may be uint16.
    """

    def decode(
        self, data: bytes, target: Target | None, reading: Reading, limits: Limits
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
        values = encoding.values_of(name, options)
        encode_levels = jpeg.encoder(**values) if name == "jpeg" else None

        def encode(frames: Sequence[Array], descriptor: int, decoded: Decoded) -> bytes:
            first = frames[0]
            plain = not decoded.exif and decoded.profile is None and first.shape[2:] != (4,)
            if first.dtype == np.uint16 and first.ndim == 3:
                data = _DEEP_ENCODERS[name](first, values, decoded)
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


def _decode_deep(data: bytes, reading: Reading, limits: Limits) -> Decoded | None:
    """Decode PNG or TIFF with 16 bits a channel; None for any other, and for a broken one."""
    kind = sniff(data[:SNIFF_BYTES])
    if kind not in ("png", "tiff"):
        return None
    if reading.animation != "first" and kind == "png" and b"acTL" in data:
        return None
    limits.check_file(len(data), kind)
    found = _deep_png(data, reading, limits) if kind == "png" else _deep_tiff(data, limits)
    if found is None:
        return None
    samples, profile, orientation, tags = found
    kept = 1 if reading.orientation == "apply" else orientation
    exif = metadata.exif_of(tags, reading.metadata, kept)
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


#: Samples of a file, its ICC profile, its orientation, and its EXIF block or the whole TIFF.
_Deep: TypeAlias = tuple[Samples, bytes | None, int, bytes]


def _deep_png(data: bytes, reading: Reading, limits: Limits) -> _Deep | None:
    data = png.lean(data, still=reading.animation != "all")
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as header:
            limits.check_header(*header.size, 1)
            orientation, tags = metadata.orientation_of(header), metadata.block_of(header, data)
            profile = None
            if reading.color != "drop":
                profile = colorimetry.profile_of(header, data, "png")
            stored = _stored(data, header) if data[_PNG_DEPTH] == 16 else None
    except ImageError:
        raise
    except Exception:  # Pillow says why
        return None
    if stored is None:
        return None
    count = 3 if stored.shape[2] > 2 else 1
    colors, alpha = stored[..., :count], None
    transparent = header.info.get("transparency")
    if stored.shape[2] in (2, 4):
        alpha = stored[..., -1]
    elif transparent is not None:
        alpha = np.where((colors == transparent).all(axis=2), 0, 65535).astype(np.uint16)
    samples = Samples(colors, "L" if count == 1 else "RGB", alpha)
    return samples, profile, orientation, tags


def _stored(data: bytes, header: Image.Image) -> Array:
    """Samples of a PNG of 16 bits, of shape (height, width, samples), red first."""
    if not data[_PNG_INTERLACE]:
        import imagecodecs

        return np.asarray(np.atleast_3d(imagecodecs.png_decode(data)))
    # Of interlaced ones imagecodecs writes warnings, and OpenCV takes half a file for a whole.
    header.load()
    levels: Any = cv2.imdecode(
        np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    )
    levels = np.atleast_3d(levels)
    if data[_PNG_COLOR_TYPE] == _GRAY_ALPHA:  # of which OpenCV makes four channels
        return np.asarray(levels[..., 2:])
    return np.asarray(
        levels[..., [2, 1, 0, 3][: levels.shape[2]]] if levels.shape[2] > 1 else levels
    )


def _deep_tiff(data: bytes, limits: Limits) -> _Deep | None:
    try:
        page = tiff.first_page(data)
    except ImageError:  # which Pillow may read
        return None
    if page is None or page.bits <= 8:
        return None
    page.check(limits)
    try:
        samples = samples_of(page)
    except ImageError:
        raise
    except Exception:  # it is said where Pillow is asked
        return None
    if not samples.is_deep:
        return None
    return samples, page.profile, page.orientation, data


def _with_alpha(levels: Array, alpha: Array, reading: Reading) -> Array:
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


def _encode_deep_png(picture: Array, values: Mapping[str, Any], decoded: Decoded) -> bytes:
    blocks = {}
    tags = _tags_for("png", picture, decoded)
    if tags:
        blocks[cv2.IMAGE_METADATA_EXIF] = ifd.write(tags)
    profile = _profile_for_colors(decoded)
    if profile:
        blocks[cv2.IMAGE_METADATA_ICCP] = profile
    contents = [np.frombuffer(block, np.uint8) for block in blocks.values()]
    options = (cv2.IMWRITE_PNG_COMPRESSION, values["level"])
    done, data = cv2.imencodeWithMetadata(".png", picture, list(blocks), contents, options)
    if not done:
        rows, columns = picture.shape[:2]
        raise ValueError(f"OpenCV cannot encode {columns}x{rows} pixels as PNG")
    return bytes(data)


def _encode_deep_tiff(picture: Array, values: Mapping[str, Any], decoded: Decoded) -> bytes:
    """Encode by tifffile: OpenCV writes neither metadata nor profiles in a TIFF."""
    written = io.BytesIO()
    order = (2, 1, 0, 3)[: picture.shape[2]]  # red first
    tiff.tifffile().imwrite(
        written,
        np.ascontiguousarray(picture[..., order]),
        photometric="rgb",
        extrasamples=["unassalpha"] * (len(order) - 3),
        compression=_COMPRESSIONS[values["compression"]],
        iccprofile=_profile_for_colors(decoded),
        metadata=None,
        software=False,
    )
    made = written.getvalue()
    tags = _tags_for("tiff", picture, decoded)
    if tags:
        tail, head = ifd.extension(made, tags)
        made = head + made[len(head) :] + tail
    return made


def _profile_for_colors(decoded: Decoded) -> bytes | None:
    """Profile to embed in an output of RGB, though the source was grey."""
    return None if decoded.profile is None else icc.of_space(decoded.profile, icc.RGB)


def _tags_for(name: str, picture: Array, decoded: Decoded) -> Tags:
    """Tags that an output of a format bears."""
    if not decoded.exif:
        return Tags()
    size = picture.shape[1], picture.shape[0]
    return metadata.fitting(decoded.exif, name, size, srgb=decoded.profile is None)


_DEEP_ENCODERS = {"png": _encode_deep_png, "tiff": _encode_deep_tiff}


def _to_array(frame: Any) -> Array:
    if not isinstance(frame, Image.Image):
        return np.asarray(packed(frame))
    # OpenCV knows no grey with alpha.
    return np.asarray(levels_of(frame.convert("RGBA") if frame.mode == "LA" else frame))


def _to_image(picture: Array) -> Image.Image:
    if picture.dtype == np.uint16:
        return Image.fromarray(picture)
    return from_levels(np.ascontiguousarray(picture))
