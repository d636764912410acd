"""The structural similarity is that of another library."""

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.codecs.ssim import ssim
from pixelmill.verification.second_ssim import luma_ssim

#: Size, kind of spoiling, and the similarity that scikit-image 0.26.0 gives with a Gaussian window
#: of standard deviation 1.5, without sample covariance, and with a range of 255.
KNOWN = [
    ((64, 48), 5, 0.999555527), ((64, 48), 31, 0.982977063), ((64, 48), 90, 0.921698666),
    ((300, 520), 5, 0.999700015), ((300, 520), 31, 0.988331144), ((300, 520), 90, 0.940765317),
    ((11, 11), 5, 0.994804312), ((11, 11), 31, 0.856529829), ((11, 11), 90, 0.888314837),
    ((37, 600), 5, 0.999683782), ((37, 600), 31, 0.987728377), ((37, 600), 90, 0.93780309),
]  # fmt: skip


def waves(width, height):
    y, x = np.mgrid[:height, :width]
    return ((x * x + 3 * x * y + 7 * y * y) // 11 % 200 + x % 41).astype(np.uint8)


def spoiled(picture, kind):
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    changed = picture.astype(int) + (x * 5 + y * 3) % kind - kind // 2
    return np.clip(changed, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("size", "kind", "expected"), KNOWN)
def test_the_similarity_is_that_of_another_library(size, kind, expected):
    one = waves(*size)
    other = spoiled(one, kind)
    assert ssim(*map(Image.fromarray, (one, other))) == pytest.approx(expected, abs=1e-8)
    colored = (np.dstack([levels] * 3) for levels in (one, other))
    assert luma_ssim(*colored) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (10, 10), (600, 2)])
def test_pictures_smaller_than_the_window_are_compared(size):
    one = Image.fromarray(waves(*size))
    assert ssim(one, one) == 1.0
    assert -1 < ssim(one, one.point(lambda level: 255 - level)) < 1


def test_colours_are_compared_by_their_luma():
    red, gray = Image.new("RGB", (20, 20), (255, 0, 0)), Image.new("L", (20, 20), 76)
    assert ssim(red, gray) == 1.0


def test_pictures_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="cannot be compared"):
        ssim(Image.new("L", (20, 20)), Image.new("L", (20, 21)))


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (10, 30), (11, 11)])
def test_a_picture_smaller_than_the_window_is_compared_as_a_whole(size):
    levels = np.arange(3 * size[0] * size[1], dtype=np.uint8).reshape(*size, 3)
    assert luma_ssim(levels, levels) == pytest.approx(1)
    assert luma_ssim(levels, 255 - levels) < 0.99
