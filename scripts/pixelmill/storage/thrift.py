"""Thrift's compact protocol, in which Parquet describes itself.

Source: Apache Thrift, "Thrift Compact protocol encoding". Data may come from anyone: a structure is
read within bounds of time and memory, and only its wanted fields are kept.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any, TypeAlias

#: The fields of a structure that are kept, by number, each with those that are kept of it if it
#: is a structure or a list of structures.
Fields: TypeAlias = "Mapping[int, Fields]"

#: Types of values.
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)

#: The most values that are read, which takes some seconds, the most that are kept, which take some
#: 100 MB, and how deep they may be nested.
_MOST_VALUES, _MOST_KEPT, _DEEPEST = 2**22, 2**20, 32

#: Bits of the largest integer.
_MOST_BITS = 64


class ThriftError(ValueError):
    """Data are not what the protocol describes."""


def struct(data: bytes, fields: Fields, most: int | None = None) -> tuple[dict[int, Any], int]:
    """Read a structure.

    Parameters
    ----------
    data : bytes
    fields : Fields
        What is kept.
    most : int, optional
        The most values that are read.

    Returns
    -------
    values : dict
        The fields that are wanted and there, by number.
    size : int
        Number of bytes that it takes.

    Raises
    ------
    ThriftError

    Examples
    --------
    >>> struct(bytes([0x15, 6, 0x18, 1, 65, 0]), {2: {}})
    ({2: b'A'}, 6)
    """
    reader = _Reader(data, _MOST_VALUES if most is None else most)
    try:
        return reader.struct(fields, 0), reader.position
    except IndexError as error:
        raise ThriftError("it ends too early") from error


def varint(data: bytes, position: int) -> tuple[int, int]:
    """Read a number of 7 bits a byte; return it and where the next byte is.

    Raises
    ------
    IndexError
        If the data end before.
    ThriftError
        If it is too large.
    """
    value = shift = 0
    while shift < _MOST_BITS:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
    raise ThriftError("a number is too large")


class _Reader:
    def __init__(self, data: bytes, most: int) -> None:
        self._data = data
        self.position = 0
        self._left, self._left_to_keep = most, _MOST_KEPT

    def struct(self, fields: Fields, depth: int) -> dict[int, Any]:
        found: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self._integer()
            value = self._value(kind, fields.get(number), depth)
            if number in fields:
                found[number] = value
        return found

    def _value(self, kind: int, fields: Fields | None, depth: int) -> Any:
        """Read a value; of one that is not wanted, whose fields are None, nothing is kept."""
        self._left -= 1
        self._left_to_keep -= fields is not None
        if min(self._left, self._left_to_keep) < 0 or depth > _DEEPEST:
            raise ThriftError("it has too many values")
        if kind in _INTEGERS:
            return self._integer()
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind == _STRUCT:
            return self.struct(fields or {}, depth + 1)
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in (_LIST, _SET):
            head = self._byte()
            size = head >> 4 if head < 0xF0 else self._varint()
            values = (self._item(head & 15, fields, depth + 1) for _ in range(size))
            return collections.deque(values, maxlen=0) if fields is None else list(values)
        if kind == _MAP:
            size = self._varint()
            kinds = self._byte() if size else 0
            for _ in range(size):
                self._item(kinds >> 4, None, depth + 1)
                self._item(kinds & 15, None, depth + 1)
            return None
        if kind in (_BYTE, _DOUBLE):
            return self._bytes(1 if kind == _BYTE else 8)
        raise ThriftError("a value has no known type")

    def _item(self, kind: int, fields: Fields | None, depth: int) -> Any:
        """Read a value of a list or a map, in which a truth value takes a byte."""
        return self._value(_BYTE if kind in (_TRUE, _FALSE) else kind, fields, depth)

    def _byte(self) -> int:
        value = self._data[self.position]
        self.position += 1
        return value

    def _bytes(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self._data):
            raise ThriftError("it ends too early")
        value = self._data[self.position : end]
        self.position = end
        return value

    def _varint(self) -> int:
        value, self.position = varint(self._data, self.position)
        return value

    def _integer(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)
