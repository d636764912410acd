"""Exports: the tables that people read, written from the ledger."""

from __future__ import annotations

import os

from pixelmill.core.filenames import unescape
from pixelmill.core.files import atomic
from pixelmill.core.tables import write_json, write_table
from pixelmill.dataset.ledger import Ledger

MANIFEST = ("source", "variant", "output", "status", "reason", "width", "height", "sha256")
FAILURES = ("source", "stage", "reason", "message")


def write_tables(ledger: Ledger, target: str) -> None:
    """Write the tables that other programs read, the manifest last."""
    last, full = ledger.last_pass(), ledger.last_pass(whole=True)
    timing = {
        "last_pass": None if last is None else last._asdict(),
        "last_full_pass": None if full is None else full._asdict(),
    }
    write_json(os.path.join(target, "timing.json"), timing)
    write_table(os.path.join(target, "manifest.csv"), MANIFEST, ledger.manifest())


def write_failures(ledger: Ledger, target: str) -> None:
    """Write the table of failures, and the paths of failed images for ``xargs -0``."""
    rows = list(ledger.failures())
    write_table(os.path.join(target, "failures.csv"), FAILURES, rows)
    with atomic(os.path.join(target, "failures.txt"), "wb") as file:
        file.writelines(os.fsencode(unescape(row[0])) + b"\0" for row in rows)
