"""Throughput of the engines: the rows of the comparison as a dot plot."""

from __future__ import annotations

from markupsafe import Markup

from pixelmill.report.charts.base import Chart
from pixelmill.report.charts.dots import Dot, dot_plot
from pixelmill.report.comparison import ComparedRow, digits_of
from pixelmill.report.palette import color_of
from pixelmill.report.sections import Section


def draw(section: Section, width: float) -> Markup:
    """Draw the images per second of each engine, with the spread if it was measured."""
    dots = [
        Dot(
            row.name,
            row.images_per_second,
            color_of(row.kind),
            row.low,
            row.high,
            _note(row, brief=width < 500),
        )
        for row in section.comparison
    ]
    return dot_plot(dots, width, "images per second (more is better)", "images per second")


def _note(row: ComparedRow, brief: bool) -> str:
    value = f"{row.images_per_second:,.{digits_of(row.images_per_second)}f}"
    if row.speedup is None or row.is_baseline:
        return value
    workers = "" if brief else f" on {row.workers}"
    return f"{value} · {row.speedup:.2f}x{workers}"


def caption(section: Section) -> str:
    """Say how the numbers were obtained."""
    if not section.measured or not section.benchmark:
        return "One pass of each engine, including start-up."
    return (
        f"Median of {section.benchmark['repeats']} measurements on "
        f"{section.benchmark['images']:,} images, without start-up; lines from the slowest to the "
        "fastest."
    )


CHART = Chart("throughput", "Throughput", caption, draw)
