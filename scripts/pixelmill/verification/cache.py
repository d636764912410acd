"""Cache of what passed: outputs that did not change since are not opened again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence, Set
from typing import NamedTuple

from pixelmill.core.databases import is_sound
from pixelmill.core.filenames import escape, unescape
from pixelmill.dataset.ledger_backup import set_database_aside
from pixelmill.verification.inspector import Finding


class Known(NamedTuple):
    """An output that passed, and what it was like then."""

    output: str
    bytes: int
    mtime_ns: int
    sha256: str
    similarity: float | None
    sized: bool
    incomparable: bool


class Memory:
    """What passed before, in an SQLite file beside the tree."""

    def __init__(self, path: str) -> None:
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
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS passed (rules TEXT, output TEXT PRIMARY KEY,"
            " bytes INTEGER, mtime_ns INTEGER, sha256 TEXT, similarity REAL, sized INTEGER,"
            " incomparable INTEGER) WITHOUT ROWID"
        )
        # Text that is damaged is the name of no output.
        self._database.text_factory = lambda text: text.decode("utf-8", "replace")
        self._database.execute(f"SELECT rules, {', '.join(Known._fields)} FROM passed LIMIT 1")

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *error: object) -> None:
        self._database.close()

    def recall(self, rules: str) -> Iterator[Known]:
        """Outputs that passed by these rules."""
        query = f"SELECT {', '.join(Known._fields)} FROM passed WHERE rules = ?"
        query += " AND typeof(output) = 'text' AND typeof(sized) = 'integer'"
        for output, *rest in self._database.execute(query, (rules,)):
            yield Known(unescape(output), *rest)

    def learn(self, rules: str, findings: Sequence[Finding]) -> None:
        """Note what passed."""
        passed = (
            (
                rules, escape(f.output), f.bytes, f.mtime_ns, f.sha256, f.similarity, f.sized,
                f.asked and f.similarity is None,
            )
            for f in findings
            if not f.faults
        )  # fmt: skip
        with self._database:
            self._database.execute("BEGIN")
            self._database.executemany(
                "REPLACE INTO passed VALUES (?, ?, ?, ?, ?, ?, ?, ?)", passed
            )

    def forget(self, standing: Set[str]) -> None:
        """Forget all outputs but these."""
        with self._database:
            self._database.execute("BEGIN")
            outputs = self._database.execute("SELECT output FROM passed")
            gone = [one for one in outputs if unescape(one[0]) not in standing]
            self._database.executemany("DELETE FROM passed WHERE output = ?", gone)
