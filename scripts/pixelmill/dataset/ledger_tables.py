"""Tables of a ledger: their declarations, and the values that they may hold."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterable
from functools import cache

from pixelmill.core.filenames import unescape
from pixelmill.core.jobs import NOTES, STAGES
from pixelmill.core.reasons import REASONS, SOURCE_UNKNOWN

#: Version of the tables. A ledger of another version is migrated, refused or set aside, and
#: never misread: see `pixelmill.dataset.ledger_backup`.
VERSION = 8

#: Any change here, except of white space and indexes, needs another `VERSION`.
TABLES = """
CREATE TABLE IF NOT EXISTS images (
  source TEXT NOT NULL, variant TEXT NOT NULL, output TEXT NOT NULL,
  status TEXT NOT NULL, stage TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
  bytes_in INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, changed_ns INTEGER NOT NULL,
  digest TEXT NOT NULL,
  pixels_in INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
  bytes_out INTEGER NOT NULL, sha256 TEXT NOT NULL,
  recipe TEXT NOT NULL, code TEXT NOT NULL, limits TEXT NOT NULL,
  facts TEXT NOT NULL,
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
  recipe TEXT NOT NULL, code TEXT NOT NULL, machine TEXT NOT NULL, conditions TEXT NOT NULL
);
""".format(stages=", ".join(f"{stage}_seconds REAL NOT NULL" for stage in STAGES))


def _one_of(words: Iterable[str]) -> str:
    return f"({', '.join(map(repr, sorted(words)))})"


_SHA256 = "length(sha256) = 64 AND sha256 NOT GLOB '*[^0-9a-f]*'"

#: An output, or the facts of an image that was only measured.
_MADE = (
    f"CASE WHEN output != '' THEN {_SHA256} AND facts = '' WHEN sha256 = '' AND json_valid(facts)"
    " THEN json_type(facts) = 'object' ELSE 0 END"
)

#: Conditions in SQL that every row of a table meets, besides the declared types of its columns.
_RULES = {
    "images": [
        f"CASE status WHEN 'ok' THEN reason IN {_one_of(NOTES)} AND ({_MADE})"
        f" WHEN 'failed' THEN facts = '' AND reason IN {_one_of(REASONS)}"
        f" AND (output = '' AND sha256 = '' OR output != '' AND {_SHA256}"
        f" AND reason IN {_one_of(SOURCE_UNKNOWN)}) ELSE 0 END",
        "length(digest) IN (0, 32) AND digest NOT GLOB '*[^0-9a-f]*'",
        "min(bytes_in, pixels_in, width, height, bytes_out) >= 0",
        f"min({', '.join(f'{stage}_seconds' for stage in STAGES)}) >= 0",
    ],
    "makers": [],
    "stretches": [],
    "passes": [
        "whole IN (0, 1)",
        "min(workers, images, failed, bytes_in, bytes_out) >= 0",
        "min(seconds, startup_seconds, megapixels_in) >= 0",
        "json_valid(conditions) AND json_type(conditions) = 'object'",
    ],
}

#: A path that leaves its folder, or that no file has. A drive letter or a backslash leads elsewhere
#: on Windows only.
_UNFIT = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|\0" + (r"|[\\:]" if os.name == "nt" else ""))


def fault_in(database: sqlite3.Connection) -> str:
    """Find what is wrong with a ledger, by reading all of it.

    The tables of another version are checked only by SQLite itself.

    Parameters
    ----------
    database : sqlite3.Connection

    Returns
    -------
    str
        What is wrong, in a few words; empty if nothing is.

    Raises
    ------
    sqlite3.Error
        If the file is damaged so badly that SQLite cannot read it.
    """
    (found,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        return str(found).splitlines()[0]
    (version,) = database.execute("PRAGMA user_version").fetchone()
    # A run was killed before it created the tables.
    if version not in (0, VERSION) or (version == 0 and not _objects(database)):
        return ""
    if not is_current(database):
        return "its tables are not those of a ledger"
    for table in sorted(_RULES):
        if _has_wrong_row(database, table):
            return f"the table {table} holds impossible values"
    for source, _, output, *_ in database.execute("SELECT * FROM images"):
        for path in filter(None, (source, output)):
            if _UNFIT.search(unescape(path)):
                return f"the path '{path}' leads out of its folder"
    for _, software in database.execute("SELECT * FROM makers"):
        try:
            fits = isinstance(json.loads(software), dict)
        except ValueError:
            fits = False
        if not fits:
            return "the table makers holds impossible values"
    return ""


def is_current(database: sqlite3.Connection) -> bool:
    """Return whether a database has the tables of this version, and no view or trigger of others.

    Such things run when a table is read or written.
    """
    (version,) = database.execute("PRAGMA user_version").fetchone()
    found, expected = _objects(database), _expected()
    present = {name for kind, name in found if kind == "table"}
    return version == VERSION and present == {*_RULES} and found.items() <= expected.items()


def _objects(database: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """Return tables, indexes and the like by kind and name, with the SQL that declares them."""
    found = database.execute("SELECT type, name, ifnull(sql, '') FROM sqlite_master")
    return {(kind, name): " ".join(sql.split()) for kind, name, sql in found}


@cache
def _expected() -> dict[tuple[str, str], str]:
    database = sqlite3.connect(":memory:")
    try:
        database.executescript(TABLES)
        return _objects(database)
    finally:
        database.close()


def _has_wrong_row(database: sqlite3.Connection, table: str) -> bool:
    columns = database.execute(f"PRAGMA table_info({table})").fetchall()
    typed = [f"typeof({name}) = '{declared.lower()}'" for _, name, declared, *_ in columns]
    rules = " AND ".join(f"({rule})" for rule in typed + _RULES[table])
    found = database.execute(f"SELECT EXISTS (SELECT 1 FROM {table} WHERE NOT ({rules}))")
    return bool(found.fetchone()[0])
