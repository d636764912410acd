"""Throughput of pixelmill and of other tools as a dot plot."""

from __future__ import annotations

from markupsafe import Markup

from pixelmill.benchmark.samples import NAMES
from pixelmill.report.charts.base import Chart
from pixelmill.report.charts.dots import Dot, dot_plot
from pixelmill.report.comparison import digits_of
from pixelmill.report.palette import color_of
from pixelmill.report.sections import Section


def draw(section: Section, width: float) -> Markup:
    """Draw the images per second of each tool, the fastest first, with their spread."""
    rows = section.ranking["rows"] if section.ranking else []
    dots = [
        Dot(
            row.get("tool") or NAMES.get(row["kind"], row["kind"]),
            row["images_per_second"],
            color_of(row["kind"]),
            row["slowest"],
            row["fastest"],
            f"{row['images_per_second']:,.{digits_of(row['images_per_second'])}f}",
        )
        for row in rows
    ]
    return dot_plot(dots, width, "images per second (more is better)", "images per second")


def caption(section: Section) -> str:
    """Say how the numbers were obtained."""
    ranking = section.ranking or {}
    return (
        f"Median and spread of {ranking['repeats']} measurements on {ranking['images']:,} images, "
        f"with {ranking['workers']} workers or processes each, except for the plain loop."
    )


CHART = Chart("rivals", "Comparison with other tools", caption, draw)
