"""Activity of the workers: one row for each, with the times when it was busy."""

from __future__ import annotations

from markupsafe import Markup

from pixelmill.report.charts.base import Chart
from pixelmill.report.palette import color_of
from pixelmill.report.sections import Section
from pixelmill.report.svg import Canvas, Scale, text_width, x_axis

#: Height of a row, least and most of all rows together, and height of the axis, in pixels.
_ROW, _MOST, _AXIS = 20, 520, 44

#: Least distance of two names, in pixels.
_NAME = 15


def draw(section: Section, width: float) -> Markup:
    """Draw when each worker was busy, in seconds since its first batch began."""
    groups = [entry for entry in section.times if entry["workers"]]
    count = sum(len(entry["workers"]) for entry in groups)
    if not count:
        return Markup("")
    names = [f"{e['engine']} {row['worker']}" for e in groups for row in e["workers"]]
    left = max(map(text_width, names)) + 14
    height = min(_ROW, (_MOST - 8 * len(groups)) / count)
    bottom = 6 + height * count + 8 * (len(groups) - 1)
    canvas = Canvas(width, bottom + _AXIS)
    longest = max((row["busy"][-1][1] for e in groups for row in e["workers"]), default=1)
    scale = Scale(0, longest or 1, left, width - 14)
    x_axis(canvas, scale, bottom, 4, "seconds since the first batch began", 6)
    y, named = 6.0, -99.0
    for entry in groups:
        for row in entry["workers"]:
            name = f"{entry['engine']} {row['worker']}"
            if y - named >= _NAME:
                canvas.text(left - 14, y + height / 2, name, "end")
                named = y
            spans = [(scale(began), scale(ended)) for began, ended in row["busy"]]
            title = f"{name}: {row['images']:,} images"
            canvas.bars(spans, y + 0.1 * height, 0.8 * height, color_of(entry["engine"]), title)
            y += height
        y += 8
    told = "; ".join(
        f"{entry['engine']}: {len(entry['workers'])} busy for {_busy(entry['workers']):.0%} of the "
        "time".replace("%", " %")
        for entry in groups
    )
    return canvas.svg(f"Activity of the workers: {told}.")


def _busy(workers: list[dict[str, list[list[float]]]]) -> float:
    """Return the share of the time during which the workers were busy."""
    end = max(row["busy"][-1][1] for row in workers)
    spent = sum(ended - began for row in workers for began, ended in row["busy"])
    return spent / (end * len(workers)) if end else 1.0


def caption(_: Section) -> str:
    """Say what a gap is."""
    return (
        "One row for each worker, in the last pass that processed every image. In a gap, the "
        "worker had nothing to do."
    )


CHART = Chart("workers", "Activity of the workers", caption, draw)
