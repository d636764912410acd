"""Other tools are shown in the order of the ranking, with their spread."""

from pixelmill.report.charts.rivals import CHART
from pixelmill.report.palette import COLORS
from pixelmill.report.sections import Section
from tests.helpers.charts import RANKING
from tests.helpers.svgs import Drawn

SECTION = Section("a", "b", ranking=RANKING)


def test_tools_have_their_names_values_and_spreads():
    drawn = Drawn(CHART.draw(SECTION, 760))
    assert [(color, title) for _, _, color, title in drawn.dots] == [
        (COLORS["threads"], "threads: 40 images per second (38 to 41)"),
        (COLORS["rival"], "gm: 20 images per second (19 to 22)"),
    ]
    assert "images per second (more is better)" in drawn.words


def test_the_caption_says_what_was_measured():
    assert CHART.caption(SECTION).startswith(
        "Median and spread of 5 measurements on 1,000 images, with 2 workers"
    )
