"""The verdict says whether all is well, and if not, what is wrong, in a few lines."""

import pytest

from pixelmill.verdict import judge

TREE = {"dataset": "demo", "recipe": "light", "engine": "threads"}

CHECK = {"name": "missing", "named": [{"image": "a.jpg", "why": "is not there"}]}


def report(**parts):
    return {"verifications": [], "comparisons": [], "failures": [], "rows": [], **parts}


def verification(passed=True, checks=()):
    return {**TREE, "passed": passed, "summary": "Looked at.", "checks": list(checks)}


def failures(failed, images):
    reasons = {"corrupt": failed - 1, "truncated": 1}
    return {**TREE, "failed": failed, "images": images, "reasons": reasons, "listed": []}


def measured(speedup):
    return {**TREE, "images_per_second": 1234.5, "speedup": speedup}


def test_where_nothing_is_wrong_all_is_well():
    well, lines = judge(report(verifications=[verification()]), 0.01)
    assert well
    assert lines == ["demo/light/threads: Looked at.", "All is well."]


@pytest.mark.parametrize("part", ["verifications", "comparisons"])
def test_a_check_that_failed_decides_and_its_images_are_named(part):
    well, lines = judge(report(**{part: [verification(False, [CHECK])]}), 0.01)
    assert not well
    assert "  missing: a.jpg: is not there" in lines
    assert lines[-1] == "NOT well: 1 of the above failed."


@pytest.mark.parametrize(
    ("failed", "images", "most", "well"),
    [(1, 100, 0.01, True), (2, 100, 0.01, False), (1, 1, 1.0, True), (1, 10**6, 0.0, False)],
    ids=["at the limit", "above it", "all may fail", "none may fail"],
)
def test_failed_images_decide_by_their_rate(failed, images, most, well):
    decided, lines = judge(report(failures=[failures(failed, images)]), most)
    assert decided is well
    assert ("more than failures.max_rate" in lines[0]) is not well


@pytest.mark.parametrize(("most", "well"), [(None, True), (5, True), (4, False)])
def test_failed_images_decide_by_their_number_where_it_is_bounded(most, well):
    decided, lines = judge(report(failures=[failures(5, 10**6)]), 0.01, most)
    assert decided is well
    assert ("more than failures.max_count = 4 allows" in lines[0]) is not well


def test_failed_images_are_told_with_their_reasons_in_any_case():
    _, lines = judge(report(failures=[failures(3, 1000)]), 0.01)
    assert lines[0] == ("demo/light/threads: 3 of 1,000 images failed (2 corrupt, 1 truncated).")


def test_throughput_is_told_and_the_gain_only_where_it_stands():
    _, lines = judge(report(rows=[measured(1.91), measured("run: ...")]), 0.01)
    assert lines[:2] == [
        "demo/light/threads: 1,234 images/s, 1.91x sequential",
        "demo/light/threads: 1,234 images/s",
    ]


def test_a_tree_without_a_full_pass_has_no_throughput_to_tell():
    _, lines = judge(report(rows=[{**TREE, "images_per_second": None, "speedup": ""}]), 0.01)
    assert lines == ["All is well."]


def test_every_fault_is_counted():
    wrong = verification(False)
    parts = {"verifications": [wrong, wrong], "comparisons": [wrong], "failures": [failures(9, 9)]}
    _, lines = judge(report(**parts), 0.01)
    assert lines[-1] == "NOT well: 4 of the above failed."
