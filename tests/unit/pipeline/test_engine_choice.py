"""The chosen engine is the one that ends first, including start-up."""

import pytest

from pixelmill.engines.registry import SELECTABLE
from pixelmill.pipeline.engine_choice import LOOP, Rating, break_even, choose, quickest, typical


@pytest.mark.parametrize("workers", [1, 2, 28])
@pytest.mark.parametrize("scales", [True, False])
@pytest.mark.parametrize("work", [0.0, 1.0, 1e6])
@pytest.mark.parametrize("known", [True, False])
def test_auto_means_an_engine_that_is_there(workers, scales, work, known):
    assert choose("auto", workers, scales, work, known) in SELECTABLE


def test_a_short_pass_that_lets_go_of_the_gil_goes_to_threads_and_a_long_one_to_processes():
    assert choose("auto", 2, True, 5.0, known=False) == "threads"
    assert choose("auto", 2, True, 3600.0, known=False) == "processes"


def test_many_cores_are_not_left_to_threads_which_share_one_gil():
    assert choose("auto", 28, True, 10.0, known=True) == "processes"


def test_what_holds_the_gil_goes_to_processes_as_soon_as_they_repay_their_start():
    assert choose("auto", 2, False, 5.0, known=False) == "processes"
    assert choose("auto", 2, False, 0.1, known=True) == "sequential"


def test_one_worker_needs_no_engine():
    assert choose("auto", 1, True, 3600.0, known=False) == "sequential"


@pytest.mark.parametrize("name", SELECTABLE)
def test_an_engine_that_is_asked_for_is_used_unless_it_would_not_repay_its_start(name):
    assert choose(name, 2, True, 0.01, known=True) == "sequential"
    assert choose(name, 2, True, 0.01, known=False) == name
    assert choose(name, 2, True, 100.0, known=True) == name


def test_more_workers_are_worth_a_start_sooner():
    few, many = (break_even(typical(n, True)["processes"]) for n in (2, 28))
    assert many < few


def test_where_engines_break_even_both_end_together():
    rating = Rating(0.5, 3.0)
    assert rating.seconds(break_even(rating)) == pytest.approx(LOOP.seconds(break_even(rating)))


def test_of_equals_the_first_is_chosen():
    assert quickest({"a": LOOP, "b": LOOP}, 1.0) == "a"
