"""Fits recover the laws that generated the data, and state their uncertainty."""

import random
import time

import pytest

from pixelmill.benchmark import scaling_laws
from pixelmill.benchmark.samples import Case, Sample
from pixelmill.benchmark.scaling_laws import Law, fit, fit_all, fit_amdahl, fit_usl, law_of
from pixelmill.engines.lifecycle import open_engine

COUNTS = [1, 2, 4, 8]

#: Relative spread of a synthetic measurement, as on an idle machine.
NOISE = 0.02


def noisy(law, counts=COUNTS, repeats=7, noise=NOISE):
    """Noisy speedups by number of workers."""
    luck = random.Random(5)
    return {n: [law.speedup(n) * luck.gauss(1, noise) for _ in range(repeats)] for n in counts}


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 0.7])
def test_a_planted_serial_share_comes_back_within_a_tenth(share):
    amdahl = fit(noisy(Law(0.97, share)))["amdahl"]
    assert amdahl["serial_share"] == pytest.approx(share, rel=0.1)
    assert amdahl["low"] <= share <= amdahl["high"]


def test_planted_contention_and_coherency_come_back():
    counts = [1, 2, 4, 8, 16, 32]
    usl = fit(noisy(Law(1.0, 0.08, 0.004), counts))["usl"]
    assert usl["sigma"] == pytest.approx(0.08, rel=0.25)
    assert usl["kappa"] == pytest.approx(0.004, rel=0.25)
    assert usl["sigma_low"] <= 0.08 <= usl["sigma_high"]
    assert usl["kappa_low"] <= 0.004 <= usl["kappa_high"]
    assert usl["one_worker"] == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("law", [Law(1.0, 0.0), Law(0.9, 1.0), Law(0.9, 0.2), Law(1.0, 0.0, 0.01)])
def test_without_noise_a_law_is_found_exactly(law):
    found = fit_usl(COUNTS, [law.speedup(n) for n in COUNTS])
    assert (found.one, found.sigma, found.kappa) == pytest.approx((law.one, law.sigma, law.kappa))


def test_faster_than_ideal_is_no_negative_share():
    law = fit_amdahl([1, 2, 4], [1.0, 2.1, 4.4])
    assert law.sigma == 0
    assert law.one == pytest.approx(1.05, abs=0.03)


def test_slower_with_each_worker_is_a_share_of_one_at_most():
    assert fit_amdahl([1, 2, 4], [1.0, 0.9, 0.7]).sigma == 1


def test_a_prediction_is_for_more_workers_than_were_measured_and_encloses_the_truth():
    law = Law(1.0, 0.05)
    predictions = fit(noisy(law))["predictions"]
    assert [p["workers"] for p in predictions] == [16, 32]
    for prediction in predictions:
        assert prediction["low"] <= law.speedup(prediction["workers"]) <= prediction["high"]
        assert prediction["low"] <= prediction["speedup"] <= prediction["high"]


@pytest.mark.parametrize("counts", [[1, 2], [1, 2, 4], COUNTS], ids=str)
def test_predictions_follow_the_law_that_tells_most_of_those_that_can_be_fitted(counts):
    """It is the one that the chart draws as far as was measured."""
    fitted = fit(noisy(Law(1.0, 0.1, 0.02), counts))
    assert (fitted["usl"] is None) == (len(counts) < 3)
    law = law_of(fitted)
    for prediction in fitted["predictions"]:
        assert prediction["speedup"] == pytest.approx(law.speedup(prediction["workers"]), rel=0.01)


def test_two_numbers_of_workers_give_no_usl_and_a_note():
    fitted = fit(noisy(Law(1.0, 0.2), [1, 2]))
    assert fitted["usl"] is None
    assert "3 numbers of workers" in fitted["note"]
    assert [p["workers"] for p in fitted["predictions"]] == [4, 8]


@pytest.mark.parametrize(
    "speedups",
    [{}, noisy(Law(1.0, 0.2), [4]), noisy(Law(1.0, 0.2), repeats=4)],
    ids=["nothing", "one number of workers", "too few repeats"],
)
def test_what_cannot_be_told_is_not_fitted(speedups):
    assert fit(speedups) is None


@pytest.mark.parametrize("fitted", [fit_amdahl, fit_usl])
@pytest.mark.parametrize("speedups", [[1.0, 2.1, 4.6, 10.0], [1.0, 0.6, 0.3, 0.1]], ids=str)
def test_no_parameter_of_a_law_leaves_its_bounds(fitted, speedups):
    law = fitted(COUNTS, speedups)
    assert law.one > 0
    assert 0 <= law.sigma <= 1
    assert law.kappa >= 0


def test_one_repeat_that_was_disturbed_changes_no_fit():
    """Neither the fit nor its bounds, because both rest on medians."""
    calm = noisy(Law(1.0, 0.1), repeats=9)
    disturbed = {n: [20.0 * n, *taken[1:]] for n, taken in calm.items()}
    one, other = (fit(speedups)["amdahl"] for speedups in (calm, disturbed))
    assert other["serial_share"] == pytest.approx(one["serial_share"], rel=0.2)
    assert 0 < other["low"] <= other["high"] < 0.2


def test_an_interval_leaves_out_a_twentieth_at_each_end():
    assert scaling_laws._interval(range(101)) == (5.0, 95.0)


def test_no_law_beside_the_one_that_is_fitted_has_smaller_relative_deviations():
    """The spread of a measurement is proportional to its size: many workers count no more."""
    measured = [1.0, 1.818, 3.077, 3.8]

    def deviations(law):
        pairs = zip(COUNTS, measured, strict=True)
        return sum((speedup / law.speedup(n) - 1) ** 2 for n, speedup in pairs)

    found = fit_amdahl(COUNTS, measured)
    for factor in (0.98, 1.02):
        assert deviations(Law(found.one * factor, found.sigma)) > deviations(found)
        assert deviations(Law(found.one, found.sigma * factor)) > deviations(found)


def test_the_interval_of_a_prediction_encloses_those_of_both_laws():
    """Amdahl's law expects more of many workers than what coherency leaves of them."""
    fitted = fit(noisy(Law(1.0, 0.02, 0.01)))
    amdahl = Law(fitted["amdahl"]["one_worker"], fitted["amdahl"]["serial_share"])
    for prediction in fitted["predictions"]:
        assert prediction["low"] <= prediction["speedup"] <= prediction["high"]
        assert prediction["high"] >= amdahl.speedup(prediction["workers"])
        assert prediction["low"] <= Law(1.0, 0.02, 0.01).speedup(prediction["workers"])


def test_the_same_samples_give_the_same_fit():
    assert fit(noisy(Law(1.0, 0.1))) == fit(noisy(Law(1.0, 0.1)))


def test_engines_are_fitted_against_the_plain_loop():
    law = Law(1.0, 0.25)
    samples = {
        Case(kind, n): [Sample(100 / (speed * 50), 0.1, 100) for speed in (law.speedup(n),) * 5]
        for kind in ("threads", "ceiling")
        for n in COUNTS
    }
    assert fit_all(samples) == {}
    fits = fit_all({Case("loop", 1): [Sample(2.0, 0.1, 100)] * 5, **samples})
    assert list(fits) == ["threads"]
    assert fits["threads"]["amdahl"]["serial_share"] == pytest.approx(0.25)


#: Work of the engine below, in seconds, so much that handing out its tasks does not count.
WORK, TASKS = 1.0, 8


@pytest.mark.slow
def test_an_engine_with_a_serial_part_gives_it_back():
    """The threads are real, but sleep, so that the number of cores does not matter."""
    share = 0.5

    def seconds(workers):
        with open_engine("threads", workers) as engine:
            began = time.perf_counter()
            time.sleep(share * WORK)
            engine.run(time.sleep, [(1 - share) * WORK / TASKS] * TASKS, lambda _: None)
            return time.perf_counter() - began

    taken = {n: [seconds(n) for _ in range(5)] for n in (1, 2, 4)}
    speedups = {n: [a / b for a, b in zip(taken[1], taken[n], strict=True)] for n in taken}
    assert fit(speedups)["amdahl"]["serial_share"] == pytest.approx(share, rel=0.1)


@pytest.mark.parametrize(("amdahl", "usl"), [(0.1, 0.2), (0.2, 0.1)])
def test_a_prediction_has_the_bounds_of_all_laws_together(amdahl, usl):
    """It is not known which of them holds beyond what was measured."""
    redone = {"amdahl": [Law(1.0, amdahl)] * 3, "usl": [Law(1.0, usl)] * 3}
    found = scaling_laws._prediction(8, Law(1.0, usl), redone)
    assert (found["low"], found["high"]) == (round(8 / 2.4, 3), round(8 / 1.7, 3))
    assert found["speedup"] == round(8 / (1 + 7 * usl), 3)


def test_cases_need_not_have_the_same_number_of_repeats_but_each_has_enough(monkeypatch):
    monkeypatch.setattr(scaling_laws, "DRAWS", 5)
    taken = {1: [1.0] * 6, 2: [1.9] * 5, 4: [3.5] * 7}
    assert fit(taken) is not None
    for count in taken:
        assert fit({**taken, count: taken[count][:4]}) is None
