"""Choice of an engine: what starts and works off so much work in the least time.

`auto` chooses by what is typical, the benchmark's advice by what it measured; both by
the same rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Rating:
    """How an engine does.

    Attributes
    ----------
    startup_seconds : float
        Until its workers are ready, beyond what a plain loop takes.
    speedup : float
        Of all its workers, against a plain loop.
    """

    startup_seconds: float
    speedup: float

    def seconds(self, work: float) -> float:
        """Time for so much work, in seconds of a plain loop.

        Examples
        --------
        >>> Rating(0.5, 4.0).seconds(10.0)
        3.0
        """
        return self.startup_seconds + work / self.speedup


#: A plain loop: what the others are rated against.
LOOP = Rating(0.0, 1.0)

#: Start-up beyond that of a plain loop, in seconds, and the serial share of the work: medians
#: of nine starts on two cores, and of `light` and `intensive`. Threads wait for the GIL; of
#: the others' work 25 microseconds an image are done outside of the workers.
TYPICAL = {
    "threads": (0.06, 0.12),
    "processes": (0.37, 0.015),
    "futures": (0.24, 0.015),
    "distributed": (1.4, 0.05),
}


def typical(workers: int, scales_on_threads: bool) -> dict[str, Rating]:
    """Rate the engines before anything was measured; threads that the GIL binds are one worker."""
    ratings = {}
    for engine, (startup, serial) in TYPICAL.items():
        bound = engine == "threads" and not scales_on_threads
        ratings[engine] = Rating(startup, amdahl(1 if bound else workers, serial))
    return ratings


def amdahl(workers: int, serial: float) -> float:
    """Speedup of so many workers where a part of the work is done by one (Amdahl 1967).

    Examples
    --------
    >>> round(amdahl(28, 0.12), 1), round(amdahl(28, 0.015), 1)
    (6.6, 19.9)
    """
    return workers / (1 + serial * (workers - 1))


def quickest(ratings: Mapping[str, Rating], work: float) -> str:
    """Name of the engine that ends first; of equals the first one.

    Parameters
    ----------
    ratings : mapping
        By name.
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
    """Work, in seconds of a plain loop, from which an engine is faster than that; None: never.

    Examples
    --------
    >>> break_even(Rating(0.5, 2.0)), break_even(Rating(0.5, 0.9))
    (1.0, None)
    """
    if rating.speedup <= 1:
        return None
    return rating.startup_seconds / (1 - 1 / rating.speedup)


def choose(name: str, workers: int, scales_on_threads: bool, work: float, known: bool) -> str:
    """Name of the engine that a pass uses.

    Parameters
    ----------
    name : str
        One of `pixelmill.engines.base.ENGINES`, which is used unless it would not repay its
        start, or ``auto``.
    workers : int
    scales_on_threads : bool
        Whether the recipe lets go of the GIL.
    work : float
        Seconds that a plain loop would take.
    known : bool
        Whether these were measured; a guess may be wrong a hundredfold, and must not
        leave cores unused.

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
