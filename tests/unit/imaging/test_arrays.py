"""Levels: arrays that share memory with images, with and without a fourth byte."""

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.arrays import (
    behind,
    from_levels,
    levels_of,
    packed,
    padded,
    reduced,
    upright,
)
from pixelmill.imaging.codecs.metadata import TRANSPOSITIONS


@pytest.fixture
def levels(photo):
    return levels_of(photo(31, 20))


def test_padding_is_put_on_and_taken_off_without_a_change(levels):
    roomy = padded(levels)
    assert behind(levels) is None
    assert behind(roomy).shape == (20, 31, 4)
    assert padded(roomy) is roomy
    for made in (roomy, packed(roomy)):
        np.testing.assert_array_equal(made, levels)
    assert packed(roomy).flags.c_contiguous
    assert packed(levels) is levels


def test_grey_needs_no_padding(photo):
    grey = levels_of(photo(31, 20).convert("L"))
    assert padded(grey) is grey
    assert packed(grey) is grey
    assert behind(grey) is None


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_levels_become_the_image_that_they_came_from(photo, mode):
    image = photo(31, 20).convert(mode)
    for levels in (levels_of(image), padded(levels_of(image))):
        assert from_levels(levels) == image


@pytest.mark.parametrize("orientation", [1, *TRANSPOSITIONS])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_levels_are_turned_upright_as_images_are(photo, mode, orientation):
    image = photo(31, 20).convert(mode)
    expected = image
    if orientation != 1:
        expected = image.transpose(TRANSPOSITIONS[orientation])
    for levels in (levels_of(image), padded(levels_of(image))):
        made = upright(levels, orientation)
        assert from_levels(made) == expected
        assert (behind(made) is None) == (behind(levels) is None)


def test_what_only_looks_padded_is_none():
    wide = np.zeros((4, 5, 4), np.uint8)
    assert behind(wide) is None
    assert behind(np.zeros((4, 5, 3), np.uint8)[:2]) is None
    assert behind(np.asarray(Image.new("RGB", (5, 4)))) is None


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("size", [(96, 64), (97, 65), (103, 71), (5, 3), (1, 9)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_levels_are_reduced_as_images_are(photo, mode, size, factor):
    image = photo(*size).convert(mode)
    expected = levels_of(image.reduce(factor)).astype(int)
    for levels in (levels_of(image), padded(levels_of(image))):
        made = reduced(levels, factor)
        assert np.abs(made - expected).max() <= 1
        assert (behind(made) is None) == (behind(levels) is None)
