"""Paths in one buffer instead of objects, so that a million fit into memory, found if sorted."""

from __future__ import annotations

import bisect
import heapq
import operator
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, count, groupby, islice


class Paths:
    """Paths in one buffer: 9 bytes each and the path, instead of 60 bytes more.

    Parameters
    ----------
    paths : iterable of str, optional
        Any texts.

    Examples
    --------
    >>> paths = Paths(["b.png", "a.jpg", "b.png"])
    >>> paths[1], paths.ranked()
    ('a.jpg', array('Q', [1, 2]))
    >>> found = paths.take(paths.ranked())
    >>> list(found), found.find("b.png"), found.find("c.png")
    (['a.jpg', 'b.png'], 1, None)
    """

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._buffer = bytearray()  # each followed by a separator
        self._ends = array("Q", [0])
        rest = iter(paths)
        while some := list(islice(rest, CHUNK)):
            self.extend(some)

    def extend(self, some: Iterable[str]) -> None:
        """Add some paths; later ones are not found before this has been done."""
        self._add([*map(_encoded, some)])

    def _add(self, encoded: Sequence[bytes | bytearray]) -> None:
        self._buffer += _SEPARATOR.join([*encoded, b""])
        ends = accumulate(map(len, encoded), initial=self._ends[-1])
        self._ends.extend(map(operator.add, islice(ends, 1, None), count(1)))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        return self._encoded(number).decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        for begin in range(0, len(self), CHUNK):
            yield from self.between(begin, min(begin + CHUNK, len(self)))

    def __eq__(self, other: object) -> bool:
        return self._buffer == other._buffer if isinstance(other, Paths) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def between(self, begin: int, end: int) -> list[str]:
        """Return the paths from one number to before another one, which takes little time."""
        if begin >= end:
            return []
        some = self._buffer[self._ends[begin] : self._ends[end] - 1]
        if b"\0" in some:  # as no file name does
            return [*map(self.__getitem__, range(begin, end))]
        return some.replace(_SEPARATOR, b"\0").decode("utf-8", "surrogatepass").split("\0")

    def ranked(self) -> Sequence[int]:
        """Return the numbers of all paths in sorted order; of equal paths, that of the last one."""
        count, key = len(self), self._encoded
        if self._are_sorted():
            return range(count)
        parts = [
            array("Q", sorted(range(begin, min(begin + _PART, count)), key=key))
            for begin in range(0, count, _PART)
        ]
        equal = groupby(heapq.merge(*parts, key=key), key=key)
        return array("Q", (deque(group, maxlen=1)[0] for _, group in equal))

    def _are_sorted(self) -> bool:
        """Return whether each path is after the one before it."""
        for begin in range(0, len(self), CHUNK):
            some = self.between(begin, min(begin + CHUNK + 1, len(self)))
            if not all(map(operator.lt, some, some[1:])):
                return False
        return True

    def take(self, numbers: Sequence[int]) -> Paths:
        """Return the paths with these numbers, in this order."""
        if numbers == range(len(self)):
            return self
        taken, rest = Paths(), iter(numbers)
        while some := list(islice(rest, CHUNK)):
            taken._add([*map(self._encoded, some)])
        return taken

    def find(self, path: str, near: int | None = None) -> int | None:
        """Return the number of a path; None if it is missing. The paths must be sorted.

        Parameters
        ----------
        path : str
        near : int, optional
            The most likely number.
        """
        wanted = _encoded(path)
        if near is not None and near < len(self) and self._encoded(near) == wanted:
            return near
        block = bisect.bisect_right(self._firsts, wanted) - 1
        if block < 0:
            return None
        first = block * _BLOCK
        if self._firsts[block] == wanted:
            return first
        begin, end = self._ends[first], self._ends[min(first + _BLOCK, len(self))]
        place = self._buffer.find(b"\xff%b\xff" % wanted, begin, end)
        return None if place < 0 else first + self._buffer.count(_SEPARATOR, begin, place + 1)

    @cached_property
    def _firsts(self) -> list[bytes]:
        """First path of each block: a binary search over all paths takes four times as long."""
        return [bytes(self._encoded(number)) for number in range(0, len(self), _BLOCK)]

    def _encoded(self, number: int) -> bytearray:
        # Bytes sort like the text, also for lone surrogates of undecodable names.
        return self._buffer[self._ends[number] : self._ends[number + 1] - 1]


def finder(paths: Paths) -> Callable[[str], int | None]:
    """Return a function that finds paths, in less time if they are asked for in their order."""
    near = 0

    def find(path: str) -> int | None:
        nonlocal near
        number = paths.find(path, near)
        if number is not None:
            near = number + 1
        return number

    return find


#: Paths that are added or returned at a time.
CHUNK = 1024

#: Stands after each path; no text in UTF-8 contains it.
_SEPARATOR = b"\xff"

#: Paths in a block, which is searched for bytes: that is fast.
_BLOCK = 64

#: Paths that are sorted at once: each takes 100 bytes then.
_PART = 2**16


def _encoded(path: str) -> bytes:
    return path.encode("utf-8", "surrogatepass")
