"""What every chart of the report has: a name, a title, a caption and a function that draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from pixelmill.report.sections import Section

#: Widths in pixels of a chart on a desktop screen and on a phone, where labels need another layout.
WIDE, NARROW = 760, 350


@dataclass(frozen=True)
class Chart:
    """A chart of the report.

    Attributes
    ----------
    name : str
        Part of the names of its files: ``DATASET.RECIPE.NAME.svg`` and, for tables and text
        below the chart, the template ``charts/NAME.html``.
    title : str
        Heading on the page.
    caption : callable
        Returns the text below the chart.
    draw : callable
        Draws the chart of a section at a width in pixels; returns an empty text if there is
        nothing to show.
    """

    name: str
    title: str
    caption: Callable[[Section], str]
    draw: Callable[[Section, float], Markup]
