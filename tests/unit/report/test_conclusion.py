"""A run ends in one of three states, and one sentence says which, how many images, and why."""

import pytest

from pixelmill.core.reasons import REASONS
from pixelmill.report.conclusion import Images, change, conclude, exceeded

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


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (1000, 1000, "1.0 kB became 1.0 kB (0 % less)"),
        (1000, 1001, "1.0 kB became 1.0 kB (0 % more)"),
        (999, 500, "999 bytes became 500 bytes (50 % less)"),
        (2_000_000, 10_000, "2.0 MB became 10.0 kB (99.5 % less)"),
        (1000, 6, "1.0 kB became 6 bytes (99 % less)"),
        (10**10, 0, "10.0 GB became 0 bytes (100 % less)"),
        (10**12, 10**13, "1.0 TB became 10.0 TB (900 % more)"),
        (0, 5, "0 bytes became 5 bytes (500 % more)"),
    ],
)
def test_a_change_of_size_has_units_and_a_share_that_is_100_only_if_nothing_is_left(
    before, after, told
):
    assert change(before, after) == told
