"""Exports: the tables that people read, written from the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple, TypedDict

from pixelmill.core.filenames import unescape
from pixelmill.core.files import atomic
from pixelmill.core.tables import iterate_table, write_json, write_table
from pixelmill.dataset.ledger import Ledger
from pixelmill.dataset.passes import PassRecord, as_record

MANIFEST = ("source", "variant", "output", "status", "reason", "width", "height", "sha256")


class FailureRow(NamedTuple):
    """A row of ``failures.csv``: an image without an output."""

    source: str
    stage: str
    reason: str
    message: str


FAILURES = FailureRow._fields


class Timing(TypedDict):
    """Content of ``timing.json``."""

    last_pass: PassRecord | None
    last_full_pass: PassRecord | None


def write_tables(ledger: Ledger, target: str) -> None:
    """Write the tables that other programs read, the manifest last."""
    timing: Timing = {
        "last_pass": as_record(ledger.last_pass()),
        "last_full_pass": as_record(ledger.last_full_pass()),
    }
    write_json(os.path.join(target, "timing.json"), timing)
    write_table(os.path.join(target, "manifest.csv"), MANIFEST, ledger.manifest())


def write_failures(ledger: Ledger, target: str) -> None:
    """Write the table of failures, and the paths of failed images for ``xargs -0``."""
    rows = list(ledger.failures())
    write_table(os.path.join(target, "failures.csv"), FAILURES, rows)
    with atomic(os.path.join(target, "failures.txt"), "wb") as file:
        file.writelines(os.fsencode(unescape(row[0])) + b"\0" for row in rows)


def read_failures(target: str) -> Iterator[FailureRow]:
    """Read the table of failures."""
    for row in iterate_table(os.path.join(target, "failures.csv")):
        yield FailureRow(**row)
