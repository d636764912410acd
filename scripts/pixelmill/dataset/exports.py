"""Exports: the tables that people read, written from the ledger."""

from __future__ import annotations

import os
import stat
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
    """Write the tables that other programs read, the manifest last.

    A manifest that was written from the same images, and that nobody touched since, stays.
    """
    timing: Timing = {
        "last_pass": as_record(ledger.last_pass()),
        "last_full_pass": as_record(ledger.last_full_pass()),
    }
    write_json(os.path.join(target, "timing.json"), timing)
    manifest = os.path.join(target, "manifest.csv")
    if not ledger.manifest_state or ledger.manifest_state != _state_of(manifest):
        write_table(manifest, MANIFEST, ledger.manifest())
        ledger.manifest_state = _state_of(manifest)


def _state_of(path: str) -> str:
    """Return what changes if a file is written or replaced; empty if it is no file."""
    try:
        state = os.lstat(path)
    except OSError:
        return ""
    if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
        return ""
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}"


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
