"""Entries: what a catalog knows of each image, in columns, so that a million fit into memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import compress, islice, repeat
from typing import Any, NamedTuple, TypeAlias, overload

from pixelmill.dataset.paths import CHUNK, Paths

#: Instead of a date, of an image whose file states none.
NO_DATE = -1


class Entry(NamedTuple):
    """One input: its path below the folder, and what shows that it changed.

    `format` is empty if the suffix is that of an image and the content is not. `width` and
    `height` are those that the header claims, in pixels; 0 if unknown. `changed_ns` is the time
    of the last change, which no program can set; 0 if unknown. Of a member of an archive,
    `changed_ns` is its mark, and `offset` where it is there (`pixelmill.storage.member`); the
    offset of a file is 0. `taken` is when the picture was taken, as the digits YYYYMMDDHHMMSS, or
    `NO_DATE`; 0 if it was not looked at. `name` is the path, without a suffix, after which a list
    names its outputs; empty if they are named after `path`.
    """

    path: str
    bytes: int
    mtime_ns: int
    format: str
    width: int = 0
    height: int = 0
    changed_ns: int = 0
    offset: int = 0
    taken: int = 0
    name: str = ""


#: Entries in columns, in the order of the fields of `Entry`.
Columns: TypeAlias = tuple[Sequence[Any], ...]


class Entries(Sequence[Entry]):
    """Entries in columns instead of objects: 50 bytes each and the path, instead of 900 bytes.

    Parameters
    ----------
    entries : iterable of Entry, optional

    Attributes
    ----------
    paths : Paths
    sizes, widths, heights : array of int
        Bytes and pixels of each entry.

    Examples
    --------
    >>> found = Entries([Entry("b.png", 9, 1, "png"), Entry("a.jpg", 7, 2, "jpeg")]).sorted()
    >>> found[0].path, found.find("b.png"), found.find("c.png")
    ('a.jpg', 1, None)
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.paths = Paths()
        self.sizes = array("q")
        self.times = array("q")
        self._formats: list[str] = []
        self._format_numbers = array("B")
        self.widths = array("Q")
        self.heights = array("Q")
        self.changes = array("q")
        self._offsets = array("q")  # empty as long as all are 0, as those of files
        self._taken = array("q")  # the same
        self._names: list[str] = []  # empty as long as none has one
        rest = iter(entries)
        while some := list(islice(rest, CHUNK)):
            self.extend(tuple(zip(*some, strict=True)))

    @classmethod
    def of_columns(cls, some: Iterable[Columns]) -> Entries:
        """Return entries that are given in columns, many at a time."""
        made = cls()
        for columns in some:
            made.extend(columns)
        return made

    def extend(self, columns: Columns) -> None:
        """Add entries that are given in columns; later ones are not found before."""
        paths, sizes, times, formats, widths, heights, changes, offsets, taken, names = columns
        self.paths.extend(paths)
        for column, values in ((self._offsets, offsets), (self._taken, taken)):
            if column or any(values):
                column.extend(repeat(0, len(self) - len(column)))
                column.extend(values)
        if self._names or any(names):
            self._names.extend(repeat("", len(self) - len(self._names)))
            self._names.extend(names)
        self.sizes.extend(sizes)
        self.times.extend(times)
        self._formats += [name for name in dict.fromkeys(formats) if name not in self._formats]
        numbers = {name: number for number, name in enumerate(self._formats)}
        self._format_numbers.extend(map(numbers.__getitem__, formats))
        self.widths.extend(widths)
        self.heights.extend(heights)
        self.changes.extend(changes)

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, number: int) -> Entry: ...
    @overload
    def __getitem__(self, number: slice) -> Entries: ...
    def __getitem__(self, number: int | slice) -> Entry | Entries:
        if isinstance(number, slice):
            return self.take(range(*number.indices(len(self))))
        number = range(len(self))[number]
        return Entry(
            self.paths[number],
            self.sizes[number],
            self.times[number],
            self._formats[self._format_numbers[number]],
            self.widths[number],
            self.heights[number],
            self.changes[number],
            self._offsets[number] if self._offsets else 0,
            self._taken[number] if self._taken else 0,
            self._names[number] if self._names else "",
        )

    def __iter__(self) -> Iterator[Entry]:
        for begin in range(0, len(self), CHUNK):
            yield from self.between(begin, min(begin + CHUNK, len(self)))

    def between(self, begin: int, end: int) -> Iterator[Entry]:
        """Yield the entries from one number to before another one."""
        return map(_entry, zip(*self.columns_between(begin, end), strict=True))

    def columns(self, end: int | None = None) -> Iterator[Columns]:
        """Yield all entries in columns, many at a time, or those before a number."""
        end = len(self) if end is None else end
        for begin in range(0, end, CHUNK):
            yield self.columns_between(begin, min(begin + CHUNK, end))

    def columns_between(self, begin: int, end: int) -> Columns:
        """Return the entries from one number to before another one, in columns."""
        count = end - begin
        return (
            self.paths.between(begin, end),
            self.sizes[begin:end],
            self.times[begin:end],
            [*map(self._formats.__getitem__, self._format_numbers[begin:end])],
            self.widths[begin:end],
            self.heights[begin:end],
            self.changes[begin:end],
            self._offsets[begin:end] or (0,) * count,
            self._taken[begin:end] or (0,) * count,
            self._names[begin:end] or ("",) * count,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        if isinstance(other, Entries) and self._columns == other._columns:  # takes little time
            return True
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    @property
    def _columns(self) -> tuple[object, ...]:
        formats = self._formats, self._format_numbers
        rarer = self._offsets, self._taken, self._names
        rest = self.times, self.changes, *formats, *rarer
        return self.paths, self.sizes, self.widths, self.heights, *rest

    @property
    def are_members(self) -> bool:
        """Whether some are members of archives."""
        return bool(self._offsets)

    @property
    def are_dated(self) -> bool:
        """Whether all have been looked at for when they were taken."""
        return len(self._taken) == len(self) and 0 not in self._taken

    @property
    def are_named(self) -> bool:
        """Whether a list names outputs of some."""
        return bool(self._names)

    def flags(self, format: str) -> bytearray:
        """Return for each entry 1 if it has this format, else 0."""
        if format not in self._formats:
            return bytearray(len(self))
        number = self._formats.index(format)
        return bytearray(
            self._format_numbers.tobytes().translate(_ZEROS[:number] + b"\1" + _ZEROS[number + 1 :])
        )

    def take(self, numbers: Sequence[int]) -> Entries:
        """Return the entries with these numbers, in this order."""
        return Entries(map(self.__getitem__, numbers))

    def where(self, flags: bytearray, flag: int) -> Entries:
        """Return the entries whose flag has this value; itself if all have it."""
        count = flags.count(flag)
        if count in (0, len(self)):
            return self if count else Entries()
        return Entries(entry for entry, found in zip(self, flags, strict=True) if found == flag)

    def sorted(self) -> Entries:
        """Return all entries sorted by path; of equal paths, the last one."""
        numbers = self.paths.ranked()
        return self if numbers == range(len(self)) else self.take(numbers)

    def reader(self) -> Callable[[str], tuple[int, Entry] | None]:
        """Return a function that looks up paths, in a third of the time if they are in order.

        It returns the number and the entry of a path, or None if it is missing. The entries must
        be sorted.

        Examples
        --------
        >>> look_up = Entries([Entry("a.jpg", 7, 2, "jpeg"), Entry("b.png", 9, 1, "png")]).reader()
        >>> look_up("b.png")[0], look_up("a.jpg")[1].bytes, look_up("c.png")
        (1, 7, None)
        """
        begin = place = 0
        some: list[Entry] = []

        def look_up(path: str) -> tuple[int, Entry] | None:
            nonlocal begin, place, some
            if place < len(some) and some[place].path == path:
                place += 1
                return begin + place - 1, some[place - 1]
            number = self.find(path, begin + place)
            if number is None:
                return None
            if number < begin:
                return number, self[number]
            if number >= begin + len(some):
                begin = number
                some = [*self.between(begin, min(begin + CHUNK, len(self)))]
            place = number - begin + 1
            return number, some[place - 1]

        return look_up

    def find(self, path: str, near: int | None = None) -> int | None:
        """Return the number of a path; None if it is missing. The entries must be sorted.

        Parameters
        ----------
        path : str
        near : int, optional
            The most likely number.
        """
        return self.paths.find(path, near)


def flagged(columns: Columns, flags: Iterable[bool]) -> Columns:
    """Return those of some entries in columns that have a flag."""
    kept = [*flags]
    return tuple([*compress(column, kept)] for column in columns)


#: A zero for each number of a format.
_ZEROS = bytes(256)

_entry = partial(tuple.__new__, Entry)  # takes half the time of Entry itself
