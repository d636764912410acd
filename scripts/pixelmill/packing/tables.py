"""Tables of a packed folder: one row for each member, in the order of the shards."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import islice
from typing import NamedTuple

from pixelmill.core.errors import UserError
from pixelmill.core.files import atomic
from pixelmill.core.root import Root
from pixelmill.core.tables import iterate_table, write_table
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


def write(folder: str, rows: Iterable[MemberRow]) -> None:
    """Write ``packed.csv`` and, if pyarrow is installed, ``packed.parquet``.

    Raises
    ------
    UserError
        If they cannot be written.
    """
    path = os.path.join(folder, TABLE)
    write_table(path, MemberRow._fields, rows)
    if find_spec("pyarrow"):
        _write_parquet(os.path.join(folder, PARQUET), read(folder))


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
