"""Distributions show every value, and say in words what is seen."""

import re

import numpy as np
import pytest

from pixelmill.report.charts.distributions import Dot, histogram, scatter


def counted(svg):
    """The numbers of images that the bars of a histogram stand for."""
    return [int(n.replace(",", "")) for n in re.findall(r": ([\d,]+) images</title>", svg)]


@pytest.mark.parametrize("log", [False, True], ids=["linear", "logarithmic"])
def test_the_bars_of_a_histogram_count_all_values(log):
    values = np.array([1.0, 2, 3, 4, 5, 5, 1000, np.nan])
    svg = histogram(values, 760, "seconds", "images", log)
    assert sum(counted(svg)) == 7
    assert "Histogram of seconds of 7 images, 1 to 1,000, median 4." in svg


@pytest.mark.parametrize("log", [False, True], ids=["linear", "logarithmic"])
@pytest.mark.parametrize("value", [0.0, 7.0, 0.001])
def test_equal_values_are_one_bar(value, log):
    assert counted(histogram(np.full(9, value), 350, "x", "images", log)) == [9]


def test_a_logarithmic_histogram_shows_zeros_at_its_lower_end():
    assert sum(counted(histogram(np.array([0.0, 0, 5, 50]), 760, "x", "images", log=True))) == 4


def test_nothing_is_drawn_without_values():
    assert histogram(np.array([np.nan]), 760, "x", "images") == ""
    assert scatter([], 760, "x", "y") == ""


def test_a_scatter_plot_has_a_dot_for_each_picture_with_its_name():
    dots = [Dot(12.5, 100, "<a>.jpg", 3), Dot(0, 20, "b.jpg"), Dot(9e5, 255, "c.jpg")]
    svg = scatter(dots, 760, "sharpness", "mean luma")
    assert svg.count("<circle") == 3
    assert "<title>&lt;a&gt;.jpg: sharpness 12.5, mean luma 100</title>" in svg
    assert re.findall(r'data-picture="(\d+)"', svg) == ["3"]
    places = [float(x) for x in re.findall(r'cx="([\d.]+)"', svg)]
    assert places == sorted(places, key=lambda x: [places[1], places[0], places[2]].index(x))
