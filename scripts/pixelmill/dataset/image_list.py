"""Image list: a text or a table that names the images to process.

A list is read line by line and compared with a catalog, so that its length needs no memory.
"""

from __future__ import annotations

import contextlib
import csv
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

from pixelmill.core import regular_files
from pixelmill.core.errors import LONGEST_VALUE, UserError, shortened, shown
from pixelmill.core.filenames import of_cell, unescape
from pixelmill.core.suggestions import followed, nearest
from pixelmill.core.user_paths import lookalike
from pixelmill.dataset.entries import Entries
from pixelmill.storage import parquet_format
from pixelmill.storage.archives import is_archive
from pixelmill.storage.parquet_pages import PageError

#: Columns of a table that may hold the paths. The first of these that a table has is read.
COLUMNS = ("source", "path", "file", "file_name", "filename")

#: Stands for standard input in place of a file.
STANDARD_INPUT = "-"

#: What separates the columns of a table.
DELIMITERS = ",;\t"

#: Suffixes of tables, whose first line must name the columns.
TABLES = (".csv", ".tsv")

#: The most bytes of a line, or of a row that has several lines: a path and some other columns.
_LONGEST = 1_000_000

#: The most columns that are searched for one that was meant.
MOST_COLUMNS = 100

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
    """

    flags: bytearray
    missing: str


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
    """

    file: str
    where: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Mapping[str, Any]) -> ImageList | None:
        """Return the list of a dataset of a config; None if it has none.

        Examples
        --------
        >>> ImageList.of({"folder": "photos", "list": {"file": "a.csv", "where": {"fold": 3}}})
        ImageList(file='a.csv', where={'fold': '3'})
        """
        given = dataset.get("list")
        if given is None or isinstance(given, str):
            return cls(given) if given else None
        where = {key: str(value) for key, value in given.get("where", {}).items()}
        return cls(given["file"], where)

    @classmethod
    def given(cls, file: str | None, where: Iterable[tuple[str, str]]) -> ImageList | None:
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
        if file is None:
            return None
        listed = cls(file, values)
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
        flags = bytearray(len(entries))
        folders = _folders(source)
        named = missing = near = 0
        examples: list[str] = []
        for line, path in self._paths():
            named += 1
            path = self._below(path, line, source, folders)
            number = entries.find(path, near)
            if number is not None:
                flags[number] = 1
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
        return Found(flags, f"{told}{', '.join(examples)}{more}" if missing else "")

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
        for name in self.where:
            if name not in names:
                raise self._no_column(name, names)
        return [column, *self.where]

    def _rows(self) -> Iterator[tuple[int, str]]:
        """Yield the paths of a Parquet file, each with the number of its row."""
        wanted = tuple(self.where.values())
        with opened_parquet(self.file) as file:
            rows = parquet_format.texts(file, self._columns(file))
            for number, (path, *values) in enumerate(rows, 1):
                if tuple(values) == wanted:
                    if not path:
                        raise self._no_path(number)
                    yield number, unescape(path)

    def _paths(self) -> Iterator[tuple[int, str]]:
        """Yield all paths, each with the number of its line, or of its row in a Parquet file."""
        if self._is_parquet:
            yield from self._rows()
            return
        with opened_list(self.file) as lines:
            first = next(lines, "")
            table = self._table(first)
            yield from lines.texts(first) if table is None else self._column(lines, table)

    def _table(self, first: str) -> _Table | None:
        """Recognise a table by its first line; None for a text."""
        headers = [cells(first, delimiter) for delimiter in DELIMITERS]
        for delimiter, header in zip(DELIMITERS, headers, strict=True):
            names = [name.casefold() for name in header]
            for column in COLUMNS:
                if column in names:
                    return _Table(delimiter, names.index(column), self._wanted(header))
        header = max(headers, key=len)
        if self.where or self.file.lower().endswith(TABLES):
            names = header[:MOST_COLUMNS]
            question = next(filter(None, (nearest(name, COLUMNS) for name in names)), "")
            advice = f"name a column {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]} in the first line."
            raise UserError(
                f"{self.name}, line 1: {shown(first.strip())} names no column of paths"
                f"{followed(question, advice)}"
            )
        return None

    def _wanted(self, header: Sequence[str]) -> list[tuple[int, str]]:
        """Return the places of the columns of `where`, with their values."""
        for name in self.where:
            if name not in header:
                raise self._no_column(name, header)
        return [(header.index(name), value) for name, value in self.where.items()]

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

    def _column(self, lines: Lines, table: _Table) -> Iterator[tuple[int, str]]:
        for line, row in lines.rows(table.delimiter):
            if all(_cell(row, at) == value for at, value in table.wanted):
                if not (path := _cell(row, table.column)):
                    raise self._no_path(line)
                yield line, unescape(path)

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
    """How a table is read: the place of its column of paths, and those of `where` with values."""

    delimiter: str
    column: int
    wanted: list[tuple[int, str]]


class Lines:
    """The lines of a list as text, with bounds on what is in memory.

    Parameters
    ----------
    name : str
        How messages name the list.
    file : BinaryIO
    what : str
        What each line of a text has.

    Attributes
    ----------
    number : int
        Number of the last line that was read.
    """

    def __init__(self, name: str, file: BinaryIO, what: str = "path") -> None:
        self._name, self._file, self._what = name, file, what
        self.number = 0
        self._pending = 0  # bytes of the row that is being read

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        try:
            data = self._file.readline(_LONGEST + 1)
        except OSError as error:
            raise UserError(f"{self._name} cannot be read: {error.strerror}.") from error
        if not data:
            raise StopIteration
        self.number += 1
        self._pending += len(data)
        if self._pending > _LONGEST:
            raise self._error(f"a row has more than {_LONGEST:,} bytes")
        if b"\0" in data:
            raise self._error("found the character NUL, as no text has it")
        try:
            return data.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            text = data.rstrip().decode("utf-8", "backslashreplace")[:LONGEST_VALUE]
            raise self._error(f"'{text}' is not UTF-8") from error

    def texts(self, first: str) -> Iterator[tuple[int, str]]:
        """Yield the lines of a text that are not blank, each with its number.

        Parameters
        ----------
        first : str
            The line that was read before.
        """
        line = first
        while line:
            text = line.removesuffix("\n").removesuffix("\r")
            if text.strip():
                yield self.number, text
            self._pending = 0
            line = next(self, "")

    def rows(self, delimiter: str) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows of a table that are not empty, each with the number of its first line.

        Raises
        ------
        UserError
            If a row cannot be read.
        """
        rows = csv.reader(self, delimiter=delimiter, strict=True)
        while True:
            line, self._pending = self.number + 1, 0
            try:
                row = next(rows, None)
            except csv.Error as error:
                raise UserError(
                    f"{self._name}, line {line:,}: the row cannot be read: {error}; quote its "
                    "cells as spreadsheets do."
                ) from error
            if row is None:
                return
            if any(row):
                yield line, row

    def _error(self, problem: str) -> UserError:
        return UserError(
            f"{self._name}, line {self.number:,}: {problem}; give a text with one {self._what} a "
            "line, or a CSV, in UTF-8."
        )


def list_name(file: str) -> str:
    """Return how messages name a list."""
    return "standard input" if file == STANDARD_INPUT else f"'{file}'"


@contextlib.contextmanager
def opened_list(file: str, what: str = "path") -> Iterator[Lines]:
    """Open a list.

    Parameters
    ----------
    file : str
        Its path, or `STANDARD_INPUT`.
    what : str
        What each line of a text has.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    name = list_name(file)
    if file == STANDARD_INPUT:
        yield Lines(name, sys.stdin.buffer, what)
        return
    with _opened(file) as opened:
        yield Lines(name, opened, what)


def is_parquet(file: str) -> bool:
    """Whether a list is a Parquet file, by its suffix."""
    return file.lower().endswith(".parquet")


@contextlib.contextmanager
def opened_parquet(file: str) -> Iterator[BinaryIO]:
    """Open a list that is a Parquet file, for `pixelmill.storage.parquet_format.texts`.

    Raises
    ------
    UserError
        If it cannot be read; also for what `PageError` says while it is.
    """
    with _opened(file) as opened:
        try:
            yield opened
        except PageError as error:
            advice = error.advice or "write it again, or give a text or a CSV"
            raise UserError(f"The list {list_name(file)} {error}; {advice}.") from error


def _opened(file: str) -> BinaryIO:
    name = list_name(file)
    try:
        return os.fdopen(regular_files.opened(file), "rb")
    except FileNotFoundError as error:
        advice = followed(lookalike(file), "correct its path.")
        raise UserError(f"The list {name} does not exist{advice}") from error
    except OSError as error:
        raise UserError(
            f"The list {name} cannot be read: {error.strerror}; give a file, or '-' for standard "
            "input on the command line."
        ) from error


def _cell(row: Sequence[str], column: int) -> str:
    return of_cell(row[column]) if column < len(row) else ""


def cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of the first line of a table, without blanks around them."""
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []


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
