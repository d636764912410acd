"""Tables are exported from the ledger in a fixed form."""

import json
import os

from pixelmill.core.jobs import Job, failed
from pixelmill.dataset.exports import write_failures, write_tables
from pixelmill.dataset.ledger import Fingerprints, Ledger
from pixelmill.dataset.passes import Pass


def test_failures_are_ready_for_xargs(tmp_path):
    names = ["plain.jpg", "two\nlines.jpg", "undecodable \udcff.jpg"]
    with Ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        outcomes = [failed(Job(n, n), "read", "vanished", "gone", "") for n in names]
        ledger.record(outcomes, Fingerprints("recipe", "code", "limits"))
        write_failures(ledger, str(tmp_path))
    paths = (tmp_path / "failures.txt").read_bytes().split(b"\0")
    assert paths == [os.fsencode(name) for name in names] + [b""]
    assert len((tmp_path / "failures.csv").read_text().splitlines()) == 1 + len(names)


def test_empty_tables_have_only_a_header(tmp_path):
    with Ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        write_failures(ledger, str(tmp_path))
        write_tables(ledger, str(tmp_path))
    failures, manifest = (tmp_path / f"{name}.csv" for name in ("failures", "manifest"))
    assert failures.read_text() == "source,stage,reason,message\n"
    assert manifest.read_text() == "source,variant,output,status,reason,width,height,sha256\n"
    timing = json.loads((tmp_path / "timing.json").read_text())
    assert timing == {"last_pass": None, "last_full_pass": None}


def test_the_last_pass_and_the_last_full_one_are_told_apart(tmp_path):
    full = Pass(True, "threads", 2, 9.0, 0.1, 5, 0, 9, 9, 1.0, "k", "r", "c", "m")
    with Ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        ledger.add_pass(full)
        ledger.add_pass(full._replace(is_full=False, images=1))
        write_tables(ledger, str(tmp_path))
    timing = json.loads((tmp_path / "timing.json").read_text())
    assert (timing["last_pass"]["images"], timing["last_full_pass"]["images"]) == (1, 5)
