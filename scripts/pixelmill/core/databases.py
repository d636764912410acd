"""Databases: how an SQLite file is opened for reading, and what the errors of SQLite mean."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from pathlib import Path

#: Suffixes of the files that SQLite keeps beside a database.
COMPANIONS = ("-journal", "-wal", "-shm")

#: How long a reader waits for a writer, in seconds.
PATIENCE = 5.0

#: Result codes of SQLite that concern the disk, the system or another process, not the file.
_SYSTEM = {
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}


def connect_to_read(path: str, immutable: bool = False) -> sqlite3.Connection:
    """Open a database for reading.

    Parameters
    ----------
    path : str
    immutable : bool
        Whether no process changes the file: then it is neither locked nor repaired.

    Raises
    ------
    sqlite3.Error
        If it cannot be opened.
    """
    database = sqlite3.connect(address_to_read(path, immutable), timeout=PATIENCE, uri=True)
    try:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        database.close()
        if _code(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        # An unfinished transaction of a killed run must be rolled back before it is read.
        database = sqlite3.connect(path, timeout=PATIENCE)
    except UnicodeDecodeError as error:  # the message of SQLite quotes damaged text
        database.close()
        raise sqlite3.DatabaseError("malformed database schema") from error
    except BaseException:
        database.close()
        raise
    return database


def address_to_read(path: str, immutable: bool = False) -> str:
    """Return the URI of a database for reading, whatever characters its path has.

    Parameters
    ----------
    path, immutable
        As for `connect_to_read`.
    """
    return f"{Path(path).absolute().as_uri()}?{'immutable=1' if immutable else 'mode=ro'}"


def is_sound(path: str) -> bool:
    """Return whether a database is whole or missing, and writing it would change no other file.

    Raises
    ------
    sqlite3.OperationalError
        If the disk or the system does not let it be read.
    """
    for name in (path, *(path + suffix for suffix in COMPANIONS)):
        with contextlib.suppress(FileNotFoundError):
            state = os.lstat(name)
            if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
                return False
    if not os.path.exists(path):
        return True
    try:
        with contextlib.closing(connect_to_read(path)) as database:
            return bool(database.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.Error as error:
        if tells_of_system(error):
            raise
        return False


def has_only_tables(database: sqlite3.Connection) -> bool:
    """Return whether reading and writing a database runs nothing of its own, as a view does."""
    others = "SELECT 1 FROM sqlite_master WHERE type NOT IN ('table', 'index')"
    computed = "SELECT 1 FROM sqlite_master, pragma_table_xinfo(sqlite_master.name) WHERE hidden"
    return all(database.execute(query).fetchone() is None for query in (others, computed))


def tells_of_system(error: BaseException) -> bool:
    """Return whether an error of SQLite concerns the disk or the system, not a damaged file."""
    return isinstance(error, sqlite3.Error) and _code(error) in _SYSTEM


def tells_of_damage(error: BaseException) -> bool:
    """Return whether an error of SQLite shows that a file is damaged."""
    return isinstance(error, sqlite3.Error) and (
        _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        or "decode to UTF-8" in str(error)
    )


def _code(error: sqlite3.Error) -> int:
    """Return the primary result code; 0 for an error of Python's own module."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
