"""Computations over columns: robust scores, and images with equal texts."""

import numpy as np
import pytest

from pixelmill.inspection.columns import robust_z, same


def test_robust_scores_follow_the_formula():
    values = np.array([1, 2, 3, 4, 5, 6, 100.0])  # median 4, deviations 3 2 1 0 1 2 96: median 2
    assert robust_z(values, 0.1).tolist() == pytest.approx([0.6745 * (v - 4) / 2 for v in values])


def test_an_outlier_does_not_hide_itself():
    values = np.array([*np.linspace(0.9, 1.1, 20), 1000.0])
    assert robust_z(values, 0.01)[-1] > 3.5
    assert np.abs(robust_z(values, 0.01)[:-1]).max() < 3.5


def test_equal_values_are_not_unusual():
    assert robust_z(np.full(5, 3.0), 0.1).tolist() == [0.0] * 5
    assert np.abs(robust_z(np.array([3.0, 3, 3, 3.01]), 0.1)).max() < 3.5


def test_missing_values_have_no_score():
    scores = robust_z(np.array([1.0, np.nan, 2.0]), 0.1)
    assert np.isnan(scores).tolist() == [False, True, False]
    assert np.isnan(robust_z(np.array([np.nan]), 0.1)).all()


def test_images_without_a_text_are_not_the_same():
    texts = np.array(["", "x", "", "y", "x", "x"], object)
    assert same(texts).tolist() == [-1, 1, -1, -1, 1, 1]
    assert same(np.array([], object)).tolist() == []
