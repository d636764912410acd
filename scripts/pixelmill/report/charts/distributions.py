"""Distributions: histograms of numbers, and scatter plots of two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pixelmill.report.svg import Canvas, Scale, short, x_axis, y_axis

#: Height of the plots in pixels, without axes.
_HISTOGRAM, _SCATTER = 120, 300

#: Room for the values of the vertical axis, and for those of the horizontal one, in pixels.
_LEFT, _BELOW = 48, 44

#: Bars of a histogram.
_BARS = 32

#: Largest ratio of the ends of a logarithmic axis; smaller values are shown at its lower end.
_DECADES = 1e6

_COLOR = "#0a78bd"


class Dot(NamedTuple):
    """A picture in a scatter plot: its place, its name, and the number of its thumbnail, if any."""

    x: float
    y: float
    name: str
    picture: int | None = None


def histogram(
    values: NDArray[np.float64], width: float, label: str, what: str, log: bool = False
) -> Markup:
    """Draw how often values occur; empty without values.

    Parameters
    ----------
    values : ndarray of float64
        NaN is left out.
    width : float
        In pixels.
    label : str
        Of the axis.
    what : str
        What is counted, in the plural.
    log : bool
        Whether bars and axis are logarithmic.
    """
    values = values[np.isfinite(values)]
    if not values.size:
        return Markup("")
    if log:
        values = _on_axis(values)
    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    edges = np.geomspace(low, high, _BARS + 1) if log else np.linspace(low, high, _BARS + 1)
    counts, _ = np.histogram(values, edges)
    canvas = Canvas(width, 24 + _HISTOGRAM + _BELOW)
    x = Scale(low, high, _LEFT, width - 14, log)
    y = Scale(0, float(counts.max()), 24 + _HISTOGRAM, 24)
    ticks = [tick for tick in y.ticks(4) if tick == int(tick)]
    y_axis(canvas, y, _LEFT, width - 14, what, ticks)
    x_axis(canvas, x, 24 + _HISTOGRAM, 24, label + " (logarithmic)" * log, 6 if width > 500 else 3)
    for count, start, end in zip(counts.tolist(), edges, edges[1:], strict=False):
        if count:
            told = f"{short(float(start))} to {short(float(end))}: {count:,} {what}"
            left, right = x(float(start)), x(float(end))
            canvas.bar(left, y(count), max(1, right - left - 1), y(0) - y(count), _COLOR, told)
    middle = short(float(np.median(values)))
    return canvas.svg(
        f"Histogram of {label} of {values.size:,} {what}, {short(low)} to {short(high)}, "
        f"median {middle}."
    )


def _on_axis(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Raise values that a logarithmic axis cannot show to its lower end."""
    largest = float(values.max())
    if largest <= 0:
        return np.ones_like(values)
    return np.maximum(values, max(largest / _DECADES, float(values[values > 0].min())))


def scatter(dots: Sequence[Dot], width: float, across: str, up: str) -> Markup:
    """Draw a dot for each picture, with `across` on a logarithmic axis; empty without dots."""
    if not dots:
        return Markup("")
    canvas = Canvas(width, 24 + _SCATTER + _BELOW)
    xs = _on_axis(np.array([dot.x for dot in dots], np.float64)).tolist()
    x = Scale(min(xs) / 1.1, max(xs) * 1.1, _LEFT, width - 14, log=True)
    y = Scale(0, 255, 24 + _SCATTER, 24)
    y_axis(canvas, y, _LEFT, width - 14, up)
    x_axis(canvas, x, 24 + _SCATTER, 24, f"{across} (logarithmic)", 6 if width > 500 else 4)
    for dot, place in zip(dots, xs, strict=True):
        told = f"{dot.name}: {across} {short(dot.x)}, {up} {short(dot.y)}"
        key = "" if dot.picture is None else str(dot.picture)
        canvas.circle(x(place), y(dot.y), 3.5, _COLOR, told, key)
    return canvas.svg(
        f"Scatter plot of {len(dots):,} pictures: {across} from {short(min(xs))} to "
        f"{short(max(xs))} across, {up} upwards."
    )
