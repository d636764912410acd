"""Ledger migration: bring the tables of pixelmill 0.1 into their present form.

Passes and what is known of each image are kept, so that nothing that 0.1 made counts as
unknown: outputs of removed sources are removed, and renamed outputs replaced.
"""

from __future__ import annotations

import sqlite3

from pixelmill.core.filenames import escape, unescape
from pixelmill.dataset.ledger_tables import TABLES, VERSION

#: Versions of the tables that can be migrated. Version 3 is that of pixelmill 0.1.
MIGRATABLE = frozenset({3})

#: 0.1 recorded no times of change: with the time 0, each source is read once and compared by its
#: content. It also left some invisible characters in names as they are; `escaped` escapes them.
_SCRIPT = f"""
BEGIN IMMEDIATE;
DROP INDEX IF EXISTS failures;
ALTER TABLE images RENAME TO images_3;
{TABLES}
INSERT INTO images SELECT
  escaped(source), variant, escaped(output), status, stage, reason, escaped(message),
  bytes_in, mtime_ns, 0, digest, pixels_in, width, height, bytes_out, sha256,
  recipe, code, limits,
  read_seconds, decode_seconds, steps_seconds, encode_seconds, write_seconds
FROM images_3;
DROP TABLE images_3;
PRAGMA user_version = {VERSION};
COMMIT;
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
    try:
        database.executescript(_SCRIPT)
    except BaseException:
        if database.in_transaction:
            database.rollback()
        raise


def _escaped(text: str) -> str:
    return escape(unescape(text))
