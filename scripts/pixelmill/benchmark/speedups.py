"""Speedups: throughput, speedup and efficiency of each case, with their spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pixelmill.benchmark.samples import PARALLEL, STAGES, Case, Sample, Samples, ratios

#: Confidence level of an interval for the median.
LEVEL = 0.9

#: How far an interval is widened at each end before two cases are called different, as a share of
#: its width in logarithms. The fastest of many cases is also the luckiest one: if no engine is
#: faster than the plain loop, one benchmark of 5 repeats in ten would recommend an engine without
#: this, and one in forty does with it.
CAUTION = 0.25


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return an interval that contains the true median with a probability of at least `LEVEL`.

    Its ends are order statistics; no distribution of the values is assumed.

    Returns
    -------
    tuple of float or None
        None if there are too few values for such an interval: fewer than five.

    Notes
    -----
    The k-th smallest and the k-th largest of n values enclose the median with
    probability 1 - 2 P(B < k), B binomial with n and 1/2 (W. J. Conover, Practical
    Nonparametric Statistics, section 3.2).

    Examples
    --------
    >>> interval([1.9, 1.8, 2.0, 1.7, 1.95])
    (1.7, 2.0)
    >>> interval([1.9, 1.8, 2.0]) is None
    True
    """
    count = len(values)
    ordered = sorted(values)
    best, outside = None, 0.0
    for k in range(count // 2):
        outside += math.comb(count, k) / 2**count
        if 1 - 2 * outside < LEVEL:
            break
        best = ordered[k], ordered[-1 - k]
    return best


def equal(samples: Samples, one: Case, other: Case) -> bool:
    """Whether two cases cannot be distinguished from each other because of noise.

    They differ if the interval of their ratios is farther from 1 than `CAUTION` of its width.
    With fewer than five repeats, all cases are equal.
    """
    ends = interval(ratios(samples[one], samples[other]))
    if one == other or ends is None:
        return True
    low, high = ends
    margin: float = (high / low) ** CAUTION  # the same for the inverse ratio
    return low / margin <= 1 <= high * margin


def karp_flatt(speedup: float, workers: int) -> float:
    """Return the serial share that follows from a measured speedup.

    Notes
    -----
    (1/S - 1/N) / (1 - 1/N), for N > 1 (A. H. Karp, H. P. Flatt, Measuring parallel
    processor performance, CACM 33, 1990).

    Examples
    --------
    >>> karp_flatt(4.0, 4), round(karp_flatt(1.6, 2), 6), karp_flatt(1.0, 2)
    (0.0, 0.25, 1.0)
    """
    return (1 / speedup - 1 / workers) / (1 - 1 / workers)


def serial_share(efficiency: float, workers: int) -> float:
    """Return the serial share of an engine from its efficiency relative to the ceiling.

    Notes
    -----
    (1/eta - 1) / (N - 1), for N > 1: Amdahl's law solved for the serial share, with the ceiling
    in place of the ideal.

    Examples
    --------
    >>> serial_share(1.0, 8), round(serial_share(0.8, 2), 6)
    (0.0, 0.25)
    """
    return (1 / efficiency - 1) / (workers - 1)


def figures(samples: Samples) -> list[dict[str, Any]]:
    """Return median, spread, speedup and efficiencies of each case.

    `engine_efficiency` is the median of the ratios to the ceiling with the same number of
    workers: the rest is what a better engine could gain.
    """
    return [_row(samples, case, taken) for case, taken in samples.items()]


def _row(samples: Samples, case: Case, taken: Sequence[Sample]) -> dict[str, Any]:
    loop = samples.get(Case("loop", 1), [])
    ceiling = samples.get(Case("ceiling", case.workers), [])
    rates = [s.images_per_second for s in taken]
    row: dict[str, Any] = {
        **case.as_data(),
        "images_per_second": round(statistics.median(rates), 2),
        "slowest": round(min(rates), 2),
        "fastest": round(max(rates), 2),
        "startup_seconds": round(statistics.median(s.startup_seconds for s in taken), 3),
        "tail_seconds": round(statistics.median(s.tail_seconds for s in taken), 3),
    }
    if taken[0].idle:
        row["idle"] = round(statistics.median(statistics.mean(s.idle) for s in taken), 3)
    if taken[0].stages:
        row["stages"] = {
            stage: round(statistics.median(s.stages[stage] for s in taken), 4) for stage in STAGES
        }
    if loop and case.kind != "overhead":
        faster = ratios(taken, loop)
        speedup = statistics.median(faster)
        row["speedup"] = round(speedup, 3)
        row["speedup_spread"] = [round(min(faster), 3), round(max(faster), 3)]
        row["efficiency"] = round(speedup / case.workers, 3)
        if case.workers > 1:
            row["karp_flatt"] = round(karp_flatt(speedup, case.workers), 4)
    if ceiling and case.kind in (*PARALLEL, "rival"):
        reached = ratios(taken, ceiling)
        eta = statistics.median(reached)
        row["engine_efficiency"] = round(eta, 3)
        row["engine_efficiency_spread"] = [round(min(reached), 3), round(max(reached), 3)]
        if case.workers > 1:
            row["serial_share"] = round(serial_share(eta, case.workers), 4)
    if taken[0].parts:
        row["parts"] = {
            part: statistics.median(s.parts[part] for s in taken) for part in taken[0].parts
        }
    return row


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Format the rows of `figures` as lines of text."""
    yield (
        f"{'case':<14} {'workers':>7} {'images/s':>9} {'from':>8} {'to':>8} {'speedup':>8}"
        f" {'of ceiling':>10} {'start-up s':>10} {'tail s':>7} {'MiB':>6}"
    )
    for row in rows:
        peak = row.get("peak_mib")
        yield (
            f"{row.get('tool', row['kind']):<14} {row['workers']:>7}"
            f" {row['images_per_second']:>9.1f}"
            f" {row['slowest']:>8.1f} {row['fastest']:>8.1f} {row.get('speedup', ''):>8}"
            f" {row.get('engine_efficiency', ''):>10} {row['startup_seconds']:>10.2f}"
            f" {row['tail_seconds']:>7.2f} {'' if peak is None else round(peak):>6}"
        )
        if parts := row.get("parts"):
            ours = parts["library"] - parts["bare"] - parts["digests"]
            yield (
                f"    bare calls {parts['bare']:.3f} s, content digests"
                f" {parts['digests']:.3f} s ({parts['digests'] / parts['bare']:.1%}), the rest of"
                f" the library {ours:.3f} s ({ours / parts['bare']:.1%})"
            )
