"""The Gaussian blur is accurate to about a level, and the same on every machine."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from pixelmill.imaging.steps.fixed_point import gaussian_kernel
from pixelmill.imaging.steps.gaussian import gaussian
from tests.helpers.imaging import psnr

#: Radii in pixels that are convolved.
RADII = [0.1, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 4.0, 7.0, 16.0]

SHAPES = [(120, 90, 3), (60, 80), (40, 30, 4), (1, 9), (9, 1, 3), (1, 1)]


def by_definition(levels, radius):
    """A Gaussian in double precision, with repeated edge pixels."""
    places = np.arange(-int(5 * radius) - 1, int(5 * radius) + 2)
    weights = np.exp(-((places / radius) ** 2) / 2)
    weights /= weights.sum()
    edge = cv2.BORDER_REPLICATE
    return cv2.sepFilter2D(levels.astype(np.float64), -1, weights, weights, borderType=edge)


@pytest.fixture(params=["noise", "black and white", "ramps", "nearly even"])
def contents(request):
    """Function that gives levels of a shape, harder to blur well than photos are."""

    def make(shape):
        random = np.random.default_rng(3)
        if request.param == "noise":
            return random.integers(0, 256, shape, dtype=np.uint8)
        if request.param == "black and white":
            return (random.integers(0, 2, shape) * 255).astype(np.uint8)
        if request.param == "ramps":
            return (np.arange(np.prod(shape)) // 3 % 256).reshape(shape).astype(np.uint8)
        return random.integers(126, 130, shape, dtype=np.uint8)

    return make


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_level_is_near_to_that_of_a_gaussian(contents, shape, radius):
    levels = contents(shape)
    made = gaussian(radius)(levels)
    assert (made.shape, made.dtype) == (levels.shape, np.uint8)
    away = np.abs(made.reshape(shape) - by_definition(levels, radius).reshape(shape))
    assert away.max() <= 5  # the largest difference, of random black and white pixels
    assert np.sqrt((away**2).mean()) <= 1.1


@pytest.mark.parametrize("radius", RADII)
def test_it_is_nearer_than_that_of_pillow(photo, radius):
    image = photo(200, 133)
    right = by_definition(np.asarray(image), radius)
    own = psnr(gaussian(radius)(np.asarray(image)), right)
    assert own >= 55
    assert own >= psnr(image.filter(ImageFilter.GaussianBlur(radius)), right)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBa"])
def test_the_largest_are_those_of_pillow(contents, mode):
    image = Image.fromarray(contents((60, 80, 4)), "RGBa" if mode == "RGBa" else None)
    image = image if mode == "RGBa" else image.convert(mode)
    radius = 17
    expected = np.asarray(image.filter(ImageFilter.GaussianBlur(radius)))
    np.testing.assert_array_equal(gaussian(radius)(np.asarray(image)), expected)


@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
@pytest.mark.parametrize("radius", [*RADII, 17, 40])
def test_what_is_even_stays_so(level, radius):
    levels = np.full((30, 20, 3), level, np.uint8)
    np.testing.assert_array_equal(gaussian(radius)(levels), levels)


@pytest.mark.parametrize("radius", RADII)
def test_it_is_the_same_from_both_sides(contents, radius):
    levels = contents((50, 70))
    turned = gaussian(radius)(np.ascontiguousarray(levels[::-1, ::-1]))[::-1, ::-1]
    np.testing.assert_array_equal(turned, gaussian(radius)(levels))


@pytest.mark.parametrize("radius", RADII)
def test_no_order_of_summing_changes_a_level(radius):
    """The result must not depend on the order in which a processor adds."""
    line = gaussian_kernel(radius, int(3 * radius) + 1)
    assert line.sum() == 256
    assert (line >= 0).all()
    assert (line == np.rint(line)).all()
    assert 255 * line.sum() ** 2 < 2**24  # the most of them, in whole parts: all of these fit


def test_no_radius_changes_nothing(contents):
    levels = contents((20, 30, 3))
    np.testing.assert_array_equal(gaussian(0)(levels), levels)
