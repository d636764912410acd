"""TIFF: the pages that Pillow reads wrongly or not at all, decoded by tifffile.

Pillow reads some layouts wrongly without an error, for example 12 bits as 16. It therefore decodes
only the layouts that it is known to read correctly (`pillow_reads`).
"""

from __future__ import annotations

import errno
import functools
import io
import logging
import math
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from pixelmill.core.errors import ImageError
from pixelmill.imaging.arrays import AnyArray
from pixelmill.imaging.codecs import ifd
from pixelmill.imaging.parameters import Size

#: Tags (TIFF 6.0, section 8 and following).
_BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _ORIENTATION = 258, 259, 262, 266, 274
_SAMPLES, _PLANAR, _COLOR_MAP, _INK_SET, _EXTRA, _FORMAT = 277, 284, 320, 332, 338, 339
_WHITE_POINT, _PROFILE = 318, 34675

#: NewSubfileType, and its bits that mean a reduced version and a mask of another page.
_SUBFILE_TYPE, _OF_ANOTHER_PAGE = 254, 0b101

_UPRIGHT = 1

#: Tags that describe the layout of the samples.
_LAYOUT = (
    *(_BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _ORIENTATION, _SAMPLES, _PLANAR),
    *(_COLOR_MAP, _INK_SET, _EXTRA, _FORMAT),
)

#: All tags that are numbers; also the size, RowsPerStrip, Predictor, the sides of tiles, and
#: YCbCrSubSampling.
_NUMBERS = (*_LAYOUT, 256, 257, 278, 317, 322, 323, 530)

#: Types of values that are single bytes, and of integers of 16 bits (TIFF 6.0, section 2).
_BYTES, _SHORT = (1, 7), 3

#: Values of PhotometricInterpretation (TIFF 6.0; 8 to 10: TIFF Technical Notes and RFC 3949).
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, SEPARATED, YCBCR = range(7)
CIE_LAB, ICC_LAB, ITU_LAB = 8, 9, 10

#: Chromaticities of the white point of the graphic arts and of ICC profiles (ISO 3664).
_D50 = (0.3457, 0.3585)

#: Value of SampleFormat that means unsigned integers.
_UNSIGNED = 1

#: Values of ExtraSamples: alpha of premultiplied colours, and alpha of others.
ASSOCIATED, UNASSOCIATED = 1, 2

#: Value of PlanarConfiguration that means a plane for each sample.
_PLANES = 2

#: Value of InkSet that means cyan, magenta, yellow and black.
_CMYK = 1

#: Compressions that all builds of Pillow decode: none, CCITT, LZW, JPEG, Deflate, PackBits.
_COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946)

#: Compressions for one bit per pixel only.
_BILEVEL = (2, 3, 4)

#: Tags of the offsets of strips and of tiles, each with that of their byte counts.
_PARTS = ((273, 279), (324, 325))

#: Bits of samples whose bytes tifffile 2026.3 reads in a wrong order.
_MIXED_UP = 24

_OLD_JPEG, _JPEGS = 6, (6, 7, 34892)

#: Layouts that Pillow reads correctly: PhotometricInterpretation, bits of each sample, and
#: ExtraSamples, for unsigned integers in pixel order.
_READ_RIGHT = frozenset(
    [
        (color, (bits,), ())
        for color in (WHITE_IS_ZERO, BLACK_IS_ZERO, PALETTE)
        for bits in (1, 2, 4, 8)
    ]
    + [
        (BLACK_IS_ZERO, (16,), ()),
        (BLACK_IS_ZERO, (8, 8), (2,)),
        (RGB, (8, 8, 8), ()),
        (RGB, (8, 8, 8, 8), (2,)),
        (RGB, (16, 16, 16), ()),
        (SEPARATED, (8, 8, 8, 8), ()),
        (YCBCR, (8, 8, 8), ()),
        (YCBCR, (8,), ()),
    ]
)


@dataclass(frozen=True)
class Page:
    """The first page of a TIFF file, not decoded yet.

    Attributes
    ----------
    data : bytes
        The file.
    size : tuple of int
        Width and height in pixels, as stored.
    layout : str
        Description of the samples, for messages.
    photometric, bits : int
        PhotometricInterpretation; bits of a sample.
    extra : tuple of int
        ExtraSamples: the meaning of each sample after the colours.
    color_map : ndarray or None
        The palette, of shape (3, 2**bits).
    white_point : tuple of float
        Chromaticities x and y of the white point of Lab.
    profile : bytes or None
        ICC profile.
    """

    data: bytes
    size: Size
    layout: str
    photometric: int
    bits: int
    extra: tuple[int, ...]
    color_map: AnyArray | None
    white_point: tuple[float, float]
    profile: bytes | None
    _page: Any

    def samples(self) -> AnyArray:
        """Decode to an array of shape (height, width, samples), as stored.

        Raises
        ------
        ImageError
            If the file ends before the page, or its layout cannot be decoded.
        Exception
            Any exception of the decoder, if the data are damaged.
        """
        page = self._page
        self._check_segments()
        if self._is_for_libtiff:
            return self._by_libtiff()
        try:
            stored: AnyArray = page.asarray(maxworkers=1, squeeze=False)
        except Exception as error:
            if "colorspace" in str(error):  # a JPEG with unusual channels
                raise _unsupported(f"{self.layout}: {error}") from error
            raise
        if page.imagedepth != 1:
            raise _unsupported(f"{page.imagedepth} slices of depth")
        planes, _, height, width, channels = stored.shape
        if planes == 1:
            return stored.reshape(height, width, channels)
        return stored.reshape(planes, height, width).transpose(1, 2, 0)

    def check(self) -> None:
        """Refuse a page without pixels.

        Raises
        ------
        ImageError
        """
        if 0 in self.size:
            message = "TIFF: its size is {}x{} pixels".format(*self.size)
            raise ImageError("decode", "corrupt", message)

    def jpegs(self) -> Iterator[bytes]:
        """Strips or tiles that are JPEGs."""
        if self._page.compression in _JPEGS:
            segments = zip(self._page.dataoffsets, self._page.databytecounts, strict=False)
            for offset, length in segments:
                yield self.data[offset : offset + length]

    @property
    def orientation(self) -> int:
        """Orientation of the page (TIFF 6.0, section 8); 1 if it states none."""
        tag = self._page.tags.get(_ORIENTATION)
        value = 1 if tag is None else tag.value
        return value if value in range(1, 9) else 1

    @property
    def _is_for_libtiff(self) -> bool:
        """Whether it is YCbCr, whose samples are stored in blocks, or JPEG with one plane each."""
        if self._page.compression in _JPEGS:
            planes = self._page.planarconfig == _PLANES and self._page.samplesperpixel > 1
            return planes and not self.extra and self.bits == 8 and self.photometric in (RGB, YCBCR)
        return self.photometric == YCBCR

    def _by_libtiff(self) -> AnyArray:
        import imagecodecs

        data, orientation = bytearray(self.data), self._page.tags.get(_ORIENTATION)
        if orientation is not None:  # libtiff applies only some orientations
            struct.pack_into(
                self._page.parent.byteorder + "H", data, orientation.valueoffset, _UPRIGHT
            )
        return imagecodecs.tiff_decode(bytes(data), asrgb=True)[..., :3]

    def _check_segments(self) -> None:
        """Refuse a page whose missing data tifffile would replace by zeros or not fill at all."""
        page = self._page
        if (
            page.is_contiguous and not page.is_subsampled
        ):  # strips that follow each other are read as one
            missing = page.dataoffsets[0] + page.nbytes - len(self.data)
            if missing > 0:
                message = f"TIFF: {missing:,} bytes of its pixels are missing"
                raise ImageError("decode", "truncated", message)
            return
        needed = math.prod(page.chunked)
        if page.planarconfig == _PLANES:  # of extra samples that are ignored, planes may be missing
            needed = needed * self._last_sample() // page.samplesperpixel
        segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))[:needed]
        if len(segments) < needed:
            message = f"TIFF: it has {len(segments):,} strips or tiles of {needed:,}"
            raise ImageError("decode", "corrupt", message)
        for offset, length in segments:
            if not offset or not length or offset + length > len(self.data):
                message = "TIFF: the file ends before its last strip or tile, or one is missing"
                raise ImageError("decode", "truncated", message)

    def _last_sample(self) -> int:
        """Number of samples of a pixel that are needed: the colours, and those up to alpha."""
        colors = _COLORS[self.photometric]
        alphas = [
            k for k, meaning in enumerate(self.extra) if meaning in (ASSOCIATED, UNASSOCIATED)
        ]
        return colors + (alphas[0] + 1 if alphas else 0)


def pillow_reads(data: bytes, turned: bool = True) -> bool:
    """Whether Pillow reads the first page of a TIFF correctly, or best reports what is wrong.

    Parameters
    ----------
    data : bytes
        The file.
    turned : bool
        Whether the page is to be turned upright, as Pillow always does.
    """
    if _in_shorts(data) is not data:
        return False
    tags = _tags(data)
    if not turned and tags and tags.get(_ORIENTATION, _UPRIGHT) != _UPRIGHT:
        return False
    return tags is not None and _reads_layout(tags)


def first_page(data: bytes) -> Page | None:
    """Open the first page of a TIFF file, without decoding it.

    Returns
    -------
    Page or None
        None if there is no page in the file.

    Raises
    ------
    ImageError
        If its layout is known but cannot be decoded; the message describes it.
    """
    try:
        library = tifffile()
    except ImportError as error:
        message = f"this kind of TIFF needs the packages tifffile and imagecodecs: {error}"
        raise ImageError("decode", "unsupported", message) from error
    data = _in_shorts(data)
    try:
        page = library.TiffFile(io.BytesIO(data)).pages[0]
    except Exception:  # Pillow reports why
        return None
    return _page(data, page)


def page_offsets(data: bytes, most: int) -> list[int]:
    """Return the offsets of the directories of all pages of a TIFF.

    What the file calls a reduced version or a mask of another page is left out, unless it comes
    first (TIFF 6.0, NewSubfileType).

    Raises
    ------
    ImageError
        If there are more than `most` directories, or if their chain is broken.
    """
    found: list[int] = []
    try:
        for number, place in enumerate(ifd.offsets(data), 1):
            if number > most:
                message = f"it has more pages than limits.max_frames = {most:,}"
                raise ImageError("decode", "too_large", message)
            order = "<" if data[:1] == b"I" else ">"
            kind = ifd.integer(order, ifd.field_at(data, place, _SUBFILE_TYPE)) or 0
            if not found or not kind & _OF_ANOTHER_PAGE:
                found.append(place)
    except ValueError as error:
        raise ImageError("decode", "truncated", f"TIFF: {error}") from error
    return found


def jpegs(image: Image.Image, data: bytes) -> Iterator[bytes]:
    """Strips or tiles that are JPEGs, of a file that Pillow opened."""
    if "jpeg" in str(image.info.get("compression")):
        tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
        for part in _PARTS:
            for offset, length in zip(*(tags.get(tag, ()) for tag in part), strict=False):
                yield data[offset : offset + length]


def append_tags(file: IO[bytes], data: bytes, tags: ifd.Tags) -> bytes:
    """Append tags to a file that was just written, and return its content.

    Parameters
    ----------
    file : binary file
        Open at its end.
    data : bytes
        Its content.
    tags : Tags

    Raises
    ------
    OSError
        If the disk is full.
    """
    tail, head = ifd.extension(data, tags)
    # Only a full disk takes less than everything; the head would then point to nothing.
    if file.write(tail) != len(tail):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    file.seek(0)
    file.write(head)
    return head + data[len(head) :] + tail


def ends_early(data: bytes) -> bool:
    """Whether a file ends before the strips or tiles of its first page do."""
    try:
        page = tifffile().TiffFile(io.BytesIO(data)).pages[0]
        parts = zip(page.dataoffsets, page.databytecounts, strict=False)
        return any(offset + length > len(data) for offset, length in parts)
    except Exception:  # there is no such page, or no tifffile
        return False


@functools.cache
def tifffile() -> Any:
    """Import tifffile and imagecodecs, and silence their log messages."""
    import imagecodecs  # noqa: F401 - without it tifffile decodes only some layouts
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    return tifffile


def _in_shorts(data: bytes) -> bytes:
    """Store numbers of the first directory that have 8 bits in 16 bits.

    libtiff and the readers that are built on it accept integers of any type; Pillow and tifffile do
    not treat single bytes as numbers.
    """
    order = "<" if data[:1] == b"I" else ">"
    big = 43 in data[2:4]
    offset, size = order + ("Q" if big else "I"), 20 if big else 12
    room = struct.calcsize(offset)
    changed = bytearray()
    try:
        (place,) = struct.unpack_from(offset, data, room)
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, place)
        place += 8 if big else 2
        for entry in range(place, min(len(data), place + count * size), size):
            tag, kind = struct.unpack_from(order + "HH", data, entry)
            if tag not in _NUMBERS or kind not in _BYTES:
                continue
            changed = changed or bytearray(data)
            (length,) = struct.unpack_from(offset, data, entry + 4)
            value = entry + size - room
            if length > room:
                (value,) = struct.unpack_from(offset, data, value)
            numbers = struct.pack(f"{order}{length}H", *data[value : value + length])
            struct.pack_into(order + "H", changed, entry + 2, _SHORT)
            if len(numbers) <= room:
                changed[entry + size - room : entry + size] = numbers.ljust(room, b"\0")
            else:
                struct.pack_into(offset, changed, entry + size - room, len(changed))
                changed += numbers
    except (struct.error, MemoryError):  # the directory is broken, which the decoder reports
        return data
    return bytes(changed) or data


def _tags(data: bytes) -> Mapping[int, Any] | None:
    """Tags of the first page's layout as Pillow reads them; None if it cannot."""
    if data.startswith(b"MM\0+"):  # BigTIFF, which Pillow treats as classic TIFF
        return None
    file = io.BytesIO(data)
    try:
        directory = ImageFileDirectory_v2(file.read(16 if data[2] == 43 else 8))
        file.seek(directory.next)
        directory.load(file)
        return {tag: directory[tag] for tag in _LAYOUT if tag in directory}
    except Exception:  # Pillow will report the same when it opens the file
        return {}


def _reads_layout(tags: Mapping[int, Any]) -> bool:
    """Whether Pillow is known to read a page with these tags correctly."""
    if not tags:
        return True
    compression = tags.get(_COMPRESSION, 1)
    if compression == _OLD_JPEG:  # it often has no other tag that describes it
        return True
    color = tags.get(_PHOTOMETRIC, WHITE_IS_ZERO)
    bits = tuple(tags.get(_BITS, (1,)))
    samples = tags.get(_SAMPLES, 1)
    if len(bits) == 1:
        bits *= min(samples, 100)
    formats = set(tags.get(_FORMAT, (_UNSIGNED,)))
    return (
        compression in _COMPRESSIONS
        and (color, bits, tuple(tags.get(_EXTRA, ()))) in _READ_RIGHT
        and len(bits) == samples
        and formats == {_UNSIGNED}
        and tags.get(_PLANAR, 1) == 1  # even for one sample
        and tags.get(_FILL_ORDER, 1) == 1
        and (color != PALETTE or max(tags.get(_COLOR_MAP, (0,))) > 255)
        and (color != PALETTE or len(tags[_COLOR_MAP]) >= 3 << bits[0])
        and (color != SEPARATED or tags.get(_INK_SET, _CMYK) == _CMYK)
        and (color != YCBCR or compression != 1)
    )


def _page(data: bytes, page: Any) -> Page:
    for tag in _LAYOUT:
        if isinstance(page.tags.valueof(tag), str | bytes):
            raise _unsupported(f"TIFF whose tag {tag} is not a number")
    bits, samples = page.bitspersample, page.samplesperpixel
    layout = f"TIFF of {_name(page.photometric)}, {samples} samples of {bits} bits"
    layout += f" ({_name(page.sampleformat)}), compression {_name(page.compression)}"
    colors = _COLORS.get(page.photometric)
    if colors is None or samples < colors:
        raise _unsupported(layout)
    if page.photometric == PALETTE and bits in (1, 2, 4, 8, 16):
        tag, needed = page.tags.get(_COLOR_MAP), 3 << bits
        numbers = tag.count if tag else 0
        if numbers < needed:  # levels of all reds come first, so that their places are not known
            message = f"TIFF: its colour map has {numbers:,} numbers, not {needed:,}"
            raise ImageError("decode", "corrupt", message)
    if page.photometric == SEPARATED and page.tags.valueof(_INK_SET, _CMYK) != _CMYK:
        raise _unsupported(f"{layout}, inks that are not CMYK")
    if page.photometric == YCBCR and page.compression not in _JPEGS and (bits, samples) != (8, 3):
        raise _unsupported(layout)
    if page.dtype is None or page.dtype.kind not in "buif" or bits == _MIXED_UP:
        raise _unsupported(layout)
    if page.predictor != 1 and bits not in (8, 16, 32, 64):
        raise _unsupported(f"{layout}, with a predictor")
    if page.compression in _BILEVEL and (bits, samples) != (1, 1):
        raise _unsupported(layout)
    if page.compression != 1 and page.compression not in tifffile().TIFF.DECOMPRESSORS:
        raise _unsupported(layout)
    extra = tuple(map(int, page.extrasamples))
    if samples > colors + len(extra):  # like Pillow, take an undescribed sample as alpha
        extra += (2,) + (0,) * (samples - colors - len(extra) - 1)
    mixed = isinstance(bits, tuple)  # tifffile scales samples of different depths to full bytes
    return Page(
        data=data,
        size=(page.imagewidth, page.imagelength),
        layout=layout,
        photometric=int(page.photometric),
        bits=page.dtype.itemsize * 8 if mixed else bits,
        extra=extra,
        color_map=page.colormap,
        white_point=_white_point(page.tags.valueof(_WHITE_POINT)),
        profile=page.tags.valueof(_PROFILE),
        _page=page,
    )


def _white_point(stored: Any) -> tuple[float, float]:
    """Chromaticities from four numbers that form two fractions; D50 without them."""
    try:
        x, y = stored[0] / stored[1], stored[2] / stored[3]
    except (TypeError, IndexError, ZeroDivisionError):
        return _D50
    return (x, y) if 0 < x < 1 and 0 < y < 1 else _D50


#: Number of samples of a pixel that are colours, by PhotometricInterpretation.
_COLORS = {
    WHITE_IS_ZERO: 1,
    BLACK_IS_ZERO: 1,
    RGB: 3,
    PALETTE: 1,
    MASK: 1,
    SEPARATED: 4,
    YCBCR: 3,
    CIE_LAB: 3,
    ICC_LAB: 3,
    ITU_LAB: 3,
}


def _name(value: Any) -> str:
    """Name of a tag's value, or the value if it has none."""
    return str(getattr(value, "name", value))


def _unsupported(layout: str) -> ImageError:
    return ImageError("decode", "unsupported", f"it cannot be decoded here: {layout}")
