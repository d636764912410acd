"""Cache of the outputs that passed: those that have not changed since are not opened again."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pixelmill.core.databases import has_only_tables, is_sound
from pixelmill.core.filenames import escape, unescape
from pixelmill.dataset.ledger_backup import set_database_aside
from pixelmill.dataset.paths import Paths
from pixelmill.verification.inspector import Finding


class PassedOutput(NamedTuple):
    """An output that passed, and its state at that time.

    Attributes
    ----------
    output : str
        Its path below the folder of the images.
    bytes, mtime_ns : int
        Size and time of modification of the file.
    sha256 : str
        Digest of its content.
    similarity_db : float or None
        None if the picture was not compared.
    sized : bool
        Whether its expected size was known.
    incomparable : bool
        Whether the picture was to be compared and could not be.
    source_bytes, source_mtime_ns : int
        Size and time of modification of the source.
    """

    output: str
    bytes: int
    mtime_ns: int
    sha256: str
    similarity_db: float | None
    sized: bool
    incomparable: bool
    source_bytes: int
    source_mtime_ns: int


_COLUMNS = ", ".join(PassedOutput._fields)


def passed_in(path: str, rules: str) -> Iterator[PassedOutput]:
    """Yield the outputs that passed in another tree, in the order of escaped paths.

    Parameters
    ----------
    path : str
        The cache of that tree, which is not written to. If it is missing, damaged, or in the
        middle of a change, no more outputs are yielded.
    rules : str
        As for `PassedCache.load`.
    """
    journal = path + "-journal"
    try:
        if not _is_own_file(path) or (os.path.lexists(journal) and os.lstat(journal).st_size):
            return  # it may be in the middle of a change
        # Otherwise SQLite would lock the file, and repair it.
        address = f"{Path(path).absolute().as_uri()}?immutable=1"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
            database.text_factory = _text
            if has_only_tables(database):
                yield from _load(database, rules)
    except (sqlite3.Error, OSError, UnicodeDecodeError):  # the last one, for a damaged schema
        return


def _is_own_file(path: str) -> bool:
    """Return whether a path is a file, and neither a link nor one of several names of a file."""
    state = os.lstat(path)
    return stat.S_ISREG(state.st_mode) and state.st_nlink == 1


def _text(stored: bytes) -> str:
    """Decode text, even if it is damaged; then it is not the name of any output."""
    return stored.decode("utf-8", "replace")


def _load(database: sqlite3.Connection, rules: str) -> Iterator[PassedOutput]:
    query = f"SELECT {_COLUMNS} FROM passed WHERE rules = ?"
    query += " AND typeof(output) = 'text' AND typeof(sized) = 'integer' ORDER BY output"
    for output, *rest in database.execute(query, (rules,)):
        yield PassedOutput(unescape(output), *rest)


class PassedCache:
    """Outputs that passed before, in an SQLite file; a damaged file is replaced.

    Parameters
    ----------
    path : str
        If it cannot be written, nothing is remembered.
    """

    def __init__(self, path: str) -> None:
        try:
            self._open(path)
        except (sqlite3.Error, OSError):
            self._connect(":memory:")

    def _open(self, path: str) -> None:
        try:
            if not is_sound(path):
                set_database_aside(path)
            self._connect(path)
        except sqlite3.DatabaseError:
            set_database_aside(path)
            self._connect(path)

    def _connect(self, path: str) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = TRUNCATE")
        self._database.execute("PRAGMA synchronous = OFF")
        if not has_only_tables(self._database):  # a view may never end
            raise sqlite3.DatabaseError("it has more than tables")
        columns = [name for _, name, *_ in self._database.execute("PRAGMA table_info(passed)")]
        if columns and columns != ["rules", *PassedOutput._fields]:  # of another version
            self._database.execute("DROP TABLE passed")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS passed (rules TEXT, output TEXT PRIMARY KEY,"
            " bytes INTEGER, mtime_ns INTEGER, sha256 TEXT, similarity_db REAL, sized INTEGER,"
            " incomparable INTEGER, source_bytes INTEGER, source_mtime_ns INTEGER) WITHOUT ROWID"
        )
        self._database.text_factory = _text
        self._database.execute(f"SELECT rules, {_COLUMNS} FROM passed LIMIT 1")

    def __enter__(self) -> PassedCache:
        return self

    def __exit__(self, *error: object) -> None:
        self._database.close()

    def load(self, rules: str) -> Iterator[PassedOutput]:
        """Yield the outputs that passed according to these rules, in the order of escaped paths.

        Parameters
        ----------
        rules : str
            Digest of everything but the output that decides whether it passes.
        """
        return _load(self._database, rules)

    def store(self, rules: str, findings: Sequence[Finding]) -> None:
        """Record those of some outputs that passed."""
        passed = (
            (
                rules, escape(f.output), f.bytes, f.mtime_ns, f.sha256, f.similarity_db, f.sized,
                f.is_sampled and f.similarity_db is None, *f.source_state,
            )
            for f in findings
            if not f.faults
        )  # fmt: skip
        with self._database:
            self._database.execute("BEGIN")
            self._database.executemany(
                "REPLACE INTO passed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", passed
            )

    def keep_only(self, is_kept: Callable[[str], bool], least: int = 0) -> None:
        """Remove all outputs but some.

        Parameters
        ----------
        is_kept : callable
            Whether an output is kept.
        least : int
            How many recorded outputs are certainly kept: if there are no others, none is examined.
        """
        with self._database:
            self._database.execute("BEGIN")
            if self._database.execute("SELECT count(*) FROM passed").fetchone() == (least,):
                return
            known = self._database.execute("SELECT output FROM passed ORDER BY output")
            gone = Paths(output for (output,) in known if not is_kept(unescape(output)))
            self._database.executemany("DELETE FROM passed WHERE output = ?", ([o] for o in gone))
