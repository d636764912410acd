"""Dot plots: one row for each engine or tool, with a line from its lowest to its highest value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pixelmill.report.palette import INK
from pixelmill.report.svg import SOFT, Canvas, Scale, short, text_width, x_axis

#: Height of a row, and of the axis with its label, in pixels.
_ROW, _AXIS = 27, 44


@dataclass(frozen=True)
class Dot:
    """A row of a dot plot; `note` is written at its right end."""

    name: str
    value: float
    color: str
    low: float | None = None
    high: float | None = None
    note: str = ""


def dot_plot(dots: Sequence[Dot], width: float, label: str, unit: str) -> Markup:
    """Draw a dot plot whose axis begins at zero; empty without dots.

    Parameters
    ----------
    dots : sequence of Dot
    width : float
        In pixels.
    label : str
        Of the axis.
    unit : str
        Of the values, for descriptions.
    """
    if not dots:
        return Markup("")
    left = max(text_width(dot.name) for dot in dots) + 14
    right = max(text_width(dot.note) for dot in dots) + 14
    canvas = Canvas(width, _ROW * len(dots) + _AXIS + 6)
    largest = max(max(dot.value, dot.high or 0) for dot in dots)
    scale = Scale(0, largest * 1.04 or 1, left, max(left + 60, width - right))
    bottom = 6 + _ROW * len(dots)
    x_axis(canvas, scale, bottom, 4, label, 6 if width > 500 else 3)
    for number, dot in enumerate(dots):
        y = 6 + _ROW * (number + 0.5)
        title = f"{dot.name}: {_told(dot, unit)}"
        canvas.text(left - 14, y, dot.name, "end")
        canvas.line([(scale(0), y), (scale(dot.value), y)], dot.color, 2, 0.35)
        if dot.low is not None and dot.high is not None:
            for x in (scale(dot.low), scale(dot.high)):
                canvas.line([(x, y - 5), (x, y + 5)], INK, 1.2, SOFT)
            canvas.line([(scale(dot.low), y), (scale(dot.high), y)], INK, 1.2, SOFT)
        canvas.circle(scale(dot.value), y, 6, dot.color, title)
        if dot.note:
            canvas.text(width, y, dot.note, "end")
    told = "; ".join(f"{dot.name} {_told(dot, unit)}" for dot in dots)
    return canvas.svg(f"Dot plot: {told}.")


def _told(dot: Dot, unit: str) -> str:
    spread = ""
    if dot.low is not None and dot.high is not None:
        spread = f" ({short(dot.low)} to {short(dot.high)})"
    return f"{short(dot.value)} {unit}{spread}"
