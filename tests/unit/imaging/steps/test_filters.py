"""Filters have their documented effects, compared with OpenCV and NumPy."""

import math

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter


def pixels(image):
    return np.asarray(image).astype(float)


def psnr(a, b):
    error = np.mean((pixels(a) - pixels(b)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def to_levels(values):
    return np.clip(np.floor(values + 0.5), 0, 255)


@pytest.fixture
def noise():
    """Function that returns an image in which each pixel differs from its neighbours."""

    def make(width, height):
        levels = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
        return Image.fromarray(levels)

    return make


@pytest.mark.parametrize("radius", [0.5, 1, 2, 5, 10])
def test_the_radius_of_gaussian_blur_is_its_standard_deviation(apply, photo, radius):
    image = photo(201, 133)
    levels = np.asarray(image)
    expected = cv2.GaussianBlur(levels, (0, 0), radius, borderType=cv2.BORDER_REPLICATE)
    assert psnr(apply(image, "gaussian_blur", radius=radius), expected) >= 45


def test_unsharp_mask_adds_the_difference_from_a_blur(apply, photo):
    image = photo(201, 133)
    source = pixels(image)
    detail = source - cv2.GaussianBlur(source, (0, 0), 2)
    expected = to_levels(np.where(np.abs(detail) > 3, source + 1.5 * detail, source))
    made = apply(image, "unsharp_mask", radius=2, percent=150, threshold=3)
    assert psnr(made, expected) >= 40 > psnr(image, expected)


def test_unsharp_mask_ignores_differences_below_its_threshold(apply, photo):
    image = photo(60, 40)
    assert apply(image, "unsharp_mask", radius=2, percent=500, threshold=255) == image
    assert apply(image, "unsharp_mask", radius=2, percent=0, threshold=0) == image


KERNELS = {
    "sharpen": np.array([[-2, -2, -2], [-2, 32, -2], [-2, -2, -2]]) / 16,
    "edge_enhance": np.array([[-1, -1, -1], [-1, 10, -1], [-1, -1, -1]]) / 2,
}


@pytest.mark.parametrize("name", KERNELS)
def test_a_fixed_kernel_is_convolved(apply, photo, name):
    image = photo(60, 40)
    expected = to_levels(cv2.filter2D(pixels(image), -1, KERNELS[name]))
    inner = np.s_[1:-1, 1:-1]
    np.testing.assert_array_equal(pixels(apply(image, name))[inner], expected[inner])


@pytest.mark.parametrize("size", [3, 5, 7])
def test_median_is_that_of_the_square(apply, photo, size):
    image = photo(60, 40)
    inner = np.s_[size // 2 : -(size // 2), size // 2 : -(size // 2)]
    expected = cv2.medianBlur(np.asarray(image), size)
    made = np.asarray(apply(image, "median", size=size))
    np.testing.assert_array_equal(made[inner], expected[inner])


# The same as Pillow's own functions, which hold the GIL


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (64, 48)])
def test_median_is_that_of_pillow_to_the_edge(apply, noise, mode, size):
    image = noise(*size).convert(mode)
    for side in (3, 5, 7):
        own = image.filter(ImageFilter.MedianFilter(side))
        assert apply(image, "median", size=side) == own


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (64, 48)])
@pytest.mark.parametrize(("percent", "threshold"), [(80, 0), (150, 3), (1000, 50)])
@pytest.mark.parametrize("radius", [0, 2, 20])  # the last one is blurred by Pillow
def test_unsharp_mask_adds_as_pillow_does_to_a_level(
    apply, noise, mode, size, percent, threshold, radius
):
    image = noise(*size).convert(mode)
    source = pixels(image)
    detail = source - pixels(apply(image, "gaussian_blur", radius=radius))
    added = np.where(np.abs(detail) > threshold, np.trunc(detail * percent / 100), 0)
    made = pixels(apply(image, "unsharp_mask", radius=radius, percent=percent, threshold=threshold))
    assert np.abs(made - np.clip(source + added, 0, 255)).max() <= 1


# Denoise


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
def test_denoise_comes_nearer_to_the_picture_without_noise(apply, photo, mode):
    clean = photo(90, 60).filter(ImageFilter.GaussianBlur(2))
    noisy = pixels(clean) + np.random.default_rng(1).normal(0, 8, (60, 90, 3))
    noisy = Image.fromarray(to_levels(noisy).astype(np.uint8)).convert(mode)
    made = apply(noisy, "denoise", strength=10)
    assert made.mode == mode
    assert psnr(made, clean.convert(mode)) >= psnr(noisy, clean.convert(mode)) + 4


def test_denoise_of_no_strength_changes_nothing(apply, photo):
    assert apply(photo(60, 40), "denoise", strength=0) == photo(60, 40)


# Alpha


@pytest.mark.parametrize(
    ("name", "params"),
    [("gaussian_blur", {"radius": 2}), ("median", {"size": 5}), ("denoise", {"strength": 5})],
)
def test_hidden_colours_do_not_bleed_into_edges(apply, name, params):
    hidden = np.zeros((30, 30, 4), np.uint8)
    hidden[:, :15] = (200, 40, 40, 255)
    hidden[:, 15:] = (0, 255, 0, 0)
    made = np.asarray(apply(Image.fromarray(hidden), name, **params)).astype(int)
    seen = made[..., 3] > 16
    assert np.abs(made[seen][:, :3] - (200, 40, 40)).max() <= 8
