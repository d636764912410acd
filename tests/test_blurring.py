"""The Gaussian is Pillow's, level by level, whichever library does it."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pixelmill.blurring import _kernel, gaussian

#: Radii in pixels: some that OpenCV does, and some that are left to Pillow.
RADII = [0.1, 0.3, 0.5, 0.8, 1.0, 1.1, 1.5, 2.0, 2.5, 3.0, 4.0, 7.0]


def by_pillow(levels, mode, radius):
    size = levels.shape[1::-1]
    image = Image.frombytes(mode, size, levels.tobytes())
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)))


@pytest.fixture(params=["noise", "black and white", "ramps", "nearly even"])
def contents(request):
    """Function that gives levels of a shape, harder to round alike than photos are."""

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
@pytest.mark.parametrize(
    ("shape", "mode"),
    [
        ((120, 90, 3), "RGB"),
        ((60, 80), "L"),
        ((40, 30, 4), "RGBa"),
        ((1, 9), "L"),
        ((9, 1, 3), "RGB"),
        ((1, 1), "L"),
    ],
)
def test_every_level_is_that_of_pillow(contents, shape, mode, radius):
    levels = contents(shape)
    np.testing.assert_array_equal(gaussian(levels, radius), by_pillow(levels, mode, radius))


@pytest.mark.parametrize("radius", [0.5, 1.0, 1.5, 2.0])
def test_radii_that_people_choose_are_done_by_opencv(radius):
    assert _kernel(radius) is not None


def test_no_radius_changes_nothing(contents):
    levels = contents((20, 30, 3))
    np.testing.assert_array_equal(gaussian(levels, 0), levels)
