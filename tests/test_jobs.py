"""A job says what to make, an outcome what became of it."""

import time

from pixelmill.errors import ImageError
from pixelmill.jobs import STAGES, WRITE, Account, Job, Made, failed

JOB = Job("a.png", ("a.jpg",), bytes=7, mtime_ns=8)


def test_each_stage_has_the_seconds_up_to_its_lap():
    account = Account()
    for number, stage in enumerate(STAGES):
        assert account.stage == stage
        time.sleep(0.01 if stage == "steps" else 0)
        account.lap(number)
    seconds = dict(zip(STAGES, account.outcome(JOB).seconds, strict=True))
    assert seconds["steps"] >= 0.01
    assert max(seconds, key=seconds.get) == "steps"


def test_a_stage_that_comes_again_adds_to_its_seconds():
    account = Account()
    for _ in range(2):
        time.sleep(0.005)
        account.lap(WRITE)
    assert account.seconds[WRITE] >= 0.01
    assert account.stage == "write"


def test_what_failed_made_nothing():
    account = Account()
    account.made.append(Made("", "a.jpg", 4, 3, 99, "digest"))
    assert account.outcome(JOB).made
    outcome = account.outcome(JOB, ImageError("write", "write_failed", "no room"))
    assert (outcome.status, outcome.made, outcome.bytes_out) == ("failed", (), 0)
    assert (outcome.stage, outcome.reason, outcome.message) == ("write", "write_failed", "no room")


def test_an_outcome_can_be_told_for_an_image_that_could_not_tell_it():
    outcome = failed(JOB, "steps", "crashed", "killed", "digest")
    assert (outcome.status, outcome.stage, outcome.reason) == ("failed", "steps", "crashed")
    assert (outcome.bytes_in, outcome.mtime_ns, outcome.digest) == (7, 8, "digest")
