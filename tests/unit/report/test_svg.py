"""Drawings are small, escape what is hostile, and their axes have round numbers."""

import math

import pytest

from pixelmill.report.svg import Canvas, Scale, legend, linear_ticks, log_ticks, short, x_axis
from tests.helpers.svgs import Drawn


@pytest.mark.parametrize("high", [0.013, 0.7, 1, 3.3, 47, 100, 9_999, 123_456])
@pytest.mark.parametrize("most", [3, 6])
def test_linear_ticks_are_round_and_few(high, most):
    ticks = linear_ticks(0, high, most)
    assert 2 <= len(ticks) <= most
    assert ticks[0] == 0 and ticks[-1] <= high * 1.0001
    step = ticks[1]
    digit = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert round(digit, 6) in (1, 2, 5)


@pytest.mark.parametrize(("low", "high"), [(0.8, 30), (0.0013, 0.9), (2, 3), (1, 10**7)])
@pytest.mark.parametrize("most", [3, 6])
def test_logarithmic_ticks_lie_on_the_axis(low, high, most):
    ticks = log_ticks(low, high, most)
    assert 1 <= len(ticks) <= most
    assert all(low * 0.99 <= tick <= high * 1.01 for tick in ticks) or ticks == [low]


def test_scales_map_their_ends():
    for log in (False, True):
        scale = Scale(2, 32, 10, 110, log)
        assert (scale(2), scale(32)) == (10, 110)
    assert Scale(2, 32, 10, 110, log=True)(8) == pytest.approx(60)
    assert Scale(5, 5, 0, 10)(5) == 5


def test_texts_and_titles_are_escaped():
    canvas = Canvas(10, 10)
    canvas.text(0, 0, "<b>&\u202e")
    canvas.circle(1, 1, 1, "#000000", '"<script>')
    svg = str(canvas.svg('"><script>'))
    assert "<script" not in svg and "<b>" not in svg and "\u202e" not in svg
    assert Drawn(svg).description == '"><script>'


def test_many_bars_are_one_element():
    canvas = Canvas(100, 10)
    canvas.bars([(k, k + 0.5) for k in range(1000)], 1, 5, "#0072b2", "a worker")
    svg = str(canvas.svg("Bars."))
    assert svg.count("<path") == 1
    assert len(svg) < 30_000


def test_a_legend_continues_in_the_next_row():
    canvas = Canvas(200, 100)
    entries = [(f"name {k}", "#000000") for k in range(6)]
    end = legend(canvas, entries, 0, 10, ["", "7 4", "square", "", "", ""])
    places = [(x, y) for _, x, y in Drawn(canvas.svg("Legend.")).texts]
    assert len({y for _, y in places}) > 1
    assert max(y for _, y in places) < end
    assert all(x < 200 for x, _ in places)


def test_an_axis_has_its_values_and_its_label_inside_the_drawing():
    canvas = Canvas(120, 60)
    x_axis(canvas, Scale(0, 100, 60, 110), 20, 0, "a long label", 3)
    drawn = Drawn(canvas.svg("Axis."))
    assert {"0", "50", "100", "a long label"} <= set(drawn.words)
    assert drawn.place("a long label")[0] < 85


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (-1234.0, "-1,234"), (1e-05, "1e-05")])
def test_short_numbers(value, text):
    assert short(value) == text
