"""The distribution of times is a rising line for each engine, without filled areas."""

import pytest

from pixelmill.report.charts.latencies import CHART, shares
from pixelmill.report.palette import COLORS
from pixelmill.report.sections import Section
from tests.helpers.charts import TIMES
from tests.helpers.svgs import Drawn

SECTION = Section("a", "b", times=TIMES)


def test_the_shares_are_those_of_the_bins():
    found = shares({"edges": [1.0, 2.0, 4.0, 8.0], "counts": [1, 0, 3]})
    assert found == [(1.0, 0.0), (2.0, 25.0), (4.0, 25.0), (8.0, 100.0)]


def test_lines_rise_from_none_to_all_images():
    drawn = Drawn(CHART.draw(SECTION, 760))
    lines = [(line, color) for line, color, title in drawn.lines if title]
    assert [color for _, color in lines] == [COLORS["sequential"], COLORS["threads"]]
    for line, _ in lines:
        heights = [y for _, y in line]
        assert heights[0] == drawn.place("0 %")[1]
        assert heights[-1] == drawn.place("100 %")[1]
        share = (heights[0] - heights[1]) / (heights[0] - heights[-1])
        assert share == pytest.approx(0.9, abs=0.002)
    assert not [e for e in drawn.all("path") if e.get("fill") != "none"]


def test_the_axis_says_when_it_is_logarithmic_and_the_median_is_a_dot():
    drawn = Drawn(CHART.draw(SECTION, 760))
    assert "wall milliseconds per image (logarithmic)" in drawn.words
    assert {"1", "10", "100"} <= set(drawn.words)
    assert [y for _, y, _, _ in drawn.dots] == [drawn.place("50 %")[1]] * 2
    near = [{**TIMES[0], "latency": {**TIMES[0]["latency"], "edges": [0.04, 0.05, 0.06]}}]
    assert "wall milliseconds per image" in (
        Drawn(CHART.draw(Section("a", "b", times=near), 760)).words
    )


def test_quantiles_are_told():
    description = Drawn(CHART.draw(SECTION, 350)).description
    assert "threads: half of the images within 5 ms, 95 % within 50 ms" in description


def test_the_axis_reaches_over_the_times_of_all_engines():
    """The fastest and the slowest may be in any place."""
    slow, fast = (
        {**entry, "latency": {**entry["latency"], "edges": edges}}
        for entry, edges in zip(TIMES, ([0.01, 0.1, 1.0], [0.0001, 0.001, 0.01]), strict=True)
    )
    for times in ([slow, fast], [fast, slow]):
        drawn = Drawn(CHART.draw(Section("a", "b", times=times), 760))
        left, right = drawn.place("0 %")[0], 760
        curves = [line for line, _, title in drawn.lines if title]
        assert all(left < x < right for line in curves for x, _ in line)
        starts = sorted(line[0][0] for line in curves)
        assert starts[1] - starts[0] > 100
