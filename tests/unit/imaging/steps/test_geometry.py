"""Geometric steps move pixels as documented, compared with NumPy and OpenCV."""

import math
import re

import cv2
import numpy as np
import pytest
from PIL import Image

from pixelmill.core.errors import UserError
from pixelmill.imaging.recipe_parser import parse


def pixels(image):
    return np.asarray(image).astype(float)


def psnr(a, b):
    error = np.mean((pixels(a) - pixels(b)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


MODES = ["RGB", "L", "RGBA", "LA", "I;16"]


@pytest.fixture
def picture(photo):
    """Function that gives a photo in any mode, with an alpha of its own."""

    def make(mode, width=50, height=30):
        if mode == "I;16":
            return Image.fromarray(np.asarray(photo(width, height).convert("L")) * np.uint16(257))
        levels = np.array(photo(width, height).convert(mode))
        if mode in ("RGBA", "LA"):
            levels[..., -1] = np.linspace(20, 255, width)
        return Image.fromarray(levels)

    return make


# Crop


@pytest.mark.parametrize("mode", MODES)
def test_crop_cuts_out_a_rectangle(apply, picture, mode):
    made = apply(picture(mode), "crop", left=7, top=5, width=20, height=10)
    assert made.mode == mode
    np.testing.assert_array_equal(np.asarray(made), np.asarray(picture(mode))[5:15, 7:27])


@pytest.mark.parametrize(
    ("params", "box"),
    [
        ({"width": 20, "height": 10}, (15, 10, 35, 20)),
        ({"width": 21, "height": 11}, (14, 9, 35, 20)),
        ({"width": 20, "height": 10, "gravity": "top_left"}, (0, 0, 20, 10)),
        ({"width": 20, "height": 10, "gravity": "bottom_right"}, (30, 20, 50, 30)),
        ({"width": 20, "height": 10, "gravity": "right"}, (30, 10, 50, 20)),
        ({"width": 20}, (15, 0, 35, 30)),
        ({"height": 10, "gravity": "bottom"}, (0, 20, 50, 30)),
        ({"left": 40}, (40, 0, 50, 30)),
        ({"left": 3, "width": 1}, (3, 0, 4, 30)),
        ({"top": 29}, (0, 29, 50, 30)),
        ({"left": 3, "width": 5, "height": 6, "gravity": "bottom"}, (3, 24, 8, 30)),
        ({"left": 45, "top": 25, "width": 20, "height": 20}, (45, 25, 50, 30)),
        ({"width": 80, "height": 10}, (0, 10, 50, 20)),
        ({"unit": "percent", "width": 50, "height": 50}, (12, 7, 37, 22)),
        ({"unit": "percent", "left": 10, "top": 10, "width": 25, "height": 25}, (5, 3, 18, 11)),
        ({"unit": "percent", "left": 99, "width": 0.1}, (49, 0, 50, 30)),
        ({"unit": "percent", "width": 0.1, "height": 0.1, "gravity": "top_left"}, (0, 0, 1, 1)),
        ({"unit": "percent", "width": 12.5}, (22, 0, 28, 30)),
        ({"unit": "percent", "left": 3, "width": 3}, (2, 0, 3, 30)),
        ({"unit": "percent", "left": 1, "width": 3, "top": 5, "height": 5}, (1, 2, 2, 3)),
    ],
    ids=str,
)
def test_crop_keeps_the_part_inside_the_image(apply, photo, params, box):
    assert apply(photo(50, 30), "crop", **params) == photo(50, 30).crop(box)


@pytest.mark.parametrize("size", [(50, 30), (47, 29), (8, 9)])
@pytest.mark.parametrize("part", [12.5, 20, 25])
def test_tiles_in_percent_neither_overlap_nor_leave_gaps(apply, photo, size, part):
    picture = photo(*size)
    places = [place * part for place in range(round(100 / part))]
    shown = {"unit": "percent", "width": part, "height": part}
    rows = [[apply(picture, "crop", left=x, top=y, **shown) for x in places] for y in places]
    whole = np.vstack([np.hstack([np.asarray(tile) for tile in row]) for row in rows])
    assert np.array_equal(whole, np.asarray(picture))


@pytest.mark.parametrize(
    ("params", "words"),
    [({"left": 50}, "left is 50, the image 50 pixels wide"),
     ({"top": 30, "height": 5}, "top is 30, the image 30 pixels high"),
     ({"left": 100, "unit": "percent"}, "left is 50, the image 50 pixels wide")],
)  # fmt: skip
def test_a_crop_of_which_nothing_is_left_is_an_error(apply, photo, params, words):
    with pytest.raises(ValueError, match=words):
        apply(photo(50, 30), "crop", **params)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "crop: give width, height, left or top"),
        ({"gravity": "top"}, "crop: give width, height, left or top"),
        ({"width": 2.5}, "give width in whole pixels, or unit: percent"),
        ({"left": 101, "unit": "percent"}, "give left as 100 percent at most"),
        ({"width": 100.5, "unit": "percent"}, "give width as 100 percent at most"),
        ({"top": 2.5}, "give top in whole pixels, or unit: percent"),
        ({"width": 0}, "give width as more than 0"),
        ({"height": 0}, "give height as more than 0"),
    ],
)
def test_a_crop_that_makes_no_sense_is_refused(params, words):
    with pytest.raises(UserError, match=re.escape(words)):
        parse({"steps": [{"crop": params}]})


# Rotate


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("turns", range(-4, 5))
def test_quarter_turns_move_pixels_and_change_none(apply, picture, mode, turns):
    made = apply(picture(mode), "rotate", angle=90 * turns)
    assert made.mode == mode
    np.testing.assert_array_equal(np.asarray(made), np.rot90(np.asarray(picture(mode)), -turns))


@pytest.mark.parametrize("mode", MODES)
def test_a_quarter_turn_in_a_frame_that_stays_is_cut_and_filled(apply, picture, mode):
    made = apply(picture(mode), "rotate", angle=90, expand=False, color="black")
    assert (made.mode, made.size) == (mode, (50, 30))
    turned = np.rot90(np.asarray(picture(mode)), -1)
    np.testing.assert_array_equal(np.asarray(made)[:, 10:40], turned[10:40])
    corner = made.getpixel((0, 0))
    assert corner == {"RGBA": (0, 0, 0, 255), "LA": (0, 255), "RGB": (0, 0, 0)}.get(mode, 0)


def opencv_turned(image, angle, size, fill):
    """Rotate clockwise about the centre with another library."""
    width, height = image.size
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -angle, 1)
    matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return cv2.warpAffine(
        np.asarray(image), matrix, size, flags=cv2.INTER_CUBIC, borderValue=(fill,) * 3
    )


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("angle", [5, 30, -45, 133.7])
def test_any_angle_turns_clockwise_about_the_middle(apply, photo, mode, angle):
    image = photo(120, 80).convert(mode)
    made = apply(image, "rotate", angle=angle, expand=False, color="black")
    assert (made.mode, made.size) == (mode, image.size)
    assert psnr(made, opencv_turned(image, angle, image.size, 0)) >= 33


@pytest.mark.parametrize("angle", [1, 30, 45, 100, 359])
def test_an_expanded_frame_holds_the_whole_picture_and_hardly_more(apply, photo, angle):
    image = photo(120, 80)
    made = apply(image, "rotate", angle=angle)
    sine, cosine = (abs(f(math.radians(angle))) for f in (math.sin, math.cos))
    needed = 120 * cosine + 80 * sine, 120 * sine + 80 * cosine
    assert all(0 <= side - least < 3 for side, least in zip(made.size, needed, strict=True))
    assert psnr(made, opencv_turned(image, angle, made.size, 255)) >= 26


def test_the_edges_of_a_rotated_picture_are_smooth(apply):
    made = np.asarray(apply(Image.new("L", (60, 60)), "rotate", angle=10))
    assert np.isin(made, (0, 255)).mean() > 0.9
    assert len(np.unique(made)) > 20


@pytest.mark.parametrize(("mode", "with_alpha"), [("RGB", "RGBA"), ("L", "LA"), ("LA", "LA")])
@pytest.mark.parametrize("angle", [0, 90, 30])
def test_transparent_corners_give_the_result_alpha(apply, picture, mode, with_alpha, angle):
    made = apply(picture(mode), "rotate", angle=angle, color="transparent")
    assert made.mode == with_alpha
    if angle == 30:
        assert made.getpixel((0, 0))[-1] == 0


def test_a_rotated_picture_keeps_its_alpha_on_the_fill_colour(apply):
    image = Image.new("RGBA", (40, 40), (255, 0, 0, 128))
    made = apply(image, "rotate", angle=45, color="#0000ff")
    assert made.getpixel((0, 0)) == (0, 0, 255, 255)
    # Half red over opaque blue.
    assert made.getpixel((28, 28)) == pytest.approx((128, 0, 127, 255), abs=1)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_rotated_uniform_picture_keeps_its_colour_and_alpha(apply, mode):
    pixel = (90, 60, 30, 200) if mode == "RGBA" else (90, 200)
    made = apply(Image.new(mode, (40, 40), pixel), "rotate", angle=45, color="transparent")
    assert made.getpixel((made.width // 2, made.height // 2)) == pixel
    assert made.getpixel((0, 0))[-1] == 0


def test_rotated_16_bit_grey_does_not_wrap_around_at_sharp_edges(apply):
    """The interpolation overshoots there, below black and above white."""
    stripes = np.tile(np.repeat([0, 65535], 8), (60, 5)).astype(np.uint16)
    deep = np.asarray(apply(Image.fromarray(stripes), "rotate", angle=7, color="black"))
    coarse = Image.fromarray((stripes // 257).astype(np.uint8))
    shallow = np.asarray(coarse.rotate(-7, Image.Resampling.BICUBIC, expand=True))
    assert np.abs(deep / 257 - shallow.astype(float)).max() <= 1


def test_rotated_16_bit_grey_is_a_finer_version_of_the_8_bit_picture(apply, photo):
    image = photo(120, 80).convert("L")
    deep = Image.fromarray(np.asarray(image) * np.uint16(257))
    made = apply(deep, "rotate", angle=30, expand=False, color="black")
    assert made.mode == "I;16"
    plain = apply(image, "rotate", angle=30, expand=False, color="black")
    assert psnr(pixels(made) / 257, pixels(plain)) >= 30
    assert np.unique(np.asarray(made) % 257).size > 50


@pytest.mark.parametrize(("color", "level"), [("black", 0), ("white", 65535)])
def test_corners_of_deep_grey_are_filled_with_the_colour(apply, color, level):
    deep = Image.new("I;16", (40, 40), 30_000)
    made = np.asarray(apply(deep, "rotate", angle=45, color=color))
    assert {made[0, 0], made[0, -1], made[-1, 0], made[-1, -1]} == {level}
    assert made[made.shape[0] // 2, made.shape[1] // 2] == 30_000


# Flip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("direction", "code"), [("horizontal", 1), ("vertical", 0), ("both", -1)])
def test_flip_mirrors(apply, picture, mode, direction, code):
    made = apply(picture(mode), "flip", direction=direction)
    assert made.mode == mode
    np.testing.assert_array_equal(np.asarray(made), cv2.flip(np.asarray(picture(mode)), code))


# Trim


@pytest.mark.parametrize("mode", MODES)
def test_trim_cuts_off_a_border_of_one_colour(apply, picture, mode):
    image = picture(mode)
    framed = apply(image, "border", width=[3, 4, 5, 6], color="black")
    made = apply(framed, "trim", tolerance=0)
    assert made.mode == mode
    np.testing.assert_array_equal(np.asarray(made), np.asarray(image))


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_trim_ignores_differences_within_its_tolerance(apply, depth):
    levels = np.full((20, 30), 200, np.uint8)
    levels[3, 4], levels[10:15, 10:20] = 208, 100
    levels = levels * depth(np.iinfo(depth).max // 255)
    assert apply(Image.fromarray(levels), "trim", tolerance=8).size == (10, 5)
    assert apply(Image.fromarray(levels), "trim", tolerance=7).size == (16, 12)


@pytest.mark.parametrize(("corner", "level"), [(0, 255), (255, 0), (10, 255)])
def test_a_corner_near_the_end_of_the_scale_does_not_wrap_around(apply, corner, level):
    levels = np.full((9, 9), corner, np.uint8)
    levels[4, 4] = level
    assert apply(Image.fromarray(levels), "trim", tolerance=20).size == (1, 1)


@pytest.mark.parametrize("tolerance", [0, 10, 255])
def test_an_image_of_one_colour_stays(apply, tolerance):
    assert apply(Image.new("RGB", (9, 5), "red"), "trim", tolerance=tolerance).size == (9, 5)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_trim_treats_transparent_pixels_as_one_colour(apply, photo, mode):
    pixels = np.array(photo(30, 20).convert(mode))
    pixels[..., -1] = 0
    pixels[5:10, 8:20, -1] = 255
    assert apply(Image.fromarray(pixels, mode), "trim").size == (12, 5)


# Border


@pytest.mark.parametrize("mode", MODES)
def test_border_surrounds_the_picture(apply, picture, mode):
    image = picture(mode)
    made = apply(image, "border", width=[1, 2, 3, 4], color="white")
    assert (made.mode, made.size) == (mode, (56, 34))
    levels = np.asarray(made)
    np.testing.assert_array_equal(levels[1:31, 4:54], np.asarray(image))
    for side in (levels[:1], levels[31:], levels[:, :4], levels[:, 54:]):
        assert (side == (65535 if mode == "I;16" else 255)).all()


def test_one_width_is_that_of_all_sides(apply, photo):
    assert apply(photo(50, 30), "border", width=5) == (
        apply(photo(50, 30), "border", width=[5, 5, 5, 5])
    )


def test_a_transparent_border_gives_the_result_alpha(apply, photo):
    made = apply(photo(50, 30), "border", width=5, color="transparent")
    assert made.mode == "RGBA"
    assert made.getpixel((0, 0))[3] == 0
    assert made.crop((5, 5, 55, 35)).convert("RGB") == photo(50, 30)
