"""The verdict names what failed, and summarises a run in five lines."""

import pytest

from pixelmill.report.verdict import judge, sentence, summary

TREE = {"dataset": "demo", "recipe": "light", "engine": "threads"}

CHECK = {"name": "missing", "compared": 9, "named": [{"image": "a.jpg", "why": "is not there"}]}

#: The section `failures` of a config, without the keys that do not matter here.
RATE = {"max_rate": 0.01, "max_count": None}

INPUTS = {"name": "inputs", "compared": 1234, "named": []}


def report(**parts):
    return {"verifications": [], "comparisons": [], "failures": [], "rows": [], **parts}


def verification(passed=True, checks=(INPUTS,), **tree):
    return {**TREE, **tree, "passed": passed, "summary": "Looked at.", "checks": list(checks)}


def failures(failed, images):
    reasons = {"corrupt": failed - 1, "truncated": 1}
    return {**TREE, "failed": failed, "images": images, "reasons": reasons, "listed": []}


def measured(rate, speedup, **tree):
    return {**TREE, **tree, "images_per_second": rate, "speedup": speedup}


def test_a_run_passes_if_nothing_is_wrong():
    assert judge(report(verifications=[verification()]), RATE) == (True, [])


@pytest.mark.parametrize("part", ["verifications", "comparisons"])
def test_a_check_that_failed_decides_and_its_images_are_named(part):
    passed, wrong = judge(report(**{part: [verification(False, [CHECK])]}), RATE)
    assert not passed
    assert wrong == ["demo/light/threads: Looked at.", "  missing: a.jpg: is not there"]


@pytest.mark.parametrize(
    ("failed", "images", "most", "passes"),
    [(1, 100, 0.01, True), (2, 100, 0.01, False), (1, 1, 1.0, True), (1, 10**6, 0.0, False)],
    ids=["at the limit", "above it", "all may fail", "none may fail"],
)
def test_failed_images_decide_by_their_rate(failed, images, most, passes):
    decided, wrong = judge(
        report(failures=[failures(failed, images)]), {"max_rate": most, "max_count": None}
    )
    assert decided is passes
    assert ["more than failures.max_rate" in line for line in wrong] == [True] * (not passes)


@pytest.mark.parametrize(
    ("most", "passes"), [(None, True), (6, True), (5, True), (4, False), (0, False)]
)
def test_failed_images_decide_by_their_number_if_it_is_limited(most, passes):
    """A bound of 0 allows no failure at all; it is not the same as no bound."""
    few = report(failures=[failures(5, 10**6)])
    limits = {"max_rate": 0.01, "max_count": most}
    for decided, wrong in (judge(few, limits), sentence(few, limits)):
        assert decided is passes
        words = f"more than failures.max_count = {most} allows"
        assert (words in str(wrong)) is not passes


def test_without_a_failure_a_bound_of_0_is_kept():
    assert judge(report(verifications=[verification()]), {"max_rate": 0, "max_count": 0}) == (
        True,
        [],
    )


def test_a_run_is_summed_up_in_five_lines():
    run = report(
        verifications=[verification(engine="sequential"), verification(engine="processes")],
        comparisons=[verification()],
        failures=[failures(3, 1000)],
        rows=[measured(250.4, 1.0, engine="sequential"), measured(470.6, 1.88)],
    )
    assert summary(run, True, "Report: results/report/report.html") == [
        "Done: 1,234 images of demo with light, on sequential and processes.",
        "Checked: 2 of 2 output trees passed; engines agree.",
        "Failed: 3 of 1,000 images (2 corrupt, 1 truncated) in demo/light/threads; see its "
        "failures.csv.",
        "Fast: demo/light/threads 471 images/s, 1.88x sequential.",
        "Report: results/report/report.html. Everything passed.",
    ]


def test_the_summary_says_that_the_run_failed():
    lines = summary(report(verifications=[verification(False)]), False)
    assert lines[1] == "Checked: 0 of 1 output trees passed."
    assert lines[-1] == "Failed: see above."


def test_engines_that_disagree_are_reported():
    wrong = report(verifications=[verification()], comparisons=[verification(False)])
    assert summary(wrong, False)[1].endswith("; engines DISAGREE.")


def test_without_a_full_pass_no_speed_is_reported():
    run = report(rows=[measured(None, "run: ...")])
    assert summary(run, True) == ["Failed: no image.", "Everything passed."]


def test_the_speedup_is_reported_only_if_it_is_comparable():
    assert "Fast: demo/light/threads 9 images/s." in summary(
        report(rows=[measured(9, "run")]), True
    )


def test_a_plain_loop_that_is_fastest_is_not_compared_with_itself():
    rows = [measured(30, 1.0, engine="sequential"), measured(20, 0.67)]
    assert "Fast: demo/light/sequential 30 images/s." in summary(report(rows=rows), True)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"verifications": [verification(False)]},
        {"comparisons": [verification(False)]},
        {"failures": [failures(2, 100)]},
        {"failures": [failures(1, 100)]},
    ],
    ids=["nothing", "a check", "a comparison", "too many failures", "few failures"],
)
def test_one_sentence_says_what_the_verdict_decides(parts):
    passed, _ = judge(report(**parts), RATE)
    assert sentence(report(**parts), RATE)[0] is passed
    assert sentence(report(**parts), RATE)[1].startswith(
        "Everything passed" if passed else "Failed"
    )


def test_the_sentence_names_what_is_wrong():
    wrong = report(verifications=[verification(False)] * 5, failures=[failures(30, 100)])
    assert sentence(wrong, RATE)[1] == (
        "Failed: checks failed for demo/light/threads, demo/light/threads, demo/light/threads "
        "and 2 more; 30 of 100 images failed in demo/light/threads, more than failures.max_rate "
        "= 0.01 allows."
    )


def test_failures_within_the_limits_are_mentioned():
    assert (
        "; 1 image failed, which the limits allow"
        in sentence(report(failures=[failures(1, 100)]), RATE)[1]
    )
    assert "the same with every engine" not in sentence(report(), RATE)[1]
    assert "the same with every engine" in sentence(report(comparisons=[verification()]), RATE)[1]


def test_missing_limits_are_those_of_the_schema():
    assert judge(report(failures=[failures(1, 100)]), {}) == (True, [])
    assert not judge(report(failures=[failures(2, 100)]), {"stop_on_first": False})[0]
