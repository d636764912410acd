"""Boxes: the structure of ISO base media files such as AVIF and HEIC (ISO/IEC 14496-12, 4.2)."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from typing import NamedTuple

from pixelmill.imaging.codecs.spans import ReadAt, Span

#: Size and type of a box. After a size of 1, one of 64 bits follows; 0 means up to the end.
HEAD = struct.Struct(">I4s")
_LONG_SIZE = struct.Struct(">Q")

#: Bytes before the first inner box: version and flags, and sometimes a count.
_BEFORE_INNER = {b"meta": 4, b"stsd": 8}

#: Largest number of boxes in one container that are read; files have some dozens.
_MOST_BOXES = 10_000


class Box(NamedTuple):
    """A box: its type, and the offsets in the file where its content begins and ends."""

    name: bytes
    begin: int
    end: int


def boxes(data: bytes, begin: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield consecutive boxes in a part of a file.

    The iteration ends before the first box that is malformed or reaches beyond that part.
    """
    stop = len(data) if end is None else end
    place = begin
    for _ in range(_MOST_BOXES):
        if place + HEAD.size > stop:
            return
        size, name = HEAD.unpack_from(data, place)
        begin = place + HEAD.size
        if size == 1 and begin + _LONG_SIZE.size <= stop:
            (size,) = _LONG_SIZE.unpack_from(data, begin)
            begin += _LONG_SIZE.size
            place += size
        else:
            place = place + size if size else stop
        if not begin <= place <= stop or name == bytes(4):
            return
        yield Box(name, begin, place)


def top_level(read_at: ReadAt, name: bytes) -> Span:
    """Find a box that is in no other one, without reading those before it.

    Returns
    -------
    tuple of int
        Where it begins, with its size and type, and where it ends.

    Raises
    ------
    IndexError
        If there is none.
    """
    place = 0
    for _ in range(_MOST_BOXES):
        size, found = HEAD.unpack(read_at(place, HEAD.size))
        if size == 1:
            (size,) = _LONG_SIZE.unpack(read_at(place + HEAD.size, _LONG_SIZE.size))
        end = place + size if size else sys.maxsize
        if found == name:
            return place, end
        if size < HEAD.size:
            break
        place = end
    raise IndexError(f"there is no box {name!r}")


def inside(data: bytes, outer: Box) -> Iterator[Box]:
    """Yield the boxes inside a box."""
    return boxes(data, outer.begin + _BEFORE_INNER.get(outer.name, 0), outer.end)


def at(data: bytes, *path: bytes, outer: Box | None = None) -> Iterator[Box]:
    """Yield all boxes at a path of names, in a file or in one of its boxes."""
    name, *rest = path
    for box in boxes(data) if outer is None else inside(data, outer):
        if box.name == name:
            if rest:
                yield from at(data, *rest, outer=box)
            else:
                yield box


def first(data: bytes, *path: bytes, outer: Box | None = None) -> Box | None:
    """Return the first box at a path of names; None if there is none."""
    return next(at(data, *path, outer=outer), None)


def content(data: bytes, *path: bytes, outer: Box | None = None) -> bytes:
    """Return the content of the first box at a path of names; empty if there is none."""
    found = first(data, *path, outer=outer)
    return b"" if found is None else data[found.begin : found.end]
