"""Shard writer: writes one shard beside its place, in the process that has time for it."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pixelmill.core.errors import UserError
from pixelmill.core.root import Root
from pixelmill.packing import record, tables
from pixelmill.packing.outputs import Images, Output, of_line
from pixelmill.packing.shard_formats import FORMATS


class Shard:
    """A shard to write, opaque to Dask, which would look into a sequence."""

    __slots__ = ("lines", "number")

    def __init__(self, number: int, lines: Sequence[str]) -> None:
        self.number = number
        self.lines = lines


class Written(NamedTuple):
    """A shard that was written, but has not its name yet.

    Attributes
    ----------
    number : int
    temporary : str
        Its name until then.
    sizes : array of int
        Of its members, in bytes.
    sha256 : str
        Digest of its bytes.
    rows : str
        What the table of members has of it.
    """

    number: int
    temporary: str
    sizes: array[int]
    sha256: str
    rows: str


class ShardWriter:
    """Writes shards.

    Parameters
    ----------
    tree, folder : str
        Folder of the output tree, and that of the shards.
    format : str
        A key of `pixelmill.packing.shard_formats.FORMATS`.
    durable : bool
        Sync each shard to the disk.
    """

    def __init__(self, tree: str, folder: str, format: str, durable: bool) -> None:
        self._images = Images(tree)
        self._root = Root(folder)
        self._format = format
        self._durable = durable

    def __call__(self, shard: Shard) -> Written | UserError:
        """Write a shard; an error is returned, because not every pool passes on what it says."""
        form = FORMATS[self._format]
        members = list(map(of_line, shard.lines))
        sizes = array("Q")

        def opened(output: Output) -> tuple[int, Iterable[bytes]]:
            size, parts = self._images.read(output)
            sizes.append(size)
            return size, parts

        name = record.shard_name(shard.number, form.suffix)
        try:
            with record.beside(self._root, name, self._durable) as (file, temporary):
                form.write(file, members, opened)
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except UserError as error:
            return error
        rows = tables.rows_of(name, members, sizes)
        return Written(shard.number, temporary, sizes, digest, rows)
