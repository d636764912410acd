"""What a run says at its end: what was made, what it saved, and how it ended, which comes last."""

import pytest

from pixelmill.app.run_summary import summarize
from pixelmill.dataset.passes import Pass
from pixelmill.report.conclusion import Images

DONE = Pass(
    True, "threads", 2, 2.0, 0.1, 50, 5, 41_200_000, 5_300_000, 50.0, "", "", "", ""
)  # fmt: skip
SIZES = (41_200_000, 5_300_000)
PASSED = {"passed": True, "summary": "Verified: 45 outputs."}
WRONG = {"passed": False, "summary": "2 of 45 outputs are not as demanded."}


def images(total, truncated=0):
    return Images.of(total, [{"reason": "truncated", "message": ""}] * truncated)


def test_a_run_tells_counts_bytes_and_where_the_images_are():
    made = summarize(DONE, images(50), SIZES, PASSED, "out")
    assert made.lines == (
        "50 images in 2.0 s (25/s, threads, 2 workers).",
        "Size: 41.2 MB became 5.3 MB (87 % less).",
        "Verified: 45 outputs.",
        "Images: out/images",
    )
    assert made.conclusion.sentence == "Success: 50 of 50 images processed."


def test_failures_are_told_once_and_where_they_are_listed():
    made = summarize(DONE, images(50, 4), SIZES, None, "out")
    assert made.lines[-2:] == ("Images: out/images", "Failed images: out/failures.csv")
    assert made.conclusion.sentence == (
        "Success with failures: 46 of 50 images processed; 4 failed: 4 truncated."
    )
    assert not any("truncated" in line for line in made.lines)


def test_a_run_with_nothing_to_do_says_so_and_counts_all_images():
    done = DONE._replace(images=0, failed=0, bytes_in=0, bytes_out=0)
    made = summarize(done, images(50, 2), SIZES, None, "out")
    assert made.lines[0] == "Nothing to do: all images are up to date."
    assert "48 of 50 images processed; 2 failed" in made.conclusion.sentence


def test_images_of_earlier_runs_are_up_to_date():
    made = summarize(DONE._replace(images=3, failed=0), images(50), SIZES, None, "out")
    assert made.lines[0] == "3 images in 2.0 s (1.5/s, threads, 2 workers); 47 were up to date."


def test_too_many_failures_fail_the_run():
    made = summarize(DONE, images(100, 2), SIZES, PASSED, "out").conclusion
    assert (made.status, made.sentence) == (
        1,
        "Failed: 98 of 100 images processed; 2 failed, more than 1 %: 2 truncated.",
    )


@pytest.mark.parametrize(
    ("total", "failed", "status", "beginning"),
    [
        (50, 1, 0, "Success with failures: 49 of 50 images processed; 1 failed: "),
        (50, 4, 0, "Success with failures: 46 of 50 images processed; 4 failed: "),
        (2_000_000, 20_000, 0, "Success with failures: 1,980,000 of 2,000,000 images processed; "),
        (50, 5, 1, "Failed: 45 of 50 images processed; 5 failed, more than 1 %: "),
        (2_000_000, 20_001, 1, "Failed: 1,979,999 of 2,000,000 images processed; 20,001 failed, "),
    ],
)
def test_the_conclusion_tells_how_many_images_failed(total, failed, status, beginning):
    made = summarize(DONE, images(total, failed), SIZES, PASSED, "out").conclusion
    assert made.status == status
    assert made.sentence.startswith(beginning)
    assert made.sentence.endswith(f": {failed:,} truncated.")


def test_images_that_grew_are_told_as_such():
    made = summarize(DONE, images(50), (512, 1_024_000), None, "out")
    assert made.lines[1] == "Size: 512 bytes became 1.0 MB (199900 % more)."


def test_results_that_are_not_right_fail_the_run():
    made = summarize(DONE, images(50), SIZES, WRONG, "out")
    assert made.conclusion.status == 1
    assert "2 of 45 outputs are not as demanded." in made.lines
