"""Image list: a text or a table that names the images to process.

A list is read line by line and compared with a catalog, so that its length needs no memory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

from pixelmill.core.errors import UserError, shortened, shown
from pixelmill.core.filenames import of_cell, unescape
from pixelmill.core.suggestions import followed, nearest
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.given_names import GivenNames
from pixelmill.dataset.list_files import (
    DELIMITERS,
    MOST_COLUMNS,
    STANDARD_INPUT,
    TABLES,
    Lines,
    cells,
    is_parquet,
    list_name,
    opened_list,
    opened_parquet,
)
from pixelmill.storage import parquet_format
from pixelmill.storage.archives import is_archive

#: Columns of a table that may hold the paths. The first of these that a table has is read.
COLUMNS = ("source", "path", "file", "file_name", "filename")

#: The most paths that a message names of those without an image.
_MOST_EXAMPLES = 3

#: What a path may have that is not as in a catalog: an address, an absolute path, ``.`` or ``..``.
_UNUSUAL = re.compile(r"[:\\\0]|^[/.]|/[/.]|/$")

_ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://", re.ASCII)


class Found(NamedTuple):
    """Which images of a catalog a list names.

    Attributes
    ----------
    flags : bytearray
        1 for each entry that is named, 0 for the others.
    missing : str
        Which paths of the list name no image, in a sentence; empty if there are none.
    names : mapping of int to str
        What outputs are named after, by the numbers of their entries, if the list says so.
    """

    flags: bytearray
    missing: str
    names: Mapping[int, str]

    def chosen(self, entries: Entries) -> Entries:
        """Return the entries of the catalog that are named, with the names of their outputs."""
        if not self.names:
            return entries.where(self.flags, 1)
        return Entries(
            self.renamed(number, entry)
            for number, entry in enumerate(entries)
            if self.flags[number]
        )

    def renamed(self, number: int, entry: Entry) -> Entry:
        """Return an entry of the catalog, by its number, with the name of its outputs."""
        return entry._replace(name=self.names.get(number, ""))


@dataclass(frozen=True)
class ImageList:
    """A list of images.

    A text has one path a line, as it is. A table has a header, which names one of `COLUMNS`, and so
    has a Parquet file; its paths are escaped as in all tables of pixelmill. Paths are relative to
    the folder of the images, or absolute and below it; those of members are as in a catalog of
    their archives.

    Attributes
    ----------
    file : str
        Its path, or `STANDARD_INPUT`.
    where : mapping of str to str
        Columns of a table, with the values that its rows must have to be read.
    names : str
        The column of a table with the paths after which outputs are named; empty if they are named
        after their sources.
    """

    file: str
    where: Mapping[str, str] = field(default_factory=dict)
    names: str = ""

    @classmethod
    def of(cls, dataset: Mapping[str, Any]) -> ImageList | None:
        """Return the list of a dataset of a config; None if it has none.

        Examples
        --------
        >>> ImageList.of({"folder": "photos", "list": {"file": "a.csv", "where": {"fold": 3}}})
        ImageList(file='a.csv', where={'fold': '3'}, names='')
        """
        given = dataset.get("list")
        if given is None or isinstance(given, str):
            return cls(given) if given else None
        where = {key: str(value) for key, value in given.get("where", {}).items()}
        return cls(given["file"], where, given.get("names", ""))

    @classmethod
    def given(
        cls, file: str | None, where: Iterable[tuple[str, str]], names: str = ""
    ) -> ImageList | None:
        """Return the list that options of a command name; None if they name none.

        Raises
        ------
        UserError
            If they choose rows of no list or by two values of a column, or if `check` finds a
            mistake.
        """
        values: dict[str, str] = {}
        for column, value in where:
            if file is None:
                raise UserError(f"--where: '{column}' is a column of a list; add --list.")
            if values.setdefault(column, value) != value:
                raise UserError(
                    f"--where: '{column}' is given twice, with '{values[column]}' and '{value}'; "
                    "give one value."
                )
        if file is None and names:
            raise UserError(f"--names: '{names}' is a column of a list; add --list.")
        if file is None:
            return None
        listed = cls(file, values, names)
        listed.check()
        return listed

    @property
    def name(self) -> str:
        """How messages name it."""
        return list_name(self.file)

    def check(self) -> None:
        """Check that the list can be read, and that it has the columns that are asked for.

        Raises
        ------
        UserError
            If it cannot, or has not. The paths are checked when they are read.
        """
        if self._is_parquet:
            with opened_parquet(self.file) as file:
                self._columns(file)
        elif self.file != STANDARD_INPUT:
            with opened_list(self.file) as lines:
                self._table(next(lines, ""))

    def find(self, entries: Entries, source: str) -> Found:
        """Find the images of a catalog that the list names.

        Parameters
        ----------
        entries : Entries
            The catalog, sorted by path.
        source : str
            The folder or the archives of the images.

        Raises
        ------
        UserError
            If the list or one of its paths is wrong, or if it names none of the images.
        """
        flags, names = bytearray(len(entries)), GivenNames(self.wrong)
        folders = _folders(source)
        named = missing = near = 0
        examples: list[str] = []
        for line, path, name in self._paths():
            named += 1
            path = self._below(path, line, source, folders)
            number = entries.find(path, near)
            if number is not None:
                flags[number] = 1
                if self.names:
                    names.note(line, number, path, name)
                near = number + 1
                continue
            missing += 1
            if len(examples) < _MOST_EXAMPLES:
                examples.append(
                    f"{shown(path)} ({self._unit} {line:,}) {_why_missing(source, path)}"
                )
        if not named:
            values = " and ".join(f"{key}={value}" for key, value in self.where.items())
            told = f"has no row with {values}" if values else "names no image"
            raise UserError(f"{self.name} {told}; correct the list.")
        if missing == named:
            advice = "give paths as the tables of pixelmill have them"
            example = f", such as {shown(entries[0].path)}" if entries else ""
            raise UserError(
                f"{self.name} names no image of '{source}': {', '.join(examples)}; "
                f"{advice}{example}."
            )
        verb = "names" if missing == 1 else "name"
        told = f"{missing:,} of the {named:,} paths in {self.name} {verb} no image of '{source}': "
        more = f" and {missing - len(examples):,} more" * (missing > len(examples))
        told = f"{told}{', '.join(examples)}{more}" if missing else ""
        return Found(flags, told, names.of_entries)

    @property
    def _is_parquet(self) -> bool:
        return is_parquet(self.file)

    @property
    def _unit(self) -> str:
        return "row" if self._is_parquet else "line"

    def _columns(self, file: BinaryIO) -> list[str]:
        """Return the columns of a Parquet file that are read: that of the paths, and of `where`."""
        names = parquet_format.text_columns(file)
        by_name = {name.casefold(): name for name in reversed(names)}
        column = next((by_name[name] for name in COLUMNS if name in by_name), None)
        if column is None:
            told = shortened(", ".join(names)) or "none"
            raise UserError(
                f"{self.name} has no column of paths; its columns of texts are {told}; name one "
                f"{', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}."
            )
        wanted = [*self.where, *filter(None, [self.names])]
        for name in wanted:
            if name not in names:
                raise self._no_column(name, names)
        return [column, *wanted]

    def _rows(self) -> Iterator[tuple[int, str, str]]:
        """Yield the paths of a Parquet file and the names for them, with the number of the row."""
        wanted = list(self.where.values())
        with opened_parquet(self.file) as file:
            rows = parquet_format.texts(file, self._columns(file))
            for number, (path, *values) in enumerate(rows, 1):
                name = values.pop() if self.names else ""
                if values == wanted:
                    if not path:
                        raise self._no_path(number)
                    yield number, unescape(path), unescape(name or "")

    def _paths(self) -> Iterator[tuple[int, str, str]]:
        """Yield all paths and names for them, with the number of the line, or row of Parquet."""
        if self._is_parquet:
            yield from self._rows()
            return
        with opened_list(self.file) as lines:
            first = next(lines, "")
            table = self._table(first)
            if table is not None:
                yield from self._column(lines, table)
                return
            for line, path in lines.texts(first):
                yield line, path, ""

    def _table(self, first: str) -> _Table | None:
        """Recognise a table by its first line; None for a text."""
        headers = [cells(first, delimiter) for delimiter in DELIMITERS]
        for delimiter, header in zip(DELIMITERS, headers, strict=True):
            names = [name.casefold() for name in header]
            for column in COLUMNS:
                if column in names:
                    at = self._places(header, [self.names])[0] if self.names else -1
                    wanted = zip(self._places(header, self.where), self.where.values(), strict=True)
                    return _Table(delimiter, names.index(column), [*wanted], at)
        header = max(headers, key=len)
        if self.where or self.names or self.file.lower().endswith(TABLES):
            names = header[:MOST_COLUMNS]
            question = next(filter(None, (nearest(name, COLUMNS) for name in names)), "")
            advice = f"name a column {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]} in the first line."
            raise UserError(
                f"{self.name}, line 1: {shown(first.strip())} names no column of paths"
                f"{followed(question, advice)}"
            )
        return None

    def _places(self, header: Sequence[str], columns: Iterable[str]) -> list[int]:
        """Return the places of columns."""
        for name in columns:
            if name not in header:
                raise self._no_column(name, header)
        return [header.index(name) for name in columns]

    def _no_column(self, name: str, header: Sequence[str]) -> UserError:
        columns = f"its columns are {shortened(', '.join(header))}."
        where = self.name if self._is_parquet else f"{self.name}, line 1"
        return UserError(
            f"{where}: there is no column '{name}'"
            f"{followed(nearest(name, header[:MOST_COLUMNS]), columns)}"
        )

    def _no_path(self, number: int) -> UserError:
        return UserError(
            f"{self.name}, {self._unit} {number:,}: the path is missing; add it, or remove the row."
        )

    def wrong(self, line: int, problem: str) -> UserError:
        """Return an error about a line, or a row of a Parquet file."""
        return UserError(f"{self.name}, {self._unit} {line:,}: {problem}")

    def _column(self, lines: Lines, table: _Table) -> Iterator[tuple[int, str, str]]:
        for line, row in lines.rows(table.delimiter):
            if all(_cell(row, at) == value for at, value in table.wanted):
                if not (path := _cell(row, table.column)):
                    raise self._no_path(line)
                yield line, unescape(path), unescape(_cell(row, table.names))

    def _below(self, path: str, line: int, source: str, folders: Sequence[str]) -> str:
        """Return a path relative to the folder of the images."""
        if not _UNUSUAL.search(path):
            return path
        where = f"{self.name}, {self._unit} {line:,}: {shown(path)}"
        if _ADDRESS.match(path):
            raise UserError(
                f"{where} is an address, which cannot be read; download the image into '{source}', "
                "and give its path."
            )
        if "\0" in path:
            raise UserError(f"{where} has the character NUL, as no path does; correct the list.")
        plain = path.replace(os.sep, "/")
        if os.path.isabs(path):
            folder = next((folder for folder in folders if plain.startswith(folder)), None)
            if folder is None:
                raise UserError(
                    f"{where} is not below '{source}'; give images of this folder only."
                )
            plain = plain[len(folder) :]
        parts = [part for part in plain.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise UserError(
                f"{where} has the part '..'; give the path below '{source}' without it."
            )
        return "/".join(parts)


class _Table(NamedTuple):
    """How a table is read: the place of its column of paths, and those of `where` with values.

    `names` is the place of the column of names; -1 if it is not read.
    """

    delimiter: str
    column: int
    wanted: list[tuple[int, str]]
    names: int


def _cell(row: Sequence[str], column: int) -> str:
    return of_cell(row[column]) if 0 <= column < len(row) else ""


def _folders(source: str) -> list[str]:
    """Return how absolute paths below a folder begin; archives have none."""
    if is_archive(source):
        return []
    places = (os.path.abspath(source), os.path.realpath(source))
    return [f"{place.replace(os.sep, '/').rstrip('/')}/" for place in places]


def _why_missing(source: str, path: str) -> str:
    if is_archive(source):
        return "is missing or excluded"
    place = os.path.join(source, path)
    if os.path.isdir(place):
        return "is a folder"
    return "is excluded, or is no image" if os.path.lexists(place) else "does not exist"
