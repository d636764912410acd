"""Tables: CSV and JSON files that pixelmill writes and reads back."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import IO, Any

from pixelmill.core import regular_files
from pixelmill.core.errors import UserError
from pixelmill.core.filenames import are_cells, as_cell, of_cell
from pixelmill.core.files import _LONGEST_LINE, atomic

#: Rows that are written at once: nearly always, none of their cells must be changed.
_AT_ONCE = 1000

# Python's own limit, 131,072 characters, would end a report over one long cell. Without any, a
# quote that is never closed would take the memory of the whole file.
csv.field_size_limit(2**24)


def write_json(path: str | os.PathLike[str], value: object) -> None:
    """Write JSON, atomically and in a fixed form."""
    with atomic(path) as file:
        json.dump(value, file, indent=1, sort_keys=False, allow_nan=False)
        file.write("\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read JSON that pixelmill wrote.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is no JSON.
    """
    with open(regular_files.opened(path), encoding="utf-8") as file:
        try:
            return json.load(file)
        except RecursionError as error:
            raise ValueError("its values are nested too deeply") from error


def write_table(
    path: str | os.PathLike[str], header: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Write a CSV table, atomically; no text in it is a formula to a spreadsheet."""
    with atomic(path) as file:
        csv.writer(file, lineterminator="\n").writerow(header)
        _write_rows(file, rows)


def rows_as_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as a table has them below its header."""
    file = io.StringIO()
    _write_rows(file, rows)
    return file.getvalue()


def _write_rows(file: IO[str], rows: Iterable[Sequence[object]]) -> None:
    writer, rest = csv.writer(file, lineterminator="\n"), iter(rows)
    while some := list(islice(rest, _AT_ONCE)):
        texts = [cell for row in some for cell in row if isinstance(cell, str)]
        if not are_cells(texts):
            some = [[as_cell(c) if isinstance(c, str) else c for c in row] for row in some]
        writer.writerows(some)


def read_table(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Read a CSV table that pixelmill wrote, as one dict per row.

    Raises
    ------
    UserError
        If the table is missing.
    """
    return list(iterate_table(path))


def iterate_table(path: str | os.PathLike[str]) -> Iterator[dict[str, str]]:
    """Read a CSV table as `read_table` does, row by row."""
    rows = _rows(path)
    header = next(rows, [])
    lacking: dict[str, Any] = dict.fromkeys(header)
    for row in rows:
        yield {**lacking, **dict(zip(header, map(of_cell, row), strict=False))}


def iterate_cells(
    path: str | os.PathLike[str],
    columns: Sequence[str],
    optional: Mapping[str, str] | None = None,
    lacking: str | None = None,
) -> Iterator[tuple[str, ...]]:
    """Read some columns of a CSV table that pixelmill wrote, which takes less time than all.

    Parameters
    ----------
    path : path
    columns : sequence of str
        At least two.
    optional : mapping, optional
        Those of the columns that a table may lack, and what stands for their cells then.
    lacking : str, optional
        What stands for the cells that a row lacks, if rows may lack some; an empty file is a
        table without rows then.

    Yields
    ------
    tuple of str
        Cells of a row, in the order of `columns`.

    Raises
    ------
    UserError
        If the table is missing, or if a row lacks cells.
    KeyError
        If it has no such column.
    """
    rows = _rows(path)
    header = next(rows, [])
    if not header and lacking is not None:
        return
    cells, absent = _picked(header, columns, optional or {})
    for row in rows:
        if len(row) < len(header):
            if lacking is None:
                raise _damaged(path)
            row += [lacking] * (len(header) - len(row))
        found = cells(row + absent)
        # Few tables have backslashes, and to look for them in all cells at once takes less time.
        yield tuple(map(of_cell, found)) if "\\" in "".join(found) else found


def iterate_columns(
    path: str | os.PathLike[str], columns: Sequence[str], optional: Mapping[str, str], rows: int
) -> Iterator[list[tuple[str, ...]]]:
    """Read some columns of a CSV table, many rows at a time, which takes half the time.

    Parameters
    ----------
    path, columns, optional
        As for `iterate_cells`.
    rows : int
        How many rows are read at a time.

    Yields
    ------
    list of tuple of str
        The cells of some rows, by column.

    Raises
    ------
    UserError, KeyError
        As by `iterate_cells`.
    """
    found = _rows(path)
    header = next(found, [])
    cells, absent = _picked(header, columns, optional)
    while some := list(islice(found, rows)):
        if min(map(len, some)) < len(header):
            raise _damaged(path)
        made = cells([*zip(*some, strict=True), *([cell] * len(some) for cell in absent)])
        yield [
            tuple(map(of_cell, column)) if "\\" in "".join(column) else column for column in made
        ]


def _picked(
    header: Sequence[str], columns: Sequence[str], optional: Mapping[str, str]
) -> tuple[Callable[[list[Any]], tuple[Any, ...]], list[str]]:
    """Return how columns are picked from a row and what stands for those that it lacks."""
    missing = [column for column in columns if column not in header]
    absent = [optional[column] for column in missing]
    return itemgetter(*map([*header, *missing].index, columns)), absent


def _damaged(path: str | os.PathLike[str]) -> UserError:
    return UserError(f"The table '{path}' is damaged; run the step that makes it again.")


def _rows(path: str | os.PathLike[str]) -> Iterator[list[str]]:
    """Yield the header of a table, and the rows below it."""
    try:
        descriptor = regular_files.opened(path)
    except FileNotFoundError as error:
        raise UserError(
            f"The table '{path}' is missing; run the step that makes it first."
        ) from error
    except OSError as error:
        raise UserError(f"The table '{path}' cannot be read: {error.strerror}.") from error
    with open(descriptor, encoding="utf-8", newline="") as file:
        rows = csv.reader(iter(partial(file.readline, _LONGEST_LINE), ""))
        try:
            header = next(rows, [])
            yield header
            for row in rows:
                if len(row) > len(header):
                    raise csv.Error(f"line {rows.line_num} has more cells than the first one")
                if row:
                    yield row
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(f"The table '{path}' was not written by pixelmill: {error}.") from error
