"""Weights are exact in single precision, and as close to the ideal as that allows."""

import itertools

import cv2
import numpy as np
import pytest

from pixelmill.imaging.steps.fixed_point import gaussian_kernel, round_exact, to_fixed_point

ROWS = [(0.5, 0.0), (1.05, -3.3), (2.3, -1.3, 0.0), (0.95, 0.05, 0.0, 12.7), (100.0, -99.0, 255.0)]


@pytest.mark.parametrize("row", ROWS)
def test_sums_are_the_same_in_any_order(row):
    made = np.array(round_exact(*row), np.float32)
    assert tuple(made.tolist()) == round_exact(*row)
    levels = np.random.default_rng(1).integers(0, 256, (2_000, len(row) - 1))
    terms = np.c_[levels, np.ones(len(levels))].astype(np.float32) * made
    whole = np.c_[levels, np.ones(len(levels))] @ made.astype(float)
    for order in itertools.permutations(range(len(row))):
        total = np.zeros(len(levels), np.float32)
        for k in order:
            total += terms[:, k]
        np.testing.assert_array_equal(total, whole)


@pytest.mark.parametrize("row", ROWS)
def test_rounding_loses_no_level(row):
    assert np.abs(np.array(round_exact(*row)) - row) @ ([255] * (len(row) - 1) + [1]) < 0.05


MATRICES = {
    "greys": [[0.299, 0.587, 0.114, 0]] * 3,
    "mixed": [[0.95, 0.05, 0, 0.3], [0.02, 0.96, 0.02, -7.77], [-0.31, 0.0821, 0.92, 0]],
    "halves": [[0.5, 0, 0, 0], [0.5, 0.5, 0, 0.5], [0, 0, 0.25, -0.25]],
    "as far as whole numbers go": [[31.9, -31.9, 0.5, 0], [-31, 0, 31.7, 99], [1, 1, 1, -300]],
    "beyond": [[-40.3, 0, 40.3, 0], [1, 1, 1, 0], [1000, -1000, 999, 1000]],
}


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_a_product_does_not_depend_on_the_position_of_the_pixel(matrix):
    rows = to_fixed_point(tuple(map(tuple, matrix)))
    levels = np.random.default_rng(1).integers(0, 256, (1, 4_099, 3), dtype=np.uint8)
    whole = cv2.transform(levels, rows)
    for length in (1, 5, 17, 33, 65):  # some are all tail, whatever the vectors' length
        parts = [cv2.transform(levels[:, k : k + length], rows) for k in range(0, 4_099, length)]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_a_product_is_that_of_the_given_rows_to_a_level(matrix):
    rows = np.array(matrix)
    levels = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    expected = np.clip(levels @ rows[:, :3].T + rows[:, 3], 0, 255)
    made = cv2.transform(levels, to_fixed_point(tuple(map(tuple, matrix))))
    coarser = np.maximum(1, np.abs(rows[:, :3]).sum(axis=1) / 16)
    assert (np.abs(made - expected).max(axis=(0, 1)) < 0.5 + 0.5 * coarser).all()


def test_rounded_rows_keep_their_sums():
    random = np.random.default_rng(3)
    for _ in range(100):
        rows = random.normal(0, 1, (3, 3)).round(3)
        rows[:, 2] = 1 - rows[:, :2].sum(axis=1)
        made = to_fixed_point(tuple((*row, 0.0) for row in rows))
        np.testing.assert_array_equal(made[:, :3].sum(axis=1), 1)
        assert np.abs(made[:, :3] - rows).max() < 1 / 1024


@pytest.mark.parametrize("deviation", [0.1, 0.5, 1, 2, 3.3, 8, 16])
def test_the_weights_of_a_gaussian_kernel_are_whole_numbers(deviation):
    line = gaussian_kernel(deviation, int(3 * deviation) + 1)
    places = np.arange(len(line)) - len(line) // 2
    right = np.exp(-((places / deviation) ** 2) / 2)
    assert line.dtype == np.float32
    assert line.sum() == 256
    np.testing.assert_array_equal(line, np.rint(line))
    np.testing.assert_array_equal(line, line[::-1])
    assert np.abs(line - 256 * right / right.sum()).max() <= 1.5


def test_what_is_nothing_is_left_out():
    assert (
        gaussian_kernel(1.0, 50).tolist()
        == gaussian_kernel(1.0, 3).tolist()
        == [1, 14, 62, 102, 62, 14, 1]
    )
