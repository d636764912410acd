"""Record: what a folder of shards holds, and what is known of each shard that was written.

`packed.json` says how the images were divided, which never changes. The state has one line for
each shard. It grows while shards are written, so that a run that was killed is continued.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import stat
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from pixelmill.core.errors import TreeError, UserError, cannot_write
from pixelmill.core.filenames import escape
from pixelmill.core.files import temporary_beside, write_all
from pixelmill.core.root import Root
from pixelmill.packing.division import MOST_SHARDS, Division
from pixelmill.packing.shard_formats import FORMATS

#: The record, and the tables of the members.
RECORD, TABLE, PARQUET = "packed.json", "packed.csv", "packed.parquet"

#: The largest record, in bytes: a shard takes some 160.
_LARGEST = 250 * MOST_SHARDS

#: State of the shards: as it was at the end of a run, and what a run adds to it.
STATE, JOURNAL = ".shards.jsonl", ".packing.jsonl"

#: Names of shards, and of all files that the patterns of their readers may match.
SHARD = re.compile(r"images-[0-9]{6}\.(tar|zip|parquet)")
LIKE_SHARD = re.compile(r"images-.*\.(tar|zip|parquet)", re.IGNORECASE | re.DOTALL)


#: Bytes that are written at once.
_BUFFER = 2**20


def shard_name(number: int, suffix: str) -> str:
    """Return the file name of a shard.

    Examples
    --------
    >>> shard_name(7, "tar")
    'images-000007.tar'
    """
    return f"images-{number:06d}.{suffix}"


@dataclass(frozen=True)
class Record:
    """How a folder is divided.

    Attributes
    ----------
    format : str
        A key of `pixelmill.packing.shard_formats.FORMATS`.
    count : int
        Number of shards.
    division : Division
        What was asked when the number was chosen.
    """

    format: str
    count: int
    division: Division

    def as_json(self, shards: Iterable[dict[str, object]], table: str = "") -> bytes:
        """Return the content of ``packed.json`` with what is known of the shards and their table.

        Parameters
        ----------
        shards : iterable of dict
        table : str
            SHA-256 of ``packed.csv``; empty while there is none.
        """
        made = {
            "format": self.format,
            "count": self.count,
            "images_per_shard": self.division.images,
            "bytes_per_shard": self.division.bytes,
            "shards": list(shards),
            "table_sha256": table,
        }
        return f"{json.dumps(made, indent=1)}\n".encode()


def read_json(root: Root) -> dict[str, Any] | None:
    """Read ``packed.json``; None if there is none.

    Raises
    ------
    UserError
        If it is damaged.
    """
    if root.lstat(RECORD) is None:
        return None
    try:
        data: dict[str, Any] = json.loads(root.read(RECORD, _LARGEST))
        of_json(data)
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise UserError(
            f"'{os.path.join(root.folder, RECORD)}' is damaged; restore it, or pack into another "
            "folder."
        ) from error
    return data


def of_json(data: dict[str, Any]) -> Record:
    """Return the record that ``packed.json`` has.

    Raises
    ------
    ValueError, LookupError, TypeError
        If it has none.
    """
    division = Division(data["images_per_shard"], data["bytes_per_shard"])
    count = data["count"]
    if type(count) is not int or not 1 <= count <= MOST_SHARDS:
        raise ValueError(count)
    suffix = FORMATS[data["format"]].suffix
    names = [shard["name"] for shard in data["shards"]]
    if names and names != [shard_name(number, suffix) for number in range(count)]:
        raise ValueError(names)
    for shard in data["shards"]:
        if {type(shard["members"]), type(shard["bytes"])} != {int} or not shard["sha256"]:
            raise ValueError(shard)
    return Record(str(data["format"]), count, division)


def check_names(root: Root, is_ours: bool) -> None:
    """Refuse to touch what no packing made.

    Raises
    ------
    UserError
        If the folder was not packed before, but has a file with the name of one of ours; or if a
        link or a folder has such a name.
    """
    for name in sorted(path.name for path in Path(root.folder).iterdir()):
        if name not in (RECORD, TABLE, PARQUET, STATE, JOURNAL) and not SHARD.fullmatch(name):
            continue
        path = escape(os.path.join(root.folder, name))
        if not is_ours:
            raise UserError(
                f"'{path}' exists, but there is no '{RECORD}' of a packing beside it; name another "
                "folder for the shards, or move the file away."
            )
        state = root.lstat(name)
        if state is not None and not stat.S_ISREG(state.st_mode):
            what = "a link" if stat.S_ISLNK(state.st_mode) else "not a file"
            raise TreeError(f"'{path}' is {what}, and nothing is written there; move it away.")


@contextlib.contextmanager
def whole(root: Root, name: str, durable: bool) -> Iterator[io.BufferedRandom]:
    """Open a file that gets its name when it is complete.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    with beside(root, name, durable) as (file, temporary):
        yield file
    put(root, temporary, name, durable)


@contextlib.contextmanager
def beside(root: Root, name: str, durable: bool) -> Iterator[tuple[io.BufferedRandom, str]]:
    """Open a temporary file that will get a name, and tell its own; after an error, remove it.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    temporary = temporary_beside(name)
    try:
        with io.BufferedRandom(io.FileIO(root.create(temporary), "w+b"), _BUFFER) as file:
            yield file, temporary
            file.flush()
            if durable:
                os.fsync(file.fileno())
    except BaseException as error:
        root.unlink(temporary)
        if isinstance(error, OSError):
            raise _unwritable(root, name, error) from error
        raise


def put(root: Root, temporary: str, name: str, durable: bool) -> None:
    """Give a complete file its name.

    Raises
    ------
    UserError
        If the system refuses that.
    """
    try:
        root.replace(temporary, name)
        if durable:
            root.sync("")
    except OSError as error:
        root.unlink(temporary)
        raise _unwritable(root, name, error) from error


def _unwritable(root: Root, name: str, error: OSError) -> UserError:
    path = os.path.join(root.folder, name)
    return UserError(cannot_write(path, error.strerror or str(error)))


class ShardState(NamedTuple):
    """What is known of a shard that was written.

    Attributes
    ----------
    number : int
    listing : str
        Digest of the names and digests of its members.
    sizes : array of int
        Of its members, in bytes.
    bytes : int
        Its own size.
    sha256 : str
        Digest of its own bytes.
    mtime_ns, changed_ns : int
        Its times; while they are the same, it is not read to compare its digest.
    """

    number: int
    listing: str
    sizes: array[int]
    bytes: int
    sha256: str
    mtime_ns: int
    changed_ns: int


class State:
    """The state of all shards of a folder, which grows shard by shard.

    Parameters
    ----------
    root : Root
    durable : bool

    Attributes
    ----------
    shards : dict of int to ShardState
    """

    def __init__(self, root: Root, durable: bool) -> None:
        self._root = root
        self._durable = durable
        self._journal: int | None = None
        self.shards = {
            shard.number: shard for name in (STATE, JOURNAL) for shard in _lines(root, name)
        }

    def __enter__(self) -> State:
        if self._root.lstat(JOURNAL) is not None:
            self._save()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._journal is not None:
            os.close(self._journal)
            if kind is None:
                self._save()

    def add(self, shard: ShardState) -> None:
        """Note a shard that was written, or was found to be as it should be.

        Raises
        ------
        UserError
            If this cannot be written.
        """
        self.shards[shard.number] = shard
        try:
            if self._journal is None:
                self._journal = self._root.create(JOURNAL)
            write_all(self._journal, _line(shard))
            if self._durable:
                os.fsync(self._journal)
        except OSError as error:
            raise _unwritable(self._root, JOURNAL, error) from error

    def _save(self) -> None:
        with whole(self._root, STATE, self._durable) as file:
            file.writelines(_line(self.shards[number]) for number in sorted(self.shards))
        self._root.unlink(JOURNAL)


def _line(shard: ShardState) -> bytes:
    return f"{json.dumps({**shard._asdict(), 'sizes': shard.sizes.tolist()})}\n".encode()


def _lines(root: Root, name: str) -> Iterator[ShardState]:
    """Yield what a file knows of shards; a line that a killed run did not finish is left out."""
    if root.lstat(name) is None:
        return
    for line in root.read(name).splitlines():
        with contextlib.suppress(ValueError, TypeError, OverflowError, RecursionError):
            shard = ShardState(**json.loads(line))
            yield shard._replace(sizes=array("Q", shard.sizes))
