"""Tracks, properties and EXIF in ISO base media files such as AVIF and HEIC.

The standards are ISO/IEC 14496-12 (ISOBMFF) and ISO/IEC 23008-12 (HEIF).
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from pixelmill.imaging.codecs.boxes import Box, at, boxes, content, first, inside, top_level
from pixelmill.imaging.codecs.spans import ReadAt, Span

#: Bytes of the version and the flags before the content of a full box.
_FULL = 4

#: Bytes of the description of a track's pictures before its boxes (ISOBMFF, 12.1.3.2).
_SAMPLE_ENTRY = 78

#: Largest number of entries of one table that are read; files have some dozens.
_MOST_ENTRIES = 10_000

#: Largest description of all items, in bytes, that is read from a file; they have some kilobytes.
_MOST_DESCRIPTION = 2**20


class Nclx(NamedTuple):
    """A colour description by code points (ITU-T H.273), without its matrix."""

    primaries: int
    transfer: int


def nclx(data: bytes) -> Nclx | None:
    """Colour description of the primary picture, unless it has an ICC profile too.

    Parameters
    ----------
    data : bytes
        An AVIF or HEIC file.

    Returns
    -------
    Nclx or None
        None also if a profile describes the colours; a description beside it then states only
        how luma and chroma were separated (ISO/IEC 23000-22, 7.3.6.4).
    """
    try:
        found = _color_boxes(data) or _color_boxes_of_track(data)
    except (struct.error, IndexError):  # the file is broken, which its decoder reports
        return None
    kinds = {box[:4] for box in found}
    if kinds & {b"prof", b"rICC"}:
        return None
    for box in found:
        if box[:4] == b"nclx" and len(box) >= 8:
            return Nclx(*struct.unpack_from(">HH", box, 4))
    return None


def exif(data: bytes) -> bytes:
    """EXIF block of a file from its TIFF header on; empty if there is none."""
    try:
        for number, kind, _ in _items(data):
            if kind == b"Exif":
                block = _item(data, number)
                (skipped,) = struct.unpack_from(">I", block)  # HEIF, A.2.1
                return block[4 + skipped :]
    except (struct.error, IndexError):
        pass
    return b""


def exif_span(read_at: ReadAt) -> Span | None:
    """Find the EXIF block of a file without reading all of it.

    Returns
    -------
    tuple of int or None
        Where it begins and ends, from its TIFF header on. None if there is none, or if it is stored
        in several parts, which no known program does.

    Raises
    ------
    struct.error, IndexError, ValueError
        If the file is broken.
    """
    begin, end = top_level(read_at, b"meta")
    data = read_at(begin, min(end - begin, _MOST_DESCRIPTION))
    for number, kind, _ in _items(data):
        if kind == b"Exif":
            ((method, place, length),) = islice(_extents(data, number), 2)
            if method == _IN_DESCRIPTION and (inner := first(data, b"meta", b"idat")) is not None:
                place += begin + inner.begin
            (skipped,) = struct.unpack(">I", read_at(place, 4))  # HEIF, A.2.1
            return place + 4 + skipped, place + length if length else sys.maxsize
    return None


def xmp(data: bytes) -> bytes:
    """Packet of XMP of a file; empty if there is none (HEIF, A.3)."""
    try:
        for number, kind, names in _items(data):
            if kind == b"mime" and names.split(b"\0")[1:2] == [b"application/rdf+xml"]:
                return _item(data, number)
    except (struct.error, IndexError):
        pass
    return b""


def picture_tracks(data: bytes) -> Iterator[Box]:
    """Tracks of pictures; those of alpha have another handler (ISOBMFF, 8.4.3)."""
    for track in at(data, b"moov", b"trak"):
        if content(data, b"mdia", b"hdlr", outer=track)[8:12] == b"pict":
            yield track


def sample_properties(data: bytes, track: Box) -> list[Box]:
    """Boxes that describe the pictures of a track (ISOBMFF, 8.5.2 and 12.1.3)."""
    table = first(data, b"mdia", b"minf", b"stbl", b"stsd", outer=track)
    for entry in () if table is None else inside(data, table):
        return list(boxes(data, entry.begin + _SAMPLE_ENTRY, entry.end))
    return []


def properties_of(data: bytes, item: int) -> list[Box]:
    """Properties of an item (HEIF, 9.3); empty if their table is malformed."""
    container = first(data, b"meta", b"iprp", b"ipco")
    every = [] if container is None else list(inside(data, container))
    try:
        numbers = _associations(data).get(item, [])
    except (struct.error, IndexError):
        return []
    return [every[k - 1] for k in numbers if 0 < k <= len(every)]


def primary_item(data: bytes) -> int:
    """Number of the item that is the picture of the file (ISOBMFF, 8.11.4); 0 if there is none."""
    return int.from_bytes(content(data, b"meta", b"pitm")[_FULL:], "big")


def codings(data: bytes) -> set[bytes]:
    """Types of the items that are the picture of the file, or the parts that it is made of."""
    try:
        primary = primary_item(data)
        wanted = {primary, *_parts(data, primary)}
        return {kind for number, kind, _ in _items(data) if number in wanted}
    except (struct.error, IndexError):
        return set()


def _items(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number and type of each item, and its names with NUL after each (ISOBMFF, 8.11.6)."""
    table = first(data, b"meta", b"iinf")
    if table is None:
        return
    count_bytes = 4 if data[table.begin] else 2
    for box in boxes(data, table.begin + _FULL + count_bytes, table.end):
        if box.name == b"infe" and data[box.begin] >= 2:
            form = ">HH4s" if data[box.begin] == 2 else ">IH4s"
            number, _, item = struct.unpack_from(form, data, box.begin + _FULL)
            yield number, item, data[box.begin + _FULL + struct.calcsize(form) : box.end]


def _color_boxes(data: bytes) -> list[bytes]:
    """Contents of the colour boxes of the primary picture, or of the parts of it."""
    primary = primary_item(data)
    for number in (primary, *_parts(data, primary)):
        if found := _colors(data, properties_of(data, number)):
            return found
    return []


def _color_boxes_of_track(data: bytes) -> list[bytes]:
    """Contents of the colour boxes of a sequence."""
    for track in picture_tracks(data):
        return _colors(data, sample_properties(data, track))
    return []


def _colors(data: bytes, properties: list[Box]) -> list[bytes]:
    return [data[box.begin : box.end] for box in properties if box.name == b"colr"]


def _associations(data: bytes) -> dict[int, list[int]]:
    """Numbers of the properties of each item, from 1 (HEIF, 9.3)."""
    found: dict[int, list[int]] = {}
    for box in at(data, b"meta", b"iprp", b"ipma"):
        table = data[box.begin : box.end]
        version, flags, count = table[0], table[3], *struct.unpack_from(">I", table, _FULL)
        place = _FULL + 4
        for _ in range(min(count, _MOST_ENTRIES)):
            (number,) = struct.unpack_from(">I" if version else ">H", table, place)
            place += 4 if version else 2
            wide = flags & 1
            form = f">{table[place]}{'H' if wide else 'B'}"
            essential = 0x7FFF if wide else 0x7F  # the highest bit marks essential properties
            indices = struct.unpack_from(form, table, place + 1)
            found.setdefault(number, []).extend(k & essential for k in indices)
            place += 1 + struct.calcsize(form)
    return found


def _parts(data: bytes, primary: int) -> list[int]:
    """Items that the primary picture is composed of, such as the tiles of a grid (HEIF, 6.6.2)."""
    table = first(data, b"meta", b"iref")
    if table is None:
        return []
    letter = "I" if data[table.begin] == 1 else "H"
    parts: list[int] = []
    for box in boxes(data, table.begin + _FULL, table.end):
        if box.name == b"dimg":
            number, count = struct.unpack_from(f">{letter}H", data, box.begin)
            if number == primary:
                place = box.begin + struct.calcsize(letter) + 2
                parts += struct.unpack_from(f">{count}{letter}", data, place)
    return parts


#: How items are stored whose offsets count from the content of the box ``idat``.
_IN_DESCRIPTION = 1


def _item(data: bytes, wanted: int) -> bytes:
    """Bytes of an item (ISOBMFF, 8.11.3)."""
    parts = b""
    for method, begin, length in _extents(data, wanted):
        whole = content(data, b"meta", b"idat") if method == _IN_DESCRIPTION else data
        parts += whole[begin : begin + length if length else len(whole)]
        if len(parts) > len(data):
            raise IndexError("the parts of an item overlap")
    return parts


def _extents(data: bytes, wanted: int) -> Iterator[tuple[int, int, int]]:
    """Where the parts of an item are: how it is stored, an offset, and a length or 0."""
    table = content(data, b"meta", b"iloc")
    version, sizes = table[0], struct.unpack_from(">BB", table, _FULL)
    widths = (sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4, sizes[1] & 15 if version else 0)
    reader = _Reader(table, _FULL + 2)
    for _ in range(min(reader.number(4 if version == 2 else 2), _MOST_ENTRIES)):
        number = reader.number(4 if version == 2 else 2)
        method = reader.number(2) & 15 if version else 0
        reader.number(2)  # the file that holds the item, which is this one
        base = reader.number(widths[2])
        extents = reader.number(2)
        for _ in range(extents if any((*widths[:2], widths[3])) else min(extents, 1)):
            reader.number(widths[3])
            begin, length = base + reader.number(widths[0]), reader.number(widths[1])
            if number == wanted:
                yield method, begin, length
        if number == wanted:
            return


class _Reader:
    """Reads numbers of whole bytes one after the other."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place = data, place

    def number(self, size: int) -> int:
        end = self._place + size
        if end > len(self._data):
            raise IndexError("the data end within a table")
        value = int.from_bytes(self._data[self._place : end], "big")
        self._place = end
        return value
