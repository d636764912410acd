"""What a run says at its end: what was made, what it saved, and how it ended, which comes last."""

import pytest

from pixelmill.app.run_summary import MOST_NAMED, summarize
from pixelmill.dataset.passes import Pass

DONE = Pass(
    True, "threads", 2, 2.0, 0.1, 50, 5, 41_200_000, 5_300_000, 50.0, "", "", "", ""
)  # fmt: skip
SIZES = (41_200_000, 5_300_000)
PASSED = {"passed": True, "summary": "Verified: 45 outputs.", "checks": []}
WRONG = {
    "passed": False,
    "summary": "2 of 45 outputs are not as demanded.",
    "checks": [
        {"passed": True, "named": []},
        {"passed": False, "named": [{"image": "my.txt", "why": "is not in the manifest"}]},
    ],
}


def failed(number, reason="truncated", message=""):
    return [{"source": f"{k}.jpg", "reason": reason, "message": message} for k in range(number)]


def summary(total, failures=(), sizes=SIZES, checks=PASSED, done=DONE):
    return summarize(done, total, failures, sizes, checks, ("in", "out"))


def test_a_run_tells_counts_bytes_and_where_the_images_are():
    made = summary(50)
    assert made.lines == (
        "50 images in 2.0 s (25/s, threads, 2 workers).",
        "Size: 41.2 MB became 5.3 MB (87 % less).",
        "Verified: 45 outputs.",
        "Images: out/images",
    )
    assert made.conclusion.sentence == "Success: 50 of 50 images processed."


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (
            (1, 4_000),
            "Kept: 1 picture as its source has it (4.0 kB), because encoding saves too little.",
        ),
        (
            (2, 5_000),
            "Kept: 2 pictures as their sources have them (5.0 kB), because encoding saves too "
            "little.",
        ),
    ],
)
def test_a_run_tells_how_many_sources_were_kept(kept, told):
    made = summarize(DONE, 50, (), SIZES, PASSED, ("in", "out"), kept)
    assert made.lines[2] == told


def test_failures_are_told_once_and_where_they_are_listed():
    made = summary(50, failed(4), checks=None)
    where = made.lines.index("Failed images: out/failures.csv")
    assert made.lines[where - 1] == "Images: out/images"
    assert made.lines[where + 1] == "  0.jpg: truncated; copy or download it again"
    assert len(made.lines) == where + 5
    assert made.conclusion.sentence == (
        "Success with failures: 46 of 50 images processed; 4 failed: 4 truncated."
    )


def test_the_first_of_many_failures_are_named_each_with_a_remedy():
    needs = "needs the package pillow-heif: pip install pillow-heif"
    rows = [*failed(1, "not_an_image"), *failed(1, "unsupported", needs), *failed(7)]
    lines = summary(1000, rows).lines
    assert lines[-6:] == (
        "  0.jpg: is not an image; copy or download it again if it should be an image. "
        "Otherwise, remove it, or exclude it from the dataset",
        "  0.jpg: needs pillow-heif (pip install pillow-heif)",
        *(f"  {k}.jpg: truncated; copy or download it again" for k in range(3)),
        "  and 4 more",
    )


def test_a_run_with_nothing_to_do_says_so_and_counts_all_images():
    done = DONE._replace(images=0, failed=0, bytes_in=0, bytes_out=0)
    made = summary(50, failed(2), checks=None, done=done)
    assert made.lines[0] == "Nothing to do: no image has changed."
    assert "48 of 50 images processed; 2 failed" in made.conclusion.sentence


def test_images_of_earlier_runs_are_up_to_date():
    made = summary(50, done=DONE._replace(images=3, failed=0))
    assert made.lines[0] == "3 images in 2.0 s (1.5/s, threads, 2 workers); 47 were up to date."


def test_too_many_failures_fail_the_run():
    made = summary(100, failed(2)).conclusion
    assert (made.status, made.sentence) == (
        1,
        "Failed: 98 of 100 images processed; 2 failed, more than 1 %: 2 truncated.",
    )


@pytest.mark.parametrize(
    ("total", "number", "status", "beginning"),
    [
        (50, 1, 0, "Success with failures: 49 of 50 images processed; 1 failed: "),
        (50, 4, 0, "Success with failures: 46 of 50 images processed; 4 failed: "),
        (2_000_000, 20_000, 0, "Success with failures: 1,980,000 of 2,000,000 images processed; "),
        (50, 5, 1, "Failed: 45 of 50 images processed; 5 failed, more than 4: "),
        (2_000_000, 20_001, 1, "Failed: 1,979,999 of 2,000,000 images processed; 20,001 failed, "),
    ],
)
def test_the_conclusion_tells_how_many_images_failed(total, number, status, beginning):
    made = summary(total, failed(number)).conclusion
    assert made.status == status
    assert made.sentence.startswith(beginning)
    assert made.sentence.endswith(f": {number:,} truncated.")


def test_images_that_grew_are_told_as_such():
    made = summary(50, sizes=(512, 1_024_000))
    assert made.lines[1] == "Size: 512 bytes became 1.0 MB (199,900 % more)."


def test_results_that_are_not_right_fail_the_run():
    made = summary(50, checks=WRONG)
    assert made.conclusion.status == 1
    where = made.lines.index("2 of 45 outputs are not as demanded.")
    assert made.lines[where + 1 : where + 3] == (
        "  my.txt: is not in the manifest",
        "  All checks: pixelmill verify in out",
    )


@pytest.mark.parametrize(
    ("total", "failed_images", "limit"),
    [(1, 1, "the only one"), (3, 3, "which is all of them"), (99, 5, "more than 4")],
)
def test_the_limit_that_was_exceeded_is_that_of_small_folders(total, failed_images, limit):
    sentence = summary(total, failed(failed_images)).conclusion.sentence
    assert f"; {failed_images} failed, {limit}: " in sentence


def test_of_each_check_a_few_faults_are_named_and_the_command_names_all():
    named = [{"image": f"{k}.jpg", "why": "is gone"} for k in range(20)]
    checks = [{"passed": False, "named": named}, {"passed": False, "named": named[:1]}]
    lines = summary(50, checks={**WRONG, "checks": checks}).lines
    where = lines.index(WRONG["summary"]) + 1
    faults = [f"  {k}.jpg: is gone" for k in (*range(MOST_NAMED), 0)]
    assert lines[where:] == (
        *faults, "  All checks: pixelmill verify in out", "Images: out/images",
    )  # fmt: skip
