"""Tables of a packed folder: one row for each member, in the order of the shards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from itertools import islice
from typing import NamedTuple

from pixelmill.core.errors import UserError
from pixelmill.core.files import atomic
from pixelmill.core.root import Root
from pixelmill.core.tables import iterate_table, rows_as_text
from pixelmill.packing.outputs import Output
from pixelmill.packing.record import PARQUET, TABLE

#: Rows that are written to a Parquet file at once.
_ROWS = 65_536


class MemberRow(NamedTuple):
    """A row of ``packed.csv``.

    Attributes
    ----------
    key : str
        Of the sample: the name of the member without its suffix.
    member : str
        Name in the shard.
    shard : str
        File name of the shard.
    bytes : int
    digest : str
        SHA-256 of its bytes, as in the manifest.
    source : str
        Path of the source, escaped as in the manifest.
    """

    key: str
    member: str
    shard: str
    bytes: int
    digest: str
    source: str


def remove(root: Root) -> None:
    """Remove the tables, before what they describe changes."""
    for name in (TABLE, PARQUET):
        root.unlink(name)


@contextlib.contextmanager
def writing(folder: str) -> Iterator[Callable[[int, Callable[[], str]], None]]:
    """Write ``packed.csv`` and, if pyarrow is installed, ``packed.parquet``.

    Parameters
    ----------
    folder : str

    Yields
    ------
    callable
        Takes the number of a shard, counted from 0, and a function that returns its rows, as
        `rows_of` does. Shards may come in any order; the rows of one are written as soon as all
        before it were.

    Raises
    ------
    UserError
        If the tables cannot be written.
    """
    with atomic(os.path.join(folder, TABLE)) as file:
        file.write(rows_as_text([MemberRow._fields]))
        waiting: dict[int, Callable[[], str]] = {}
        following = 0

        def put(number: int, rows: Callable[[], str]) -> None:
            nonlocal following
            waiting[number] = rows
            while following in waiting:
                file.write(waiting.pop(following)())
                following += 1

        yield put
    if find_spec("pyarrow"):
        _write_parquet(os.path.join(folder, PARQUET), read(folder))


def rows_of(shard: str, members: Iterable[Output], sizes: Iterable[int]) -> str:
    """Return the rows of a shard as text.

    Parameters
    ----------
    shard : str
        Its file name.
    members : iterable of Output
    sizes : iterable of int
        Of the members, in bytes.
    """
    return rows_as_text(
        MemberRow(one.key, one.member, shard, size, one.sha256, one.source)
        for one, size in zip(members, sizes, strict=True)
    )


def read(folder: str) -> Iterator[MemberRow]:
    """Read ``packed.csv``.

    Raises
    ------
    UserError
        If it is missing or was not written by pixelmill.
    """
    path = os.path.join(folder, TABLE)
    for row in iterate_table(path):
        try:
            yield MemberRow(**{**row, "bytes": int(row["bytes"])})  # type: ignore[arg-type]
        except (LookupError, TypeError, ValueError) as error:
            raise UserError(
                f"The table '{path}' is damaged; pack again, which repairs it."
            ) from error


def _write_parquet(path: str, rows: Iterator[MemberRow]) -> None:
    import pyarrow  # type: ignore[import-not-found,unused-ignore]
    from pyarrow import parquet  # type: ignore[import-not-found,unused-ignore]

    kinds = {name: pyarrow.string() for name in MemberRow._fields} | {"bytes": pyarrow.int64()}
    schema = pyarrow.schema(list(kinds.items()))
    with atomic(path, "wb") as file, parquet.ParquetWriter(file, schema) as writer:
        while part := list(islice(rows, _ROWS)):
            columns = [list(column) for column in zip(*part, strict=True)]
            writer.write_table(pyarrow.table(columns, schema=schema))
