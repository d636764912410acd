"""Engine choice: the engine with the shortest expected start-up plus run time.

The engine ``auto`` chooses according to typical values, and the advice of the benchmark
according to measured ones, both with the same rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Rating:
    """Expected performance of an engine.

    Attributes
    ----------
    startup_seconds : float
        Time until its workers are ready, beyond that of a plain loop.
    speedup : float
        Throughput of all its workers relative to a plain loop.
    """

    startup_seconds: float
    speedup: float

    def seconds(self, work: float) -> float:
        """Return the time for work that takes a plain loop so many seconds.

        Examples
        --------
        >>> Rating(0.5, 4.0).seconds(10.0)
        3.0
        """
        return self.startup_seconds + work / self.speedup


#: A plain loop, relative to which the engines are rated.
LOOP = Rating(0.0, 1.0)

#: Start-up beyond that of a plain loop, in seconds, and serial fraction of the work: medians of
#: nine starts on two cores, and of `light` and `intensive`. Threads wait for the GIL; the other
#: engines spend 25 microseconds per image outside of the workers.
TYPICAL = {
    "threads": (0.06, 0.12),
    "processes": (0.37, 0.015),
    "futures": (0.24, 0.015),
    "distributed": (1.4, 0.05),
}


def typical(workers: int, scales_on_threads: bool) -> dict[str, Rating]:
    """Rate the engines before any measurement; threads that hold the GIL count as one worker."""
    ratings = {}
    for engine, (startup, serial) in TYPICAL.items():
        bound = engine == "threads" and not scales_on_threads
        ratings[engine] = Rating(startup, amdahl(1 if bound else workers, serial))
    return ratings


def amdahl(workers: int, serial: float) -> float:
    """Return the speedup of workers if a fraction of the work is serial (Amdahl 1967).

    Examples
    --------
    >>> round(amdahl(28, 0.12), 1), round(amdahl(28, 0.015), 1)
    (6.6, 19.9)
    """
    return workers / (1 + serial * (workers - 1))


def quickest(ratings: Mapping[str, Rating], work: float) -> str:
    """Return the name of the engine that finishes first; the first of equals.

    Parameters
    ----------
    ratings : mapping
        Ratings by engine.
    work : float
        Seconds that a plain loop would take.

    Examples
    --------
    >>> ratings = {"sequential": LOOP, "processes": Rating(0.5, 2.0)}
    >>> quickest(ratings, 0.9), quickest(ratings, 1.1)
    ('sequential', 'processes')
    """
    return min(ratings, key=lambda name: ratings[name].seconds(work))


def break_even(rating: Rating) -> float | None:
    """Return the work, in seconds of a plain loop, above which an engine is faster; None if never.

    Examples
    --------
    >>> break_even(Rating(0.5, 2.0)), break_even(Rating(0.5, 0.9))
    (1.0, None)
    """
    if rating.speedup <= 1:
        return None
    return rating.startup_seconds / (1 - 1 / rating.speedup)


def choose(name: str, workers: int, scales_on_threads: bool, work: float, known: bool) -> str:
    """Return the name of the engine that a pass uses.

    Parameters
    ----------
    name : str
        ``auto``, or one of `pixelmill.engines.base.ENGINES`, which is used unless the work is
        too short to offset its start-up.
    workers : int
    scales_on_threads : bool
        Whether the recipe releases the GIL.
    work : float
        Seconds that a plain loop would take.
    known : bool
        Whether `work` comes from measurements. A guess may be wrong by a factor of 100, and
        must not leave cores unused.

    Examples
    --------
    >>> [choose("auto", 2, True, work, known=True) for work in (0.05, 5.0, 3600.0)]
    ['sequential', 'threads', 'processes']
    >>> choose("auto", 2, False, 5.0, known=True), choose("auto", 2, True, 0.05, known=False)
    ('processes', 'threads')
    >>> choose("processes", 2, True, 0.05, known=True), choose("processes", 2, True, 5.0, True)
    ('sequential', 'processes')
    """
    ratings = typical(workers, scales_on_threads)
    if name != "auto":
        rating = ratings.get(name, LOOP)
        return "sequential" if known and work < rating.startup_seconds else name
    offered = {engine: ratings[engine] for engine in ("threads", "processes")}
    if known or workers == 1:
        offered = {"sequential": LOOP, **offered}
    return quickest(offered, work)
