"""A job says what to make, and an outcome says what became of it."""

import pytest

from pixelmill.core.errors import ImageError
from pixelmill.core.jobs import Job, OutputFile, Stage, StageTimer, failed

JOB = Job("a.png", ("a.jpg",), bytes=7, mtime_ns=8, changed_ns=9)

STAGES = ("read", "decode", "steps", "encode", "write")


@pytest.fixture
def clock(monkeypatch):
    """Clock of timers, in seconds; it stands still unless it is set."""
    now = [100.0]
    monkeypatch.setattr("pixelmill.core.jobs.perf_counter", lambda: now[0])
    return now


def test_each_stage_has_the_seconds_up_to_its_lap(clock):
    timer = StageTimer()
    for number, stage in enumerate(STAGES):
        assert timer.stage == stage
        clock[0] += 2**number
        timer.lap(number)
    assert timer.outcome(JOB).seconds == (1.0, 2.0, 4.0, 8.0, 16.0)


def test_a_repeated_stage_adds_to_its_seconds(clock):
    timer = StageTimer()
    for seconds in (1.0, 4.0):
        clock[0] += seconds
        timer.lap(Stage.WRITE)
    assert timer.seconds[Stage.WRITE] == 5.0
    assert timer.stage == "write"


def test_a_failed_image_has_no_outputs():
    timer = StageTimer()
    timer.files.append(OutputFile("", "a.jpg", 4, 3, 99, "digest"))
    timer.facts = "{}"
    assert (bool(timer.outcome(JOB).files), timer.outcome(JOB).facts) == (True, "{}")
    outcome = timer.outcome(JOB, ImageError("write", "write_failed", "no room"))
    assert (outcome.status, outcome.files, outcome.bytes_out) == ("failed", (), 0)
    assert outcome.facts == ""  # a ledger would take them for damage
    assert (outcome.stage, outcome.reason, outcome.message) == ("write", "write_failed", "no room")


def test_an_outcome_can_be_made_for_an_image_whose_process_died():
    outcome = failed(JOB, "steps", "crashed", "killed", "digest")
    assert (outcome.status, outcome.stage, outcome.reason) == ("failed", "steps", "crashed")
    assert (outcome.bytes_in, outcome.mtime_ns, outcome.digest) == (7, 8, "digest")
    assert outcome.changed_ns == 9
