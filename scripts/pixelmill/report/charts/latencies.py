"""Time per image: for each engine, the share of images that took at most so long."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from markupsafe import Markup

from pixelmill.report.charts.base import Chart
from pixelmill.report.palette import color_of
from pixelmill.report.sections import Section
from pixelmill.report.svg import SOFT, Canvas, Scale, legend, short, x_axis

#: Height of the plot in pixels, without legend and axis.
_PLOT = 210

#: An axis whose values span more than this factor is logarithmic.
_DECADE = 10


def draw(section: Section, width: float) -> Markup:
    """Draw the cumulative distribution of the milliseconds of an image, a line for each engine."""
    times = [entry for entry in section.times if sum(entry["latency"]["counts"])]
    if not times:
        return Markup("")
    canvas = Canvas(width, 0)
    entries = [(entry["engine"], color_of(entry["engine"])) for entry in times]
    top = legend(canvas, entries, 0, 10, [""] * len(times)) + 24
    canvas.height = top + _PLOT + 44
    low = 1000 * min(entry["latency"]["edges"][0] for entry in times)
    high = 1000 * max(entry["latency"]["edges"][-1] for entry in times)
    log = high > _DECADE * low
    x = Scale(low if log else 0, high, 48, width - 14, log)
    y = Scale(0, 100, top + _PLOT, top)
    for share in (0, 25, 50, 75, 100):
        canvas.line([(48, y(share)), (width - 14, y(share))], opacity=0.16)
        canvas.text(41, y(share), f"{share} %", "end", 12, opacity=SOFT)
    canvas.text(48, top - 16, "images that took at most so long", "start", 12, opacity=SOFT)
    label = "wall milliseconds per image" + (" (logarithmic)" if log else "")
    x_axis(canvas, x, top + _PLOT, top, label, 8 if width > 500 else 4)
    for entry in times:
        points = [
            (x(max(1000 * edge, x.low)), y(share)) for edge, share in shares(entry["latency"])
        ]
        told = _told(entry)
        canvas.line(points, color_of(entry["engine"]), 2.2, title=told)
        middle = 1000 * entry["latency"]["median"]
        if low <= middle <= high:
            canvas.circle(x(middle), y(50), 4.5, color_of(entry["engine"]), told)
    return canvas.svg(f"Cumulative distribution: {'; '.join(map(_told, times))}.")


def shares(latency: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Return the seconds at the edges of bins, and the percentage of images up to each.

    Examples
    --------
    >>> shares({"edges": [0.001, 0.01, 0.1], "counts": [90, 10]})
    [(0.001, 0.0), (0.01, 90.0), (0.1, 100.0)]
    """
    total = sum(latency["counts"])
    sums = accumulate(latency["counts"], initial=0)
    return [(e, 100 * s / total) for e, s in zip(latency["edges"], sums, strict=True)]


def _told(entry: Mapping[str, Any]) -> str:
    found = entry["latency"]
    return (
        f"{entry['engine']}: half of the images within {short(1000 * found['median'])} ms, "
        f"95 % within {short(1000 * found['p95'])} ms"
    )


def caption(_: Section) -> str:
    """Say how to read the lines."""
    return (
        "The further left a line, the faster; the steeper, the more alike the images. The dots are "
        "medians."
    )


CHART = Chart("latencies", "Wall time per image", caption, draw)
