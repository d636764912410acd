"""OpenCV as a backend: the steps that it has, on arrays, by the same policies.

Plain JPEGs are decoded and encoded by OpenCV, and 16-bit PNG and TIFF; for all else,
where it knows less of colours and metadata, Pillow reads and writes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from PIL import Image

from pixelmill import colorimetry, decoding, encoding, files, ifd, jpeg, metadata, own_steps, png
from pixelmill.color import describes, is_srgb
from pixelmill.decoding import Decoded, Reading
from pixelmill.formats import SNIFF_BYTES, sniff
from pixelmill.ifd import Field, Tags
from pixelmill.jpeg import Target
from pixelmill.levels import SWAPPING, from_levels, levels_of, upright
from pixelmill.limits import Limits
from pixelmill.opencv_steps import OPENCV_STEPS, Array
from pixelmill.operations import Box, Size
from pixelmill.recipe import Step

cv2.setNumThreads(1)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

#: Tags of a TIFF: how its planes lie, and its ICC profile (ICC.1:2022, B.4).
_PLANES, _PROFILE = 0x011C, 0x8773

#: Flags that decode at a fraction of the size, in colour and in grey.
_REDUCED = {
    8: (cv2.IMREAD_REDUCED_COLOR_8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
    4: (cv2.IMREAD_REDUCED_COLOR_4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
    2: (cv2.IMREAD_REDUCED_COLOR_2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
    1: (cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE),
}


class OpenCV:
    """Pictures are uint8 arrays of shape (height, width), or with 3 or 4 channels, blue first.

    Where a recipe keeps the depth, they may be uint16.
    """

    def decode(
        self, data: bytes, target: Target | None, reading: Reading, limits: Limits
    ) -> Decoded:
        """Decode a file; see `pixelmill.decoding.decode`."""
        decoded = None
        if data.startswith(b"\xff\xd8\xff"):
            decoded = _decode_jpeg(data, target, reading, limits)
        elif reading.depth == "keep":
            decoded = _decode_deep(data, reading, limits)
        if decoded is None:
            decoded = decoding.decode(data, None, reading, limits)
            decoded.frames = [_to_array(frame) for frame in decoded.frames]
        return decoded

    def prepare(self, step: Step, folder: str) -> Callable[[Array, Box | None], Array]:
        """Return what does a step."""

        def do(picture: Array, box: Box | None) -> Array:
            if step.name == "call":
                return _to_array(own_steps.call(_to_image(picture), step.params, folder))
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
                data = _encode_deep(first, ".png" if name == "png" else ".tif", decoded)
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


def _decode_jpeg(
    data: bytes, target: Target | None, reading: Reading, limits: Limits
) -> Decoded | None:
    """Decode a JPEG that OpenCV reads as Pillow would; None for any other."""
    # OpenCV takes half a file for a whole one.
    if not data.endswith(b"\xff\xd9"):
        return None
    limits.check_file(len(data), "jpeg")
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as header:
            profile = None if reading.color == "drop" else header.info.get("icc_profile")
            orientation = metadata.orientation_of(header)
            kept = 1 if reading.orientation == "apply" else orientation
            exif = metadata.exif(header, data, reading.metadata, kept)
            size, mode = header.size, header.mode
    except Exception:  # Pillow says why
        return None
    limits.check_header(*size, 1)
    limits.check_scans(jpeg.scans(data, limits.max_scans))
    if mode not in ("RGB", "L"):
        return None
    if not describes(profile, header) or is_srgb(profile or b""):
        profile = None
    elif reading.color == "srgb":
        return None
    turned = orientation if orientation != kept else 1
    scale = _scale(size, target, reading.shrink_margin, turned)
    flag = _REDUCED[scale][mode == "L"] | cv2.IMREAD_IGNORE_ORIENTATION
    picture: Any = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if picture is None:
        return None
    box = (0.0, 0.0, size[0] / scale, size[1] / scale)
    if picture.shape[1::-1] == box[2:]:
        return Decoded([upright(picture, turned)], None, size[0] * size[1], "jpeg", profile, exif)
    return Decoded([picture], box, size[0] * size[1], "jpeg", profile, exif)


def _scale(size: Size, target: Target | None, margin: float, turned: int) -> int:
    """How far a JPEG may be decoded smaller without being seen.

    Where it is to be turned, only if both sides divide evenly: what a decoder adds to
    fill the last pixels stays at the right and below.
    """
    if target is None or not margin:
        return 1
    swapped = turned in SWAPPING
    width, height = target(size[::-1] if swapped else size)
    if swapped:
        width, height = height, width
    for scale in (8, 4, 2):
        even = size[0] % scale == size[1] % scale == 0
        if (turned == 1 or even) and (
            size[0] / scale >= width * margin and size[1] / scale >= height * margin
        ):
            return scale
    return 1


def _decode_deep(data: bytes, reading: Reading, limits: Limits) -> Decoded | None:
    """Decode PNG or TIFF with 16 bits a channel; None for any other, and for animations."""
    if sniff(data[:SNIFF_BYTES]) == "png":
        if reading.animation != "first" and b"acTL" in data:
            return None
        data = png.lean(data, still=reading.animation != "all")
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "TIFF")) as header:
            if getattr(header, "n_frames", 1) > 1 and header.format == "PNG":
                return None
            size, kind = header.size, (header.format or "").lower()
            drop = reading.color == "drop"
            profile = None if drop else colorimetry.profile_of(header, data, kind)
            orientation = metadata.orientation_of(header)
            kept = 1 if reading.orientation == "apply" else orientation
            exif = metadata.exif(header, data, reading.metadata, kept)
            # OpenCV mixes up the planes of a TIFF that has one for each colour.
            chunky = getattr(header, "tag_v2", {}).get(_PLANES, 1) == 1
    except Exception:  # Pillow says why
        return None
    if not chunky:
        return None
    limits.check_file(len(data), kind)
    limits.check_header(*size, 1)
    flag = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    picture: Any = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if picture is None or picture.dtype != np.uint16:
        return None
    turned = orientation if reading.orientation == "apply" else 1
    if picture.ndim == 3 and picture.shape[2] == 4 and not reading.alpha:
        picture = _flatten_deep(picture, reading.background)
    keep = profile if profile and not is_srgb(profile) else None
    return Decoded([upright(picture, turned)], None, size[0] * size[1], kind, keep, exif)


def _flatten_deep(picture: Any, background: str) -> Array:
    alpha = picture[..., 3:].astype(np.float64) / 65535
    behind = np.asarray([int(background[k : k + 2], 16) * 257 for k in (5, 3, 1)])
    flat = np.rint(picture[..., :3] * alpha + behind * (1 - alpha))
    return np.asarray(flat.astype(np.uint16))


def _encode_deep(picture: Array, suffix: str, decoded: Decoded) -> bytes:
    """Encode 16 bits a channel; tags of a TIFF, which OpenCV writes none of, are added."""
    blocks = {}
    name = "png" if suffix == ".png" else "tiff"
    tags = Tags()
    if decoded.exif:
        size = picture.shape[1], picture.shape[0]
        tags = metadata.fitting(decoded.exif, name, size, srgb=decoded.profile is None)
    if name == "png" and tags:
        blocks[cv2.IMAGE_METADATA_EXIF] = ifd.write(tags)
    if name == "png" and decoded.profile:
        blocks[cv2.IMAGE_METADATA_ICCP] = decoded.profile
    contents = [np.frombuffer(block, np.uint8) for block in blocks.values()]
    done, data = cv2.imencodeWithMetadata(suffix, picture, list(blocks), contents)
    if not done:
        rows, columns = picture.shape[:2]
        raise ValueError(f"OpenCV cannot encode {columns}x{rows} pixels as {suffix}")
    made = bytes(data)
    if name == "tiff" and decoded.profile:
        profile = Field(ifd.UNDEFINED, decoded.profile)
        tags = replace(tags, main={**tags.main, _PROFILE: profile})
    if name == "tiff" and tags:
        tail, head = ifd.extension(made, tags)
        made = head + made[len(head) :] + tail
    return made


def _to_array(image: Image.Image) -> Array:
    # OpenCV knows no grey with alpha.
    return np.asarray(levels_of(image.convert("RGBA") if image.mode == "LA" else image))


def _to_image(picture: Array) -> Image.Image:
    if picture.dtype == np.uint16:
        return Image.fromarray(picture)
    return from_levels(np.ascontiguousarray(picture))
