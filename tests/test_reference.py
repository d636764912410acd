"""The reference is made independently of the code that makes images."""

import ast
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelmill import likeness, reference

STRETCH = [("resize", {"width": 50, "height": 40})]


def array(image):
    return np.asarray(image.convert("RGB"))


def test_nothing_is_shared_with_the_code_that_makes_images():
    tree = ast.parse(Path(reference.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {
        n.name for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names
    }
    assert not [name for name in imported if name.startswith("pixelmill")]


@pytest.mark.parametrize(
    ("steps", "possible"),
    [
        ([], True),
        (["resize"], True),
        (["resize", "grayscale"], True),
        (["grayscale"], True),
        (["grayscale", "resize"], True),
        (["crop", "flip", "resize", "border"], True),
        (["resize", "resize"], False),
        (["resize", "sharpen"], False),
        (["trim"], False),
        (["call"], False),
    ],
)
def test_a_reference_exists_for_geometry_one_resize_and_grey(steps, possible):
    assert reference.can_render([(name, {}) for name in steps]) is possible


@pytest.mark.parametrize(
    ("angle", "quarters"),
    [(0, 0), (90, 1), (180, 2), (270, 3), (-90, 3), (-360, 0), (90.0, 1), (45, None), (0.1, None)],
)
def test_a_reference_exists_for_quarter_turns_only(angle, quarters):
    assert reference.quarter_turns({"angle": angle}) == quarters
    assert reference.can_render([("rotate", {"angle": angle})]) is (quarters is not None)


def test_without_steps_it_is_the_source(photo, encoded):
    image = photo(60, 40)
    np.testing.assert_array_equal(reference.render(encoded(image, "PNG"), []), array(image))


def test_it_shrinks_by_averaging(photo, encoded):
    image = photo(100, 80)
    blocks = array(image).reshape(40, 2, 50, 2, 3).astype(float).mean(axis=(1, 3))
    made = reference.render(encoded(image, "PNG"), STRETCH)
    assert np.abs(made - blocks).max() <= 1


def test_grey_is_601_luma_in_three_channels(photo, encoded):
    image = photo(60, 40)
    made = reference.render(encoded(image, "PNG"), [("grayscale", {})])
    luma = array(image) @ np.array([0.299, 0.587, 0.114])
    assert made.shape == (40, 60, 3)
    assert np.abs(made - luma[..., None]).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_is_upright(photo, stored, encoded, orientation):
    upright = photo(120, 80)
    pixels, exif = stored(upright, orientation)
    made = reference.render(encoded(pixels, "JPEG", quality=95, subsampling=0, exif=exif), [])
    assert made.shape == (80, 120, 3)
    assert likeness.psnr(made, array(upright)) >= 35


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_shows_white(encoded, mode):
    image = Image.new("RGBA", (8, 4), (200, 100, 100, 255))
    image.paste((0, 0, 0, 0), (0, 0, 4, 4))
    made = reference.render(encoded(image.convert(mode), "PNG"), [])
    assert made[0, 0].tolist() == [255, 255, 255]
    opaque = image.getpixel((7, 0))[:3] if mode != "LA" else (130,) * 3
    assert np.abs(made[0, 7].astype(int) - opaque).max() <= 1


def test_half_transparent_is_half_white(encoded):
    made = reference.render(encoded(Image.new("RGBA", (4, 4), (0, 100, 200, 128)), "PNG"), [])
    assert np.abs(made[0, 0].astype(int) - (127, 177, 227)).max() <= 1


def test_16_bit_grey_is_scaled(encoded):
    levels = np.array([[0, 257, 32768, 65535]], np.uint16)
    made = reference.render(encoded(Image.fromarray(levels), "PNG"), [])
    assert made[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("data", [b"", b"text", b"\xff\xd8\xff\xe0nothing more"])
def test_there_is_none_for_what_does_not_decode(data):
    assert reference.render(data, STRETCH) is None


def test_there_is_none_for_half_an_image_of_another_library(photo, encoded):
    # OpenCV would fill in what is missing; it was never asked to judge such files.
    data = encoded(photo(60, 40), "PNG")
    assert reference.render(data[: len(data) // 3], STRETCH) is None


def test_there_is_none_where_the_libraries_differ_by_design(photo, stored, encoded):
    turned, exif = stored(photo(60, 40), 6)
    assert reference.render(encoded(photo(60, 40).convert("CMYK"), "JPEG"), STRETCH) is None
    assert reference.render(encoded(turned, "PNG", exif=exif), STRETCH) is None
    deep = Image.fromarray(np.array([[0.0, 1.0]], np.float32))
    assert reference.render(encoded(deep, "TIFF"), STRETCH) is None


# Geometry


@pytest.mark.parametrize(
    ("params", "size"),
    [
        ({"width": 300, "height": 300}, (300, 300)),
        ({"width": 300, "height": 300, "fit": "contain"}, (300, 225)),
        ({"width": 300, "height": 300, "fit": "inside"}, (300, 225)),
        ({"width": 300, "height": 300, "fit": "pad"}, (300, 300)),
        ({"width": 300, "height": 300, "fit": "cover"}, (300, 300)),
        ({"width": 300, "height": 300, "fit": "outside"}, (400, 300)),
        ({"width": 300}, (300, 225)),
        ({"height": 300}, (400, 300)),
        ({"width": 300, "height": None, "percent": None}, (300, 225)),
        ({"percent": 12.5}, (500, 375)),
        ({"percent": 0.0125}, (1, 1)),
        ({"percent": 0.0625}, (3, 2)),
        ({"longest": 300}, (300, 225)),
        ({"shortest": 300}, (400, 300)),
        ({"width": 5000, "height": 300, "upscale": "never"}, (4000, 300)),
        ({"width": 5000, "height": 300, "upscale": "never", "fit": "cover"}, (4000, 300)),
        ({"width": 5000, "height": 5000, "upscale": "never", "fit": "contain"}, (4000, 3000)),
        ({"width": 5000, "height": 5000, "upscale": "never", "fit": "pad"}, (5000, 5000)),
        ({"percent": 300, "upscale": "never"}, (4000, 3000)),
    ],
    ids=str,
)
def test_a_photo_of_4000_by_3000_gets_the_size_asked_for(params, size):
    assert reference.resized(4000, 3000, params) == size


@pytest.mark.parametrize(
    ("source", "fit", "size"),
    [((120, 60), "stretch", (50, 40)), ((120, 60), "cover", (50, 40)), ((120, 60), "pad", (50, 40)),
     ((120, 60), "contain", (50, 25)), ((60, 120), "contain", (20, 40)),
     ((1, 90), "cover", (50, 40)), ((90, 1), "cover", (50, 40)), ((90, 1), "pad", (50, 40)),
     ((90, 1), "contain", (50, 1)), ((1, 1), "contain", (40, 40)), ((9, 6), "stretch", (50, 40))],
)  # fmt: skip
def test_a_fit_gives_its_size(photo, encoded, source, fit, size):
    step = ("resize", {"width": 50, "height": 40, "fit": fit})
    made = reference.render(encoded(photo(*source), "PNG"), [step])
    assert made.shape == (size[1], size[0], 3)


def test_cover_keeps_the_middle(photo, encoded):
    image = photo(90, 40)
    step = ("resize", {"width": 50, "height": 40, "fit": "cover"})
    made = reference.render(encoded(image, "PNG"), [step])
    np.testing.assert_array_equal(made, array(image)[:, 20:70])


def test_pad_fills_with_its_colour(photo, encoded):
    image = photo(50, 20)
    step = ("resize", {"width": 50, "height": 40, "fit": "pad", "color": "#102030"})
    made = reference.render(encoded(image, "PNG"), [step])
    np.testing.assert_array_equal(made[10:30], array(image))
    assert (made[:10] == (0x10, 0x20, 0x30)).all()
    assert (made[30:] == (0x10, 0x20, 0x30)).all()


def test_nearest_takes_pixels_as_they_are(photo, encoded):
    image = photo(100, 80)
    step = ("resize", {"width": 50, "height": 40, "filter": "nearest"})
    made = reference.render(encoded(image, "PNG"), [step])
    np.testing.assert_array_equal(made, array(image)[1::2, 1::2])


@pytest.mark.parametrize(
    ("gravity", "left", "top"), [("center", 20, 10), ("top_left", 0, 0), ("bottom_right", 40, 20),
                                 ("top", 20, 0), ("right", 40, 10)],
)  # fmt: skip
def test_gravity_says_which_part_is_kept_and_where_it_lies(photo, encoded, gravity, left, top):
    image = photo(90, 40)
    frame = {"width": 50, "height": 40, "gravity": gravity}
    wide = reference.render(encoded(image, "PNG"), [("resize", {**frame, "fit": "cover"})])
    np.testing.assert_array_equal(wide, array(image)[:, left : left + 50])
    cut = reference.render(encoded(image, "PNG"), [("crop", {**frame, "height": 20})])
    np.testing.assert_array_equal(cut, array(image)[top : top + 20, left : left + 50])
    padded = reference.render(
        encoded(photo(50, 20), "PNG"), [("resize", {**frame, "fit": "pad", "color": "black"})]
    )
    np.testing.assert_array_equal(padded[top : top + 20], array(photo(50, 20)))


def test_light_is_averaged_where_that_is_asked_for(encoded):
    board = Image.fromarray(np.indices((64, 64)).sum(axis=0).astype(np.uint8) % 2 * 255)
    for linear, level in ((False, 128), (True, 188)):
        step = ("resize", {"width": 8, "height": 8, "linear": linear})
        assert abs(int(reference.render(encoded(board, "PNG"), [step])[4, 4, 0]) - level) <= 1


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_go_clockwise(photo, encoded, turns):
    made = reference.render(encoded(photo(60, 40), "PNG"), [("rotate", {"angle": 90 * turns})])
    np.testing.assert_array_equal(made, np.rot90(array(photo(60, 40)), -turns))


@pytest.mark.parametrize("color", ["white", "transparent", "#ffffff"])
def test_a_border_that_is_transparent_shows_white(photo, encoded, color):
    step = ("border", {"width": [1, 2, 3, 4], "color": color})
    made = reference.render(encoded(photo(60, 40), "PNG"), [step])
    assert made.shape == (44, 66, 3)
    np.testing.assert_array_equal(made[1:41, 4:64], array(photo(60, 40)))
    assert (made[0] == 255).all()


def test_an_array_with_alpha_is_blended_with_white():
    pixels = np.array([[[0, 100, 200, 0], [0, 100, 200, 128], [0, 100, 200, 255]]], np.uint8)
    expected = [[255, 255, 255], [127, 177, 227], [0, 100, 200]]
    assert np.abs(reference.blend(pixels)[0].astype(int) - expected).max() <= 1
