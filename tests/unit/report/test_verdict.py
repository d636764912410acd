"""The verdict says how a run ended, names what is wrong, and sums the run up in a few lines."""

import os

import pytest

from pixelmill.dataset.layout import Tree
from pixelmill.report.conclusion import Images
from pixelmill.report.verdict import as_data, judge, places, summary

TREE = {"dataset": "demo", "recipe": "light", "engine": "threads"}

NAMED = [{"image": "a.jpg", "why": "is not there"}, {"image": "b.jpg", "why": "is not there"}]
CHECK = {"name": "missing", "compared": 9, "differing": 40, "named": NAMED}

#: The section `failures` of a config, without the keys that do not matter here.
RATE = {"max_rate": 0.01, "max_count": None}

INPUTS = {"name": "inputs", "compared": 1234, "differing": 0, "named": []}


def report(**parts):
    return {
        "verifications": [],
        "comparisons": [],
        "failures": [],
        "rows": [],
        "sizes": [],
        **parts,
    }


def verification(passed=True, checks=(INPUTS,), **tree):
    return {**TREE, **tree, "passed": passed, "summary": "Looked at.", "checks": list(checks)}


def failures(failed, images, **tree):
    reasons = {"corrupt": failed - 1, "truncated": 1}
    return {**TREE, **tree, "failed": failed, "images": images, "reasons": reasons, "listed": []}


def images(total=1234, corrupt=0):
    return Images.of(total, [{"reason": "corrupt", "message": ""}] * corrupt)


def measured(rate, speedup, **tree):
    return {**TREE, **tree, "images_per_second": rate, "speedup": speedup}


def test_a_run_succeeds_if_nothing_is_wrong():
    made = judge(report(verifications=[verification()]), images(), RATE)
    assert made == {
        "state": "success",
        "sentence": "Success: 1,234 of 1,234 images processed.",
        "images": 1234,
        "processed": 1234,
        "failed": 0,
        "causes": {},
        "wrong": [],
    }


@pytest.mark.parametrize("part", ["verifications", "comparisons"])
def test_a_check_that_failed_decides_and_one_of_its_images_is_named(part):
    made = judge(report(**{part: [verification(False, [CHECK])]}), images(), RATE)
    assert made["state"] == "failure"
    assert made["sentence"].startswith("Failed: checks failed for demo/light/threads; ")
    assert made["wrong"] == ["demo/light/threads: missing: a.jpg: is not there (and 39 more)"]


def test_a_tree_that_was_not_verified_is_named_with_the_reason():
    made = judge(report(verifications=[verification(False, [])]), images(), RATE)
    assert made["wrong"] == ["demo/light/threads: Looked at."]


@pytest.mark.parametrize(
    ("failed", "total", "most", "state"),
    [
        (1, 100, 0.01, "success with failures"),
        (2, 100, 0.01, "failure"),
        (1, 1, 1.0, "success with failures"),
        (1, 10**6, 0.0, "failure"),
    ],
    ids=["at the limit", "above it", "all may fail", "none may fail"],
)
def test_failed_images_decide_by_their_rate(failed, total, most, state):
    parts = report(failures=[failures(failed, total)])
    made = judge(parts, images(total, failed), {"max_rate": most, "max_count": None})
    assert made["state"] == state
    limited = f"{failed:,} failed, more than failures.max_rate = {most:g} allows: "
    assert (limited in made["sentence"]) == (state == "failure")


@pytest.mark.parametrize(
    ("most", "state"),
    [
        *((most, "success with failures") for most in (None, 6, 5)),
        *((most, "failure") for most in (4, 0)),
    ],
)
def test_failed_images_decide_by_their_number_if_it_is_limited(most, state):
    """A bound of 0 allows no failure at all; it is not the same as no bound."""
    few = report(failures=[failures(5, 10**6)])
    made = judge(few, images(10**6, 5), {"max_rate": 0.01, "max_count": most})
    assert made["state"] == state
    words = f"more than failures.max_count = {most} allows"
    assert (words in made["sentence"]) == (state == "failure")


@pytest.mark.parametrize(("failed", "total"), [(30, 100), (15, 50), (1000, 4900)])
def test_the_limit_names_the_recipe_of_several_with_the_largest_share(failed, total):
    trees = [verification(), verification(recipe="heavy")]
    worst = [failures(20, 100), failures(failed, total, recipe="heavy")]
    for order in (worst, worst[::-1]):
        made = judge(report(verifications=trees, failures=order), images(total, 30), RATE)
        words = "30 failed, more than failures.max_rate = 0.01 allows in demo/heavy: "
        assert words in made["sentence"]


def test_without_a_failure_a_bound_of_0_is_kept():
    made = judge(report(verifications=[verification()]), images(), {"max_rate": 0, "max_count": 0})
    assert made["state"] == "success"


def test_missing_limits_are_those_of_the_schema():
    assert judge(report(failures=[failures(1, 100)]), images(100, 1), {})["state"] != "failure"
    stop = {"stop_on_first": False}
    assert judge(report(failures=[failures(2, 100)]), images(100, 2), stop)["state"] == "failure"


def test_the_sentence_names_few_trees_and_counts_the_others():
    wrong = [verification(False, engine=name) for name in ("a", "b", "c", "d", "e")]
    sentence = judge(report(verifications=wrong), images(), RATE)["sentence"]
    assert "checks failed for demo/light/a, demo/light/b, demo/light/c and 2 more; " in sentence


def summed_up(run, of=None, places=()):
    return summary({**run, "verdict": judge(run, of or images(), RATE)}, places)


def test_a_run_is_summed_up_in_a_few_lines_and_what_matters_comes_last():
    run = report(
        verifications=[verification(engine="sequential"), verification(engine="processes")],
        comparisons=[verification()],
        failures=[failures(3, 1234)],
        rows=[measured(250.4, 1.0, engine="sequential"), measured(470.6, 1.88)],
        sizes=[{"dataset": "demo", "recipe": "light", "bytes_in": 4_100_000, "bytes_out": 10**6}],
    )
    places = ["Failed images: failures.csv", "Report: report.html"]
    assert summed_up(run, images(1234, 3), places) == [
        "Size: demo/light 4.1 MB became 1.0 MB (76 % less).",
        "Checked: 2 of 2 output trees passed; engines agree.",
        "Fastest: demo/light/threads 471 images/s, 1.88x sequential.",
        "Failed images: failures.csv",
        "Report: report.html",
        "Success with failures: 1,231 of 1,234 images processed; 3 failed: 3 damaged.",
    ]


def test_kept_sources_are_told():
    size = {"dataset": "demo", "recipe": "light", "bytes_in": 4_100_000, "bytes_out": 10**6}
    lines = summed_up(report(sizes=[{**size, "sources_kept": 2, "bytes_kept": 5_000}]))
    assert lines[1] == (
        "Kept: demo/light 2 pictures as their sources have them (5.0 kB), because encoding saves "
        "too little."
    )


def test_a_summary_has_few_faults_and_counts_the_others():
    wrong = [verification(False, [CHECK] * 4, engine=name) for name in ("a", "b")]
    lines = summed_up(report(verifications=wrong))
    assert lines[0] == "Checked: 0 of 2 output trees passed."
    assert [line.startswith("demo/light/") for line in lines[1:6]] == [True] * 5
    assert lines[6] == "and 3 more checks"
    assert len(lines) == 8


def test_engines_that_disagree_are_reported():
    wrong = report(verifications=[verification()], comparisons=[verification(False)])
    assert summed_up(wrong)[0].endswith("; engines DISAGREE.")


def test_without_a_full_pass_no_speed_is_reported():
    assert summed_up(report(rows=[measured(None, "run: ...")])) == [
        "Success: 1,234 of 1,234 images processed."
    ]


def test_the_speedup_is_reported_only_if_it_is_comparable():
    lines = summed_up(report(rows=[measured(9, "run")]))
    assert lines[0] == "Fastest: demo/light/threads 9.00 images/s."


def test_the_fastest_engine_of_each_dataset_and_recipe_is_reported():
    rows = [
        measured(20, 1.0, engine="sequential"), measured(30, 1.5), measured(25, 1.25, engine="x"),
        measured(4, 1.0, recipe="other", engine="sequential"), measured(9, 2.25, recipe="other"),
        measured(7, "run", dataset="own"),
    ]  # fmt: skip
    assert summed_up(report(rows=rows))[0] == (
        "Fastest: demo/light/threads 30.0 images/s, 1.50x sequential; "
        "demo/other/threads 9.00 images/s, 2.25x sequential; own/light/threads 7.00 images/s."
    )


def test_a_plain_loop_that_is_fastest_is_not_compared_with_itself():
    rows = [measured(30, 1.0, engine="sequential"), measured(20, 0.67)]
    assert summed_up(report(rows=rows))[0] == "Fastest: demo/light/sequential 30.0 images/s."


def test_the_verdict_for_programs_has_every_tree_with_its_failures_by_reason():
    run = report(verifications=[verification(), verification(False, engine="processes")],
                 failures=[failures(3, 1234)])  # fmt: skip
    data = as_data({**run, "verdict": judge(run, images(1234, 3), RATE)})
    assert data["state"] == "failure"
    assert data["trees"] == [
        {**TREE, "verified": True, "reasons": {"corrupt": 2, "truncated": 1}},
        {**TREE, "engine": "processes", "verified": False, "reasons": {}},
    ]


def test_the_places_are_the_failures_of_the_first_tree_with_some_and_the_report_or_the_images():
    trees = [Tree("demo", "light", engine, f"out/{engine}") for engine in ("a", "b", "c")]
    clean, failing = report(), report(failures=[failures(3, 9, engine="b")])
    assert places(trees, failing, "report.html") == [
        f"Failed images: {os.path.join('out/b', 'failures.csv')}", "Report: report.html"
    ]  # fmt: skip
    images_of_a = f"Images: {os.path.join('out/a', 'images')}"
    assert places(trees, clean, None) == [f"{images_of_a} and 2 more"]
    assert places(trees[:1], clean, None) == [images_of_a]
