"""IPTC (IIM 4.2): the datasets that outputs have, and the blocks of Photoshop around them."""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator

from pixelmill.imaging.codecs.tag_names import IPTC

#: Largest block that is read, in bytes; real ones have some kilobytes.
_MOST_BYTES = 1_000_000

#: A dataset: a mark, record, number and length (IIM 4.2, 1.5).
_HEAD = struct.Struct(">BBBH")
_MARK = 0x1C

#: The application record, and the dataset that says that its texts are UTF-8 (IIM 4.2, 5.2).
_APPLICATION = 2
_UTF_8 = _HEAD.pack(_MARK, 1, 90, 3) + b"\x1b%G"

#: Datasets that hold a small picture of the source.
_PREVIEW = (200, 201, 202)

#: A block of Photoshop: its mark and number; a name and the length follow.
_BLOCK = struct.Struct(">4sH")
_IPTC_BLOCK = 0x0404


def kept(data: bytes, names: Container[str] | None = None) -> bytes:
    """Return the datasets of the application record that outputs have; the others are left out.

    What follows a malformed dataset is left out too.

    Parameters
    ----------
    data : bytes
    names : container of str, optional
        Names of `pixelmill.imaging.codecs.tag_names`; None keeps all but previews.
    """
    numbers = None if names is None else {IPTC[name] for name in IPTC if name in names}
    found, is_utf_8 = [], False
    for record, number, dataset in _datasets(data[:_MOST_BYTES]):
        is_utf_8 |= dataset == _UTF_8
        if record != _APPLICATION or number in _PREVIEW:
            continue
        if numbers is None or number in numbers:
            found.append(dataset)
    return b"".join((_UTF_8 if is_utf_8 and found else b"", *found))


def _datasets(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    place = 0
    while place + _HEAD.size <= len(data):
        mark, record, number, length = _HEAD.unpack_from(data, place)
        end = place + _HEAD.size + length
        if mark != _MARK or length & 0x8000 or end > len(data):
            return
        yield record, number, data[place:end]
        place = end


def in_blocks(data: bytes) -> bytes:
    """Return the datasets in blocks of Photoshop; empty if there are none.

    Examples
    --------
    >>> in_blocks(as_block(b"abc"))
    b'abc'
    """
    place = 0
    while place + _BLOCK.size < len(data):
        mark, number = _BLOCK.unpack_from(data, place)
        place += _BLOCK.size
        place += (data[place] + 2) // 2 * 2  # a name, with its length, in an even number of bytes
        if mark != b"8BIM" or place + 4 > len(data):
            return b""
        length = int.from_bytes(data[place : place + 4], "big")
        place += 4
        if number == _IPTC_BLOCK:
            return data[place : place + length]
        place += length + length % 2
    return b""


def as_block(data: bytes) -> bytes:
    """Return datasets in a block of Photoshop."""
    length = struct.pack(">I", len(data))
    return _BLOCK.pack(b"8BIM", _IPTC_BLOCK) + b"\0\0" + length + data + b"\0" * (len(data) % 2)
