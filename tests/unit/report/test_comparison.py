"""All numbers of engines come from one source: the benchmark if it is current, or single passes."""

import pytest

from pixelmill.report.comparison import compare, shown
from tests.helpers.charts import BENCHMARK, ROWS

NAMES = {"dataset": "a", "recipe": "b"}
PASSES = [{**NAMES, **row} for row in ROWS]
MEASURED = {**NAMES, **BENCHMARK}
REMEDY = "run: make scaling"


def test_single_passes_are_compared_with_the_sequential_one():
    found = compare({"rows": PASSES})
    assert not found.measured
    assert [(row.kind, row.speedup, row.efficiency) for row in found.rows] == [
        ("sequential", 1.0, 1.0), ("threads", 2.0, 1.0),
    ]  # fmt: skip
    assert [row.images_per_second for row in found.rows] == [12.5, 25.0]
    assert {(row.low, row.high, row.turn_speedup) for row in found.rows} == {(None, None, None)}


def test_a_benchmark_takes_the_place_of_single_passes():
    found = compare({"rows": PASSES, "scaling": [MEASURED]})
    assert found.measured
    loop, ceiling, threads, _ = found.rows
    assert (loop.name, loop.speedup, loop.is_baseline, loop.turn_speedup) == (
        "plain loop", 1.0, True, None,
    )  # fmt: skip
    assert (ceiling.name, ceiling.is_engine) == ("independent loops", False)
    assert (threads.workers, threads.images_per_second) == (4, 312.0)
    assert (threads.speedup, threads.efficiency) == (3.9, 0.975)
    assert (threads.low, threads.high) == (280.0, 320.0)
    assert (threads.turn_speedup, threads.turn_low, threads.turn_high) == (
        pytest.approx(3.88), pytest.approx(3.6), pytest.approx(4.08),
    )  # fmt: skip


@pytest.mark.parametrize(
    "scaling",
    [
        [],
        [{**MEASURED, "stale": True}],
        [{**MEASURED, "figures": []}],
        [{**MEASURED, "figures": MEASURED["figures"][1:2]}],  # only the loop
    ],
    ids=["none", "stale", "empty", "no engine"],
)
def test_a_benchmark_that_cannot_be_used_changes_nothing(scaling):
    assert compare({"rows": PASSES, "scaling": scaling}) == compare({"rows": PASSES})


def test_passes_and_measurements_are_never_mixed():
    other = [{**row, "recipe": "other"} for row in PASSES]
    found = compare({"rows": [*PASSES, *other], "scaling": [MEASURED]})
    assert not found.measured
    assert len(found.rows) == 4


def test_passes_that_cannot_be_compared_say_what_to_run():
    rows = [PASSES[0], {**PASSES[1], "speedup": REMEDY}]
    _, threads = compare({"rows": rows}).rows
    assert (threads.speedup, threads.efficiency, threads.remedy) == (None, None, REMEDY)
    (alone,) = compare({"rows": rows[1:]}).rows
    assert alone.speedup is None


def test_a_tree_without_a_full_pass_is_not_shown():
    rows = [PASSES[0], {**PASSES[1], "images_per_second": None}]
    assert [row.kind for row in compare({"rows": rows}).rows] == ["sequential"]
    assert compare({"rows": []}).rows == ()


def test_the_best_engine_of_each_recipe_is_the_fastest_one_that_is_no_reference():
    slower = {**PASSES[1], "engine": "futures", "images_per_second": 20.0}
    other = [{**row, "recipe": "other"} for row in PASSES[:1]]
    best = compare({"rows": [*PASSES, slower, *other]}).best()
    assert [(row.recipe, row.kind) for row in best] == [("b", "threads")]
    measured = compare({"rows": PASSES, "scaling": [MEASURED]}).best()
    assert [row.kind for row in measured] == ["threads"]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_engines_as_fast_the_one_with_fewer_workers_is_the_best(order):
    fewer = {**PASSES[1], "engine": "futures", "workers": 1}
    found = compare({"rows": [PASSES[0], *[fewer, PASSES[1]][::order]]})
    assert [row.kind for row in found.best()] == ["futures"]


def test_an_engine_that_has_one_worker_is_shown_beside_those_with_all():
    alone = {**BENCHMARK["figures"][1], "kind": "synchronous", "images_per_second": 70.0}
    slower = {**BENCHMARK["figures"][1], "kind": "threads", "workers": 2}
    figures = [*MEASURED["figures"], alone, slower]
    rows = compare({"rows": PASSES, "scaling": [{**MEASURED, "figures": figures}]}).rows
    assert [(row.name, row.workers) for row in rows][-1] == ("Dask, one thread", 1)
    assert [row.workers for row in rows if row.kind == "threads"] == [4]


def test_the_rows_of_one_recipe_can_be_taken():
    other = [{**row, "recipe": "other"} for row in PASSES]
    found = compare({"rows": [*PASSES, *other]})
    assert [row.recipe for row in found.of("a", "other")] == ["other", "other"]


@pytest.mark.parametrize(
    ("value", "expected"), [(0.4567, 0.46), (9.994, 9.99), (41.26, 41.3), (1234.5, 1234.0)]
)
def test_throughputs_have_three_digits_or_more(value, expected):
    assert shown(value) == expected
