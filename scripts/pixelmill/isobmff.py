"""ISO base media files, as far as AVIF and HEIC need it: properties and EXIF of the picture.

Boxes are those of ISO/IEC 14496-12 (ISOBMFF) and ISO/IEC 23008-12 (HEIF).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

#: Versions of a full box, and 24 flags, stand before its content.
_FULL = 4

#: Bytes of the description of a track's pictures before its boxes (ISOBMFF, 12.1.3.2).
_SAMPLE_ENTRY = 78

#: Most boxes of one kind that are looked at: files have some dozens.
_MOST_BOXES = 10_000


class Nclx(NamedTuple):
    """A colour description by code points (ITU-T H.273), without its matrix."""

    primaries: int
    transfer: int


def nclx(data: bytes) -> Nclx | None:
    """Colour description of the primary picture, where no ICC profile stands beside it.

    Parameters
    ----------
    data : bytes
        An AVIF or HEIC file.

    Returns
    -------
    Nclx or None
        None also if a profile describes the colours: what stands beside it then tells only
        how brightness and colour were separated (ISO/IEC 23000-22, 7.3.6.4).
    """
    try:
        found = _color_boxes(_meta(data)) or _color_boxes_of_track(data)
    except (struct.error, IndexError):  # the file is broken; its decoder says so
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
        meta = _meta(data)
        for number, kind in _items(meta):
            if kind == b"Exif":
                block = _content(data, meta, number)
                (skipped,) = struct.unpack_from(">I", block)  # HEIF, A.2.1
                return block[4 + skipped :]
    except (struct.error, IndexError):
        pass
    return b""


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Boxes that some data consist of, by kind, without their heads."""
    place = 0
    for _ in range(_MOST_BOXES):
        if place + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, place)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, place + 8)
            head = 16
        elif size == 0:  # up to the end
            size = len(data) - place
        if size < head:
            return
        yield kind, data[place + head : place + size]
        place += size


def _box(data: bytes, *path: bytes) -> bytes:
    """Content of a box inside others; empty if it is not there."""
    for kind in path:
        data = next((content for name, content in _boxes(data) if name == kind), b"")
    return data


def _meta(data: bytes) -> bytes:
    return _box(data, b"meta")[_FULL:]


def _items(meta: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and type of each item (ISOBMFF, 8.11.6)."""
    table = _box(meta, b"iinf")
    for kind, entry in _boxes(table[_FULL + (4 if table[0] else 2) :] if table else b""):
        if kind == b"infe" and entry[0] >= 2:
            number, _, item = struct.unpack_from(">HH4s" if entry[0] == 2 else ">IH4s", entry, 4)
            yield number, item


def _color_boxes(meta: bytes) -> list[bytes]:
    """Contents of the colour boxes of the primary picture, or of those it is composed of."""
    if not meta:
        return []
    (primary,) = struct.unpack_from(">H", _box(meta, b"pitm"), _FULL)
    properties = list(_boxes(_box(meta, b"iprp", b"ipco")))
    associations = _associations(meta)
    for number in (primary, *_parts(meta, primary)):
        chosen = [properties[k - 1] for k in associations.get(number, ()) if k]
        if found := [content for kind, content in chosen if kind == b"colr"]:
            return found
    return []


def _color_boxes_of_track(data: bytes) -> list[bytes]:
    """Contents of the colour boxes of a sequence (ISOBMFF, 8.5.2 and 12.1.3)."""
    track = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
    for _, entry in _boxes(_box(data, *track)[_FULL + 4 :]):
        return [content for kind, content in _boxes(entry[_SAMPLE_ENTRY:]) if kind == b"colr"]
    return []


def _associations(meta: bytes) -> dict[int, list[int]]:
    """Numbers of the properties of each item, from 1 (HEIF, 9.3)."""
    found: dict[int, list[int]] = {}
    for kind, table in _boxes(_box(meta, b"iprp")):
        if kind != b"ipma":
            continue
        version, flags, count = table[0], table[3], *struct.unpack_from(">I", table, _FULL)
        place = _FULL + 4
        for _ in range(min(count, _MOST_BOXES)):
            (number,) = struct.unpack_from(">I" if version else ">H", table, place)
            place += 4 if version else 2
            wide = flags & 1
            form = f">{table[place]}{'H' if wide else 'B'}"
            essential = 0x7FFF if wide else 0x7F  # all but the bit that says so
            indices = struct.unpack_from(form, table, place + 1)
            found.setdefault(number, []).extend(k & essential for k in indices)
            place += 1 + struct.calcsize(form)
    return found


def _parts(meta: bytes, primary: int) -> list[int]:
    """Items that the primary picture is composed of, as a grid is of tiles (HEIF, 6.6.2)."""
    table = _box(meta, b"iref")
    letter = "I" if table[:1] == b"\1" else "H"
    parts: list[int] = []
    for kind, content in _boxes(table[_FULL:]):
        if kind == b"dimg":
            number, count = struct.unpack_from(f">{letter}H", content)
            if number == primary:
                parts += struct.unpack_from(
                    f">{count}{letter}", content, struct.calcsize(letter) + 2
                )
    return parts


def _content(data: bytes, meta: bytes, wanted: int) -> bytes:
    """Bytes of an item (ISOBMFF, 8.11.3)."""
    table = _box(meta, b"iloc")
    version, sizes = table[0], struct.unpack_from(">BB", table, _FULL)
    widths = (sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4, sizes[1] & 15 if version else 0)
    reader = _Reader(table, _FULL + 2)
    for _ in range(min(reader.number(4 if version == 2 else 2), _MOST_BOXES)):
        number = reader.number(4 if version == 2 else 2)
        method = reader.number(2) & 15 if version else 0
        reader.number(2)  # the file that holds it: this one
        base = reader.number(widths[2])
        parts, extents = b"", reader.number(2)
        for _ in range(extents if any((*widths[:2], widths[3])) else min(extents, 1)):
            reader.number(widths[3])
            begin, length = base + reader.number(widths[0]), reader.number(widths[1])
            if number == wanted:
                whole = _box(meta, b"idat") if method == 1 else data
                parts += whole[begin : begin + length if length else len(whole)]
            if len(parts) > len(data):
                raise IndexError("the parts of an item overlap")
        if number == wanted:
            return parts
    return b""


class _Reader:
    """Reads numbers of whole bytes, one after the other."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place = data, place

    def number(self, size: int) -> int:
        end = self._place + size
        if end > len(self._data):
            raise IndexError("the data end within a table")
        value = int.from_bytes(self._data[self._place : end], "big")
        self._place = end
        return value
