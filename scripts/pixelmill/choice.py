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

#: Start-up beyond that of a plain loop, in seconds, and speedup for each worker: medians
#: of nine starts on two cores, and of `light` at 2,000 images.
TYPICAL = {
    "threads": (0.06, 0.95),
    "processes": (0.37, 0.97),
    "futures": (0.24, 0.97),
    "distributed": (1.4, 0.95),
}


def typical(workers: int, scales_on_threads: bool) -> dict[str, Rating]:
    """Rate the engines before anything was measured; threads that the GIL binds are one worker."""
    return {
        engine: Rating(
            startup, share * (workers if scales_on_threads or engine != "threads" else 1)
        )
        for engine, (startup, share) in TYPICAL.items()
    }


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
        One of `pixelmill.engines.ENGINES`, which is used unless it would not repay its
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
