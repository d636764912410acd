"""Speedups stand at their workers with their spread, and predictions are marked as such."""

import pytest

from pixelmill.report.charts.scaling import CHART
from pixelmill.report.palette import COLORS
from pixelmill.report.sections import Section
from tests.helpers.charts import BENCHMARK
from tests.helpers.svgs import Drawn

#: Few workers: linear axes.
FEW = {**BENCHMARK, "fits": {}}


def drawn(benchmark, width=760):
    return Drawn(CHART.draw(Section("a", "b", benchmark=benchmark), width))


def test_points_stand_at_their_workers_and_speedups():
    found = drawn(FEW)
    x = {text: px for text, px, _ in found.texts if text in ("1", "2", "4")}
    ideal = next(line for line, _, title in found.lines if title == "ideal")
    threads = [dot for dot in found.dots if dot[3].startswith("threads")]
    assert [title for *_, title in threads][-1] == "threads, 4 workers: 3.88 (3.6 to 4.08)"
    for (px, py, color, _), (ideal_x, ideal_y), count in zip(
        threads, ideal, (1, 2, 4), strict=True
    ):
        assert px == ideal_x == pytest.approx(x.get(str(count), px), abs=0.1)
        zero = ideal[0][1] + (ideal[0][1] - ideal[1][1])  # the ideal rises by one per worker
        assert (zero - py) / (zero - ideal_y) == pytest.approx(0.97, abs=0.01)
        assert color == COLORS["threads"]


def test_the_spread_is_a_line_from_the_lowest_to_the_highest_speedup():
    found = drawn(FEW)
    ideal = next(line for line, _, title in found.lines if title == "ideal")
    unit = ideal[0][1] - ideal[1][1]
    spans = [
        abs(line[0][1] - line[1][1]) / unit
        for line, color, _ in found.lines
        if color == COLORS["threads"] and len(line) == 2 and line[0][0] == line[1][0]
    ]
    assert spans == pytest.approx([0.12, 0.24, 0.48], abs=0.01)


def test_many_workers_are_on_logarithmic_axes_which_say_so():
    assert "workers (logarithmic)" in drawn(BENCHMARK).words
    assert "workers" in drawn(FEW).words
    found = drawn(BENCHMARK)
    assert {"1", "2", "4", "8", "32"} <= set(found.words)


def test_what_is_predicted_is_named_so_and_of_the_best_engine():
    found = drawn(BENCHMARK)
    assert {"ideal", "threads", "processes", "independent loops"} <= set(found.words)
    assert "threads: fit and prediction" in found.words
    dashed = [e for e in found.all("path") if e.get("stroke-dasharray") == "7 4"]
    assert {e.get("stroke") for e in dashed} == {COLORS["threads"]}
    (band,) = [e for e in found.all("path") if e.get("fill") != "none"]
    assert band.get("fill") == COLORS["threads"]
    assert "is no measurement" in CHART.caption(Section("a", "b", benchmark=BENCHMARK))


@pytest.mark.parametrize("benchmark", [FEW, {"figures": BENCHMARK["figures"]}])
def test_without_fits_nothing_is_predicted(benchmark):
    assert not [word for word in drawn(benchmark).words if "prediction" in word or "fit" in word]
    caption = CHART.caption(Section("a", "b", benchmark=benchmark))
    assert caption == "Vertical lines: from the slowest to the fastest measurement."


def test_the_curve_of_a_fit_goes_through_what_lies_on_it():
    """Also if the engine has overhead, so that one worker has a speedup below 1."""
    amdahl = {"serial_share": 0.0, "low": 0.0, "high": 0.0, "one_worker": 0.97}
    fit = {"amdahl": amdahl, "usl": None, "predictions": []}
    found = drawn({**BENCHMARK, "fits": {"threads": fit}})
    (curve,) = [line for line, _, title in found.lines if title.startswith("threads: fit")]
    points = [(x, y) for x, y, color, _ in found.dots if color == COLORS["threads"]]
    for end, point in ((curve[0], points[0]), (curve[-1], points[-1])):
        assert end == pytest.approx(point, abs=0.2)


def test_a_line_goes_from_fewer_to_more_workers_whatever_the_order_of_the_cases():
    turned = {**FEW, "figures": BENCHMARK["figures"][::-1]}
    lines = [line for line, color, _ in drawn(turned).lines if color == COLORS["threads"]]
    (curve,) = [line for line in lines if len(line) == 3]
    assert [x for x, _ in curve] == sorted(x for x, _ in curve)
