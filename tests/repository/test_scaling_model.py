"""The model of large datasets is consistent, and predicts real runs to within 10 %."""

import doctest
import importlib.util
import json
import math
import sys

import pytest

from pixelmill.dataset.entries import Entries, Entry
from tests.conftest import REPOSITORY

specification = importlib.util.spec_from_file_location(
    "scaling_model", REPOSITORY / "docs/scaling_model.py"
)
model = importlib.util.module_from_spec(specification)
sys.modules["scaling_model"] = model  # dataclasses look their module up
specification.loader.exec_module(model)
Nodes, hours, on_nodes, on_workers = model.Nodes, model.hours, model.on_nodes, model.on_workers

#: What `python -m tests.helpers.recording` measured.
RECORD = json.loads((REPOSITORY / "tests/helpers/recorded.json").read_text(encoding="utf-8"))

#: Largest relative difference between the model and a real run.
TOLERANCE = 0.10

STEADY = Nodes(4, 8)


def test_no_worker_waits_while_there_is_work():
    assert on_workers([1.0] * 100, 4) == 25.0
    assert on_workers([1.0] * 101, 4) == 26.0
    assert on_workers([], 4) == 0.0


def test_without_failures_shards_come_in_rounds():
    assert on_nodes([80.0] * 8, 5.0, STEADY).seconds == pytest.approx(2 * 15.0)
    assert on_nodes([80.0] * 9, 5.0, STEADY).seconds == pytest.approx(3 * 15.0)


def test_a_node_that_dies_loses_only_the_start_up_of_its_shard():
    """Only the start-up and the repair are lost."""
    frail = Nodes(1, 1, mean_hours=1.0, repair_hours=0.0)
    run = on_nodes([36_000.0], 10.0, frail, seed=3)
    assert run.failures > 0
    assert 36_010 <= run.seconds <= 36_010 + 10.0 * run.failures


def test_the_more_nodes_fail_the_longer_it_takes():
    taken = [
        on_nodes([10_000.0] * 64, 10.0, STEADY._replace(mean_hours=mean), seed=1).seconds
        for mean in (math.inf, 5.0, 0.5)
    ]
    assert taken == sorted(taken)
    assert taken[0] < taken[-1]


def test_more_shards_than_nodes_even_out_slow_nodes():
    work, slow = 64_000.0, STEADY._replace(spread=0.5)
    few, many = (
        sum(on_nodes([work / n] * n, 1.0, slow, seed).seconds for seed in range(20))
        for n in (4, 64)
    )
    assert many < 0.8 * few


def test_the_same_seed_gives_the_same_run():
    frail = STEADY._replace(spread=0.3, mean_hours=1.0)
    assert on_nodes([900.0] * 50, 5.0, frail, 7) == on_nodes([900.0] * 50, 5.0, frail, 7)


def test_twice_the_nodes_take_half_the_time_as_long_as_shards_are_large():
    one, two = (hours(10**8, 1000, Nodes(count, 32))["images"] for count in (50, 100))
    assert one / two == pytest.approx(2, rel=0.05)


def test_the_table_has_a_line_for_each_size():
    lines = model.table().splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert [line.split("|")[1].strip() for line in lines[2:]][-1] == f"{10**10:,}"


def entries():
    for number, (size, width, height, seconds) in enumerate(RECORD["images"]):
        yield Entry(f"{number:08}.jpg", size, 0, "jpeg", width, height), seconds


def predicted(runs, workers):
    """Predicted seconds of the passes of a run without start-up, from the pass of one worker."""
    images = list(entries())
    seconds = {entry.path: taken for entry, taken in images}
    (one,) = RECORD["one worker"]
    besides = one["seconds"] - sum(seconds.values())  # in each pass: plan, fingerprints, tables
    made, began = 0.0, 0
    for run in runs:  # any images are as good as those of the shard
        part = Entries(entry for entry, _ in images[began : began + run["images"]])
        made += model.pass_seconds(part, seconds, workers) + besides
        began += run["images"]
    return made


@pytest.mark.parametrize("run", ["two workers", "four shards"])
def test_a_real_run_is_predicted_within_a_tenth(run):
    runs = RECORD[run]
    measured = sum(one["seconds"] for one in runs)
    assert predicted(runs, 2) == pytest.approx(measured, rel=TOLERANCE)


def test_the_rates_are_of_the_order_that_was_recorded():
    mean = sum(seconds for _, seconds in entries()) / len(RECORD["images"])
    assert model.MEASURED.image == pytest.approx(mean, rel=0.5)


def test_the_examples_of_the_model_hold():
    failed, attempted = doctest.testmod(model)
    assert (failed, attempted) == (0, 4)


def test_the_page_shows_the_table_of_the_model():
    page = (REPOSITORY / "docs/scaling.md").read_text(encoding="utf-8").splitlines()
    assert set(model.table().splitlines()) <= set(page)
