"""A picture lies in its frame according to its gravity, on the requested colour."""

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.steps import canvas


@pytest.mark.parametrize(
    ("gravity", "place"),
    [
        ("center", (3, 5)), ("top", (3, 0)), ("bottom", (3, 11)), ("left", (0, 5)),
        ("right", (7, 5)), ("top_left", (0, 0)), ("top_right", (7, 0)), ("bottom_left", (0, 11)),
        ("bottom_right", (7, 11)),
    ],
)  # fmt: skip
def test_a_gravity_gives_a_place_in_whole_pixels(gravity, place):
    assert canvas.offset((17, 21), (10, 10), gravity) == place


def test_a_picture_larger_than_its_frame_begins_outside():
    assert canvas.offset((10, 10), (15, 12), "center") == (-3, -1)
    assert canvas.offset((10, 10), (15, 12), "bottom_right") == (-5, -2)


@pytest.mark.parametrize(
    ("mode", "color", "pixel"),
    [
        ("RGB", "#102030", (16, 32, 48)),
        ("RGBA", "#102030", (16, 32, 48, 255)),
        ("L", "#808080", 128),
        ("LA", "#808080", (128, 255)),
        ("I;16", "#808080", 128 * 257),
        ("I;16", "#ffffff", 65535),
        ("RGBA", "transparent", (0, 0, 0, 0)),
        ("LA", "transparent", (0, 0)),
    ],
)
def test_a_canvas_has_one_colour_in_any_mode(mode, color, pixel):
    made = canvas.new(mode, (3, 2), color)
    assert (made.mode, made.size, made.getpixel((2, 1))) == (mode, (3, 2), pixel)


def test_a_picture_brings_its_own_alpha():
    picture = Image.new("RGBA", (2, 2), (1, 2, 3, 4))
    made = canvas.place(picture, (4, 4), 1, 1, "#ffffff")
    assert made.getpixel((1, 1)) == (1, 2, 3, 4)
    assert made.getpixel((0, 0)) == (255, 255, 255, 255)


def test_the_overflow_is_cropped():
    levels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    made = canvas.place(Image.fromarray(levels), (2, 2), -1, -1, "#000000")
    np.testing.assert_array_equal(np.asarray(made), levels[1:3, 1:3])


@pytest.mark.parametrize("upscale", ["allow", "never"])
@pytest.mark.parametrize("color", ["#ffffff", "transparent", "blur"])
@pytest.mark.parametrize("side", [8, 40, 200])
def test_whatever_surrounds_a_picture_fills_the_whole_frame(apply, photo, side, color, upscale):
    picture = photo(90, 30)
    frame = {"width": side, "height": side, "fit": "pad"}
    made = apply(picture, "resize", **frame, color=color, upscale=upscale)
    assert made.size == (side, side)
    large = apply(picture, "resize", **frame, color=color)
    np.testing.assert_array_equal(np.asarray(made)[0], np.asarray(large)[0])


def test_a_picture_that_fills_its_frame_stays_as_it_is():
    image = Image.new("L", (5, 4), 70)
    assert canvas.place(image, (5, 4), 0, 0, "#ff0000") is image
    assert canvas.place(image, (5, 4), 0, 0, "transparent").mode == "LA"
    for left, top in ((1, 0), (0, 1)):
        moved = canvas.place(image, (5, 4), left, top, "#ff0000")
        assert moved.getpixel((0, 0)) == (255, 0, 0)
        assert moved.getpixel((left, top)) == (70, 70, 70)


@pytest.mark.parametrize(
    ("mode", "color", "result"),
    [
        ("L", "#808080", "L"), ("L", "#808081", "RGB"), ("LA", "#123123", "RGBA"),
        ("LA", "#7f7f7f", "LA"), ("L", "transparent", "LA"), ("RGB", "transparent", "RGBA"),
        ("RGBA", "#808080", "RGBA"), ("I;16", "#010101", "I;16"),
    ],
)  # fmt: skip
def test_a_picture_gets_as_many_channels_as_it_needs_and_no_more(mode, color, result):
    placed = canvas.place(Image.new(mode, (2, 2)), (3, 3), 0, 0, color)
    assert placed.mode == canvas.mode_on(mode, color) == result


@pytest.mark.parametrize("color", ["#808081", "transparent"])
def test_deep_grey_cannot_have_colour_or_alpha(color):
    with pytest.raises(ValueError, match=r"16-bit grey cannot hold .*; set depth: 8"):
        canvas.place(Image.new("I;16", (2, 2)), (3, 3), 0, 0, color)
