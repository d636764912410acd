"""The reference is rendered without the code that renders outputs."""

import ast
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelmill.verification import exact_resampling, expected_geometry, reference

STRETCH = [("resize", {"width": 50, "height": 40})]


#: Where the modules of verification lie.
FOLDER = Path(reference.__file__).parent

#: Those that use Pillow, to see whether it opens an output, and to tell sizes; it judges no pixels.
WITH_PILLOW = ("expectations", "opened_output")


def array(image):
    return np.asarray(image.convert("RGB"))


def imports_of(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


@pytest.mark.parametrize("module", sorted(path.stem for path in FOLDER.glob("[a-z]*.py")))
def test_nothing_is_shared_with_the_code_that_makes_images(module):
    for source, _ in imports_of(FOLDER / f"{module}.py"):
        library, *parts = source.split(".")
        if library == "pixelmill":
            assert parts[0] in ("core", "storage", "engines", "dataset", "verification"), source
        assert library != "PIL" or module in WITH_PILLOW


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
    assert expected_geometry.can_render([(name, {}) for name in steps]) is possible


@pytest.mark.parametrize(
    ("angle", "quarters"),
    [(0, 0), (90, 1), (180, 2), (270, 3), (-90, 3), (-360, 0), (90.0, 1), (45, None), (0.1, None)],
)
def test_a_reference_exists_for_quarter_turns_only(angle, quarters):
    assert expected_geometry.quarter_turns({"angle": angle}) == quarters
    assert expected_geometry.can_render([("rotate", {"angle": angle})]) is (quarters is not None)


def test_without_steps_it_is_the_source(photo):
    image = photo(60, 40)
    np.testing.assert_array_equal(reference.render(array(image), []), array(image))


@pytest.mark.parametrize("kernel", ["box", "area"])
def test_it_shrinks_by_averaging(photo, kernel):
    image = photo(100, 80)
    blocks = array(image).reshape(40, 2, 50, 2, 3).astype(float).mean(axis=(1, 3))
    made = reference.render(array(image), STRETCH, kernel)
    assert np.abs(made - blocks).max() <= 1


def test_grey_is_601_luma_in_three_channels(photo):
    image = photo(60, 40)
    made = reference.render(array(image), [("grayscale", {})])
    luma = array(image) @ np.array([0.299, 0.587, 0.114])
    assert made.shape == (40, 60, 3)
    assert np.abs(made - luma[..., None]).max() <= 1


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
    assert expected_geometry.resized(4000, 3000, params) == size


@pytest.mark.parametrize(
    ("source", "fit", "size"),
    [((120, 60), "stretch", (50, 40)), ((120, 60), "cover", (50, 40)), ((120, 60), "pad", (50, 40)),
     ((120, 60), "contain", (50, 25)), ((60, 120), "contain", (20, 40)),
     ((1, 90), "cover", (50, 40)), ((90, 1), "cover", (50, 40)), ((90, 1), "pad", (50, 40)),
     ((90, 1), "contain", (50, 1)), ((1, 1), "contain", (40, 40)), ((9, 6), "stretch", (50, 40))],
)  # fmt: skip
def test_a_fit_gives_its_size(photo, source, fit, size):
    step = ("resize", {"width": 50, "height": 40, "fit": fit})
    made = reference.render(array(photo(*source)), [step])
    assert made.shape == (size[1], size[0], 3)


def test_cover_keeps_the_middle(photo):
    image = photo(90, 40)
    step = ("resize", {"width": 50, "height": 40, "fit": "cover"})
    made = reference.render(array(image), [step])
    np.testing.assert_array_equal(made, array(image)[:, 20:70])


def test_pad_fills_with_its_colour(photo):
    image = photo(50, 20)
    step = ("resize", {"width": 50, "height": 40, "fit": "pad", "color": "#102030"})
    made = reference.render(array(image), [step])
    np.testing.assert_array_equal(made[10:30], array(image))
    assert (made[:10] == (0x10, 0x20, 0x30)).all()
    assert (made[30:] == (0x10, 0x20, 0x30)).all()


def test_nearest_takes_pixels_as_they_are(photo):
    image = photo(100, 80)
    step = ("resize", {"width": 50, "height": 40, "filter": "nearest"})
    made = reference.render(array(image), [step])
    np.testing.assert_array_equal(made, array(image)[1::2, 1::2])


@pytest.mark.parametrize(
    ("gravity", "left", "top"), [("center", 20, 10), ("top_left", 0, 0), ("bottom_right", 40, 20),
                                 ("top", 20, 0), ("right", 40, 10)],
)  # fmt: skip
def test_gravity_determines_the_kept_part_and_its_place(photo, gravity, left, top):
    image = photo(90, 40)
    frame = {"width": 50, "height": 40, "gravity": gravity}
    wide = reference.render(array(image), [("resize", {**frame, "fit": "cover"})])
    np.testing.assert_array_equal(wide, array(image)[:, left : left + 50])
    cut = reference.render(array(image), [("crop", {**frame, "height": 20})])
    np.testing.assert_array_equal(cut, array(image)[top : top + 20, left : left + 50])
    padded = reference.render(
        array(photo(50, 20)), [("resize", {**frame, "fit": "pad", "color": "black"})]
    )
    np.testing.assert_array_equal(padded[top : top + 20], array(photo(50, 20)))


def test_light_is_averaged_if_the_recipe_says_so():
    board = Image.fromarray(np.indices((64, 64)).sum(axis=0).astype(np.uint8) % 2 * 255)
    for linear, level in ((False, 128), (True, 188)):
        step = ("resize", {"width": 8, "height": 8, "linear": linear})
        assert abs(int(reference.render(array(board), [step])[4, 4, 0]) - level) <= 1


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_go_clockwise(photo, turns):
    made = reference.render(array(photo(60, 40)), [("rotate", {"angle": 90 * turns})])
    np.testing.assert_array_equal(made, np.rot90(array(photo(60, 40)), -turns))


@pytest.mark.parametrize("color", ["white", "#ffffff"])
def test_a_border_has_its_widths_and_its_colour(photo, color):
    step = ("border", {"width": [1, 2, 3, 4], "color": color})
    made = reference.render(array(photo(60, 40)), [step])
    assert made.shape == (44, 66, 3)
    np.testing.assert_array_equal(made[1:41, 4:64], array(photo(60, 40)))
    assert (made[0] == 255).all()


def test_a_transparent_border_gives_alpha(photo):
    step = ("border", {"width": [1, 2, 3, 4], "color": "transparent"})
    made = reference.render(array(photo(60, 40)), [step])
    assert made.shape == (44, 66, 4)
    assert (made[1:41, 4:64, 3] == 255).all()
    assert (made[0] == 0).all()
    assert (made[:, :4] == 0).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_picture_with_alpha_is_blended_with_a_colour(kind):
    pixels = np.array([[[0, 100, 200, 0], [0, 100, 200, 128], [0, 100, 200, 255]]], kind)
    expected = [[255, 255, 255], [127, 177, 227], [0, 100, 200]]
    scale = 1 if kind == np.uint8 else 257
    made = reference.blend(pixels * kind(scale), "#ffffff")
    assert made.dtype == kind
    assert np.abs(made[0] / scale - expected).max() <= 1


def test_hidden_colours_do_not_show_after_resampling_alpha():
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[:, :20] = 255, 255, 255, 0
    pixels[:, 20:] = 200, 100, 50, 255
    made = reference.render(pixels, [("resize", {"width": 13, "height": 13})])
    seen = made[made[..., 3] > 8]
    assert np.abs(seen[:, :3].astype(int) - (200, 100, 50)).max() <= 1


def test_16_bits_stay_16_bits():
    levels = np.linspace(0, 65535, 400).astype(np.uint16).reshape(1, 400, 1)
    picture = np.tile(levels, (30, 1, 3))
    made = reference.render(picture, [("resize", {"width": 100, "height": 10})])
    assert made.dtype == np.uint16
    assert len(np.unique(made)) >= 100


@pytest.mark.parametrize("kernel", ["lanczos", "bicubic", "hamming", "bilinear", "box", "nearest"])
@pytest.mark.parametrize("size", [(50, 37), (62, 20), (130, 90)])
def test_kernels_are_those_that_pillow_has_within_rounding(photo, kernel, size):
    image = photo(130, 90)
    made = reference.render(
        array(image), [("resize", {"width": size[0], "height": size[1], "filter": kernel})]
    )
    other = np.asarray(image.resize(size, Image.Resampling[kernel.upper()]))
    assert np.abs(made.astype(int) - other).max() <= 1


@pytest.mark.parametrize("across", [False, True])
def test_a_large_picture_of_an_odd_side_is_averaged_to_its_last_row(across):
    """The last row is white, and a part of 8.3 of what the last pixel covers."""
    picture = np.zeros((83, 100, 1), np.uint8)
    picture[-1] = 255
    size, region = (10, 10), (0, 0, 100, 83)
    if across:
        picture, region = picture.swapaxes(0, 1).copy(), (0, 0, 83, 100)
    made = exact_resampling.resample(picture, size, "area", region)
    made = made.swapaxes(0, 1) if across else made
    assert np.abs(made[-1, :, 0] - 255 / 8.3).max() < 1
    assert np.abs(made[:-1]).max() < 1


@pytest.mark.parametrize("side", [150, 210, 300])
@pytest.mark.parametrize("kernel", ["lanczos", "bicubic", "hamming"])
def test_clipped_it_is_what_implementations_in_integers_make_of_fine_stripes(kernel, side):
    rows, columns = np.mgrid[0:240, 0:320]
    stripes = (np.floor((rows + columns) / np.sqrt(2)) % 2 * 255).astype(np.uint8)
    expected = Image.fromarray(stripes).resize((side, 225), Image.Resampling[kernel.upper()])
    params = {"width": side, "height": 225, "filter": kernel}
    picture = np.dstack([stripes] * 3)
    made = reference.render(picture, [("resize", params)], "clipped").astype(int)
    assert np.abs(made[..., 0] - np.asarray(expected)).max() <= 2
