"""Weights leave single precision nothing to round, and come as near as that allows."""

import itertools

import numpy as np
import pytest

from pixelmill.weights import bell, exact

ROWS = [(0.5, 0.0), (1.05, -3.3), (2.3, -1.3, 0.0), (0.95, 0.05, 0.0, 12.7), (100.0, -99.0, 255.0)]


@pytest.mark.parametrize("row", ROWS)
def test_sums_are_the_same_in_any_order(row):
    (made,) = exact((row,))
    levels = np.random.default_rng(1).integers(0, 256, (2_000, len(row) - 1))
    terms = np.c_[levels, np.ones(len(levels))].astype(np.float32) * made
    whole = np.c_[levels, np.ones(len(levels))] @ made.astype(float)
    for order in itertools.permutations(range(len(row))):
        total = np.zeros(len(levels), np.float32)
        for k in order:
            total += terms[:, k]
        np.testing.assert_array_equal(total, whole)


@pytest.mark.parametrize("row", ROWS)
def test_rounding_costs_no_level(row):
    (made,) = exact((row,))
    assert np.abs(made.astype(float) - row) @ ([255] * (len(row) - 1) + [1]) < 0.05


@pytest.mark.parametrize("deviation", [0.1, 0.5, 1, 2, 3.3, 8, 16])
def test_a_bell_is_one_in_whole_numbers(deviation):
    line = bell(deviation, int(3 * deviation) + 1)
    places = np.arange(len(line)) - len(line) // 2
    right = np.exp(-((places / deviation) ** 2) / 2)
    assert line.dtype == np.float32
    assert line.sum() == 256
    np.testing.assert_array_equal(line, np.rint(line))
    np.testing.assert_array_equal(line, line[::-1])
    assert np.abs(line - 256 * right / right.sum()).max() <= 1.5


def test_what_is_nothing_is_left_out():
    assert bell(1.0, 50).tolist() == bell(1.0, 3).tolist() == [1, 14, 62, 102, 62, 14, 1]
