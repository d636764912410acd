"""List files: texts and tables that name images or URLs, read line by line, within bounds.

Their length needs no memory, whoever wrote them.
"""

from __future__ import annotations

import contextlib
import csv
import os
import sys
from collections.abc import Iterator
from typing import BinaryIO

from pixelmill.core import regular_files
from pixelmill.core.errors import LONGEST_VALUE, UserError
from pixelmill.core.suggestions import followed
from pixelmill.core.user_paths import lookalike
from pixelmill.storage.parquet_pages import PageError

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


def cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of the first line of a table, without blanks around them."""
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []
