"""The steps of the OpenCV backend give the same results as those of Pillow."""

import cv2
import numpy as np
import pytest
from PIL import Image

from pixelmill.core.errors import UserError
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.backends.opencv_steps import OPENCV_STEPS
from pixelmill.imaging.steps import STEPS
from tests.helpers.imaging import psnr

FITS = ("stretch", "contain", "cover", "pad", "outside")

#: A step, and the minimum PSNR of the results of the two libraries, in dB.
CASES = [
    *(({"resize": {"width": 50, "height": 40, "fit": fit}}, 28) for fit in FITS),
    *(({"resize": {"width": 150, "height": 140, "fit": fit}}, 28) for fit in FITS),
    ({"resize": {"width": 50, "height": 70, "fit": "cover", "gravity": "top_left"}}, 28),
    ({"resize": {"width": 50, "height": 70, "fit": "pad", "gravity": "bottom_right"}}, 28),
    ({"resize": {"percent": 50}}, 28),
    ({"resize": {"longest": 50}}, 28),
    ({"gaussian_blur": {"radius": 1.5}}, 35),
    ({"unsharp_mask": {"radius": 2, "percent": 100}}, 28),
    ({"median": {"size": 3}}, 34),
    ({"median": {"size": 5}}, 34),
    ("grayscale", 45),
    ("equalize", 28),
    ({"color_matrix": {"matrix": [[0.5, 0.5, 0, 10], [0, 1, 0, 0], [0.2, 0, 0.8, -5]]}}, 45),
]


def as_image(picture):
    order = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, order[picture.shape[2]])
    return Image.fromarray(picture)


def as_array(image):
    order = {"RGB": cv2.COLOR_RGB2BGR, "RGBA": cv2.COLOR_RGBA2BGRA}
    picture = np.asarray(image)
    return cv2.cvtColor(picture, order[image.mode]) if image.mode in order else picture


@pytest.mark.parametrize("gravity", ["center", "bottom_right", "top"])
@pytest.mark.parametrize("frame", [(200, 100), (60, 100), (100, 40)])
def test_a_picture_that_must_not_grow_is_cut_to_the_frame_that_it_does_not_fill(
    photo, frame, gravity
):
    image = photo(90, 70)
    fit = {"width": frame[0], "height": frame[1], "fit": "cover", "upscale": "never"}
    (parsed,) = recipe_parser.parse({"steps": [{"resize": {**fit, "gravity": gravity}}]}).steps
    ours = STEPS["resize"].function(image, **parsed.params)
    other = as_image(OPENCV_STEPS["resize"](as_array(image), **parsed.params))
    assert ours.size == other.size == (min(frame[0], 90), min(frame[1], 70))
    assert psnr(ours, other) == float("inf")


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize("name", ["gaussian_blur", "unsharp_mask"])
def test_a_radius_of_0_changes_nothing(photo, name, mode):
    array = as_array(photo(20, 10).convert(mode))
    (parsed,) = recipe_parser.parse({"steps": [{name: {"radius": 0}}]}).steps
    np.testing.assert_array_equal(OPENCV_STEPS[name](array, **parsed.params), array)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize(("step", "alike"), CASES, ids=[str(case[0]) for case in CASES])
def test_a_step_gives_the_same_as_that_of_pillow(photo, step, alike, mode):
    image = photo(90, 70).convert(mode)
    if mode == "RGBA":
        image.putalpha(photo(90, 70, seed=3).convert("L"))
    (parsed,) = recipe_parser.parse({"steps": [step]}).steps
    ours = STEPS[parsed.name].function(image, **parsed.params)
    other = as_image(OPENCV_STEPS[parsed.name](as_array(image), **parsed.params))
    assert ours.size == other.size
    # Invisible pixels need not be equal.
    ours, other = (np.asarray(i.convert("RGBA").convert("RGBa")) for i in (ours, other))
    assert psnr(ours, other) >= alike


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
@pytest.mark.parametrize("filter", ["lanczos", "bicubic", "box"])
@pytest.mark.parametrize("size", [(30, 90), (90, 30), (30, 40), (50, 40)])
def test_a_side_that_shrinks_is_averaged_whatever_the_other_does(size, filter, channels, depth):
    """A pattern of single pixels becomes even grey along a side that is less than half as long."""
    stripes = np.indices((60, 70)).sum(0) % 2 * np.iinfo(depth).max
    picture = np.ones((60, 70, *channels), depth) * np.iinfo(depth).max
    colors = picture.reshape(60, 70, -1)[..., :3]
    colors[:] = stripes[..., None]
    params = {"width": size[0], "height": size[1], "filter": filter}
    (step,) = recipe_parser.parse({"steps": [{"resize": params}]}).steps
    made = OPENCV_STEPS["resize"](picture, **step.params)
    assert made.shape[:2] == size[::-1]
    middle = made.reshape(*size[::-1], -1)[4:-4, 4:-4, :3] / np.iinfo(depth).max
    assert abs(middle.mean() - 0.5) < 0.02
    assert middle.std() < 0.2  # 0.5 in the pattern


@pytest.mark.parametrize("size", [(30, 90), (90, 30), (30, 40), (100, 90)])
def test_the_nearest_pixel_is_never_averaged(size):
    levels = np.random.default_rng(3).choice(np.uint8([10, 90, 200]), (60, 70))
    params = {"width": size[0], "height": size[1], "filter": "nearest"}
    (step,) = recipe_parser.parse({"steps": [{"resize": params}]}).steps
    made = OPENCV_STEPS["resize"](levels, **step.params)
    assert made.shape == size[::-1]
    assert set(np.unique(made)) == {10, 90, 200}


@pytest.mark.parametrize("color", ["#808000", "#008080", "#800080", "#808080"])
def test_a_grey_picture_is_padded_with_any_colour(color):
    params = {"width": 20, "height": 10, "fit": "pad", "color": color}
    (step,) = recipe_parser.parse({"steps": [{"resize": params}]}).steps
    made = OPENCV_STEPS["resize"](np.full((10, 10), 7, np.uint8), **step.params)
    red, green, blue = bytes.fromhex(color[1:])
    if red == green == blue:
        assert (made.ndim, made[0, 0]) == (2, red)
    else:
        assert made[0, 0].tolist() == [blue, green, red]
        assert made[5, 10].tolist() == [7, 7, 7]


#: Steps whose parameters are in levels of 0 to 255, and others.
IN_LEVELS = [
    {"color_matrix": {"matrix": [[1, 0, 0, 10], [0, 1, 0, -20.5], [0, 0, 1, 0]]}},
    {"color_matrix": {"matrix": [[0.5, 0.5, 0], [0, 1, 0], [0.2, 0, 0.8]]}},
    *({"unsharp_mask": {"radius": 2, "percent": 150, "threshold": t}} for t in (0, 1, 10, 40)),
    {"resize": {"width": 90, "height": 120, "fit": "pad", "color": "#306090"}},
    {"median": {"size": 3}},
    {"gaussian_blur": {"radius": 1}},
    "grayscale",
]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize("step", IN_LEVELS, ids=str)
def test_in_16_bits_a_step_does_the_same_as_in_8(step, mode):
    """Except for rounding, if a difference is as large as the threshold of a step."""
    random = np.random.default_rng(5)
    picture = random.integers(0, 256, (60, 90, len(mode)), np.uint8)
    picture = picture[..., 0] if mode == "L" else picture
    if mode == "RGBA":
        picture[..., 3] = 255
    (parsed,) = recipe_parser.parse({"steps": [step]}).steps
    small, deep = (
        OPENCV_STEPS[parsed.name](levels, **parsed.params)
        for levels in (picture, picture.astype(np.uint16) * 257)
    )
    assert deep.dtype == np.uint16
    assert np.mean(np.abs(deep / 257 - small) > 1.5) < 0.02


@pytest.mark.parametrize("threshold", range(0, 60, 3))
def test_differences_up_to_the_threshold_are_not_sharpened(threshold):
    picture = np.full((40, 40), 100, np.uint8)
    picture[::8, ::8] = 180
    apart = cv2.absdiff(picture, cv2.GaussianBlur(picture, (0, 0), 2.0))
    params = {"radius": 2.0, "percent": 150, "threshold": threshold}
    made = OPENCV_STEPS["unsharp_mask"](picture, **params)
    np.testing.assert_array_equal(made[apart <= threshold], picture[apart <= threshold])
    beyond = (apart > threshold) & (apart > 0)
    assert (made[beyond] != picture[beyond]).all()


@pytest.mark.parametrize(
    ("step", "depth", "refused"),
    [
        ("equalize", "keep", True), ("equalize", 8, False),
        ({"median": {"size": 7}}, "keep", True), ({"median": {"size": 7}}, 8, False),
        ({"median": {"size": 5}}, "keep", False),
    ],
    ids=str,
)  # fmt: skip
def test_steps_that_opencv_supports_only_in_8_bits_are_refused_for_16(step, depth, refused):
    data = {"steps": [step], "backend": "opencv", "depth": depth, "output": {"format": "png"}}
    if refused:
        with pytest.raises(UserError, match="it does that in 8 bits only; set depth: 8"):
            recipe_parser.parse(data)
    else:
        assert recipe_parser.parse(data)


def test_it_has_no_step_that_pillow_has_not():
    assert OPENCV_STEPS.keys() <= STEPS.keys()


@pytest.mark.parametrize(
    ("direction", "axes"), [("horizontal", 1), ("vertical", 0), ("both", (0, 1))]
)
def test_flip_mirrors(photo, direction, axes):
    picture = np.asarray(photo(9, 7))
    made = OPENCV_STEPS["flip"](picture, direction=direction)
    np.testing.assert_array_equal(made, np.flip(picture, axes))


@pytest.mark.parametrize("step", ["gaussian_blur", "resize"])
def test_hidden_colours_do_not_shine_through(step):
    picture = np.zeros((40, 40, 4), np.uint8)
    picture[:, :20] = (0, 0, 255, 255)  # red beside a green that nobody sees
    picture[:, 20:] = (0, 255, 0, 0)
    params = recipe_parser.parse(
        {"steps": [{step: {} if step == "gaussian_blur" else {"width": 7}}]}
    )
    made = OPENCV_STEPS[step](picture, **params.steps[0].params)
    seen = made[made[..., 3] > 8]
    assert seen[:, 1].max() <= 2
