"""Ledger migration: bring the tables of earlier versions into their present form.

Passes and what is known of each image are kept, so that nothing that they made counts as
unknown: outputs of removed sources are removed, and renamed outputs replaced.
"""

from __future__ import annotations

import sqlite3

from pixelmill.core.filenames import escape, unescape
from pixelmill.dataset.ledger_tables import TABLES, VERSION

#: Versions of the tables that can be migrated. Version 3 is that of pixelmill 0.1; up to version 5,
#: passes did not record their conditions; up to version 6, outputs were not noted to lack metadata;
#: up to version 7, images could not be only measured.
MIGRATABLE = frozenset({3, 5, 6, 7})

#: 0.1 recorded no times of change: with the time 0, each source is read once and compared by its
#: content. It also left some invisible characters in names as they are; `escaped` escapes them.
_IMAGES_3 = """
INSERT INTO images SELECT
  escaped(source), variant, escaped(output), status, stage, reason, escaped(message),
  bytes_in, mtime_ns, 0, digest, pixels_in, width, height, bytes_out, sha256,
  recipe, code, limits, '',
  read_seconds, decode_seconds, steps_seconds, encode_seconds, write_seconds
FROM earlier_images;
DROP TABLE earlier_images;
"""

_IMAGES = """
INSERT INTO images SELECT
  source, variant, output, status, stage, reason, message,
  bytes_in, mtime_ns, changed_ns, digest, pixels_in, width, height, bytes_out, sha256,
  recipe, code, limits, '',
  read_seconds, decode_seconds, steps_seconds, encode_seconds, write_seconds
FROM earlier_images;
DROP TABLE earlier_images;
"""

_PASSES = """
INSERT INTO passes SELECT *, '{}' FROM passes_5;
DROP TABLE passes_5;
"""

_RENAME_PASSES = """
ALTER TABLE passes RENAME TO passes_5;
"""

_RENAME_IMAGES = """
DROP INDEX IF EXISTS failures;
ALTER TABLE images RENAME TO earlier_images;
"""


def migrate(database: sqlite3.Connection) -> None:
    """Migrate the tables of a ledger, all of them or none.

    Parameters
    ----------
    database : sqlite3.Connection
        Of a ledger whose version is in `MIGRATABLE`.

    Raises
    ------
    sqlite3.Error
        If the tables are not those of that version, or if they cannot be written.
    """
    database.create_function("escaped", 1, _escaped, deterministic=True)
    (version,) = database.execute("PRAGMA user_version").fetchone()
    script = [_RENAME_IMAGES, TABLES, _IMAGES_3 if version <= 3 else _IMAGES]
    if version <= 5:
        script = [_RENAME_PASSES, *script, _PASSES]
    begin, end = "BEGIN IMMEDIATE;", f"PRAGMA user_version = {VERSION}; COMMIT;"
    try:
        database.executescript("".join((begin, *script, end)))
    except BaseException:
        if database.in_transaction:
            database.rollback()
        raise


def _escaped(text: str) -> str:
    return escape(unescape(text))
