"""Engine choice: the engine with the shortest expected start-up plus run time.

`AUTO` chooses according to typical values, and the advice of the benchmark
according to measured ones, both with the same rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pixelmill.engines.registry import AUTO, BASELINE, ENGINES, EngineSpec, engine_spec


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
        """Return the time that it needs for some work.

        Parameters
        ----------
        work : float
            Seconds that a plain loop would take.

        Examples
        --------
        >>> Rating(0.5, 4.0).seconds(10.0)
        3.0
        """
        return self.startup_seconds + work / self.speedup


#: A plain loop, relative to which the engines are rated.
LOOP = Rating(0.0, 1.0)


def typical(workers: int, scales_on_threads: bool) -> dict[str, Rating]:
    """Rate all engines without a measurement.

    Parameters
    ----------
    workers : int
    scales_on_threads : bool
        Whether the recipe releases the GIL. If it does not, all threads count as one worker.
    """

    def parallel(spec: EngineSpec) -> int:
        bound = spec.pool == "inline" or (spec.pool == "threads" and not scales_on_threads)
        return 1 if bound else workers

    return {
        name: Rating(spec.startup_seconds, amdahl(parallel(spec), spec.serial_share))
        for name, spec in ENGINES.items()
    }


def amdahl(workers: int, serial: float) -> float:
    """Return the speedup of some workers if a share of the work is serial (Amdahl 1967).

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
    """Return from how much work on an engine is faster than a plain loop; None if it never is.

    The work is measured in seconds that a plain loop would take.

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
        An engine, which is used unless the work is too short to offset its start-up, or `AUTO`.
    workers : int
    scales_on_threads : bool
        Whether the recipe releases the GIL.
    work : float
        Seconds that a plain loop would take.
    known : bool
        Whether `work` comes from measurements. A guess may be wrong by a factor of 100, and
        must not leave cores unused.

    Raises
    ------
    UserError
        If there is no such engine.

    Examples
    --------
    >>> [choose("auto", 2, True, work, known=True) for work in (0.05, 0.2, 3600.0)]
    ['sequential', 'threads', 'processes']
    >>> choose("auto", 2, False, 5.0, known=True), choose("auto", 2, True, 0.05, known=False)
    ('processes', 'threads')
    >>> choose("processes", 2, True, 0.05, known=True), choose("processes", 2, True, 5.0, True)
    ('sequential', 'processes')
    """
    if name != AUTO:
        return BASELINE if known and work < engine_spec(name).startup_seconds else name
    may_be_inline = known or workers == 1
    offered = {
        engine: rating
        for engine, rating in typical(workers, scales_on_threads).items()
        if ENGINES[engine].automatic and (may_be_inline or ENGINES[engine].pool != "inline")
    }
    return quickest(offered, work)
