"""Speedup by number of workers: measured, ideal, and fit and prediction of the best engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pixelmill.benchmark.samples import NAMES
from pixelmill.benchmark.scaling_laws import law_of
from pixelmill.report.charts.base import Chart
from pixelmill.report.palette import INK, color_of
from pixelmill.report.sections import Section
from pixelmill.report.svg import SOFT, Canvas, Scale, legend, short, write_below, y_axis

#: Axes are logarithmic if more workers than this were measured or predicted.
_DECADE = 10

#: Kinds of cases that have no speedup by number of workers.
_WITHOUT = ("loop", "overhead", "synchronous")

#: Height of the plot in pixels, without legend and axis.
_PLOT = 270


def draw(section: Section, width: float) -> Markup:
    """Draw the points of each engine with their spread, the ideal, and the best engine's law."""
    benchmark = section.benchmark
    cases = _cases(benchmark)
    if benchmark is None or not cases:
        return Markup("")
    best = _best(cases)
    fit = benchmark.get("fits", {}).get(best)
    predicted = fit["predictions"] if fit else []
    measured = max(row["workers"] for rows in cases.values() for row in rows)
    counts = sorted({row["workers"] for rows in (*cases.values(), predicted) for row in rows})
    canvas = Canvas(width, _PLOT)
    entries = [(NAMES.get(kind, kind), color_of(kind)) for kind in cases]
    dashes = [""] * len(cases)
    if fit:
        entries.append((f"{best}: fit" + (" and prediction" if predicted else ""), color_of(best)))
        dashes.append("7 4")
    top = legend(canvas, [*entries, ("ideal", INK)], 0, 10, [*dashes, "2 4"]) + 24
    canvas.height = top + _PLOT + 44
    log = counts[-1] > _DECADE
    first = counts[0] if log else 0
    x = Scale(first, counts[-1], 44, width - 16, log)
    y = Scale(0.7 if log else 0, _highest(cases, predicted, counts[-1]), top + _PLOT, top, log)
    right = width - 16
    powers = [2.0**k for k in range(12) if 2**k <= y.high]
    label = "speedup against a plain loop" + (" (logarithmic)" if log else "")
    y_axis(canvas, y, 44, right, label, powers if log else ())
    _workers_axis(canvas, x, top, counts)
    canvas.line([(x(n), y(n)) for n in counts], INK, 1.2, SOFT, "2 4", "ideal")
    if predicted:
        band = [(x(row["workers"]), y(max(row["low"], y.low))) for row in predicted]
        band += [(x(row["workers"]), y(row["high"])) for row in reversed(predicted)]
        canvas.area([(x(measured), y(law_of(fit).speedup(measured))), *band], color_of(best), 0.18)
    if fit:
        law = law_of(fit)
        start = max(1, counts[0])
        fine = [start + (measured - start) * k / 40 for k in range(41)]
        line = [(x(n), y(max(law.speedup(n), y.low))) for n in fine]
        line += [(x(row["workers"]), y(row["speedup"])) for row in predicted]
        canvas.line(line, color_of(best), 1.6, dash="7 4", title=f"{best}: fit and prediction")
    for kind, rows in cases.items():
        _points(canvas, x, y, kind, sorted(rows, key=lambda row: row["workers"]))
    told = "; ".join(
        f"{NAMES.get(kind, kind)} {rows[-1]['speedup']:.2f} on {rows[-1]['workers']}"
        for kind, rows in cases.items()
    )
    return canvas.svg(f"Speedup by number of workers, at the largest number measured: {told}.")


def _cases(benchmark: Mapping[str, Any] | None) -> dict[str, list[Mapping[str, Any]]]:
    cases: dict[str, list[Mapping[str, Any]]] = {}
    for row in (benchmark or {}).get("figures", []):
        if row["kind"] not in _WITHOUT and row.get("speedup"):
            cases.setdefault(row["kind"], []).append(row)
    return cases


def _best(cases: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    engines = [kind for kind in cases if kind != "ceiling"]
    return max(engines, key=lambda k: max(row["speedup"] for row in cases[k]), default="")


def _highest(
    cases: Mapping[str, Sequence[Mapping[str, Any]]],
    predicted: Sequence[Mapping[str, Any]],
    most: int,
) -> float:
    """Return the upper end of the axis of speedups."""
    rows = [row for case in cases.values() for row in case]
    fastest = [float((row.get("speedup_spread") or [row["speedup"]])[-1]) for row in rows]
    return 1.03 * max(most, *fastest, *(float(row["high"]) for row in predicted))


def _workers_axis(canvas: Canvas, x: Scale, top: float, counts: Sequence[int]) -> None:
    """Draw an axis with the numbers of workers, as far as there is room for them."""
    bottom = top + _PLOT
    last = -99.0
    for count in counts:
        canvas.line([(x(count), top), (x(count), bottom)], opacity=0.16)
        if x(count) - last > 26:
            canvas.text(x(count), bottom + 12, str(count), "middle", 12, opacity=SOFT)
            last = x(count)
    logarithmic = " (logarithmic)" if x.log else ""
    write_below(canvas, (x.start + x.end) / 2, bottom + 31, f"workers{logarithmic}")


def _points(
    canvas: Canvas, x: Scale, y: Scale, kind: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Draw the points of one kind of case, with their spread."""
    color = color_of(kind)
    canvas.line([(x(row["workers"]), y(max(row["speedup"], y.low))) for row in rows], color, 1.8)
    for row in rows:
        low, high = row.get("speedup_spread") or [row["speedup"]] * 2
        place = x(row["workers"])
        canvas.line([(place, y(max(low, y.low))), (place, y(high))], color, 1.2)
        canvas.circle(
            place,
            y(max(row["speedup"], y.low)),
            4,
            color,
            f"{NAMES.get(kind, kind)}, {row['workers']} workers: {row['speedup']:.2f} "
            f"({short(low)} to {short(high)})",
        )


def caption(section: Section) -> str:
    """Say what lines and areas are."""
    predicted = section.benchmark and section.benchmark.get("fits")
    dashed = (
        " Dashed: the law that fits the best engine, and beyond the points its prediction, which "
        "is no measurement; the area is its uncertainty."
    )
    lines = "Vertical lines: from the slowest to the fastest measurement."
    return lines + (dashed if predicted else "")


CHART = Chart("scaling", "Speedup and scaling", caption, draw)
