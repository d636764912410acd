"""Mirror record: which files a folder has from which place. It is a database in the folder."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pixelmill.core import databases
from pixelmill.core.errors import UserError, shortened

#: Name of the record. Names that begin with a dot are no images.
RECORD = ".mirror.sqlite"

#: How the tag of a file begins that cannot be copied as it is.
FAILED = "failed "

_LAYOUT = """
CREATE TABLE IF NOT EXISTS place (name TEXT NOT NULL, token TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    name TEXT PRIMARY KEY, tag TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL
) WITHOUT ROWID;
"""


#: Finds a row that no mirror wrote: names of its files are paths in the folder, and not hidden.
_STRANGE = """
SELECT 1 FROM files WHERE typeof(name) <> 'text' OR typeof(tag) <> 'text'
    OR typeof(size) <> 'integer' OR typeof(mtime_ns) <> 'integer'
    OR name = '' OR name GLOB '/*' OR name GLOB '.*' OR name GLOB '*/.*' LIMIT 1
"""


class Copy(NamedTuple):
    """A file of the mirror as it was when it was written.

    Attributes
    ----------
    tag : str
        See `pixelmill.transfer.place.Item`; empty as long as the file is not complete, and
        beginning with `FAILED` if it cannot be copied as it is.
    size : int
        In bytes.
    mtime_ns : int
    """

    tag: str
    size: int
    mtime_ns: int

    @property
    def is_here(self) -> bool:
        """Whether the mirror has written a file of this name, or may have before it was killed."""
        return not self.tag.startswith(FAILED) or bool(self.mtime_ns)


class MirrorRecord:
    """The record of a folder; created if there is none.

    Parameters
    ----------
    folder : str
    place : str
        Name of the place.

    Raises
    ------
    UserError
        If it is damaged, or if the folder is a mirror of another place.
    """

    def __init__(self, folder: str, place: str) -> None:
        self._path = os.path.join(folder, RECORD)
        try:
            if not databases.is_sound(self._path):
                raise sqlite3.DatabaseError("it is damaged")
            self._database = sqlite3.connect(self._path, isolation_level=None)
            self._database.executescript(_LAYOUT)
            _check(self._database)
            known = self._database.execute("SELECT name FROM place").fetchone()
            if known is not None and not self.copies():  # as after a misspelt place
                self._database.execute("DELETE FROM place")
                known = None
            if known is None:
                self._database.execute("INSERT INTO place VALUES (?, '')", (place,))
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        if known is not None and known[0] != place:
            self.close()
            raise UserError(
                f"'{folder}' is a mirror of '{shortened(known[0])}', not of '{place}'; choose "
                "another folder, or remove this one first, in a workflow by the target clean."
            )

    def _unusable(self, error: sqlite3.Error) -> UserError:
        return UserError(
            f"'{self._path}' cannot be used: {error}; if it is damaged, move the folder away, and "
            "mirror again."
        )

    @property
    def token(self) -> str:
        """See `pixelmill.transfer.mirror.token`; empty unless all files of the place are here."""
        with self._told():
            return str(self._database.execute("SELECT token FROM place").fetchone()[0])

    @token.setter
    def token(self, token: str) -> None:
        with self._told():
            self._database.execute("UPDATE place SET token = ?", (token,))

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def copies(self) -> dict[str, Copy]:
        """Return all files of the mirror by name, also those that are not complete."""
        with self._told():
            rows: Iterator[tuple[str, str, int, int]] = self._database.execute(
                "SELECT name, tag, size, mtime_ns FROM files"
            )
            return {name: Copy(tag, size, mtime_ns) for name, tag, size, mtime_ns in rows}

    def begin(self, names: Iterable[str]) -> None:
        """Note that files will be written: whatever then has their names is of the mirror."""
        with self._told():
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, '', 0, 0)", ((name,) for name in names)
            )
            self._database.execute("COMMIT")

    def finish(self, copies: Iterable[tuple[str, Copy]]) -> None:
        """Note that files are complete."""
        with self._told():
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
                ((name, *copy) for name, copy in copies),
            )
            self._database.execute("COMMIT")

    def forget(self, names: Iterable[str]) -> None:
        """Note that files were removed."""
        with self._told():
            self._database.execute("BEGIN")
            self._database.executemany(
                "DELETE FROM files WHERE name = ?", ((name,) for name in names)
            )
            self._database.execute("COMMIT")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn an error of the database into a sentence."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._unusable(error) from error


def _check(database: sqlite3.Connection) -> None:
    if not databases.has_only_tables(database) or database.execute(_STRANGE).fetchone():
        raise sqlite3.DatabaseError("it has what no mirror wrote")


def names_in(path: str) -> set[str]:
    """Return the names of all files in a record.

    Raises
    ------
    UserError
        If it is damaged.
    """
    try:
        with contextlib.closing(databases.connect_to_read(path)) as database:
            _check(database)
            rows = database.execute("SELECT name, tag, size, mtime_ns FROM files")
            return {name for name, *rest in rows if Copy(*rest).is_here}
    except sqlite3.Error as error:
        raise UserError(
            f"'{path}' cannot be read: {error}; remove its folder, if all in it is a mirror."
        ) from error
