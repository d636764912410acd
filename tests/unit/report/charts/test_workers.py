"""Each worker has a row, filled while it was busy."""

import re

import pytest

from pixelmill.report.charts.workers import CHART
from pixelmill.report.palette import COLORS
from pixelmill.report.sections import Section
from tests.helpers.charts import TIMES
from tests.helpers.svgs import Drawn

SECTION = Section("a", "b", times=TIMES)


def test_rows_are_filled_while_workers_are_busy():
    drawn = Drawn(CHART.draw(SECTION, 760))
    rows = [e for e in drawn.all("path") if e.get("fill") != "none"]
    assert [e.get("fill") for e in rows] == [COLORS["sequential"], *[COLORS["threads"]] * 2]
    (x0, _), (x1, _) = drawn.place("0"), drawn.place("1")
    for row in rows:
        spans = [
            ((float(start) - x0) / (x1 - x0), float(length) / (x1 - x0))
            for start, length in re.findall(r"M(\S+) \S+?h([\d.]+)v", row.get("d"))
        ]
        assert spans == [pytest.approx((0, 1), abs=0.01), pytest.approx((2, 1), abs=0.01)]


def test_few_workers_are_named_where_there_are_many():
    assert {"sequential 1", "threads 1", "threads 2"} <= set(Drawn(CHART.draw(SECTION, 760)).words)
    busy = [{"worker": k + 1, "images": 1, "busy": [[0.0, 1.0]]} for k in range(128)]
    section = Section("a", "b", times=[{"engine": "processes", "workers": busy}])
    drawn = Drawn(CHART.draw(section, 760))
    names = [word for word in drawn.words if word.startswith("processes")]
    assert 3 <= len(names) <= 40
    assert names[0] == "processes 1"
    assert drawn.height < 600


def test_the_share_of_busy_time_is_told():
    description = Drawn(CHART.draw(SECTION, 760)).description
    assert "threads: 2 busy for 67 % of the time" in description


def test_without_busy_times_there_is_no_chart():
    assert CHART.draw(Section("a", "b", times=[{**TIMES[0], "workers": []}]), 760) == ""


@pytest.mark.parametrize("ends", [(1.0, 4.0), (4.0, 1.0)])
def test_busy_time_is_a_share_of_that_until_the_last_worker_ended(ends):
    workers = [{"worker": k + 1, "images": 1, "busy": [[0.0, end]]} for k, end in enumerate(ends)]
    section = Section("a", "b", times=[{"engine": "threads", "workers": workers}])
    assert "busy for 62 % of the time" in Drawn(CHART.draw(section, 760)).description
