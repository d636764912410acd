"""Mean wall time of each stage of an image as stacked bars, for each engine."""

from __future__ import annotations

from markupsafe import Markup

from pixelmill.report.charts.base import Chart
from pixelmill.report.palette import STAGE_COLORS
from pixelmill.report.sections import Section
from pixelmill.report.svg import Canvas, Scale, legend, short, text_width, x_axis

#: Height of a row, of its bar, and of the axis with its label, in pixels.
_ROW, _BAR, _AXIS = 32, 20, 44


def draw(section: Section, width: float) -> Markup:
    """Draw the mean milliseconds of a worker for an image, divided by stage."""
    times = section.times
    if not times:
        return Markup("")
    sums = [1000 * sum(entry["stages"].values()) for entry in times]
    left = max(text_width(entry["engine"]) for entry in times) + 14
    rows = -(-len(STAGE_COLORS) * 82 // int(width))
    canvas = Canvas(width, 24 * rows + 6 + _ROW * len(times) + _AXIS)
    used = [name for name in STAGE_COLORS if any(name in entry["stages"] for entry in times)]
    entries = [(name, STAGE_COLORS[name]) for name in used]
    top = legend(canvas, entries, 0, 10, ["square"] * len(used)) + 2
    canvas.height = top + _ROW * len(times) + _AXIS
    scale = Scale(0, max(*sums, 1e-9) * 1.02, left, width - 52)
    bottom = top + _ROW * len(times)
    label = "wall milliseconds of a worker per image"
    x_axis(canvas, scale, bottom, top, label, 6 if width > 500 else 4)
    for number, (entry, total) in enumerate(zip(times, sums, strict=True)):
        y = top + _ROW * (number + 0.5)
        canvas.text(left - 14, y, entry["engine"], "end")
        start = 0.0
        for name in used:
            value = 1000 * entry["stages"].get(name, 0.0)
            title = f"{entry['engine']}, {name}: {short(value)} ms"
            length = scale(start + value) - scale(start)
            canvas.bar(scale(start), y - _BAR / 2, length, _BAR, STAGE_COLORS[name], title)
            start += value
        canvas.text(scale(start) + 6, y, short(total))
    told = "; ".join(
        f"{entry['engine']} {short(total)} ms, most for {_longest(entry['stages'])}"
        for entry, total in zip(times, sums, strict=True)
    )
    return canvas.svg(f"Stacked bars of the mean wall time of an image: {told}.")


def _longest(stages: dict[str, float]) -> str:
    return max(stages, key=lambda name: stages[name], default="nothing")


def caption(section: Section) -> str:
    """Say what is shown, and what `wait` is if it is shown."""
    text = "Mean wall time of all images, from the pass that last processed each of them."
    if any(entry["stages"].get("wait") for entry in section.times):
        text += (
            " “wait” is the time during which workers had no image: planning, handing out batches, "
            "recording results, and waiting for the last image."
        )
    return text


CHART = Chart("stages", "Wall time by stage", caption, draw)
