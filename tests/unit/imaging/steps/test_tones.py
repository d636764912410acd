"""Tone steps change each pixel as documented, compared with formulas in NumPy."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from pixelmill.core.errors import UserError
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.steps import STEPS

#: Luma of ITU-R 601.
LUMA = np.array([0.299, 0.587, 0.114])

IDENTITY = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def pixels(image):
    return np.asarray(image).astype(float)


def test_enhance_changes_nothing_by_default(apply, photo):
    image = photo(60, 40)
    assert apply(image, "enhance") == image


def test_brightness_multiplies(apply, photo):
    image = photo(60, 40)
    made = apply(image, "enhance", brightness=1.4)
    assert np.abs(pixels(made) - np.clip(pixels(image) * 1.4, 0, 255)).max() <= 1


def test_contrast_spreads_around_the_mean_luma(apply, photo):
    image = photo(60, 40)
    mean = (pixels(image) @ LUMA).mean()
    expected = np.clip(mean + (pixels(image) - mean) * 1.5, 0, 255)
    assert np.abs(pixels(apply(image, "enhance", contrast=1.5)) - expected).max() <= 2


def test_color_spreads_around_the_luma_of_each_pixel(apply, photo):
    image = photo(60, 40)
    gray = (pixels(image) @ LUMA)[..., None]
    expected = np.clip(gray + (pixels(image) - gray) * 1.5, 0, 255)
    assert np.abs(pixels(apply(image, "enhance", color=1.5)) - expected).max() <= 0.9


def test_sharpness_spreads_around_a_smoothed_image(apply, photo):
    image = photo(60, 40)
    smooth = cv2.filter2D(pixels(image), -1, np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13)
    expected = np.clip(smooth + (pixels(image) - smooth) * 2, 0, 255)
    made = pixels(apply(image, "enhance", sharpness=2))
    assert np.abs(made - expected)[1:-1, 1:-1].max() <= 0.51


def test_brightness_comes_before_contrast_and_contrast_before_colour(apply, photo):
    image = photo(60, 40)
    one_by_one = apply(image, "enhance", brightness=1.3)
    for factor in ("contrast", "color", "sharpness"):
        one_by_one = apply(one_by_one, "enhance", **{factor: 1.3})
    assert apply(image, "enhance", sharpness=1.3, color=1.3, contrast=1.3, brightness=1.3) == (
        one_by_one
    )


def test_grayscale_is_601_luma(apply, photo):
    image = photo(60, 40)
    made = apply(image, "grayscale")
    assert made.mode == "L"
    assert np.abs(pixels(made) - pixels(image) @ LUMA).max() <= 1


def narrow(image):
    """The same picture in levels 40 to 167."""
    return Image.fromarray(np.asarray(image) // 2 + 40)


def test_autocontrast_stretches_each_channel(apply, photo):
    image = narrow(photo(60, 40))
    low, high = pixels(image).min(axis=(0, 1)), pixels(image).max(axis=(0, 1))
    expected = (pixels(image) - low) * 255 / (high - low)
    assert np.abs(pixels(apply(image, "autocontrast")) - expected).max() <= 1


def test_autocontrast_ignores_its_cutoff_at_both_ends(apply):
    levels = np.repeat(np.array([0] + [100] * 49 + [150] * 49 + [255], np.uint8), 4)
    made = np.asarray(apply(Image.fromarray(levels.reshape(10, 40)), "autocontrast", cutoff=2))
    assert [int(np.median(made[levels.reshape(10, 40) == x])) for x in (100, 150)] == [0, 255]


def test_equalize_evens_out_each_channel(apply, photo):
    made = pixels(apply(narrow(photo(200, 150)), "equalize"))
    for channel in range(3):
        below = [np.mean(made[..., channel] <= level) for level in (63, 127, 191)]
        assert below == pytest.approx([0.25, 0.5, 0.75], abs=0.04)


MATRICES = {
    "identity": IDENTITY,
    "swap": [[0, 0, 1], [0, 1, 0], [1, 0, 0]],
    "mix": [[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.0, 0.5, 0.5]],
    "clips": [[4, 0, 0], [0, -1, 0], [1, 1, 1]],
    "offset": [[1, 0, 0, 10.25], [0, 0.5, 0, -20], [0, 0, 0, 99]],
    "default-recipe": [[0.95, 0.05, 0.0], [0.02, 0.96, 0.02], [0.0, 0.08, 0.92]],
}


@pytest.mark.parametrize("name", MATRICES)
def test_color_matrix_multiplies_each_pixel(apply, photo, name):
    image, matrix = photo(61, 43), MATRICES[name]
    rows = np.array(matrix, float)
    product = np.einsum("ij,yxj->yxi", rows[:, :3], pixels(image))
    if rows.shape[1] == 4:
        product += rows[:, 3]
    made, expected = pixels(apply(image, "color_matrix", matrix=matrix)), np.clip(product, 0, 255)
    assert np.abs(made - expected).max() <= (0.9 if name == "default-recipe" else 0.5)


def test_color_matrix_takes_grey_as_three_equal_channels(apply):
    made = apply(
        Image.new("L", (3, 2), 100), "color_matrix", matrix=[[1, 0, 0], [0.5, 0, 0], [0] * 3]
    )
    assert made.getcolors() == [(6, (100, 50, 0))]


# The same as Pillow's own functions, which hold the GIL

ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "color": ImageEnhance.Color,
    "sharpness": ImageEnhance.Sharpness,
}


@pytest.mark.parametrize("factor", [0, 0.5, 1.2, 3])
@pytest.mark.parametrize("name", ENHANCERS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_enhance_is_that_of_pillow_within_a_level(apply, mode, name, factor):
    random = np.random.default_rng(7)
    for height, width in ((1, 1), (1, 9), (9, 1), (64, 48)):
        levels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        image = Image.fromarray(levels).convert(mode)
        own = ENHANCERS[name](image).enhance(factor)
        assert np.abs(pixels(apply(image, "enhance", **{name: factor})) - pixels(own)).max() <= 1


def test_invisible_pixels_keep_their_alpha_when_enhanced(apply, photo):
    image = photo(60, 40).convert("RGBA")
    image.putalpha(photo(60, 40).convert("L"))
    made = apply(image, "enhance", brightness=1.2, contrast=1.1, color=1.3, sharpness=2)
    assert made.getchannel("A") == image.getchannel("A")
    plain = apply(photo(60, 40), "enhance", brightness=1.2, contrast=1.1, color=1.3, sharpness=2)
    assert made.convert("RGB") == plain


# Levels


@pytest.mark.parametrize("gamma", [0.4, 1, 2.2])
def test_gamma_is_a_power(apply, photo, gamma):
    image = photo(60, 40)
    expected = np.floor(255 * (pixels(image) / 255) ** (1 / gamma) + 0.5)
    np.testing.assert_array_equal(pixels(apply(image, "gamma", gamma=gamma)), expected)


@pytest.mark.parametrize(("black", "white", "gamma"), [(20, 230, 1), (0, 128, 1), (99, 100, 3)])
def test_levels_are_stretched_and_cut(apply, photo, black, white, gamma):
    image = photo(60, 40)
    part = np.clip((pixels(image) - black) / (white - black), 0, 1) ** (1 / gamma)
    made = apply(image, "levels", black=black, white=white, gamma=gamma)
    np.testing.assert_array_equal(pixels(made), np.floor(255 * part + 0.5))


def test_levels_that_cross_are_refused():
    with pytest.raises(UserError, match=r"levels: give white as more than black, 200"):
        parse({"steps": [{"levels": {"black": 200, "white": 200}}]})


@pytest.mark.parametrize("bits", range(1, 9))
def test_posterize_keeps_the_first_bits(apply, photo, bits):
    made = np.asarray(apply(photo(60, 40), "posterize", bits=bits))
    np.testing.assert_array_equal(made, np.asarray(photo(60, 40)) >> (8 - bits) << (8 - bits))


def test_normalise_stretches_the_luminance_and_keeps_the_colours(apply, photo):
    image = narrow(photo(60, 40))
    luma = np.asarray(image.convert("L")).astype(float)
    low, high = luma.min(), luma.max()
    expected = np.clip((pixels(image) - low) * 255 / (high - low), 0, 255)
    made = pixels(apply(image, "normalise", cutoff=0))
    assert np.abs(made - expected).max() <= 1
    # Differences of channels grow equally, so that hues are preserved.
    assert np.argmax(made, axis=2)[expected.max(axis=2) < 255] == pytest.approx(
        np.argmax(pixels(image), axis=2)[expected.max(axis=2) < 255]
    )


def test_normalise_ignores_its_cutoff_at_both_ends():
    levels = np.repeat(np.array([0] + [100] * 49 + [150] * 49 + [255], np.uint8), 4)
    image = Image.fromarray(levels.reshape(10, 40))
    made = np.asarray(STEPS["normalise"].function(image, cutoff=2.0))
    assert [int(np.median(made[levels.reshape(10, 40) == x])) for x in (100, 150)] == [0, 255]


SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])


@pytest.mark.parametrize("amount", [0, 0.5, 1])
def test_sepia_mixes_the_channels(apply, photo, amount):
    image = photo(60, 40)
    matrix = amount * SEPIA + (1 - amount) * np.eye(3)
    expected = np.clip(pixels(image) @ matrix.T, 0, 255)
    assert np.abs(pixels(apply(image, "sepia", amount=amount)) - expected).max() <= 0.9


def test_sepia_of_grey_is_brown(apply):
    red, green, blue = apply(Image.new("L", (2, 2), 100), "sepia").getpixel((0, 0))
    assert red > green > blue
