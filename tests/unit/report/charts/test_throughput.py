"""The chart of the throughput shows the rows of the comparison, as its table does."""

import pytest

from pixelmill.report.charts.throughput import CHART
from pixelmill.report.palette import COLORS
from pixelmill.report.sections import sections
from tests.helpers.charts import BENCHMARK, ROWS
from tests.helpers.svgs import Drawn

NAMES = {"dataset": "a", "recipe": "b"}


def section(**parts):
    (found,) = sections({"rows": [{**NAMES, **row} for row in ROWS], **parts}, {})
    return found


@pytest.fixture
def measured():
    return section(scaling=[{**NAMES, **BENCHMARK}])


def test_single_passes_are_shown_with_their_speedup():
    drawn = Drawn(CHART.draw(section(), 760))
    assert {"sequential", "12.5", "threads", "25.0 · 2.00x on 2"} <= set(drawn.words)
    assert [color for _, _, color, _ in drawn.dots] == [COLORS["sequential"], COLORS["threads"]]
    assert CHART.caption(section()) == "One pass of each engine, including start-up."


def test_of_a_benchmark_the_most_workers_and_the_loop_are_shown(measured):
    drawn = Drawn(CHART.draw(measured, 760))
    assert [title.split(":")[0] for *_, title in drawn.dots] == [
        "plain loop", "independent loops", "threads", "processes",
    ]  # fmt: skip
    assert "312 · 3.90x on 4" in drawn.words  # the ratio of 312 and 80, as they are shown
    assert CHART.caption(measured).startswith(
        "Median of 5 measurements on 1,000 images, without start-up"
    )


def test_on_a_phone_the_note_is_shorter(measured):
    assert "312 · 3.90x" in Drawn(CHART.draw(measured, 350)).words
