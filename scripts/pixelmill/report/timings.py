"""Timings: how the time of a pass is distributed, condensed for one page.

A million images are summarised by bins, quantiles and the slowest few.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from pixelmill.core.jobs import STAGES
from pixelmill.dataset.file_names import LEDGER
from pixelmill.dataset.ledger import open_to_read
from pixelmill.dataset.passes import Pass

#: Bins of the latencies: each is 12 % wider than the one before, the finest visible difference.
BINS_PER_DECADE = 20

#: Shortest time that is distinguished, in seconds: the resolution of clocks.
SHORTEST = 1e-6

#: Number of images that are named as the slowest.
SLOWEST = 10

#: A pause of a worker shorter than this share of the pass is invisible in a chart.
_FINEST = 1 / 400

#: Largest number of bars in the timeline of one output tree, so that the page stays small.
_MOST_BARS = 800


def distributions(tree: str) -> dict[str, Any] | None:
    """Summarise how the time of an output tree was spent, from its ledger.

    Parameters
    ----------
    tree : str
        Folder of the output tree.

    Returns
    -------
    dict or None
        `stages`: mean seconds of an image by stage and, if the last pass processed every image,
        `wait`, the time of the workers without an image. `cpu_seconds`: processor time of the
        last full pass per image, if it was recorded. `latency`: `edges` of bins in seconds,
        `counts`, and quantiles. `slowest`: images with their seconds by stage. `workers`: when
        each was busy in the last full pass, in seconds since its first batch began. None if
        there is no ledger of this version, or if nothing was processed.
    """
    path = os.path.join(tree, LEDGER)
    with open_to_read(path) as ledger:
        if ledger is None:
            return None
        seconds = np.fromiter(ledger.durations(), np.float64)
        if not seconds.size:
            return None
        stages = dict(zip(STAGES, ledger.stage_means(), strict=True))
        last = ledger.last_pass()
        if last is not None and last.is_full:
            stages["wait"] = _wait(last, sum(stages.values()))
        return {
            "images": int(seconds.size),
            "stages": {stage: _rounded(value) for stage, value in stages.items()},
            "cpu_seconds": _cpu_seconds(ledger.last_full_pass()),
            "latency": latency(seconds),
            "slowest": [
                {
                    "image": source,
                    "seconds": _rounded(sum(taken)),
                    "stages": dict(zip(STAGES, map(_rounded, taken), strict=True)),
                }
                for source, taken in ledger.latencies(SLOWEST)
            ],
            "workers": timeline(ledger.timeline()),
        }


def _wait(last: Pass, busy: float) -> float:
    """Return the seconds of a worker per image during which it had no image."""
    paid = last.workers * (last.seconds - last.startup_seconds)
    return max(0.0, paid / max(1, last.images) - busy)


def _cpu_seconds(last: Pass | None) -> float | None:
    spent = last.conditions.get("cpu_seconds") if last else None
    return None if spent is None or last is None else _rounded(spent / max(1, last.images))


def latency(seconds: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    """Count seconds in bins of a logarithmic scale, and compute their quantiles.

    Examples
    --------
    >>> found = latency(np.array([0.010, 0.011, 1.0]))
    >>> found["counts"][0], found["counts"][-1], found["median"], found["slowest"]
    (2, 1, 0.011, 1.0)
    """
    # Slightly above the edges of bins, so that rounding errors do not move powers of ten.
    places = np.log10(np.maximum(seconds, SHORTEST)) * BINS_PER_DECADE + 1e-9
    bins = np.floor(places).astype(int)
    first = int(bins.min())
    counts = np.bincount(bins - first)
    steps = range(first, first + len(counts) + 1)
    middle, most, nearly_all = np.quantile(seconds, [0.5, 0.95, 0.99])
    return {
        "edges": [_rounded(10 ** (k / BINS_PER_DECADE)) for k in steps],
        "counts": counts.tolist(),
        "median": _rounded(middle),
        "p95": _rounded(most),
        "p99": _rounded(nearly_all),
        "slowest": _rounded(seconds.max()),
    }


def timeline(stretches: Sequence[tuple[int, float, float, int]]) -> list[dict[str, Any]]:
    """Return when each worker was busy; pauses too short to be visible are closed.

    Examples
    --------
    >>> timeline([(0, 0.0, 1.0, 5), (0, 1.001, 4.0, 5), (0, 9.0, 10.0, 1)])
    [{'worker': 1, 'images': 11, 'busy': [[0.0, 4.0], [9.0, 10.0]]}]
    """
    workers = {worker for worker, *_ in stretches}
    span = max((ended for _, _, ended, _ in stretches), default=0.0)
    pause = span * max(_FINEST, len(workers) / _MOST_BARS)
    rows: dict[int, dict[str, Any]] = {}
    for worker, began, ended, images in stretches:
        row = rows.setdefault(worker, {"worker": worker + 1, "images": 0, "busy": []})
        row["images"] += images
        if row["busy"] and began - row["busy"][-1][1] <= pause:
            row["busy"][-1][1] = round(max(ended, row["busy"][-1][1]), 4)
        else:
            row["busy"].append([round(began, 4), round(ended, 4)])
    return [rows[worker] for worker in sorted(rows)]


def _rounded(value: float) -> float:
    """Round to four digits; more would be noise, and make the page larger."""
    value = float(value)
    return value if value == 0 else round(value, 3 - math.floor(math.log10(abs(value))))
