"""Second reading of sizes: width and height of the picture that the second decoder sees.

They are read off the headers that the second decoder follows, without decoding any pixels.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

from pixelmill.verification.file_structure import (
    avif_properties,
    boxes,
    find_box,
    gif_frames,
    jpeg_segments,
    kind_of,
    notes_of,
    picture_track,
    png_chunks,
    riff_chunks,
)

#: Width and height in pixels.
Size: TypeAlias = tuple[int, int]

#: Left, top, right and bottom in pixels.
Box: TypeAlias = tuple[int, int, int, int]

#: Orientations that swap width and height (EXIF 2.32, 4.6.4.1.4).
_SWAPPING = (5, 6, 7, 8)

#: Markers of JPEG that begin a frame: all except those of tables and of arithmetic conditioning
#: (ITU-T T.81, table B.1).
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

_SCAN = 0xDA

#: Width, height, horizontal and vertical offset, each a fraction (ISO/IEC 14496-12, 12.1.4).
_APERTURE = struct.Struct(">IIIIiIiI")

#: Bytes of a visual sample entry before its boxes, and where it has width and height
#: (ISO/IEC 14496-12, 12.1.3.2).
_SAMPLE_ENTRY, _SAMPLE_SIZE = 78, 24


def size_of(data: bytes, upright: bool = True) -> Size | None:
    """Return width and height of the picture in a file; None if they are unknown.

    Parameters
    ----------
    data : bytes
        The file, or of a JPEG at least all that stands before its first scan.
    upright : bool
        Whether the picture is turned upright by the orientation that the file notes.
    """
    kind = kind_of(data)
    is_turned = upright or kind == "heif"  # whose decoder always turns it
    try:
        if kind == "tiff":
            from pixelmill.verification.second_tiff import tiff_size

            size, orientation = tiff_size(data)
        elif kind in _READERS:
            size = _READERS[kind](data)
            orientation = notes_of(data).orientation if is_turned else 1
        else:
            return None
    except Exception:  # what is malformed tells no size
        return None
    if orientation in _SWAPPING and is_turned:
        size = size[1], size[0]
    return size if min(size) > 0 else None


def is_sequence(data: bytes) -> bool:
    """Whether a file is an AVIF sequence."""
    return kind_of(data) == "avif" and picture_track(data) is not None


def tells_size(head: bytes) -> bool:
    """Whether the first bytes of a file are enough to determine the size of its picture."""
    if kind_of(head) != "jpeg":
        return False
    return any(marker == _SCAN for marker, _ in jpeg_segments(head))


def clean_aperture(size: Size, clap: bytes | None) -> Box:
    """Return the region of a picture that is shown (ISO/IEC 14496-12, 12.1.4).

    Edges between pixels are rounded. An aperture that is malformed, or that reaches beyond the
    picture, is ignored.

    Parameters
    ----------
    size : tuple of int
        Width and height as coded.
    clap : bytes or None
        Content of the box, if there is one.

    Examples
    --------
    >>> clean_aperture((64, 48), struct.pack(">IIIIiIiI", 32, 1, 20, 1, -8, 1, -10, 1))
    (8, 4, 40, 24)
    """
    whole = (0, 0, *size)
    if clap is None or len(clap) < _APERTURE.size:
        return whole
    values = _APERTURE.unpack_from(clap)
    if 0 in values[1::2]:
        return whole
    width, height, across, down = (Fraction(*values[k : k + 2]) for k in (0, 2, 4, 6))
    left, top = (size[0] - width) / 2 + across, (size[1] - height) / 2 + down
    half = Fraction(1, 2)
    begin = math.floor(left + half), math.floor(top + half)
    end = math.floor(left + width + half), math.floor(top + height + half)
    inside = 0 <= begin[0] < end[0] <= size[0] and 0 <= begin[1] < end[1] <= size[1]
    return (*begin, *end) if inside else whole


def track_aperture(data: bytes) -> bytes | None:
    """Return the content of the clean aperture of a sequence; None if there is none."""
    entry = _sample_entry(data)
    return None if entry is None else find_box(entry[_SAMPLE_ENTRY:], b"clap")


def _sample_entry(data: bytes) -> bytes | None:
    """Return the description of the pictures of a sequence (ISO/IEC 14496-12, 8.5.2)."""
    track = picture_track(data)
    table = find_box(track or b"", b"mdia", b"minf", b"stbl", b"stsd")
    return next((entry for _, entry in boxes((table or b"")[8:])), None)


def _jpeg(data: bytes) -> Size:
    """Return the size of the first picture, which is the one that is decoded."""
    frames = (content for marker, content in jpeg_segments(data) if marker in _FRAMES)
    height, width = struct.unpack_from(">HH", next(frames), 1)
    return width, height


def _png(data: bytes) -> Size:
    """Return the size of the picture or of the canvas (PNG 3rd edition, 11.2.1)."""
    width, height = struct.unpack_from(">II", next(png_chunks(data))[1])
    return width, height


def _gif(data: bytes) -> Size:
    """Return the size of the logical screen, enlarged for the first frame (GIF89a, 18)."""
    width, height = struct.unpack_from("<HH", data, 6)
    place, _, _ = next(gif_frames(data))
    left, top, across, down = struct.unpack_from("<HHHH", data, place)
    return max(width, left + across), max(height, top + down)


def _webp(data: bytes) -> Size:
    """Return the size of the canvas, or of the only picture (RFC 9649, 2.5 to 2.7)."""
    name, content = next(iter(riff_chunks(data)))
    if name == b"VP8X":
        return 1 + _little(content, 4, 3), 1 + _little(content, 7, 3)
    if name == b"VP8L":
        bits = _little(content, 1, 4)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return _little(content, 6, 2) & 0x3FFF, _little(content, 8, 2) & 0x3FFF


def _heif(data: bytes) -> Size:
    """Return the size of the clean aperture of the primary item, or of the frames."""
    entry = _sample_entry(data) if kind_of(data) == "avif" else None
    if entry is not None:
        width, height = struct.unpack_from(">HH", entry, _SAMPLE_SIZE)
        clap = find_box(entry[_SAMPLE_ENTRY:], b"clap")
    else:
        properties = dict(reversed(avif_properties(data)))
        width, height = struct.unpack_from(">II", properties[b"ispe"], 4)
        clap = properties.get(b"clap")
    left, top, right, bottom = clean_aperture((width, height), clap)
    return right - left, bottom - top


def _bmp(data: bytes) -> Size:
    """Read the header of Windows, or that of OS/2 1, which has 12 bytes."""
    (head,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<Hh" if head == 12 else "<ii", data, 18)
    return width, abs(height)


def _pnm(data: bytes) -> Size:
    from pixelmill.verification.second_bitmaps import pnm_header

    (width, height, _), _ = pnm_header(data)
    return width, height


def _ico(data: bytes) -> Size:
    """Return the size of the picture itself: the directory has no sides above 256."""
    from pixelmill.verification.second_bitmaps import largest_icon

    inside = largest_icon(data)
    if kind_of(inside) == "png":
        return _png(inside)
    width, height = struct.unpack_from("<ii", inside, 4)
    return width, height // 2  # a mask of the same height follows


def _little(data: bytes, place: int, size: int) -> int:
    if place + size > len(data):
        raise IndexError("the header is cut off")
    return int.from_bytes(data[place : place + size], "little")


_READERS: dict[str, Callable[[bytes], Size]] = {
    "jpeg": _jpeg,
    "png": _png,
    "gif": _gif,
    "webp": _webp,
    "avif": _heif,
    "heif": _heif,
    "bmp": _bmp,
    "pnm": _pnm,
    "ico": _ico,
}
