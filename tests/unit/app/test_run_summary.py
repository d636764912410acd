"""What a run says at its end: counts that agree, why images failed, and one verdict."""

import pytest

from pixelmill.app.run_summary import summarize
from pixelmill.dataset.passes import Pass

DONE = Pass(
    True, "threads", 2, 2.0, 0.1, 50, 5, 41_200_000, 5_300_000, 50.0, "", "", "", ""
)  # fmt: skip
PASSED = {"passed": True, "summary": "Verified: 45 outputs."}
WRONG = {"passed": False, "summary": "2 of 45 outputs are not as demanded."}


def test_a_run_tells_counts_bytes_and_where_the_images_are():
    done = DONE._replace(failed=0)
    assert summarize(done, 50, {}, PASSED, "out").lines == (
        "50 of 50 images processed, in 2.0 s (25 images/s, threads).",
        "41.2 MB became 5.3 MB (87 % less).",
        "Verification: Verified: 45 outputs.",
        "Images: out/images",
    )


def test_failures_are_told_by_reason_the_most_frequent_first():
    lines = summarize(DONE, 50, {"truncated": 1, "not_an_image": 4}, PASSED, "out").lines
    assert lines[0] == "45 of 50 images processed, 5 failed, in 2.0 s (25 images/s, threads)."
    assert lines[2].startswith("  4 not_an_image: ")
    assert lines[3].startswith("  1 truncated: ")
    assert lines[4] == "Each failed image, with its reason: out/failures.csv"


def test_a_run_with_nothing_to_do_says_so():
    done = DONE._replace(images=0, failed=0, bytes_in=0, bytes_out=0)
    lines = summarize(done, 50, {"truncated": 2}, None, "out").lines
    assert lines[0] == "Nothing to do: 48 of 50 images are up to date."


def test_images_of_earlier_runs_are_unchanged():
    lines = summarize(DONE._replace(images=3, failed=0), 50, {}, None, "out").lines
    assert lines[0].startswith("3 of 50 images processed, 47 unchanged, in ")


@pytest.mark.parametrize(
    ("total", "failed", "status"),
    [
        (50, 0, 0),
        (50, 4, 0),  # fewer than five in a small set
        (50, 5, 1),
        (99, 4, 0),
        (100, 1, 0),  # one percent
        (100, 2, 1),
        (10_000, 100, 0),
        (10_000, 101, 1),
        (3, 3, 0),
    ],
)
def test_a_few_failures_are_no_failure_of_the_run(total, failed, status):
    reasons = {"truncated": failed} if failed else {}
    summary = summarize(DONE, total, reasons, PASSED, "out")
    assert summary.status == status
    assert summary.verdict.startswith(
        "Failed" if status else "Success, but" if failed else "Success."
    )


def test_results_that_are_not_right_fail_the_run():
    summary = summarize(DONE, 50, {}, WRONG, "out")
    assert summary.status == 1
    assert "Verification: 2 of 45 outputs are not as demanded." in summary.lines
