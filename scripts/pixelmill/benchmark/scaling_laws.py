"""Scaling laws: curves fitted to measured speedups, and predictions from them.

Amdahl's law (G. M. Amdahl, Validity of the single processor approach, AFIPS 1967) has a serial
share; the Universal Scalability Law (N. J. Gunther, Guerrilla Capacity Planning, 2007, chapter 4)
has contention and coherency::

    S(N) = one * N / (1 + sigma (N - 1) + kappa N (N - 1))

Amdahl's law is the case kappa = 0, with sigma as the serial share. `one` is the speedup of one
worker against the plain loop: the cost of the engine itself.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelmill.benchmark.samples import PARALLEL, Case, Samples, ratios
from pixelmill.benchmark.scaling_file import AmdahlData, Fit, Prediction, UslData
from pixelmill.benchmark.speedups import LEVEL

#: Smallest number of repeats that gives an uncertainty; with fewer, nothing is fitted.
LEAST_REPEATS = 5

#: How many numbers of workers a law needs: as many as it has parameters.
AMDAHL_COUNTS, USL_COUNTS = 2, 3

#: Draws of the bootstrap: enough for two digits of the ends of an interval.
DRAWS = 1000

#: Numbers of workers to predict, as multiples of the largest measured one.
BEYOND = (2, 4)


@dataclass(frozen=True)
class Law:
    """Speedup by number of workers.

    Attributes
    ----------
    one : float
        Speedup of one worker.
    sigma : float
        Contention: the serial share, 0 to 1.
    kappa : float
        Coherency: the cost of each pair of workers, 0 or more.
    """

    one: float
    sigma: float
    kappa: float = 0.0

    def speedup(self, workers: float) -> float:
        """Return the speedup against the plain loop.

        Examples
        --------
        >>> Law(1.0, 0.0).speedup(8), Law(1.0, 1.0).speedup(8), Law(1.0, 0.5).speedup(2)
        (8.0, 1.0, 1.3333333333333333)
        """
        pairs = workers * (workers - 1)
        return self.one * workers / (1 + self.sigma * (workers - 1) + self.kappa * pairs)


def fit_amdahl(counts: Sequence[int], speedups: Sequence[float]) -> Law:
    """Fit Amdahl's law; see `fit_usl`.

    Examples
    --------
    >>> counts = [1, 2, 4, 8]
    >>> law = fit_amdahl(counts, [Law(0.95, 0.1).speedup(n) for n in counts])
    >>> round(law.one, 6), round(law.sigma, 6)
    (0.95, 0.1)
    """
    return _fit(counts, speedups, coherency=False)


def fit_usl(counts: Sequence[int], speedups: Sequence[float]) -> Law:
    """Fit the Universal Scalability Law.

    Parameters
    ----------
    counts : sequence of int
        Numbers of workers, with at least as many different values as parameters.
    speedups : sequence of float
        Measured speedups.

    Notes
    -----
    N/S is linear in 1/one, sigma/one and kappa/one. Each equation is divided by the measurement,
    so that relative deviations of throughput are minimised, because the spread of a measurement
    is proportional to its size. The best solution with sigma from 0 to 1 and kappa of at least 0
    is found by trying all combinations of active bounds.

    Examples
    --------
    >>> counts = [1, 2, 4, 8]
    >>> law = fit_usl(counts, [Law(1.0, 0.05, 0.01).speedup(n) for n in counts])
    >>> round(law.sigma, 6), round(law.kappa, 6)
    (0.05, 0.01)
    """
    return _fit(counts, speedups, coherency=True)


def _fit(counts: Sequence[int], speedups: Sequence[float], coherency: bool) -> Law:
    workers = np.array(counts, float)
    weight = np.array(speedups, float) / workers
    best, least = Law(float(np.median(weight)), 0.0), np.inf
    for columns, law_of in _choices(workers, coherency):
        weighted = columns * weight[:, None]
        solution = np.linalg.lstsq(weighted, np.ones(len(workers)), rcond=None)[0].tolist()
        if solution[0] <= 0:
            continue
        law = law_of(solution)
        squares = float(np.sum((weighted @ solution - 1) ** 2))
        if 0 <= law.sigma <= 1 and law.kappa >= 0 and squares < least:
            best, least = law, squares
    return best


def _choices(
    workers: np.ndarray[Any, Any], coherency: bool
) -> Iterator[tuple[np.ndarray[Any, Any], Callable[[Any], Law]]]:
    """Yield the columns of the equations and the law of a solution, for each set of bounds."""
    ones, pairs = np.ones_like(workers), workers * (workers - 1)
    yield np.stack([ones, workers - 1], 1), lambda x: Law(1 / x[0], x[1] / x[0])
    yield np.stack([ones], 1), lambda x: Law(1 / x[0], 0.0)
    yield np.stack([workers], 1), lambda x: Law(1 / x[0], 1.0)
    if coherency:
        yield (
            np.stack([ones, workers - 1, pairs], 1),
            lambda x: Law(1 / x[0], x[1] / x[0], x[2] / x[0]),
        )
        yield np.stack([ones, pairs], 1), lambda x: Law(1 / x[0], 0.0, x[1] / x[0])
        yield np.stack([workers, pairs], 1), lambda x: Law(1 / x[0], 1.0, x[1] / x[0])


def fit_all(samples: Samples) -> dict[str, Fit]:
    """Fit each engine's speedups against the plain loop; see `fit`."""
    loop = samples.get(Case("loop", 1), [])
    found = {}
    for kind in PARALLEL:
        cases = [case for case in samples if case.kind == kind]
        if loop and (fitted := fit({case.workers: ratios(samples[case], loop) for case in cases})):
            found[kind] = fitted
    return found


def fit(speedups: Mapping[int, Sequence[float]]) -> Fit | None:
    """Fit both laws and predict, with uncertainty.

    Parameters
    ----------
    speedups : mapping
        Speedups of all repeats by number of workers.

    Returns
    -------
    dict or None
        None if there are too few numbers of workers, or too few repeats to estimate the
        uncertainty.

    Notes
    -----
    Laws are fitted to the medians. Intervals are percentiles of fits to repeats that are drawn
    with replacement; the same repeats are drawn for all numbers of workers, because they were
    measured side by side (B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993,
    chapter 13). A prediction follows the USL if that can be fitted, and otherwise Amdahl's law;
    its interval encloses those of both, because neither is known to hold beyond the measurements.
    """
    counts = sorted(speedups)
    repeats = min((len(taken) for taken in speedups.values()), default=0)
    if len(counts) < AMDAHL_COUNTS or repeats < LEAST_REPEATS:
        return None
    laws = {"amdahl": fit_amdahl}
    if len(counts) >= USL_COUNTS:
        laws["usl"] = fit_usl
    medians = [statistics.median(speedups[count]) for count in counts]
    taken = np.array([list(speedups[count])[:repeats] for count in counts])
    chosen = np.random.default_rng(0).integers(0, repeats, (DRAWS, repeats))
    drawn = np.median(taken[:, chosen], axis=2).T
    fitted = {name: law(counts, medians) for name, law in laws.items()}
    redone = {name: [law(counts, list(row)) for row in drawn] for name, law in laws.items()}
    low, high = _interval([law.sigma for law in redone["amdahl"]])
    amdahl: AmdahlData = {
        "serial_share": round(fitted["amdahl"].sigma, 5),
        "low": low,
        "high": high,
        "one_worker": round(fitted["amdahl"].one, 4),
    }
    beyond = [factor * counts[-1] for factor in BEYOND]
    best = list(fitted.values())[-1]
    return {
        "amdahl": amdahl,
        "usl": _usl(fitted["usl"], redone["usl"]) if "usl" in laws else None,
        "note": "" if "usl" in laws else _NO_USL,
        "predictions": [_prediction(workers, best, redone) for workers in beyond],
    }


def _usl(law: Law, redone: Sequence[Law]) -> UslData:
    sigma_low, sigma_high = _interval([one.sigma for one in redone])
    kappa_low, kappa_high = _interval([one.kappa for one in redone])
    return {
        "sigma": round(law.sigma, 5),
        "sigma_low": sigma_low,
        "sigma_high": sigma_high,
        "kappa": round(law.kappa, 6),
        "kappa_low": kappa_low,
        "kappa_high": kappa_high,
        "one_worker": round(law.one, 4),
    }


def law_of(fitted: Fit) -> Law:
    """Return the law that predictions follow: the USL if it was fitted, otherwise Amdahl's.

    Parameters
    ----------
    fitted : mapping
        Result of `fit`.

    Examples
    --------
    >>> law_of({"amdahl": {"serial_share": 0.1, "one_worker": 0.9}, "usl": None})
    Law(one=0.9, sigma=0.1, kappa=0.0)
    """
    amdahl, usl = fitted["amdahl"], fitted["usl"]
    if usl is None:
        return Law(amdahl["one_worker"], amdahl["serial_share"])
    return Law(usl["one_worker"], usl["sigma"], usl["kappa"])


#: Note in place of the USL if it cannot be fitted.
_NO_USL = (
    f"The Universal Scalability Law needs at least {USL_COUNTS} numbers of workers; "
    "predictions follow Amdahl's law."
)


def _prediction(workers: int, law: Law, redone: Mapping[str, Sequence[Law]]) -> Prediction:
    ends = [_interval([law.speedup(workers) for law in laws]) for laws in redone.values()]
    return {
        "workers": workers,
        "speedup": round(law.speedup(workers), 3),
        "low": round(min(low for low, _ in ends), 3),
        "high": round(max(high for _, high in ends), 3),
    }


def _interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the interval that contains the share `LEVEL` of the values."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return round(float(low), 6), round(float(high), 6)
