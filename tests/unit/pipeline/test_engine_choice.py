"""The chosen engine is the one that ends first, including start-up."""

import pytest

from pixelmill.engines.registry import SELECTABLE
from pixelmill.pipeline.engine_choice import LOOP, Rating, break_even, choose, quickest, typical


@pytest.mark.parametrize("workers", [1, 2, 28])
@pytest.mark.parametrize("scales", [True, False])
@pytest.mark.parametrize("work", [0.0, 1.0, 1e6])
@pytest.mark.parametrize("known", [True, False])
def test_auto_chooses_an_available_engine(workers, scales, work, known):
    assert choose("auto", workers, scales, work, known) in SELECTABLE


def test_short_passes_that_release_the_gil_use_threads_and_long_ones_processes():
    assert choose("auto", 2, True, 0.2, known=False) == "threads"
    assert choose("auto", 2, True, 3600.0, known=False) == "processes"


def test_many_cores_use_processes_because_threads_share_one_gil():
    assert choose("auto", 28, True, 10.0, known=True) == "processes"


def test_steps_that_hold_the_gil_use_processes_if_the_start_up_is_worth_it():
    assert choose("auto", 2, False, 5.0, known=False) == "processes"
    assert choose("auto", 2, False, 0.1, known=True) == "sequential"


def test_one_worker_needs_no_engine():
    assert choose("auto", 1, True, 3600.0, known=False) == "sequential"


@pytest.mark.parametrize("name", SELECTABLE)
def test_a_requested_engine_is_used_unless_the_work_is_too_short(name):
    assert choose(name, 2, True, 0.01, known=True) == "sequential"
    assert choose(name, 2, True, 0.01, known=False) == name
    assert choose(name, 2, True, 100.0, known=True) == name


def test_with_more_workers_shorter_work_is_worth_the_start_up():
    few, many = (break_even(typical(n, True)["processes"]) for n in (2, 28))
    assert many < few


def test_at_break_even_both_engines_end_at_the_same_time():
    rating = Rating(0.5, 3.0)
    assert rating.seconds(break_even(rating)) == pytest.approx(LOOP.seconds(break_even(rating)))


@pytest.mark.parametrize("speedup", [0.5, 1.0])
def test_an_engine_that_is_no_faster_than_the_loop_is_never_worth_its_start_up(speedup):
    assert break_even(Rating(0.5, speedup)) is None


def test_the_first_of_equal_engines_is_chosen():
    assert quickest({"a": LOOP, "b": LOOP}, 1.0) == "a"
