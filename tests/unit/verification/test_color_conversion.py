"""Verification converts stored values to sRGB according to their description."""

import struct

import numpy as np
import pytest
from PIL import ImageCms

from pixelmill.verification.color_conversion import changes_colors, in_rgb
from pixelmill.verification.file_structure import Notes
from pixelmill.verification.second_samples import Samples
from tests.helpers.imaging import ADOBE_RGB, icc_profile, ink_profile

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ADOBE = icc_profile(ADOBE_RGB, 2.2)
LIGHT_IN_GRAY = icc_profile((), 1.0)


def shown(pixels, space="rgb", color="srgb", alpha=False, **notes):
    """The visible colours of a row of pixels."""
    samples = Samples(np.array([pixels]), space, alpha)
    return in_rgb(samples, Notes(**{"kind": "jpeg", **notes}), color)[0].tolist()


def to_srgb(light):
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize(
    ("profile", "space", "changes"),
    [
        (SRGB, "rgb", False),
        (ADOBE, "rgb", True),
        (ADOBE, "gray", False),
        (LIGHT_IN_GRAY, "gray", True),
        (LIGHT_IN_GRAY, "rgb", False),
        (bytes(16) + b"CMYK" + bytes(108), "cmyk", True),
        (ADOBE[:200], "rgb", False),
    ],
    ids=["srgb", "adobe", "adobe of grey", "grey", "grey of colours", "inks", "cut off"],
)
def test_a_profile_changes_colours_if_it_is_of_their_space_and_not_srgb(profile, space, changes):
    assert changes_colors(profile, space) is changes


def test_grey_follows_its_profile_at_every_level():
    levels = np.arange(256, dtype=np.uint8)
    expected = 255 * to_srgb(levels / 255)
    found = np.array(shown(levels[:, None], "gray", profile=LIGHT_IN_GRAY))
    assert found.shape == (256, 3)
    assert np.abs(found - expected[:, None]).max() <= 1


def test_the_darkest_grey_of_a_profile_is_black():
    raised = icc_profile((), 1.8, black=0.02)
    assert shown(np.uint8([[0], [255]]), "gray", profile=raised) == [[0] * 3, [255] * 3]


P3_CHUNK = {b"cICP": bytes((12, 13, 0, 1))}
P3_BOX = {b"nclx": struct.pack(">HH", 12, 13)}


@pytest.mark.parametrize(("kind", "colors"), [("png", P3_CHUNK), ("avif", P3_BOX)])
def test_code_points_are_followed_but_for_grey_whose_primaries_mean_nothing(kind, colors):
    (red,) = shown(np.uint8([[234, 51, 35]]), kind=kind, colors=colors)
    assert np.abs(np.subtract(red, (255, 0, 0))).max() <= 4
    assert shown(np.uint8([[120]]), "gray", kind=kind, colors=colors) == [[120, 120, 120]]
    kept = shown(np.uint8([[234, 51, 35]]), color="keep", kind=kind, colors=colors)
    assert kept == [[234, 51, 35]]


def test_a_profile_goes_before_the_code_points_of_an_avif():
    pixel = np.uint8([[200, 100, 50]])
    by_profile = shown(pixel, kind="avif", profile=ADOBE)
    assert by_profile != shown(pixel, kind="avif")
    assert shown(pixel, kind="avif", profile=ADOBE, colors=P3_BOX) == by_profile


@pytest.mark.parametrize("color", ["srgb", "keep", "drop"])
@pytest.mark.parametrize("profile", [None, b"no profile"])
def test_cmyk_without_a_profile_is_subtracted_from_white(color, profile):
    """255 - 51 leaves 204 of cyan's red, of which black of 102 leaves 153 of 255."""
    pixel = np.uint8([[51, 0, 255, 102]])
    assert shown(pixel, "cmyk", color, profile=profile) == [[122, 153, 0]]
    deep = pixel.astype(np.uint16) * 257
    assert shown(deep, "cmyk", color, profile=profile) == [[122 * 257 + 103, 153 * 257, 0]]


def test_alpha_stays_beside_the_colours_unless_it_is_full():
    half = np.uint8([[200, 100, 50, 128], [1, 2, 3, 255]])
    assert shown(half, alpha=True) == half.tolist()
    assert shown(half[1:], alpha=True) == [[1, 2, 3]]
    assert shown(np.uint8([[7, 9]]), "gray", alpha=True) == [[7, 7, 7, 9]]


def test_inks_follow_their_profile_unless_it_is_dropped():
    pixel = np.uint8([[51, 0, 255, 102]])
    plain, gray_inks = [[122, 153, 0]], ink_profile([(60, 0, 0)] * 16)
    assert shown(pixel, "cmyk", "drop", profile=gray_inks) == plain
    for color in ("srgb", "keep"):
        ((red, green, blue),) = shown(pixel, "cmyk", color, profile=gray_inks)
        assert max(red, green, blue) - min(red, green, blue) <= 1
