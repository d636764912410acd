"""Figures of the report, as SVG that takes its colours from the page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

#: Stands for the page's text colour until the SVG is written.
_INK = "#010203"

#: Colours by engine, distinct for the colour-blind too (Okabe & Ito 2008).
COLORS = {
    "sequential": "#8a8f98",
    "threads": "#0072b2",
    "processes": "#009e73",
    "futures": "#cc79a7",
    "distributed": "#d55e00",
    "auto": "#e69f00",
}

_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "svg.hashsalt": "pixelmill",  # the same figure gives the same bytes
}


def throughput(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """Bars of images per second by engine, with the speedup beside each."""
    measured = [row for row in rows if row["images_per_second"]]
    if not measured:
        return Markup("")
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 0.55 + 0.42 * len(measured)))
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        names = [row["engine"] for row in measured]
        values = [row["images_per_second"] for row in measured]
        bars = axes.barh(names, values, height=0.62, color=[COLORS.get(n, _INK) for n in names])
        labels = [f" {row['images_per_second']:,.0f}{_speedup(row)}" for row in measured]
        axes.bar_label(bars, labels=labels, padding=2)
        axes.invert_yaxis()
        axes.set_xlim(0, max(values) * 1.28)
        axes.set_xlabel("images per second (more is better)")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        figure.tight_layout(pad=0.4)
        return _svg(figure, "Images per second by engine")


def _speedup(row: Mapping[str, Any]) -> str:
    if isinstance(row["speedup"], str) or row["engine"] == "sequential":
        return ""
    return f"  ·  {row['speedup']:.2f}x on {row['workers']}"


def _svg(figure: Figure, title: str) -> Markup:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = text.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
    return Markup(text)
