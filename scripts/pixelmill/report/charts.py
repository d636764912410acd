"""Charts of the report: one entry of `CHARTS` each, drawn as SVG in the colours of the page.

A chart is drawn once for each width at which it is shown, because on a phone its labels need a
different layout.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from pixelmill.benchmark.samples import NAMES
from pixelmill.benchmark.scaling_laws import law_of
from pixelmill.engines.registry import AUTO, BASELINE, ENGINES
from pixelmill.report.sections import Section

#: Widths in inches of a chart on a desktop screen and on a phone.
WIDE, NARROW = 7.4, 3.7

#: Placeholder for the text colour of the page until the SVG is written.
_INK = "#010203"

#: Colours of engines in the order of the registry, distinguishable with colour blindness too
#: (Okabe & Ito 2008).
_PALETTE = ("#8a8f98", "#0072b2", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442")

#: Colours of engines and of the other things that are measured.
COLORS = {
    **dict(zip(ENGINES, cycle(_PALETTE), strict=False)),
    AUTO: "#e69f00",
    "loop": "#8a8f98",
    "ceiling": "#9a8530",
    "rival": "#d55e00",
}

#: Colours of stages (Paul Tol's "bright" scheme, designed for colour blindness).
STAGE_COLORS = {
    "read": "#66ccee",
    "decode": "#4477aa",
    "steps": "#228833",
    "encode": "#ccbb44",
    "write": "#ee6677",
    "wait": "#a5a9b0",
}

#: An axis whose values span more than this factor is logarithmic.
_DECADE = 10

#: Heights in inches: of a bar with its gap, of a worker's row, and the limit for all rows.
_BAR, _ROW, _ROWS = 0.42, 0.24, 7.0

_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "svg.hashsalt": "pixelmill",  # the same figure gives the same bytes
}


@dataclass(frozen=True)
class Chart:
    """A chart of the report.

    Attributes
    ----------
    name : str
        Part of the names of its files: ``DATASET.RECIPE.NAME.svg`` and, for tables and text
        below the chart, the template ``charts/NAME.html``.
    title : str
        Heading on the page, and description for screen readers.
    caption : callable
        Returns the text below the chart.
    draw : callable
        Draws the chart of a section at a width in inches; returns an empty text if there is
        nothing to show.
    """

    name: str
    title: str
    caption: Callable[[Section], str]
    draw: Callable[[Section, float], Markup]

    def svg(self, section: Section, width: float) -> Markup:
        """Draw the chart of a section with its title; empty if there is nothing to show.

        Parameters
        ----------
        section : Section
        width : float
            In inches.
        """
        label = f'<svg role="img" aria-label="{self.title}"'
        return Markup(str(self.draw(section, width)).replace("<svg", label, 1))


@dataclass
class _Drawing:
    """One chart while it is drawn, and its SVG afterwards."""

    width: float
    height: float
    svg: Markup = field(default=Markup(""))

    @contextlib.contextmanager
    def axes(self) -> Iterator[Axes]:
        """Provide axes to draw on; the SVG is made when the block ends."""
        with mpl.rc_context(_STYLE):
            figure = Figure(figsize=(self.width, self.height), layout="constrained")
            FigureCanvasSVG(figure)
            axes = figure.subplots()
            yield axes
            if axes.get_legend_handles_labels()[0]:
                columns = 3 if self.width > NARROW else 2
                figure.legend(loc="outside upper left", ncols=columns, columnspacing=1.2)
            self.svg = _svg(figure)


def throughput(section: Section, width: float) -> Markup:
    """Bars of images per second, with whiskers from the slowest to the fastest measurement.

    Without a controlled benchmark, the bars show one pass of each engine. With one, they show
    its cases with the largest number of workers.
    """
    return _bars(_measured_bars(section.benchmark) or _pass_bars(section.rows), width)


def rivals(section: Section, width: float) -> Markup:
    """Bars of images per second of pixelmill and of other tools; see `throughput`."""
    ranking = section.ranking
    return _bars([_bar(row) for row in (ranking["rows"] if ranking else [])], width)


def _bars(bars: Sequence[Mapping[str, Any]], width: float) -> Markup:
    if not bars:
        return Markup("")
    drawing = _Drawing(width, 0.65 + _BAR * len(bars))
    with drawing.axes() as axes:
        for place, bar in enumerate(bars):
            axes.barh(
                place, bar["images_per_second"], height=0.62, color=COLORS.get(bar["kind"], _INK)
            )
            if bar["low"] is not None:
                spread = [
                    [bar["images_per_second"] - bar["low"]],
                    [bar["high"] - bar["images_per_second"]],
                ]
                axes.errorbar(
                    bar["images_per_second"], place, xerr=spread, color=_INK, capsize=3, lw=1
                )
            end = max(bar["images_per_second"], bar["high"] or 0)
            _write_after(axes, end, place, bar["label"])
        largest = max(max(bar["images_per_second"], bar["high"] or 0) for bar in bars)
        # Leave room for the label of the longest bar.
        axes.set_xlim(0, largest * (1.4 if width > NARROW else 2.1))
        axes.set_yticks(range(len(bars)), [bar["name"] for bar in bars])
        _as_list(axes)
        axes.set_xlabel("images per second (more is better)")
    return drawing.svg


def _pass_bars(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "kind": row["engine"],
            "name": row["engine"],
            "images_per_second": row["images_per_second"],
            "low": None,
            "high": None,
            "label": _label(row, row["engine"] == BASELINE),
        }
        for row in rows
        if row["images_per_second"]
    ]


def _measured_bars(benchmark: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    cases = [row for row in (benchmark or {}).get("figures", []) if row["kind"] != "overhead"]
    engines = [row["workers"] for row in cases if row["kind"] in COLORS]
    most = max(engines, default=1)
    always = ("loop", "synchronous")
    return [_bar(row) for row in cases if row["workers"] == most or row["kind"] in always]


def _bar(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the bar of a case that was measured several times."""
    return {
        "kind": row["kind"],
        "name": row.get("tool") or NAMES.get(row["kind"], row["kind"]),
        "images_per_second": row["images_per_second"],
        "low": row["slowest"],
        "high": row["fastest"],
        "label": _label(row, row["kind"] == "loop"),
    }


def _label(row: Mapping[str, Any], baseline: bool) -> str:
    speedup = row.get("speedup")
    gain = isinstance(speedup, int | float) and not baseline
    throughput = f"{row['images_per_second']:,.0f}"
    return f"{throughput}  ·  {speedup:.2f}x on {row['workers']}" if gain else throughput


def scaling(section: Section, width: float) -> Markup:
    """Speedup by number of workers: measured, ideal, and fit and prediction of the best engine."""
    benchmark = section.benchmark
    cases: dict[str, list[Mapping[str, Any]]] = {}
    for row in (benchmark or {}).get("figures", []):
        if row["kind"] not in ("loop", "overhead", "synchronous") and row.get("speedup"):
            cases.setdefault(row["kind"], []).append(row)
    if benchmark is None or not cases:
        return Markup("")
    engines = [kind for kind in cases if kind != "ceiling"]
    best = max(engines, key=lambda k: max(row["speedup"] for row in cases[k]), default="")
    fit = benchmark.get("fits", {}).get(best, {})
    predicted = fit.get("predictions", [])
    measured = max(row["workers"] for rows in cases.values() for row in rows)
    counts = sorted({row["workers"] for rows in (*cases.values(), predicted) for row in rows})
    drawing = _Drawing(width, 3.9)
    with drawing.axes() as axes:
        axes.plot(counts, counts, color=_INK, lw=0.8, ls=":", label="ideal")
        for kind, rows in cases.items():
            _curve(axes, kind, sorted(rows, key=lambda row: row["workers"]))
        if fit:
            law = law_of(fit)
            fine = [1 + (measured - 1) * k / 40 for k in range(41)]
            axes.plot(
                fine, [*map(law.speedup, fine)], color=COLORS[best], lw=1, label=f"{best}: fit"
            )
            _prediction(
                axes, best, {"workers": measured, "speedup": law.speedup(measured)}, predicted
            )
        if counts[-1] > _DECADE:
            axes.set_xscale("log", base=2)
            axes.set_yscale("log", base=2)
            _plain(axes.yaxis, [2**k for k in range(counts[-1].bit_length())])
        _plain(axes.xaxis, counts)
        axes.set_xlabel("workers")
        axes.set_ylabel("speedup against a plain loop")
        axes.grid(alpha=0.25, lw=0.5)
    return drawing.svg


def _curve(axes: Axes, kind: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw the points of one kind of case, with their spread."""
    spans = [row.get("speedup_spread") or [row["speedup"]] * 2 for row in rows]
    speedups = [row["speedup"] for row in rows]
    below = [max(0.0, speedup - low) for speedup, (low, _) in zip(speedups, spans, strict=True)]
    above = [max(0.0, high - speedup) for speedup, (_, high) in zip(speedups, spans, strict=True)]
    style: Any = {"marker": "o", "ms": 4, "lw": 1.4, "capsize": 2, "elinewidth": 0.8}
    style |= {"color": COLORS.get(kind, _INK), "label": NAMES.get(kind, kind)}
    axes.errorbar([row["workers"] for row in rows], speedups, yerr=[below, above], **style)


def _prediction(
    axes: Axes, name: str, last: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Draw the prediction beyond the largest measured number, with its uncertainty."""
    color = COLORS[name]
    line = [(row["workers"], row["speedup"]) for row in (last, *rows)]
    axes.plot(*zip(*line, strict=True), color=color, ls="--", label=f"{name}: prediction")
    counts, low, high = ([row[key] for row in rows] for key in ("workers", "low", "high"))
    axes.fill_between(counts, low, high, color=color, alpha=0.18, lw=0)


def stages(section: Section, width: float) -> Markup:
    """Stacked bars of the mean milliseconds of each stage of an image, for each engine."""
    times = section.times
    if not times:
        return Markup("")
    drawing = _Drawing(width, 1.15 + _BAR * len(times))
    with drawing.axes() as axes:
        left = [0.0] * len(times)
        for stage, color in STAGE_COLORS.items():
            values = [1000 * entry["stages"].get(stage, 0.0) for entry in times]
            axes.barh(range(len(times)), values, 0.62, left, color=color, label=stage)
            left = [sum(pair) for pair in zip(left, values, strict=True)]
        for place, end in enumerate(left):
            _write_after(axes, end, place, _short(end))
        axes.set_xlim(0, max(max(left), 1e-9) * (1.12 if width > NARROW else 1.25))
        axes.set_yticks(range(len(times)), [entry["engine"] for entry in times])
        _as_list(axes)
        axes.set_xlabel("milliseconds of one core for an image")
    return drawing.svg


def latencies(section: Section, width: float) -> Markup:
    """Histogram of the milliseconds of an image, for each engine; marks show the slowest ten."""
    times = section.times
    if not times:
        return Markup("")
    drawing = _Drawing(width, 3.0)
    with drawing.axes() as axes:
        for entry in times:
            color = COLORS.get(entry["engine"], _INK)
            edges = [1000 * edge for edge in entry["latency"]["edges"]]
            counts = entry["latency"]["counts"]
            axes.stairs(counts, edges, fill=True, color=color, alpha=0.15)
            axes.stairs(counts, edges, color=color, lw=1.4, label=entry["engine"])
            slowest = [1000 * row["seconds"] for row in entry["slowest"]]
            axes.plot(slowest, [0] * len(slowest), "|", color=color, ms=9, clip_on=False)
        low = min(entry["latency"]["edges"][0] for entry in times)
        high = max(entry["latency"]["edges"][-1] for entry in times)
        if high / low > _DECADE:
            axes.set_xscale("log")
            # Ticks at 1, 2, 5, 10, ... if there is room for their labels.
            subs = (1, 2, 5) if high / low < _DECADE**2 else (1,)
            axes.xaxis.set_major_locator(LogLocator(subs=subs))
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(lambda value, _: _short(value))
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_xlabel("milliseconds for an image")
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_ylabel("images")
    return drawing.svg


def workers(section: Section, width: float) -> Markup:
    """One row for each worker: when it was busy, in seconds since the first batch began."""
    groups = [entry for entry in section.times if entry["workers"]]
    count = sum(len(entry["workers"]) for entry in groups)
    if not count:
        return Markup("")
    drawing = _Drawing(width, 0.65 + min(_ROWS, _ROW * (count + 1)))
    places, names = [], []
    with drawing.axes() as axes:
        place = 0.0
        for entry in groups:
            # Label only some workers if the rows are thin.
            step = -(-len(entry["workers"]) * count // 1200) if count > _ROWS / _ROW else 1
            for row in entry["workers"]:
                bars = [(began, ended - began) for began, ended in row["busy"]]
                color = COLORS.get(entry["engine"], _INK)
                axes.broken_barh(bars, (place - 0.4, 0.8), facecolor=color, edgecolor="none")
                if (row["worker"] - 1) % step == 0:
                    places.append(place)
                    names.append(f"{entry['engine']} {row['worker']}")
                place += 1
            place += 0.5
        axes.set_yticks(places, names)
        axes.set_ylim(-0.7, place - 0.8)
        axes.set_xlim(left=0)
        _as_list(axes)
        axes.set_xlabel("seconds since the first batch began")
    return drawing.svg


def _write_after(axes: Axes, end: float, place: float, text: str) -> None:
    """Write a label after the end of a bar."""
    axes.annotate(text, (end, place), (6, 0), textcoords="offset points", va="center")


def _as_list(axes: Axes) -> None:
    """Order rows from top to bottom, without a line at their names."""
    axes.invert_yaxis()
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _plain(axis: Any, values: Sequence[int]) -> None:
    axis.set_ticks(values, [str(value) for value in values])
    axis.set_ticks([], minor=True)


def _short(value: float) -> str:
    """Format a number with three significant digits.

    Examples
    --------
    >>> _short(4.5678), _short(0.05), _short(12345.0)
    ('4.57', '0.05', '12,345')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _svg(figure: Figure) -> Markup:
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"'DejaVu Sans', .*?sans-serif", "sans-serif", text)
    return Markup(_own_ids(text))


def _own_ids(text: str) -> str:
    """Make the identifiers of a chart unique, because a page has several charts."""
    mark = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text))
    names = {name for pair in used for name in pair if name}
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{m[1]}-{mark}"' if m[1] in names else "", text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#\1-{mark}"', text)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#\1-{mark})", text)


def _throughput_caption(section: Section) -> str:
    if not (benchmark := section.benchmark):
        return "One pass of each engine, including start-up."
    return (
        f"Median and spread of {benchmark['repeats']} measurements on {benchmark['images']:,} "
        "images, without start-up."
    )


def _scaling_caption(section: Section) -> str:
    predicted = section.benchmark and section.benchmark.get("fits")
    dashed = " Dashed: a prediction, not a measurement, with its uncertainty."
    return "Whiskers: the slowest and the fastest measurement." + (dashed if predicted else "")


def _rivals_caption(section: Section) -> str:
    ranking = section.ranking or {}
    return (
        f"Median and spread of {ranking['repeats']} measurements on {ranking['images']:,} images, "
        f"with {ranking['workers']} workers or processes each, except for the plain loop."
    )


#: All charts, in the order of the page.
CHARTS = (
    Chart("throughput", "Throughput", _throughput_caption, throughput),
    Chart("scaling", "Speedup and scaling", _scaling_caption, scaling),
    Chart("rivals", "Comparison with other tools", _rivals_caption, rivals),
    Chart(
        "stages",
        "Time by stage",
        lambda section: (
            "Mean of all images, from the pass that last processed each of them. “wait” is the "
            "time during which workers had no image: planning, handing out batches, recording "
            "results, and waiting for the last image."
        ),
        stages,
    ),
    Chart(
        "latencies",
        "Time per image",
        lambda section: (
            "Number of images by processing time. The marks on the axis are the ten slowest "
            "images of each engine."
        ),
        latencies,
    ),
    Chart(
        "workers",
        "Activity of the workers",
        lambda section: (
            "One row for each worker, in the last pass that processed every image. In a gap, the "
            "worker had nothing to do."
        ),
        workers,
    ),
)
