"""Synthetic scenes have the statistics of photographs, in every size."""

import numpy as np
import pytest

from pixelmill.dataset.scenes import as_jpeg, noise, photo, solid


@pytest.fixture(scope="module")
def photos():
    """Fifty scenes of the sizes of the demo."""
    made = []
    for number in range(50):
        random = np.random.default_rng([2026, number])
        made.append(photo(random, *(int(side) for side in random.integers(300, 601, 2))))
    return made


@pytest.mark.parametrize("draw", [photo, noise, solid])
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 40), (3, 5), (640, 7)])
def test_a_scene_has_the_size_that_was_asked_for(draw, size):
    made = draw(np.random.default_rng(1), *size)
    assert (made.shape, made.dtype) == ((size[1], size[0], 3), np.uint8)


@pytest.mark.parametrize("draw", [photo, noise, solid])
def test_the_generator_decides_every_pixel(draw):
    one, same, other = (draw(np.random.default_rng(seed), 60, 40) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_photos_compress_as_photographs_of_the_web_do(photos):
    sizes = [len(as_jpeg(made, 90)) / (made.size / 3) for made in photos]
    assert 0.16 < np.mean(sizes) < 0.20  # bytes a pixel
    assert 0.015 < np.std(sizes) < 0.03


def test_the_levels_of_photos_are_spread_as_in_photographs(photos):
    quantiles = [np.percentile(made.mean(axis=2), (1, 10, 50, 90, 99)) for made in photos]
    assert np.mean(quantiles, axis=0) == pytest.approx((38, 68, 125, 183, 215), abs=8)


def test_most_of_a_photo_is_smooth_and_little_of_it_an_edge(photos):
    steps = [np.abs(np.diff(made.mean(axis=2), axis=1)) for made in photos]
    quantiles = np.mean([np.percentile(step, (50, 90, 99)) for step in steps], axis=0)
    assert quantiles == pytest.approx((1.4, 3.8, 10), rel=0.15)
