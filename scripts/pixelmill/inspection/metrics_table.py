"""The table of metrics: one row for each source, held in columns, and written as CSV and Parquet.

A million rows take less than half a gigabyte, because no row is an object: numbers are held in
arrays, digests as integers, and texts that many sources share only once.
"""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pixelmill.core.errors import UserError
from pixelmill.core.files import atomic
from pixelmill.core.tables import write_table
from pixelmill.inspection.metrics import METRICS, Kind

#: A column of numbers, NaN if missing, and one of texts, empty if missing.
Numbers: TypeAlias = NDArray[np.float64]
Texts: TypeAlias = NDArray[np.object_]

#: Rows that are written at once.
_ROWS = 65_536

#: Characters of a time in ISO 8601 with an offset.
_TIME = 25

#: Characters of a hash and of a digest, in hexadecimal.
_DIGITS = {Kind.HASH: 16, Kind.DIGEST: 32}

#: Metrics that follow from others.
_DERIVED = ("aspect", "bytes_per_pixel")

#: Texts that are different for each source.
_SOURCE, _TAKEN = "source", "taken"


class Row(NamedTuple):
    """What is known of a source.

    Attributes
    ----------
    source : str
        Its path below the folder of the images, escaped as in the ledger.
    facts : mapping of str to object
        Its metrics by name; one that is missing, None or of another type than
        `pixelmill.inspection.metrics.METRICS` says is missing in the table.
    reason : str
        Why it could not be measured; empty if it was.
    bytes : int
        Size of its file.
    digest : str
        Digest of the bytes of its file, 32 hexadecimal digits.
    """

    source: str
    facts: Mapping[str, object]
    reason: str
    bytes: int
    digest: str


class MetricsTable:
    """The metrics of all sources, in the order in which they are given.

    Parameters
    ----------
    rows : iterable of tuple
        One `Row`, or a tuple of the same values, for each source.

    Attributes
    ----------
    sources : list of str

    Examples
    --------
    >>> facts = {"width": 640, "height": 480, "camera": "X100", "dhash": "00000000000000ff"}
    >>> broken = ("b.jpg", {}, "corrupt", 3, "1" * 32)
    >>> table = MetricsTable([("a.jpg", facts, "", 9000, "0" * 32), broken])
    >>> table.sources, table.numbers("width"), table.numbers("aspect")
    (['a.jpg', 'b.jpg'], array([640.,  nan]), array([1.33333,     nan]))
    >>> table.texts("camera")
    array(['X100', ''], dtype=object)
    >>> table.hashes("dhash")
    (array([255,   0], dtype=uint64), array([ True, False]))
    """

    def __init__(self, rows: Iterable[tuple[str, Mapping[str, object], str, int, str]]) -> None:
        self.sources: list[str] = []
        self._numbers = {name: array("d") for name in _names(Kind.INTEGER, Kind.NUMBER)}
        self._words = {name: array("Q") for name in _names(Kind.HASH, Kind.DIGEST)}
        self._known = {name: bytearray() for name in self._words}
        self._labels = {name: _LabelColumn() for name in _names(Kind.TEXT)}
        self._times = bytearray()
        for source, facts, reason, size, digest in rows:
            self.sources.append(source)
            self._add({**facts, "reason": reason, "bytes": size, "content_digest": digest})

    def _add(self, facts: Mapping[str, object]) -> None:
        for name, numbers in self._numbers.items():
            numbers.append(_number(facts.get(name)))
        for name, labels in self._labels.items():
            labels.add(facts.get(name))
        for name, words in self._words.items():
            digits = _DIGITS[METRICS[name].kind]
            number = _parsed(facts.get(name), digits)
            self._known[name].append(number is not None)
            if digits > 16:
                words.append((number or 0) >> 64)
            words.append((number or 0) & 0xFFFF_FFFF_FFFF_FFFF)
        taken = facts.get(_TAKEN)
        stamp = taken.encode("ascii", "replace") if isinstance(taken, str) else b""
        self._times += stamp[:_TIME].ljust(_TIME, b"\0")

    def __len__(self) -> int:
        return len(self.sources)

    def numbers(self, name: str) -> Numbers:
        """Return a column of integers or other numbers; NaN where it is missing.

        Parameters
        ----------
        name : str
            Of a metric that is an integer or a number.
        """
        if name in _DERIVED:
            return self._derived[name]
        return np.frombuffer(self._numbers[name], np.float64)

    @cached_property
    def _derived(self) -> dict[str, Numbers]:
        width, height, size = map(self.numbers, ("width", "height", "bytes"))
        with np.errstate(divide="ignore", invalid="ignore"):
            found = {"aspect": width / height, "bytes_per_pixel": size / (width * height)}
        for name, values in found.items():
            values[~np.isfinite(values)] = np.nan
            found[name] = np.array([float(f"{value:.6g}") for value in values])
        return found

    def texts(self, name: str) -> Texts:
        """Return a column of texts, empty where it is missing; digests are in hexadecimal.

        Parameters
        ----------
        name : str
            Of a metric that is not a number.
        """
        found = np.empty(len(self), object)
        found[:] = self._texts(name, slice(None))
        return found

    def hashes(self, name: str) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Return a column of hashes, and which of them are known.

        Parameters
        ----------
        name : {"dhash", "phash"}
        """
        return np.frombuffer(self._words[name], np.uint64), self._mask(name)

    def _mask(self, name: str) -> NDArray[np.bool_]:
        return np.frombuffer(self._known[name], np.bool_)

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV; cells of missing values are empty.

        Raises
        ------
        UserError
            If it cannot be written.
        """
        write_table(path, tuple(METRICS), self._rows())

    def _rows(self) -> Iterator[tuple[object, ...]]:
        for begin in range(0, len(self), _ROWS):
            part = slice(begin, begin + _ROWS)
            columns = (self._cells(name, part) for name in METRICS)
            yield from zip(*columns, strict=True)

    def _cells(self, name: str, part: slice) -> Iterable[object]:
        """Values of some rows; a missing one is an empty text."""
        kind = METRICS[name].kind
        if kind is Kind.INTEGER:
            return ("" if math.isnan(value) else int(value) for value in self.numbers(name)[part])
        if kind is Kind.NUMBER:
            values = self.numbers(name)[part].tolist()
            return ("" if math.isnan(value) else value for value in values)
        return self._texts(name, part)

    def _texts(self, name: str, part: slice) -> list[str]:
        """Texts of some rows, hashes and digests in hexadecimal; a missing one is empty."""
        if name == _SOURCE:
            return self.sources[part]
        if name == _TAKEN:
            stamps = np.frombuffer(self._times, f"S{_TIME}")[part].tolist()
            return [stamp.decode("ascii") for stamp in stamps]
        if name in self._labels:
            column = self._labels[name]
            values = list(column.codes_of)
            return [values[code] for code in column.codes[part]]
        digits = _DIGITS[METRICS[name].kind]
        words, known = np.frombuffer(self._words[name], np.uint64), self._mask(name)[part]
        text = words.reshape(len(self), digits // 16)[part].astype(">u8").tobytes().hex()
        return [
            text[digits * row : digits * (row + 1)] if is_known else ""
            for row, is_known in enumerate(known.tolist())
        ]

    def write_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write the table as Parquet, with unit and description of each column as its metadata.

        Raises
        ------
        UserError
            If the package pyarrow is not installed, or if the file cannot be written.
        """
        try:
            import pyarrow  # type: ignore[import-not-found,unused-ignore]
            from pyarrow import parquet  # type: ignore[import-not-found,unused-ignore]
        except ImportError as error:
            raise UserError(
                f"'{path}' cannot be written: Parquet needs the package pyarrow: "
                "pip install pyarrow. The CSV beside it has the same table."
            ) from error
        types = {Kind.INTEGER: pyarrow.int64(), Kind.NUMBER: pyarrow.float64()}
        schema = pyarrow.schema(
            pyarrow.field(
                metric.name,
                types.get(metric.kind, pyarrow.string()),
                metadata={"unit": metric.unit, "description": metric.description},
            )
            for metric in METRICS.values()
        )
        with atomic(path, "wb") as file, parquet.ParquetWriter(file, schema) as writer:
            for begin in range(0, len(self), _ROWS):
                part = slice(begin, begin + _ROWS)
                columns = [self._arrow(field, part, pyarrow) for field in schema]
                writer.write_table(pyarrow.table(columns, schema=schema))

    def _arrow(self, field: Any, part: slice, pyarrow: Any) -> Any:
        """Values of some rows for pyarrow, which replaces missing ones by nulls."""
        cells = self._cells(field.name, part)
        return pyarrow.array([None if cell == "" else cell for cell in cells], field.type)


class _LabelColumn:
    """Codes of texts; the code of a text is its place among the different ones."""

    def __init__(self) -> None:
        self.codes_of = {"": 0}
        self.codes = array("i")

    def add(self, value: object) -> None:
        text = value if isinstance(value, str) else ""
        self.codes.append(self.codes_of.setdefault(text, len(self.codes_of)))


def _names(*kinds: Kind) -> list[str]:
    """Names of the metrics of some kinds that are held in columns of these kinds."""
    own = (*_DERIVED, _SOURCE, _TAKEN)
    return [name for name, metric in METRICS.items() if metric.kind in kinds and name not in own]


def _number(value: object) -> float:
    """Return a number; NaN for anything else, and for one that is too large."""
    if type(value) is not int and type(value) is not float:
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _parsed(value: object, digits: int) -> int | None:
    """Return the number that so many hexadecimal digits stand for; None for anything else."""
    if not isinstance(value, str) or len(value) != digits:
        return None
    try:
        return int.from_bytes(bytes.fromhex(value), "big") if value.isalnum() else None
    except ValueError:
        return None
