"""Each reason is described once, and decides what happens to an image that failed for it."""

import pytest

from pixelmill.core import reasons
from pixelmill.core.reasons import REASONS, Retry

#: Every reason, with when an image that failed for it is tried again.
EXPECTED = {
    "unreadable": "in every pass",
    "vanished": "in every pass",
    "not_an_image": "when it changes",
    "truncated": "when it changes",
    "corrupt": "when it changes",
    "too_large": "when it or the limits change",
    "unsupported": "when it or the limits change",
    "step_failed": "when it changes",
    "write_failed": "in every pass",
    "target_missed": "when it changes",
    "timed_out": "when it or the limits change",
    "crashed": "when it changes",
    "out_of_memory": "when it or the limits change",
}


def test_the_vocabulary_is_this():
    assert {name: reason.retry.value for name, reason in REASONS.items()} == EXPECTED


@pytest.mark.parametrize("name", EXPECTED)
def test_a_reason_is_described_in_sentences_that_fit_a_table(name):
    reason = REASONS[name]
    assert reason.meaning[0].isupper() and reason.meaning.endswith(".")
    assert reason.summary and not reason.summary.endswith(".") and len(reason.summary) < 60
    assert reason.remedy == "" or reason.remedy.endswith(".")
    assert not {"|", "\n"} & {*reason.meaning, *reason.remedy}


def test_images_that_can_end_their_process_are_tried_alone():
    assert {"timed_out", "crashed", "out_of_memory"} == reasons.TRIED_ALONE
    # The clock of the supervisor is right about an image, whatever else is in its process.
    assert {"timed_out"} == reasons.TRIED_ALONE - reasons.DOUBTFUL


def test_a_source_that_could_not_be_read_is_tried_in_every_pass():
    assert {"unreadable", "vanished"} == reasons.SOURCE_UNKNOWN
    for name in reasons.SOURCE_UNKNOWN:
        assert REASONS[name].retry is Retry.EVERY_PASS
