"""Filters mix neighbours as their words say, held against OpenCV and NumPy."""

import math

import cv2
import numpy as np
import pytest


def pixels(image):
    return np.asarray(image).astype(float)


def psnr(a, b):
    error = np.mean((pixels(a) - pixels(b)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def to_levels(values):
    return np.clip(np.floor(values + 0.5), 0, 255)


@pytest.mark.parametrize("radius", [0.5, 1, 2, 5, 10])
def test_gaussian_blur_is_one_by_standard_deviation(apply, photo, radius):
    image = photo(201, 133)
    expected = cv2.GaussianBlur(np.asarray(image), (0, 0), radius)
    assert psnr(apply(image, "gaussian_blur", radius=radius), expected) >= 45


def test_unsharp_mask_adds_what_a_blur_takes_away(apply, photo):
    image = photo(201, 133)
    source = pixels(image)
    detail = source - cv2.GaussianBlur(source, (0, 0), 2)
    expected = to_levels(np.where(np.abs(detail) > 3, source + 1.5 * detail, source))
    made = apply(image, "unsharp_mask", radius=2, percent=150, threshold=3)
    assert psnr(made, expected) >= 40 > psnr(image, expected)


def test_unsharp_mask_leaves_alone_what_is_below_its_threshold(apply, photo):
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
