"""Arrays share memory with images, with and without a fourth byte per pixel."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.arrays import (
    array_of,
    as_bgr,
    as_bgra,
    image_of,
    opencv,
    padded_base,
    reduced,
    upright,
)
from pixelmill.imaging.codecs.metadata import TRANSPOSITIONS
from tests.helpers.imaging import arrays_of


@pytest.fixture
def levels(photo):
    return array_of(photo(31, 20))


def test_padding_is_put_on_and_taken_off_without_a_change(levels):
    roomy = as_bgra(levels)[..., :3]
    assert padded_base(levels) is None
    assert padded_base(roomy).shape == (20, 31, 4)
    assert as_bgra(roomy) is padded_base(roomy)
    for made in (roomy, as_bgr(roomy)):
        np.testing.assert_array_equal(made, levels)
    assert as_bgr(roomy).flags.c_contiguous
    assert as_bgr(levels) is levels


def test_grey_needs_no_padding(photo):
    grey = array_of(photo(31, 20).convert("L"))
    assert as_bgr(grey) is grey
    assert padded_base(grey) is None


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_levels_become_the_image_that_they_came_from(photo, mode):
    image = photo(31, 20).convert(mode)
    for levels in arrays_of(image):
        assert image_of(levels) == image


@pytest.mark.parametrize("orientation", [1, *TRANSPOSITIONS])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_levels_are_turned_upright_as_images_are(photo, mode, orientation):
    image = photo(31, 20).convert(mode)
    expected = image
    if orientation != 1:
        expected = image.transpose(TRANSPOSITIONS[orientation])
    for levels in arrays_of(image):
        made = upright(levels, orientation)
        assert image_of(made) == expected
        assert (padded_base(made) is None) == (padded_base(levels) is None)


def test_opencv_works_in_the_thread_that_calls_it():
    """The workers of the engines use the other cores."""
    cv2.setNumThreads(2)
    opencv.cache_clear()
    assert opencv().getNumThreads() == 1


def test_what_only_looks_padded_is_none():
    wide = np.zeros((4, 5, 4), np.uint8)
    assert padded_base(wide) is None
    assert padded_base(np.zeros((4, 5, 3), np.uint8)[:2]) is None
    assert padded_base(np.asarray(Image.new("RGB", (5, 4)))) is None


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("size", [(96, 64), (97, 65), (103, 71), (5, 3), (1, 9)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_levels_are_reduced_as_images_are(photo, mode, size, factor):
    image = photo(*size).convert(mode)
    expected = array_of(image.reduce(factor)).astype(int)
    for levels in arrays_of(image):
        made = reduced(levels, factor)
        assert np.abs(made - expected).max() <= 1
        assert (padded_base(made) is None) == (padded_base(levels) is None)


@pytest.mark.parametrize("size", [(13, 12), (12, 13), (13, 13)])
def test_only_the_side_that_a_factor_does_not_divide_has_smaller_blocks(size):
    pixels = np.random.default_rng(2).integers(0, 256, (*size[::-1], 3), np.uint8)
    expected = np.asarray(Image.fromarray(pixels).reduce(4)).astype(int)
    made = reduced(pixels, 4)
    assert made.shape == expected.shape
    assert np.abs(made - expected).max() <= 1


@pytest.mark.parametrize(
    ("interface", "used"),
    [("INTERFACE = 2", True), ("INTERFACE = 1", False), ("", False)],
    ids=["this-version", "another-version", "before-versions"],
)
def test_a_kernel_of_another_version_is_not_used(tmp_path, interface, used):
    (tmp_path / "pixelmill_kernel.py").write_text(interface)
    found = "from pixelmill.imaging import arrays; print(arrays.kernel is not None)"
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    made = subprocess.run(
        [sys.executable, "-c", found],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert made.stdout == f"{used}\n"
