"""Ledger: what happened to each image and in each pass, in one SQLite file.

It is written as batches finish, so that a crash loses at most the batches in progress. All tables
that people read are exported from it.
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

from pixelmill.core.databases import (
    address_to_read,
    connect_to_read,
    tells_of_damage,
    tells_of_system,
)
from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape, unescape
from pixelmill.core.jobs import SOURCE_KEPT, STAGES, BusyInterval, Outcome, OutputFile
from pixelmill.dataset import ledger_backup
from pixelmill.dataset.ledger_migration import MIGRATABLE, migrate
from pixelmill.dataset.ledger_rows import Fingerprints, Rows
from pixelmill.dataset.ledger_tables import TABLES, VERSION, is_current
from pixelmill.dataset.passes import Pass, PassRecord


class Example(NamedTuple):
    """A source and its first output, by the name of the variant."""

    source: str
    output: str
    pixels_in: int
    bytes_in: int
    width: int
    height: int
    bytes_out: int
    seconds: float = 0.0


class Measured(NamedTuple):
    """An image that was only measured: its escaped path, and facts about it, as JSON.

    If that failed, `facts` is empty.
    """

    source: str
    reason: str
    bytes_in: int
    digest: str
    facts: str


#: Columns of seconds, and their sum. Every variant's row has those of its source.
_SECONDS = ", ".join(f"{stage}_seconds" for stage in STAGES)
_TOTAL = " + ".join(f"{stage}_seconds" for stage in STAGES)

#: Columns of an example.
_EXAMPLE = f"{', '.join(Example._fields[:-1])}, {_TOTAL}"

#: What examples are ordered by, the largest first.
_ORDERS = {"seconds": _TOTAL, "saved": "bytes_in - bytes_out"}

#: Columns of a pass, in the order of its fields.
_PASS_COLUMNS = ", ".join(PassRecord.__annotations__)

#: Output in the row of an image that failed.
_NOTHING = OutputFile("", "", 0, 0, 0, "")

#: How long a writer waits for readers, in seconds.
_PATIENCE = 60.0


class DamagedPartError(Exception):
    """A ledger whose rows another one takes proves to be damaged."""


class Ledger:
    """The state of one output tree.

    Parameters
    ----------
    path : str
        The SQLite file. It is created if it is missing, and replaced if it is damaged.
    read_only : bool
        Read the ledger, and change nothing; see `open_to_read`.
    durable : bool
        Sync every batch to the disk.

    Attributes
    ----------
    is_new : bool
        Whether there was no ledger before.
    in_doubt : bool
        Whether the ledger was damaged: outputs must be compared with their digests, and some
        may belong to no image. `settle` ends this state.
    manifest_state : str
        State of the manifest that has the present content; empty if none is known.

    Raises
    ------
    UserError
        If it cannot be opened or was written by a newer version; at the end of a ``with``
        block, if it could not be written or proved to be damaged.
    """

    def __init__(self, path: str, read_only: bool = False, durable: bool = False) -> None:
        self._path = path
        self._read_only = read_only
        self.is_new = self.in_doubt = False
        self.manifest_state = ""
        try:
            if read_only:
                self._database, self._is_migrated = _connect_to_read(path)
            else:
                self._open(durable)
        except (sqlite3.Error, OSError) as error:
            raise UserError(f"The ledger '{path}' cannot be opened: {error}.") from error

    def _open(self, durable: bool) -> None:
        os.makedirs(os.path.dirname(self._path) or ".", exist_ok=True)
        condition = ledger_backup.take(self._path)
        self.in_doubt, self.manifest_state = condition.in_doubt, condition.manifest
        self.is_new = not os.path.exists(self._path)
        # An absolute path is never taken for a URI; those of `adopt_from` are.
        self._database = sqlite3.connect(
            Path(self._path).absolute(), timeout=_PATIENCE, isolation_level=None, uri=True
        )
        # No write-ahead log: it is not safe on network file systems.
        self._database.execute("PRAGMA journal_mode = TRUNCATE")
        self._database.execute(f"PRAGMA synchronous = {'EXTRA' if durable else 'NORMAL'}")
        # In one transaction: a file that has tables has a version.
        version = "" if self.is_current else f"PRAGMA user_version = {VERSION};"
        self._database.executescript(f"BEGIN;{TABLES}{version}COMMIT;")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()
        if error is None and not self._read_only:
            ledger_backup.seal(self._path, self.in_doubt, self.manifest_state)
        if error is not None and tells_of_system(error):
            raise UserError(
                f"The ledger '{self._path}' cannot be {'read' if self._read_only else 'written'}: "
                f"{error}; free some space or correct the permissions, then run the same "
                "command again. Finished images are kept."
            ) from error
        if error is not None and tells_of_damage(error):
            raise UserError(
                f"The ledger '{self._path}' was damaged while it was in use ({error}); run the "
                "same command again, which replaces it."
            ) from error

    def doubt(self) -> None:
        """Have outputs compared with their digests, also by later runs, until `settle`."""
        self.in_doubt = True
        ledger_backup.doubt(self._path)

    def begin(self, fingerprints: Fingerprints) -> None:
        """Record that a pass begins to render, until the ledger is closed without an error."""
        ledger_backup.begin(self._path, _rendering(fingerprints))

    def has_unrecorded(self, fingerprints: Fingerprints) -> bool:
        """Whether outputs may be those of a pass that rendered otherwise and was not completed."""
        return ledger_backup.unfinished(self._path) not in ("", _rendering(fingerprints))

    def settle(self) -> None:
        """Note that everything in the ledger is known to be true."""
        self.in_doubt = False

    @property
    def is_current(self) -> bool:
        """Whether the file has the tables of this version, and nothing else."""
        return is_current(self._database)

    def rows(self) -> Rows:
        """Return a mapping from sources to what is known of them, which is read on access."""
        return Rows(self._database.execute)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Lock the file once for many queries, instead of once for each."""
        self._database.execute("BEGIN")
        try:
            yield
        finally:
            self._database.execute("COMMIT")

    def codes(self) -> list[str]:
        """Return the fingerprints of the code that rendered the images."""
        return [code for (code,) in self._database.execute("SELECT DISTINCT code FROM images")]

    def record(self, outcomes: Iterable[Outcome], fingerprints: Fingerprints) -> None:
        """Record the outcomes of a batch, in one transaction."""
        outcomes = list(outcomes)
        rows = [
            (
                escape(o.source), file.variant, escape(file.path), o.status, o.stage,
                o.reason or file.note,
                escape(o.message), o.bytes_in, o.mtime_ns, o.changed_ns, o.digest, o.pixels_in,
                file.width, file.height, file.bytes, file.sha256,
                fingerprints.of(file.variant) if o.status == "ok" else fingerprints.recipe,
                fingerprints.code, fingerprints.limits,
                o.facts, *o.seconds,
            )
            for o in outcomes
            for file in o.files or (_NOTHING,)
        ]  # fmt: skip
        with self._database:
            self._database.execute("BEGIN")
            # The image may have had other variants before.
            self._change("DELETE FROM images WHERE source = ?", {(row[0],) for row in rows})
            self._insert(rows)

    def all_rows(self) -> Iterator[tuple[Any, ...]]:
        """Return all rows of images, source first, for `adopt`."""
        return iter(self._database.execute("SELECT * FROM images"))

    def adopt(self, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows of another ledger."""
        with self._database:
            self._database.execute("BEGIN")
            self._insert(rows)

    def adopt_from(self, other: Ledger) -> int:
        """Add the rows of a ledger that was opened to be read; return their number.

        They take the place of rows of the same images. If there is an error, none is added.

        Raises
        ------
        DamagedPartError
            If the other ledger proves to be damaged.
        """
        try:
            if other._is_migrated:
                with self._database:
                    self._database.execute("BEGIN")
                    return self._insert(other.all_rows(), "OR REPLACE")
            with self._attached(other):
                # In the order of the index, which takes half the time and no cache.
                return self._change(
                    "INSERT OR REPLACE INTO images SELECT * FROM other.images"
                    " ORDER BY source, variant",
                    [()],
                )
        except sqlite3.DatabaseError as error:
            if other._is_whole():
                raise
            raise DamagedPartError(str(error)) from error

    def forget_all_but(self, others: Iterable[Ledger]) -> None:
        """Remove all rows but those of other ledgers, which were opened to be read."""
        execute = self._database.execute
        execute("CREATE TEMP TABLE kept (source, variant, PRIMARY KEY (source, variant))")
        for other in others:
            keys = other._database.execute("SELECT source, variant FROM images")
            self._database.executemany("INSERT OR IGNORE INTO kept VALUES (?, ?)", keys)
        self._change(
            "DELETE FROM images WHERE NOT EXISTS (SELECT 1 FROM kept"
            " WHERE kept.source = images.source AND kept.variant = images.variant)",
            [()],
        )
        execute("DROP TABLE kept")

    @contextlib.contextmanager
    def _attached(self, other: Ledger) -> Iterator[None]:
        address = address_to_read(other._path, ledger_backup.is_backup(other._path))
        self._database.execute("ATTACH ? AS other", (address,))
        yield
        self._database.execute("DETACH other")

    def count_rows(self) -> int:
        """Return the number of rows of images, of which one with several outputs has several."""
        ((count,),) = self._database.execute("SELECT count(*) FROM images")
        return int(count)

    def _is_whole(self) -> bool:
        """Return whether the file is sound; this reads all of it."""
        try:
            ((found,),) = self._database.execute("PRAGMA integrity_check(1)")
            return bool(found == "ok")
        except sqlite3.DatabaseError:
            return False

    def _insert(self, rows: Iterable[Sequence[Any]], conflict: str = "") -> int:
        marks = ", ".join("?" * (20 + len(STAGES)))
        return self._change(f"INSERT {conflict} INTO images VALUES ({marks})", rows)

    def _change(self, statement: str, values: Iterable[Sequence[Any]]) -> int:
        """Change what the manifest shows of images; return the number of rows."""
        count = self._database.executemany(statement, values).rowcount
        if count:
            self.manifest_state = ""
        return count

    def outputs(self) -> Iterator[str]:
        """Return the paths of all outputs."""
        found = self._database.execute("SELECT output FROM images WHERE output != ''")
        return (unescape(path) for (path,) in found)

    def output_sizes(self) -> Iterator[tuple[str, int]]:
        """Return the path and the size in bytes of each output."""
        found = self._database.execute("SELECT output, bytes_out FROM images WHERE output != ''")
        return ((unescape(path), size) for path, size in found)

    def shared_output(self) -> tuple[str, str] | None:
        """Return two sources that have the same output; None if there are none."""
        query = (
            "SELECT min(source), max(source) FROM images WHERE output != ''"
            " GROUP BY output HAVING count(*) > 1 LIMIT 1"
        )
        found: tuple[str, str] | None = self._database.execute(query).fetchone()
        return found

    def note_software(self, code: str, software: Mapping[str, str]) -> None:
        """Record the library versions behind a fingerprint of code."""
        text = json.dumps(software, sort_keys=True)
        with self._database:
            self._database.execute("REPLACE INTO makers VALUES (?, ?)", (code, text))

    def software_of(self, code: str) -> dict[str, str]:
        """Return the library versions behind a fingerprint of code; empty if they are unknown."""
        query = "SELECT software FROM makers WHERE code = ?"
        row = self._database.execute(query, (code,)).fetchone()
        return json.loads(row[0]) if row else {}

    def touch(self, times: Iterable[tuple[str, int, int]]) -> None:
        """Record new times of modification and change of sources whose content is the same."""
        with self._database:
            self._database.execute("BEGIN")
            self._database.executemany(
                "UPDATE images SET mtime_ns = ?, changed_ns = ? WHERE source = ?",
                ((mtime_ns, changed, escape(source)) for source, mtime_ns, changed in times),
            )

    def move_outputs(self, moves: Iterable[tuple[str, str, str]]) -> None:
        """Record new paths of outputs, each given by its source, its earlier and its new path."""
        with self._database:
            self._database.execute("BEGIN")
            self._change(
                "UPDATE images SET output = ? WHERE source = ? AND output = ?",
                ((escape(new), escape(source), escape(old)) for source, old, new in moves),
            )

    def forget(self, sources: Iterable[str]) -> None:
        """Remove images whose sources are gone."""
        with self._database:
            self._database.execute("BEGIN")
            self._change("DELETE FROM images WHERE source = ?", ((escape(s),) for s in sources))

    def manifest(self) -> Iterator[tuple[object, ...]]:
        """Return the rows of the manifest, sorted by path; nothing in them depends on time."""
        return iter(
            self._database.execute(
                "SELECT source, variant, output, status, reason, width, height, sha256"
                " FROM images ORDER BY source, variant"
            )
        )

    def failures(self) -> Iterator[tuple[str, str, str, str]]:
        """Return the rows of the table of failures, sorted by path."""
        return iter(
            self._database.execute(
                "SELECT DISTINCT source, stage, reason, message FROM images"
                " WHERE status = 'failed' ORDER BY source"
            )
        )

    def facts(self) -> Iterator[Measured]:
        """Yield what was found out about each image that was only measured, sorted by path."""
        query = f"SELECT {', '.join(Measured._fields)} FROM images ORDER BY source"
        return (Measured(*row) for row in self._database.execute(query))

    def add_pass(self, finished: Pass, stretches: Sequence[BusyInterval] = ()) -> None:
        """Record a pass that was completed, and when its workers were busy.

        Of earlier passes, only the busy times of the last full one are kept.
        """
        marks = ", ".join("?" * len(finished))
        zero = min((stretch.began for stretch in stretches), default=0.0)
        numbers: dict[str, int] = {}
        with self._database:
            self._database.execute("BEGIN")
            number = self._database.execute(
                f"INSERT INTO passes ({_PASS_COLUMNS}) VALUES ({marks})",
                (*finished[:-1], json.dumps(finished.conditions)),
            ).lastrowid
            self._database.executemany(
                "INSERT INTO stretches VALUES (?, ?, ?, ?, ?)",
                (
                    (number, numbers.setdefault(s.worker, len(numbers)),
                     s.began - zero, s.ended - zero, s.images)
                    for s in sorted(stretches, key=lambda s: s.began)
                ),
            )  # fmt: skip
            if finished.is_full:
                self._database.execute("DELETE FROM stretches WHERE pass != ?", (number,))

    def passes(self) -> Iterator[tuple[Pass, list[BusyInterval]]]:
        """Yield all passes, with the times when their workers were busy."""
        query = "SELECT worker, began, ended, images FROM stretches WHERE pass = ? ORDER BY began"
        passes = self._database.execute(f"SELECT id, {_PASS_COLUMNS} FROM passes")
        for number, *columns in passes.fetchall():
            stretches = self._database.execute(query, (number,))
            yield (
                _pass_of(columns),
                [BusyInterval(str(w), *times) for w, *times in stretches],
            )

    def forget_passes(self) -> None:
        """Remove all passes, after they were gathered."""
        self._database.executescript("DELETE FROM stretches; DELETE FROM passes;")

    def timeline(self) -> list[tuple[int, float, float, int]]:
        """Return when each worker of the last full pass was busy.

        Returns
        -------
        list of tuple
            Number of the worker, start and end of a batch in seconds since the first batch
            started, and number of images.
        """
        query = (
            "SELECT worker, began, ended, images FROM stretches"
            " WHERE pass = (SELECT max(id) FROM passes WHERE whole) ORDER BY began"
        )
        return list(self._database.execute(query))

    def seconds_of(self, source: str) -> tuple[float, ...]:
        """Return the seconds that a source took, by stage; empty if it is unknown."""
        query = f"SELECT {_SECONDS} FROM images WHERE source = ? LIMIT 1"
        found = self._database.execute(query, (escape(source),)).fetchone()
        return () if found is None else tuple(found)

    def latencies(self, most: int) -> list[tuple[str, tuple[float, ...]]]:
        """Return the sources that took longest, with their seconds by stage."""
        query = (
            f"SELECT source, {_SECONDS} FROM images WHERE status = 'ok' GROUP BY source"
            f" ORDER BY {_TOTAL} DESC, source LIMIT ?"
        )
        return [(source, tuple(rest)) for source, *rest in self._database.execute(query, (most,))]

    def durations(self) -> Iterator[float]:
        """Return the seconds that each source took; failures are left out."""
        query = f"SELECT {_TOTAL} FROM images WHERE status = 'ok' GROUP BY source"
        return (seconds for (seconds,) in self._database.execute(query))

    def stage_means(self) -> tuple[float, ...]:
        """Return the mean seconds of a source by stage; empty if no image was rendered."""
        means = ", ".join(f"avg({stage}_seconds)" for stage in STAGES)
        sources = f"SELECT {_SECONDS} FROM images WHERE status = 'ok' GROUP BY source"
        row = self._database.execute(f"SELECT {means} FROM ({sources})").fetchone()
        return () if row[0] is None else tuple(row)

    def extent(self, largest: int) -> tuple[int, float]:
        """Return number and mean pixels of the sources of at most `largest` pixels."""
        query = (
            "SELECT count(*), avg(pixels_in) FROM (SELECT pixels_in FROM images"
            " WHERE status = 'ok' AND pixels_in <= ? GROUP BY source)"
        )
        count, mean = self._database.execute(query, (largest,)).fetchone()
        return count, mean or 0.0

    def sample(self, step: int, largest: int) -> list[Example]:
        """Return every `step`-th source of at most `largest` pixels."""
        query = (
            f"SELECT {_EXAMPLE} FROM"
            " (SELECT *, row_number() OVER (ORDER BY source) - 1 AS number FROM"
            "   (SELECT *, min(variant) FROM images WHERE status = 'ok' AND pixels_in <= ?"
            "    GROUP BY source))"
            " WHERE number % ? = 0"
        )
        return self._examples(query, (largest, step))

    def extremes(self, order: str, most: int, largest: int) -> list[Example]:
        """Return the sources of at most `largest` pixels that took or saved most.

        Parameters
        ----------
        order : str
            "seconds" of processing, or "saved" bytes.
        most, largest : int
        """
        query = (
            f"SELECT {_EXAMPLE} FROM"
            " (SELECT *, min(variant) FROM images WHERE status = 'ok' AND pixels_in <= ?"
            f"  GROUP BY source) ORDER BY {_ORDERS[order]} DESC, source LIMIT ?"
        )
        return self._examples(query, (largest, most))

    def _examples(self, query: str, values: tuple[int, ...]) -> list[Example]:
        rows = map(Example._make, self._database.execute(query, values))
        return [r._replace(source=unescape(r.source), output=unescape(r.output)) for r in rows]

    def last_pass(self) -> Pass | None:
        """Return the last pass; None if there was none."""
        return self._last("passes")

    def last_full_pass(self) -> Pass | None:
        """Return the last pass that rendered every image; None if there was none."""
        return self._last("passes WHERE whole")

    def _last(self, passes: str) -> Pass | None:
        query = f"SELECT {_PASS_COLUMNS} FROM {passes} ORDER BY id DESC LIMIT 1"
        row = self._database.execute(query).fetchone()
        return None if row is None else _pass_of(row)

    def cost(self) -> tuple[float, float]:
        """Return the mean seconds and output bytes of an image; 0 if none was rendered."""
        seconds, size = self._database.execute(
            f"SELECT avg({_TOTAL}), sum(bytes_out) * 1.0 / count(DISTINCT source)"
            " FROM images WHERE status = 'ok'"
        ).fetchone()
        return seconds or 0.0, size or 0.0

    def sizes(self) -> tuple[int, int]:
        """Return the bytes of the images that succeeded, and those of their outputs."""
        per_source = (
            "SELECT bytes_in, sum(bytes_out) AS after FROM images WHERE status = 'ok'"
            " GROUP BY source"
        )
        query = f"SELECT ifnull(sum(bytes_in), 0), ifnull(sum(after), 0) FROM ({per_source})"
        before, after = self._database.execute(query).fetchone()
        return before, after

    def kept_sources(self) -> tuple[int, int]:
        """Return number and bytes of the outputs that hold the coded pictures of their sources."""
        query = (
            "SELECT count(*), ifnull(sum(bytes_out), 0) FROM images"
            " WHERE status = 'ok' AND reason = ?"
        )
        count, size = self._database.execute(query, (SOURCE_KEPT,)).fetchone()
        return count, size

    def seconds_per_image(self, fingerprints: Fingerprints) -> float | None:
        """Return the mean seconds of an image with this recipe; None if it rendered none."""
        recipes = {fingerprints.recipe, *fingerprints.outputs.values()}
        marks = ", ".join("?" * len(recipes))
        query = f"SELECT avg({_TOTAL}) FROM images WHERE status = 'ok' AND recipe IN ({marks})"
        seconds: float | None = self._database.execute(query, tuple(recipes)).fetchone()[0]
        return seconds


def _rendering(fingerprints: Fingerprints) -> str:
    return f"{fingerprints.recipe} {fingerprints.code}"


def _pass_of(columns: Sequence[Any]) -> Pass:
    is_full, *rest, conditions = columns
    return Pass._make((bool(is_full), *rest, json.loads(conditions)))


def _connect_to_read(path: str) -> tuple[sqlite3.Connection, bool]:
    """Open a ledger to read it; one of an earlier version is migrated in a temporary copy.

    Also return whether this was done.
    """
    database = connect_to_read(path, ledger_backup.is_backup(path))
    if _version_of(database) not in MIGRATABLE:
        return database, False
    with contextlib.closing(database):
        migrated = sqlite3.connect("")
        database.backup(migrated)
    migrate(migrated)
    return migrated, True


def _version_of(database: sqlite3.Connection) -> int:
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    return version


@contextlib.contextmanager
def open_to_read(path: str) -> Iterator[Ledger | None]:
    """Open a ledger, or its backup, to read it; None if there is no sound one."""
    found = ledger_backup.readable(path)
    if found.path is None:
        yield None
        return
    with Ledger(found.path, read_only=True) as ledger:
        ledger.in_doubt = found.in_doubt
        yield ledger if ledger.is_current else None
