"""The mean wall time of each stage is a part of the bar of its engine."""

from itertools import pairwise

import pytest

from pixelmill.report.charts.stages import CHART
from pixelmill.report.palette import STAGE_COLORS
from pixelmill.report.sections import Section
from tests.helpers.charts import TIMES
from tests.helpers.svgs import Drawn

SECTION = Section("a", "b", times=TIMES)


def test_parts_have_the_length_and_colour_of_their_stage():
    drawn = Drawn(CHART.draw(SECTION, 760))
    parts = [bar for bar in drawn.bars if bar[5].startswith("threads")]
    assert parts[2][5] == "threads, steps: 4 ms"
    widths = [bar[2] for bar in parts]
    assert [w / widths[0] for w in widths] == pytest.approx([1, 2, 4, 1, 1], abs=0.02)
    names = ("read", "decode", "steps", "encode", "wait")
    assert [bar[4] for bar in parts] == [STAGE_COLORS[name] for name in names]
    for one, other in pairwise(parts):
        assert one[0] + one[2] == pytest.approx(other[0], abs=0.2)


def test_the_sum_is_written_behind_and_time_is_called_wall_time():
    drawn = Drawn(CHART.draw(SECTION, 760))
    assert drawn.words.count("9") == 2
    assert "wall milliseconds of a worker per image" in drawn.words
    assert drawn.description.startswith(
        "Stacked bars of the mean wall time of an image: sequential 9 ms, most for steps"
    )
    assert "“wait”" in CHART.caption(SECTION)


def test_waiting_is_explained_only_if_it_is_shown():
    stages = {name: value for name, value in TIMES[0]["stages"].items() if name != "wait"}
    times = [{**TIMES[0], "stages": stages}]
    assert "wait" not in CHART.caption(Section("a", "b", times=times))
