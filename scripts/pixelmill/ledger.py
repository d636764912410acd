"""Ledger: what happened to each image and in each pass, in one SQLite file.

Written as batches end, so that a crash loses at most the batches in flight. All
tables that people read are exported from it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from pixelmill.errors import UserError
from pixelmill.jobs import STAGES, Made, Outcome, Stretch
from pixelmill.names import escape, unescape
from pixelmill.passes import Pass
from pixelmill.rows import Maker, Rows

#: Raised when the tables change; an older ledger is then put aside, not misread.
VERSION = 4

_TABLES = """
CREATE TABLE IF NOT EXISTS images (
  source TEXT NOT NULL, variant TEXT NOT NULL, output TEXT NOT NULL,
  status TEXT NOT NULL, stage TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
  bytes_in INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, digest TEXT NOT NULL,
  pixels_in INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
  bytes_out INTEGER NOT NULL, sha256 TEXT NOT NULL,
  recipe TEXT NOT NULL, code TEXT NOT NULL, limits TEXT NOT NULL,
  {stages}, PRIMARY KEY (source, variant)
);
CREATE INDEX IF NOT EXISTS failures ON images (source, variant) WHERE status = 'failed';
CREATE TABLE IF NOT EXISTS makers (code TEXT PRIMARY KEY, software TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS stretches (
  pass INTEGER NOT NULL, worker INTEGER NOT NULL, began REAL NOT NULL, ended REAL NOT NULL,
  images INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS passes (
  id INTEGER PRIMARY KEY, whole INTEGER NOT NULL, engine TEXT NOT NULL,
  workers INTEGER NOT NULL, seconds REAL NOT NULL, startup_seconds REAL NOT NULL,
  images INTEGER NOT NULL, failed INTEGER NOT NULL, bytes_in INTEGER NOT NULL,
  bytes_out INTEGER NOT NULL, megapixels_in REAL NOT NULL, catalog TEXT NOT NULL,
  recipe TEXT NOT NULL, code TEXT NOT NULL, machine TEXT NOT NULL
);
""".format(stages=", ".join(f"{stage}_seconds REAL NOT NULL" for stage in STAGES))


class Example(NamedTuple):
    """A source and its first output, by the name of the variant."""

    source: str
    output: str
    pixels_in: int
    bytes_in: int
    width: int
    height: int
    bytes_out: int


#: Columns of seconds, and their sum. Every variant's row has those of its source.
_SECONDS = ", ".join(f"{stage}_seconds" for stage in STAGES)
_TOTAL = " + ".join(f"{stage}_seconds" for stage in STAGES)

#: What stands in the row of an image that failed.
_NOTHING = Made("", "", 0, 0, 0, "")


class Ledger:
    """The state of one output tree.

    Parameters
    ----------
    path : str
        Of the SQLite file; made where it is missing.
    only_look : bool
        Read what is there, and change nothing.
    durable : bool
        Sync every batch to the disk.
    """

    def __init__(self, path: str, only_look: bool = False, durable: bool = False) -> None:
        self._synchronous = "EXTRA" if durable else "NORMAL"
        if only_look:
            self._database = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)
            # What a killed run left in the middle has to be put right before it is read.
            with contextlib.suppress(sqlite3.OperationalError):
                self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
                return
            self._database.close()
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        try:
            self._connect(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise UserError(f"The ledger '{path}' cannot be opened: {error}.") from error
            # Damaged: all it would have saved is work. Images are made again.
            os.replace(path, f"{path}.damaged")
            self._connect(path)

    def _connect(self, path: str) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            self._database.close()
            os.replace(path, f"{path}.version-{version}")
            self._database = sqlite3.connect(path, isolation_level=None)
        # No WAL: it is not safe on network file systems.
        self._database.execute("PRAGMA journal_mode = TRUNCATE")
        self._database.execute(f"PRAGMA synchronous = {self._synchronous}")
        self._database.executescript(_TABLES)
        self._database.execute(f"PRAGMA user_version = {VERSION}")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    @property
    def is_current(self) -> bool:
        """Whether the tables are those of this version."""
        version: int = self._database.execute("PRAGMA user_version").fetchone()[0]
        return version == VERSION

    def rows(self) -> Rows:
        """All images by source, as they stand whenever they are asked for."""
        return Rows(self._database.execute)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Lock the file once for all that is asked of it, not for each image."""
        self._database.execute("BEGIN")
        try:
            yield
        finally:
            self._database.execute("COMMIT")

    def codes(self) -> list[str]:
        """Fingerprints of the code that made images."""
        return [code for (code,) in self._database.execute("SELECT DISTINCT code FROM images")]

    def record(self, outcomes: Iterable[Outcome], maker: Maker) -> None:
        """Note what became of a batch, in one transaction."""
        outcomes = list(outcomes)
        rows = [
            (
                escape(o.source), made.variant, escape(made.path), o.status, o.stage, o.reason,
                escape(o.message), o.bytes_in, o.mtime_ns, o.digest, o.pixels_in, made.width,
                made.height, made.bytes, made.sha256, *maker, *o.seconds,
            )
            for o in outcomes
            for made in o.made or (_NOTHING,)
        ]  # fmt: skip
        with self._database:
            self._database.execute("BEGIN")
            # It may have had other variants before.
            self._database.executemany(
                "DELETE FROM images WHERE source = ?", {(row[0],) for row in rows}
            )
            self._insert(rows)

    def whole_rows(self) -> Iterator[tuple[Any, ...]]:
        """All that is known of every image, source first, for `adopt` of another ledger."""
        return iter(self._database.execute("SELECT * FROM images"))

    def adopt(self, rows: Iterable[Sequence[Any]], instead: bool = False) -> None:
        """Add rows of another ledger, or put them in place of all that is there."""
        with self._database:
            self._database.execute("BEGIN")
            if instead:
                self._database.execute("DELETE FROM images")
            self._insert(rows)

    def _insert(self, rows: Iterable[Sequence[Any]]) -> None:
        marks = ", ".join("?" * (15 + len(Maker._fields) + len(STAGES)))
        self._database.executemany(f"INSERT INTO images VALUES ({marks})", rows)

    def shared_output(self) -> tuple[str, str] | None:
        """Two sources that have one output; None where each has its own."""
        query = (
            "SELECT min(source), max(source) FROM images WHERE output != ''"
            " GROUP BY output HAVING count(*) > 1 LIMIT 1"
        )
        found: tuple[str, str] | None = self._database.execute(query).fetchone()
        return found

    def note_maker(self, code: str, software: Mapping[str, str]) -> None:
        """Note the libraries behind a fingerprint of code."""
        text = json.dumps(software, sort_keys=True)
        with self._database:
            self._database.execute("REPLACE INTO makers VALUES (?, ?)", (code, text))

    def software_of(self, code: str) -> dict[str, str]:
        """Libraries behind a fingerprint of code; empty where it was never noted."""
        query = "SELECT software FROM makers WHERE code = ?"
        row = self._database.execute(query, (code,)).fetchone()
        return json.loads(row[0]) if row else {}

    def touch(self, times: Iterable[tuple[str, int]]) -> None:
        """Note new modification times of sources whose content is the same."""
        with self._database:
            self._database.execute("BEGIN")
            self._database.executemany(
                "UPDATE images SET mtime_ns = ? WHERE source = ?",
                ((mtime_ns, escape(source)) for source, mtime_ns in times),
            )

    def forget(self, sources: Iterable[str]) -> None:
        """Drop images whose sources are gone."""
        with self._database:
            self._database.execute("BEGIN")
            self._database.executemany(
                "DELETE FROM images WHERE source = ?", ((escape(s),) for s in sources)
            )

    def manifest(self) -> Iterator[tuple[object, ...]]:
        """Rows of the manifest, sorted by path; nothing in them depends on time."""
        return iter(
            self._database.execute(
                "SELECT source, variant, output, status, reason, width, height, sha256"
                " FROM images ORDER BY source, variant"
            )
        )

    def failures(self) -> Iterator[tuple[str, str, str, str]]:
        """Rows of the table of failures, sorted by path."""
        return iter(
            self._database.execute(
                "SELECT DISTINCT source, stage, reason, message FROM images"
                " WHERE status = 'failed' ORDER BY source"
            )
        )

    def add_pass(self, finished: Pass, stretches: Sequence[Stretch] = ()) -> None:
        """Note a pass that came to its end, and when its workers were busy.

        Of earlier passes, only what is needed to show the last full one is kept.
        """
        marks = ", ".join("?" * len(finished))
        zero = min((stretch.began for stretch in stretches), default=0.0)
        numbers: dict[str, int] = {}
        with self._database:
            self._database.execute("BEGIN")
            number = self._database.execute(
                f"INSERT INTO passes ({', '.join(Pass._fields)}) VALUES ({marks})", finished
            ).lastrowid
            self._database.executemany(
                "INSERT INTO stretches VALUES (?, ?, ?, ?, ?)",
                (
                    (number, numbers.setdefault(s.worker, len(numbers)),
                     s.began - zero, s.ended - zero, s.images)
                    for s in sorted(stretches, key=lambda s: s.began)
                ),
            )  # fmt: skip
            if finished.whole:
                self._database.execute("DELETE FROM stretches WHERE pass != ?", (number,))

    def passes(self) -> Iterator[tuple[Pass, list[Stretch]]]:
        """All passes, and when their workers were busy."""
        query = "SELECT worker, began, ended, images FROM stretches WHERE pass = ? ORDER BY began"
        passes = self._database.execute(f"SELECT id, {', '.join(Pass._fields)} FROM passes")
        for number, whole, *rest in passes.fetchall():
            stretches = self._database.execute(query, (number,))
            yield Pass(bool(whole), *rest), [Stretch(str(w), *times) for w, *times in stretches]

    def forget_passes(self) -> None:
        """Drop all passes: they were gathered."""
        self._database.executescript("DELETE FROM stretches; DELETE FROM passes;")

    def timeline(self) -> list[tuple[int, float, float, int]]:
        """When each worker of the last full pass was busy.

        Returns
        -------
        list of tuple
            Number of the worker, beginning and end of a batch in seconds since the
            first one began, and its images.
        """
        query = (
            "SELECT worker, began, ended, images FROM stretches"
            " WHERE pass = (SELECT max(id) FROM passes WHERE whole) ORDER BY began"
        )
        return list(self._database.execute(query))

    def latencies(self, most: int) -> list[tuple[str, tuple[float, ...]]]:
        """Sources that took longest when they were last made, with their seconds by stage."""
        query = (
            f"SELECT source, {_SECONDS} FROM images WHERE status = 'ok' GROUP BY source"
            f" ORDER BY {_TOTAL} DESC, source LIMIT ?"
        )
        return [(source, tuple(rest)) for source, *rest in self._database.execute(query, (most,))]

    def durations(self) -> Iterator[float]:
        """Seconds that each source took when it was last made; failed ones are left out."""
        query = f"SELECT {_TOTAL} FROM images WHERE status = 'ok' GROUP BY source"
        return (seconds for (seconds,) in self._database.execute(query))

    def stage_means(self) -> tuple[float, ...]:
        """Mean seconds of a source by stage; empty where none was made."""
        means = ", ".join(f"avg({stage}_seconds)" for stage in STAGES)
        sources = f"SELECT {_SECONDS} FROM images WHERE status = 'ok' GROUP BY source"
        row = self._database.execute(f"SELECT {means} FROM ({sources})").fetchone()
        return () if row[0] is None else tuple(row)

    def extent(self, largest: int) -> tuple[int, float]:
        """Count the sources that were made of at most so many pixels, and their mean pixels."""
        query = (
            "SELECT count(*), avg(pixels_in) FROM (SELECT pixels_in FROM images"
            " WHERE status = 'ok' AND pixels_in <= ? GROUP BY source)"
        )
        count, mean = self._database.execute(query, (largest,)).fetchone()
        return count, mean or 0.0

    def every(self, step: int, largest: int) -> list[Example]:
        """Every so-manieth source that was made of at most so many pixels."""
        query = (
            f"SELECT {', '.join(Example._fields)} FROM"
            " (SELECT *, row_number() OVER (ORDER BY source) - 1 AS number FROM"
            "   (SELECT *, min(variant) FROM images WHERE status = 'ok' AND pixels_in <= ?"
            "    GROUP BY source))"
            " WHERE number % ? = 0"
        )
        rows = map(Example._make, self._database.execute(query, (largest, step)))
        return [r._replace(source=unescape(r.source), output=unescape(r.output)) for r in rows]

    def last_pass(self, whole: bool = False) -> Pass | None:
        """Return the last pass, or the last one that made every image."""
        row = self._database.execute(
            f"SELECT {', '.join(Pass._fields)} FROM passes"
            f"{' WHERE whole' if whole else ''} ORDER BY id DESC LIMIT 1"
        ).fetchone()
        return None if row is None else Pass(bool(row[0]), *row[1:])

    def cost(self) -> tuple[float, float]:
        """Mean seconds and bytes of an image, whatever made it; 0 where none is."""
        seconds, size = self._database.execute(
            f"SELECT avg({_TOTAL}), sum(bytes_out) * 1.0 / count(DISTINCT source)"
            " FROM images WHERE status = 'ok'"
        ).fetchone()
        return seconds or 0.0, size or 0.0

    def rate(self, recipe: str) -> float | None:
        """Mean seconds of an image, as this recipe took; None where it made none."""
        query = f"SELECT avg({_TOTAL}) FROM images WHERE status = 'ok' AND recipe = ?"
        seconds: float | None = self._database.execute(query, (recipe,)).fetchone()[0]
        return seconds
