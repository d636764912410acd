"""Spans: parts of a file that are found without reading all of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO, TypeAlias

#: Reads a number of bytes at a place of a file; raises IndexError if it ends before.
ReadAt: TypeAlias = Callable[[int, int], bytes]

#: Where a part of a file begins and ends.
Span: TypeAlias = tuple[int, int]


def reader(file: IO[bytes], reach: int) -> ReadAt:
    """Return a function that reads a file at any place, but only its first `reach` bytes.

    Examples
    --------
    >>> import io
    >>> read_at = reader(io.BytesIO(b"abcdef"), 5)
    >>> read_at(3, 2)
    b'de'
    >>> read_at(3, 3)
    Traceback (most recent call last):
    IndexError: the file ends before
    """
    end = min(file.seek(0, os.SEEK_END), reach)

    def read_at(place: int, size: int) -> bytes:
        if place + size > end:
            raise IndexError("the file ends before")
        file.seek(place)
        return file.read(size)

    return read_at
