"""Rows that are read one by one equal those that are read at once."""

import pytest

from pixelmill.core.jobs import STAGES, Outcome, OutputFile
from pixelmill.dataset.ledger import Ledger
from pixelmill.dataset.ledger_rows import Fingerprints

FINGERPRINTS = Fingerprints("recipe", "code", "limits")


def outcome(source, *variants):
    made = tuple(OutputFile(v, f"{v}/{source}", 2, 2, 10, "sha") for v in variants)
    status, stage, reason = ("ok", "", "") if made else ("failed", "decode", "corrupt")
    seconds = (0.0,) * len(STAGES)
    return Outcome(source, made, status, stage, reason, "", 10, 1, "digest", 4, seconds)


SOURCES = ["a.jpg", "b/new\nline.jpg", "broken.jpg", "back\\slash.jpg"]


@pytest.fixture
def ledger(tmp_path):
    with Ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        ledger.record(
            [outcome(s, *(["x", "y"] if s != "broken.jpg" else [])) for s in SOURCES], FINGERPRINTS
        )
        yield ledger


def test_each_image_is_found_alone_as_among_all(ledger):
    rows = ledger.rows()
    assert len(rows) == len(SOURCES)
    assert sorted(rows) == sorted(SOURCES)  # each once
    assert {source: rows[source] for source in SOURCES} == dict(rows.items())


def test_an_image_has_all_its_outputs_and_one_that_failed_has_none(ledger):
    rows = ledger.rows()
    assert [made.path for made in rows["b/new\nline.jpg"].files] == [
        "x/b/new\nline.jpg", "y/b/new\nline.jpg",
    ]  # fmt: skip
    assert rows["broken.jpg"].files == ()


def test_a_missing_image_has_no_row(ledger):
    rows = ledger.rows()
    assert rows.get("other.jpg") is None
    with pytest.raises(KeyError, match=r"other\.jpg"):
        rows["other.jpg"]


def test_rows_that_are_recorded_later_are_found(ledger):
    rows = ledger.rows()
    ledger.forget(["a.jpg"])
    assert "a.jpg" not in rows
