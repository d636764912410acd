"""A run ends in one of three states, and one sentence says which, how many images, and why."""

import pytest

from pixelmill.core.reasons import REASONS
from pixelmill.report.conclusion import Images, conclude, exceeded

LIMITS = {"max_rate": 0.01, "max_count": None}

HEIC = "HEIC needs the package pillow-heif: pip install pillow-heif"


def failures(**reasons):
    """Rows of a table of failures: so many of each reason."""
    return [
        {"source": f"{reason}{number}.jpg", "stage": "decode", "reason": reason, "message": ""}
        for reason, count in reasons.items()
        for number in range(count)
    ]


def heic(count):
    return [{**row, "message": HEIC} for row in failures(unsupported=count)]


@pytest.mark.parametrize(
    ("total", "failed", "limit"),
    [
        (50, 0, ""),
        (50, 4, ""),  # fewer than five in a small set
        (50, 5, "max_rate"),
        (99, 4, ""),
        (100, 1, ""),  # one percent
        (100, 2, "max_rate"),
        (10_000, 100, ""),
        (10_000, 101, "max_rate"),
        (3, 2, ""),
        (3, 3, "max_rate"),  # nothing succeeded
        (0, 0, ""),
    ],
)
def test_a_few_failures_are_no_failure_of_the_run(total, failed, limit):
    assert exceeded(failed, total, LIMITS) == limit


@pytest.mark.parametrize(
    ("limits", "failed", "total", "limit"),
    [
        ({"max_rate": 0, "max_count": None}, 1, 50, "max_rate"),  # then nothing may fail
        ({"max_rate": 0, "max_count": None}, 0, 50, ""),
        ({"max_rate": 1, "max_count": None}, 50, 50, ""),
        ({"max_rate": 1, "max_count": 0}, 1, 50, "max_count"),
        ({"max_rate": 0.01, "max_count": 3}, 3, 50, ""),
        ({"max_rate": 0.01, "max_count": 3}, 4, 50, "max_count"),
    ],
)
def test_limits_of_a_user_decide_also_in_a_small_set(limits, failed, total, limit):
    assert exceeded(failed, total, limits) == limit


@pytest.mark.parametrize(
    ("images", "faults", "limit", "state", "status", "sentence"),
    [
        (Images.of(1, []), [], "", "success", 0, "Success: 1 of 1 image processed."),
        (
            Images.of(50, [*failures(not_an_image=3, truncated=1), *heic(1)]),
            [],
            "",
            "success with failures",
            0,
            "Success with failures: 45 of 50 images processed; 5 failed: 3 are not images, "
            "1 truncated, 1 needs pillow-heif (pip install pillow-heif).",
        ),
        (
            Images.of(2000, [*failures(not_an_image=1), *heic(1234)]),
            [],
            "more than 1 %",
            "failure",
            1,
            "Failed: 765 of 2,000 images processed; 1,235 failed, more than 1 %: 1,234 need "
            "pillow-heif (pip install pillow-heif), 1 is not an image.",
        ),
        (
            Images.of(9, []),
            ["checks failed for a/b"],
            "",
            "failure",
            1,
            "Failed: checks failed for a/b; 9 of 9 images processed.",
        ),
    ],
    ids=["success", "success with failures", "too many failures", "wrong results"],
)
def test_each_state_has_its_sentence_and_its_exit_status(
    images, faults, limit, state, status, sentence
):
    made = conclude(images, faults, limit)
    assert (made.state, made.status, made.sentence) == (state, status, sentence)


def test_every_reason_is_told_in_words_and_not_by_its_name():
    for name in REASONS:
        told = Images.of(9, failures(**{name: 1})).told()
        assert told.startswith("8 of 9 images processed; 1 failed: 1 "), name
        assert "_" not in told
        assert told.count("failed") == 1 + (name == "step_failed")


def test_a_reason_of_a_later_version_is_told_by_its_name():
    assert Images.of(2, failures(novel=1)).told().endswith(": 1 novel")
