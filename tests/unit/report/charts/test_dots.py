"""A dot stands at its value on an axis from zero, with a line from its lowest to its highest."""

import pytest

from pixelmill.report.charts.dots import Dot, dot_plot
from tests.helpers.svgs import Drawn

DOTS = [
    Dot("one", 50.0, "#111111", note="50.0"),
    Dot("two", 100.0, "#222222", 80.0, 120.0, note="100 !"),
]


def per_pixel(drawn, value):
    """Position of a value, from the ticks."""
    (x0, _), (x1, _) = drawn.place("0"), drawn.place("100")
    return x0 + (x1 - x0) * value / 100


@pytest.mark.parametrize("width", [760, 350])
def test_dots_stand_at_their_values(width):
    drawn = Drawn(dot_plot(DOTS, width, "things per second", "things"))
    if width == 760:
        for (x, _, color, _), dot in zip(drawn.dots, DOTS, strict=True):
            assert x == pytest.approx(per_pixel(drawn, dot.value), abs=0.2)
            assert color == dot.color
    (_, first, *_), (_, second, *_) = drawn.dots
    assert first < second  # in the order given, from the top
    assert drawn.place("one")[1] == first


def test_the_line_goes_from_the_lowest_to_the_highest_value():
    drawn = Drawn(dot_plot(DOTS, 760, "things per second", "things"))
    y = drawn.dots[1][1]
    spans = [line for line, color, _ in drawn.lines if color == "currentColor" and line[0][1] == y]
    assert [end[0] for end in spans[-1]] == pytest.approx(
        [per_pixel(drawn, 80), per_pixel(drawn, 120)], abs=0.2
    )


def test_values_are_told_when_hovered_and_to_screen_readers():
    drawn = Drawn(dot_plot(DOTS, 760, "things per second", "things"))
    assert [title for *_, title in drawn.dots] == ["one: 50 things", "two: 100 things (80 to 120)"]
    assert drawn.description == "Dot plot: one 50 things; two 100 things (80 to 120)."
    assert "things per second" in drawn.words
    assert {"50.0", "100 !"} <= set(drawn.words)


def test_no_dots_give_no_plot_and_a_zero_has_its_place():
    assert dot_plot([], 760, "a", "b") == ""
    assert len(Drawn(dot_plot([Dot("none", 0.0, "#111111")], 760, "a", "b")).dots) == 1


def test_the_axis_reaches_to_the_highest_measurement_of_all():
    """It may be one of a dot that is not the highest itself."""
    dots = [Dot("one", 50.0, "#111111", 10.0, 400.0), Dot("two", 100.0, "#222222")]
    drawn = Drawn(dot_plot(dots, 760, "things per second", "things"))
    assert max(x for line, *_ in drawn.lines for x, _ in line) <= 760
