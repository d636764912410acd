"""Snappy: a part of compressed data is decompressed without what precedes it.

Source: "Snappy compressed format description" (google/snappy). Compressors divide their input into
fragments of 64 KiB that do not refer to each other, and so become elements of their own. The format
does not require this; `starts` therefore checks it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

#: Uncompressed bytes of a fragment, except the last one.
FRAGMENT = 2**16

#: Types of elements: literal bytes, and copies of earlier ones, at a distance in 1, 2 or 4 bytes.
_LITERAL, _COPY_1, _COPY_2 = 0, 1, 2

#: The largest size of a literal in the first byte; larger numbers tell how many bytes hold it.
_LONGEST_SHORT = 60


class SnappyError(ValueError):
    """Data are not compressed by Snappy."""


def largest(size: int) -> int:
    """Return how many bytes the elements of so many bytes take at most.

    The last of them may be a literal that goes on to the end of its fragment.

    Examples
    --------
    >>> largest(0)
    76490
    """
    return 32 + (size + FRAGMENT) * 7 // 6


def uncompressed_size(data: bytes) -> tuple[int, int]:
    """Return the number of bytes that data become, and where the elements begin.

    Raises
    ------
    SnappyError

    Examples
    --------
    >>> uncompressed_size(bytes([0xAC, 2, 0]))
    (300, 2)
    """
    value = 0
    for place, byte in enumerate(data[:5]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, place + 1
    raise SnappyError("its size is missing")


def starts(data: bytes) -> array[int] | None:
    """Return where each fragment begins; None if they refer to each other.

    Parameters
    ----------
    data : bytes
        All compressed data.

    Raises
    ------
    SnappyError
    """
    size, first = uncompressed_size(data)
    found, made, begin = array("Q"), 0, 0
    for position, _, length, distance in _elements(data, first):
        if made >= begin + FRAGMENT or not found:
            begin = len(found) * FRAGMENT
            if made != begin:
                return None
            found.append(position)
        if distance > made - begin:
            return None
        made += length
    return found if made == size and len(found) == -(-size // FRAGMENT) else None


def beginning(data: bytes, size: int) -> bytes:
    """Return compressed data of their own of the first elements, which become `size` bytes or more.

    Parameters
    ----------
    data : bytes
        Elements from the beginning of a fragment.
    size : int

    Raises
    ------
    SnappyError
        If there are fewer.
    """
    made = end = 0
    elements = _elements(data, 0)
    while made < size:
        element = next(elements, None)
        if element is None:
            raise SnappyError("it ends too early")
        _, end, length, _ = element
        made += length
    return _varint(made) + data[:end]


def _elements(data: bytes, position: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield begin and end of each element, how many bytes it becomes, and whence it copies them."""
    while position < len(data):
        tag = data[position]
        kind, length, distance = tag & 3, (tag >> 2) + 1, 0
        if kind == _LITERAL:
            end = position + 1
            if length > _LONGEST_SHORT:
                end += length - _LONGEST_SHORT
                length = int.from_bytes(data[position + 1 : end], "little") + 1
            end += length
        elif kind == _COPY_1:
            end = position + 2
            length = (tag >> 2 & 7) + 4
            distance = (tag >> 5 << 8) + data[end - 1] if end <= len(data) else 0
        else:
            end = position + (3 if kind == _COPY_2 else 5)
            distance = int.from_bytes(data[position + 1 : end], "little")
        if end > len(data):
            raise SnappyError("it ends too early")
        yield position, end, length, distance
        position = end


def _varint(number: int) -> bytes:
    """Write a number in 7 bits a byte, the lowest first."""
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes([*made, number])
