"""Charts are complete, the same every time, and take their text colour from the page."""

import pytest

from pixelmill.report.charts import CHARTS, NARROW, WIDE
from pixelmill.report.palette import COLORS, STAGE_COLORS
from pixelmill.report.sections import Section, sections
from pixelmill.report.svg import text_width
from tests.helpers.charts import BENCHMARK, RANKING, ROWS, TIMES
from tests.helpers.svgs import Drawn

REPORT = {
    "rows": [{"dataset": "a", "recipe": "b", **row} for row in ROWS],
    "times": [{"dataset": "a", "recipe": "b", **entry} for entry in TIMES],
    "scaling": [{"dataset": "a", "recipe": "b", **BENCHMARK}],
    "rivals": [{"dataset": "a", "recipe": "b", **RANKING}],
}

(SECTION,) = sections(REPORT, {})

#: Backgrounds of the page, light and dark.
PAGES = ("#ffffff", "#14171c")


def luminance(color):
    """Relative luminance as the WCAG define it."""
    parts = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_chart_is_the_same_every_time_and_no_text_leaves_it(chart, width):
    svg = chart.draw(SECTION, width)
    assert chart.draw(SECTION, width) == svg
    assert "currentColor" in svg
    drawn = Drawn(svg)
    assert drawn.width == width
    for element in drawn.all("text"):
        x, length = (
            float(element.get("x")),
            text_width(element.text, float(element.get("font-size"))),
        )
        start = {"start": 0, "middle": length / 2, "end": length}[element.get("text-anchor")]
        assert x - start >= -1 and x - start + length <= width + 1, element.text


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_chart_says_what_is_seen_and_has_a_caption(chart):
    assert len(Drawn(chart.draw(SECTION, WIDE)).description.split()) > 5
    assert chart.caption(SECTION).endswith(".")
    assert chart.title[0].isupper()


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_without_data_there_is_no_chart(chart):
    assert chart.draw(Section("a", "b"), WIDE) == ""
    assert chart.draw(Section("a", "b", benchmark={"figures": []}), WIDE) == ""


@pytest.mark.parametrize("colors", [COLORS, STAGE_COLORS], ids=["engines", "stages"])
def test_colours_are_seen_on_a_light_and_on_a_dark_page(colors):
    for page in map(luminance, PAGES):
        for name, color in colors.items():
            light, dark = sorted((page, luminance(color)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 3, name


def test_names_of_hostile_tools_are_texts():
    rows = [{**RANKING["rows"][1], "tool": "<script>alert(1)</script>\u202e"}]
    section = Section("a", "b", ranking={**RANKING, "rows": rows})
    (chart,) = (chart for chart in CHARTS if chart.name == "rivals")
    svg = str(chart.draw(section, WIDE))
    assert "<script" not in svg and "\u202e" not in svg
    assert "&lt;script&gt;" in svg
