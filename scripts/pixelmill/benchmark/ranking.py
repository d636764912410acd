"""Ranking: pixelmill's engines and other tools, ordered by throughput."""

from __future__ import annotations

import statistics
from typing import Any

from pixelmill.benchmark import samples as sampled
from pixelmill.benchmark.samples import PARALLEL, Case, ratios
from pixelmill.benchmark.scaling_file import ScalingFile
from pixelmill.benchmark.speedups import equal

#: Kinds of cases in the ranking.
_KINDS = ("loop", *PARALLEL, "rival")


def ranking(result: ScalingFile) -> dict[str, Any]:
    """Return the cases of a ``rivals.json``, the fastest first.

    Returns
    -------
    dict
        `images` and `repeats` of the measurement; `workers` of all cases except for the plain
        loop; `ours`, the engine that the others are compared with; and `rows`, as in `figures`
        of ``scaling.json``, with `version`, the number of `images` made and, except for `ours`
        itself, `of_ours`, the median of the throughput relative to ours, `of_ours_spread`, and
        `equal`, whether noise hides the difference.
    """
    samples = sampled.read(result)
    ours = max(
        (case for case in samples if case.kind in PARALLEL),
        key=lambda case: statistics.median(sample.images_per_second for sample in samples[case]),
    )
    rows = []
    for figures in result["figures"]:
        case = Case(figures["kind"], figures["workers"], figures.get("tool", ""))
        if case.kind not in _KINDS:
            continue
        made = min(sample.images for sample in samples[case])
        row = {**figures, "images": made, "version": result["software"].get(case.tool, "")}
        if case != ours:
            parts = ratios(samples[case], samples[ours])
            row["of_ours"] = round(statistics.median(parts), 3)
            row["of_ours_spread"] = [round(min(parts), 3), round(max(parts), 3)]
            row["equal"] = equal(samples, case, ours)
        rows.append(row)
    return {
        "images": result["images"],
        "repeats": result["repeats"],
        "workers": ours.workers,
        "ours": ours.kind,
        "rows": sorted(rows, key=lambda row: -float(row["images_per_second"])),
    }
