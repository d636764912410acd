"""PNG and TIFF of 16 bits per channel, between files and arrays; Pillow has only 8 in colour."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pixelmill.core.errors import ImageError
from pixelmill.imaging.arrays import AnyArray, opencv
from pixelmill.imaging.codecs import colorimetry, ifd, metadata, png, tiff
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.ifd import Tags
from pixelmill.imaging.codecs.photometric import Samples, samples_of
from pixelmill.imaging.parameters import Size

#: Offsets of the depth, the colour type and the interlace method in a PNG, and the colour type of
#: grey with alpha.
_DEPTH, _COLOR_TYPE, _INTERLACE, _GRAY_ALPHA = 24, 25, 28, 4

#: Compressions of TIFF, by tifffile's names.
_COMPRESSIONS = {"none": None, "lzw": "lzw", "deflate": "adobe_deflate"}


@dataclass(frozen=True)
class DeepSource:
    """An opened file of 16 bits per channel.

    Attributes
    ----------
    size : tuple of int
        Width and height in pixels, as stored.
    read : callable
        Decodes and returns the samples, and the ICC profile or None.
    orientation : int
        As EXIF counts it, 1 to 8.
    exif : bytes
        EXIF block from its TIFF header on, or a whole TIFF; empty if there is none.
    jpegs : iterable of bytes
        JPEG streams inside the file.
    """

    size: Size
    read: Callable[[], tuple[Samples, bytes | None]]
    orientation: int
    exif: bytes
    jpegs: Iterable[bytes] = ()


def png_source(data: bytes, options: DecodeOptions) -> DeepSource | None:
    """Open a PNG of 16 bits per channel; None for any other, and for one that Pillow refuses."""
    if len(data) <= _INTERLACE or data[_DEPTH] != 16:
        return None
    if options.animation != "first" and b"acTL" in data:
        return None
    data = png.lean(data, still=options.animation != "all")
    try:
        header = Image.open(io.BytesIO(data), formats=("PNG",))
        block = metadata.block_of(header.info)
    except Exception:  # Pillow says why when the file is decoded with 8 bits
        return None

    def read() -> tuple[Samples, bytes | None]:
        profile = None if options.color == "drop" else colorimetry.profile_of_png(header, data)
        return _png_samples(data, header), profile

    return DeepSource(header.size, read, metadata.orientation_in(block), block)


def _png_samples(data: bytes, header: Image.Image) -> Samples:
    stored = _stored(data, header)
    count = 3 if stored.shape[2] > 2 else 1
    colors, alpha = stored[..., :count], None
    transparent = header.info.get("transparency")
    if stored.shape[2] in (2, 4):
        alpha = stored[..., -1]
    elif transparent is not None:
        alpha = np.where((colors == transparent).all(axis=2), 0, 65535).astype(np.uint16)
    return Samples(colors, "L" if count == 1 else "RGB", alpha)


def _stored(data: bytes, header: Image.Image) -> AnyArray:
    """Samples of a PNG of 16 bits, of shape (height, width, samples), red first."""
    if not data[_INTERLACE]:
        import imagecodecs

        return np.asarray(np.atleast_3d(imagecodecs.png_decode(data)))
    # imagecodecs writes warnings for interlaced files, and OpenCV takes half a file for a whole.
    header.load()
    cv2 = opencv()
    stored = np.atleast_3d(
        cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
        )
    )
    if data[_COLOR_TYPE] == _GRAY_ALPHA:  # OpenCV makes four channels of it
        return stored[..., 2:]
    return stored[..., [2, 1, 0, 3][: stored.shape[2]]] if stored.shape[2] > 1 else stored


def tiff_source(data: bytes) -> DeepSource | None:
    """Open a TIFF of more than 8 bits per channel; None for any other, and for a broken one.

    Raises
    ------
    ImageError
        If the page has no pixels.
    """
    try:
        page = tiff.first_page(data)
    except ImageError:  # Pillow may read it
        return None
    if page is None or page.bits <= 8:
        return None
    page.check()
    return DeepSource(
        page.size,
        lambda: (samples_of(page), page.profile),
        page.orientation,
        data,
        jpegs=page.jpegs(),
    )


def encode_png(array: AnyArray, level: int, profile: bytes | None, tags: Tags) -> bytes:
    """Encode an array with OpenCV; see `pixelmill.imaging.codecs.formats.OutputFormat`."""
    cv2 = opencv()
    blocks = {}
    if tags:
        blocks[cv2.IMAGE_METADATA_EXIF] = ifd.write(tags)
    if profile:
        blocks[cv2.IMAGE_METADATA_ICCP] = profile
    contents = [np.frombuffer(block, np.uint8) for block in blocks.values()]
    options = (cv2.IMWRITE_PNG_COMPRESSION, level)
    done, data = cv2.imencodeWithMetadata(".png", array, list(blocks), contents, options)
    if not done:
        rows, columns = array.shape[:2]
        raise ValueError(f"OpenCV cannot encode {columns}x{rows} pixels as PNG")
    return bytes(data)


def encode_tiff(array: AnyArray, compression: str, profile: bytes | None, tags: Tags) -> bytes:
    """Encode with tifffile, because OpenCV writes neither metadata nor profiles in a TIFF."""
    file = io.BytesIO()
    order = (2, 1, 0, 3)[: array.shape[2]]  # red first
    tiff.tifffile().imwrite(
        file,
        np.ascontiguousarray(array[..., order]),
        photometric="rgb",
        extrasamples=["unassalpha"] * (len(order) - 3),
        compression=_COMPRESSIONS[compression],
        iccprofile=profile,
        metadata=None,
        software=False,
    )
    made = file.getvalue()
    if tags:
        tail, head = ifd.extension(made, tags)
        made = head + made[len(head) :] + tail
    return made
