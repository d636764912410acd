"""Upload record: which objects an upload of a folder made. It is a database in the folder."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pixelmill.core import databases
from pixelmill.core.errors import UserError

#: Folder of the record and of its lock, in the folder that is uploaded.
FOLDER = ".upload"

_NAME = "record.sqlite"

_LAYOUT = """
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, key TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL,
    tag TEXT NOT NULL, is_ours INTEGER NOT NULL, PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
"""


#: Finds a row that no upload wrote.
_STRANGE = """
SELECT 1 FROM objects WHERE typeof(bucket) <> 'text' OR typeof(key) <> 'text'
    OR typeof(sha256) <> 'text' OR typeof(size) <> 'integer' OR typeof(tag) <> 'text' LIMIT 1
"""


class Known(NamedTuple):
    """An object as it was when it was uploaded, or found.

    Attributes
    ----------
    sha256 : str
        Digest of its bytes; empty as long as its upload is not complete.
    size : int
        In bytes.
    tag : str
        See `pixelmill.transfer.buckets.Stored`.
    is_ours : bool
        Whether an upload of this folder made it. If not, it had the same bytes as the file.
    """

    sha256: str
    size: int
    tag: str
    is_ours: bool


class UploadRecord:
    """The record of what was uploaded from a folder to a bucket; created if there is none.

    Parameters
    ----------
    folder : str
        Folder of the record, which exists.
    bucket : str
        Name of the bucket. A folder may be uploaded to several.

    Raises
    ------
    UserError
        In all methods: if it is damaged, or cannot be written.
    """

    def __init__(self, folder: str, bucket: str) -> None:
        self._path = os.path.join(folder, _NAME)
        self._bucket = bucket
        with self._told():
            if not databases.is_sound(self._path):
                raise sqlite3.DatabaseError("it is damaged")
            self._database = sqlite3.connect(self._path, isolation_level=None)
            self._database.executescript(_LAYOUT)
            is_ours = databases.has_only_tables(self._database)
            if not is_ours or self._database.execute(_STRANGE).fetchone():
                raise sqlite3.DatabaseError("it has what no upload wrote")

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def objects(self) -> dict[str, Known]:
        """Return all objects by key, also those whose upload is not complete."""
        with self._told():
            rows: Iterator[tuple[str, str, int, str, int]] = self._database.execute(
                "SELECT key, sha256, size, tag, is_ours FROM objects WHERE bucket = ?",
                (self._bucket,),
            )
            return {
                key: Known(sha256, size, tag, bool(is_ours))
                for key, sha256, size, tag, is_ours in rows
            }

    def begin(self, keys: Iterable[str]) -> None:
        """Note that objects will be uploaded: whatever then has their keys is ours."""
        self.note((key, Known("", 0, "", is_ours=True)) for key in keys)

    def note(self, objects: Iterable[tuple[str, Known]]) -> None:
        """Note what objects are like."""
        self._change(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)",
            ((self._bucket, key, *known) for key, known in objects),
        )

    def forget(self, keys: Iterable[str]) -> None:
        """Note that objects are gone, or are not ours any more."""
        self._change(
            "DELETE FROM objects WHERE bucket = ? AND key = ?",
            ((self._bucket, key) for key in keys),
        )

    def _change(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        with self._told():
            self._database.execute("BEGIN")
            self._database.executemany(statement, rows)
            self._database.execute("COMMIT")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn an error of the database into a sentence."""
        try:
            yield
        except sqlite3.Error as error:
            raise UserError(
                f"'{self._path}' cannot be used: {error}; if it is damaged, remove it, and upload "
                "again."
            ) from error
