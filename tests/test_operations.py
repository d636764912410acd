"""Each step does what its words say, held against NumPy, OpenCV or exact fractions."""

import math
import random
from fractions import Fraction

import cv2
import numpy as np
import pytest
from PIL import Image

from pixelmill.operations import MAX_SIDE, STEPS, resampled_size, scaled_size
from pixelmill.parameters import REQUIRED
from pixelmill.recipe import parse

IDENTITY = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]

#: Luma of ITU-R 601.
LUMA = np.array([0.299, 0.587, 0.114])

#: What a step needs that has no default.
NEEDED = {"resize": {"width": 6, "height": 4}, "color_matrix": {"matrix": IDENTITY}}


def apply(image, name, **params):
    step = parse({"steps": [{name: params}]}).steps[0]
    return STEPS[name].function(image, **step.params)


def pixels(image):
    return np.asarray(image).astype(float)


def psnr(a, b):
    error = np.mean((pixels(a) - pixels(b)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def to_levels(values):
    return np.clip(np.floor(values + 0.5), 0, 255)


# All steps


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (40, 30)])
def test_every_step_takes_rgb_and_grey_of_any_size_and_gives_one_of_them(name, mode, size, photo):
    image = photo(*size).convert(mode)
    before = image.copy()
    made = apply(image, name, **NEEDED.get(name, {}))
    assert made.mode in ("RGB", "L")
    assert made.size == ((6, 4) if name == "resize" else size)
    assert image == before


@pytest.mark.parametrize("name", STEPS)
def test_every_step_is_described_in_one_line(name):
    summary = STEPS[name].function.__doc__.splitlines()[0]
    assert summary.endswith(".")


@pytest.mark.parametrize("name", STEPS)
def test_every_default_is_allowed_and_in_normal_form(name):
    for key, parameter in STEPS[name].parameters.items():
        assert parameter.allowed
        if parameter.default is not REQUIRED:
            checked = parameter.check(parameter.default)
            assert (checked, type(checked)) == (parameter.default, type(parameter.default)), key


# Resize


FILTERS = ["lanczos", "bicubic", "bilinear", "hamming", "box"]


@pytest.mark.parametrize("filter", FILTERS)
@pytest.mark.parametrize("size", [(64, 48), (100, 100), (256, 180)])
def test_stretch_looks_as_another_librarys_area_average(photo, filter, size):
    image = photo(301, 203)
    made = apply(image, "resize", width=size[0], height=size[1], filter=filter)
    area = cv2.resize(np.asarray(image), size, interpolation=cv2.INTER_AREA)
    assert psnr(made, area) >= 35


def test_filters_differ(photo):
    made = [apply(photo(90, 60), "resize", width=31, height=17, filter=f) for f in FILTERS]
    assert len({image.tobytes() for image in made}) == len(FILTERS)


def test_the_default_is_to_stretch_with_lanczos(photo):
    image = photo(90, 60)
    made = apply(image, "resize", width=31, height=17)
    assert made == image.resize((31, 17), Image.Resampling.LANCZOS)


def test_box_takes_the_mean_of_whole_blocks(photo):
    image = photo(60, 40)
    blocks = pixels(image).reshape(10, 4, 20, 3, 3).mean(axis=(1, 3))
    made = apply(image, "resize", width=20, height=10, filter="box")
    assert np.abs(pixels(made) - blocks).max() <= 1


def test_nearest_takes_the_pixel_at_the_centre(photo):
    image = photo(50, 33)
    rows = np.floor((np.arange(11) + 0.5) * 33 / 11).astype(int)
    columns = np.floor((np.arange(20) + 0.5) * 50 / 20).astype(int)
    made = apply(image, "resize", width=20, height=11, filter="nearest")
    np.testing.assert_array_equal(np.asarray(made), np.asarray(image)[np.ix_(rows, columns)])


@pytest.mark.parametrize("fit", ["stretch", "contain", "cover", "pad"])
def test_an_image_of_the_right_size_keeps_its_pixels(photo, fit):
    image = photo(30, 20)
    assert apply(image, "resize", width=30, height=20, fit=fit) == image


@pytest.mark.parametrize(
    ("source", "frame", "size"),
    [
        ((4000, 3000), (256, 256), (256, 192)),
        ((3000, 4000), (256, 256), (192, 256)),
        ((100, 50), (300, 300), (300, 150)),
        ((300, 200), (300, 200), (300, 200)),
        ((3, 2), (2, 2), (2, 1)),
        ((4, 3), (2, 2), (2, 2)),
        ((10_000, 10), (100, 100), (100, 1)),
        ((1, 10_000), (100, 100), (1, 100)),
        ((1, 1), (50, 20), (20, 20)),
        ((10_000, 1), (1, 1), (1, 1)),
    ],
)
def test_contain_and_pad_scale_to_the_nearest_whole_pixel(source, frame, size):
    assert resampled_size(source, *frame, "contain") == size
    assert resampled_size(source, *frame, "pad") == size


def contained(source, frame):
    """Exactly what the words say, in fractions."""
    scale = min(Fraction(frame[0], source[0]), Fraction(frame[1], source[1]))
    return tuple(max(1, math.floor(side * scale + Fraction(1, 2))) for side in source)


def test_any_size_is_contained_exactly():
    draw = random.Random(2026)
    for _ in range(5000):
        source = (draw.randrange(1, 3000), draw.randrange(1, 3000))
        frame = draw.choice([(7, 5), (100, 100), (128, 96), (256, 256), (300, 512)])
        assert resampled_size(source, *frame, "contain") == contained(source, frame)


@pytest.mark.parametrize(("short", "size"), [(175, 88), (173, 87)])
def test_a_side_of_exactly_one_half_more_is_rounded_up(short, size):
    for times in range(1, 500):
        sides = 200 * times, short * times  # scale to 100 and 87.5, or 86.5
        assert resampled_size(sides, 100, 100, "contain") == (100, size), times
        assert resampled_size(sides[::-1], 100, 100, "contain") == (size, 100), times


@pytest.mark.parametrize("fit", ["stretch", "cover"])
@pytest.mark.parametrize("source", [(1, 1), (1, 500), (500, 1), (33, 44)])
@pytest.mark.parametrize("frame", [(1, 1), (16, 9), (9, 16), (60, 60)])
def test_stretch_and_cover_fill_the_frame(photo, fit, source, frame):
    made = apply(photo(*source), "resize", width=frame[0], height=frame[1], fit=fit)
    assert made.size == frame


def test_cover_fills_any_frame_from_any_size():
    # Rounding in floats must not put the region outside the image.
    for side in range(1, 400):
        image = Image.new("L", (side, side + 1))
        for frame in (49, 100, 224, 300):
            made = apply(image, "resize", width=frame, height=frame, fit="cover", filter="box")
            assert made.size == (frame, frame)


@pytest.mark.parametrize(
    ("source", "frame"),
    [((900, 1200), (224, 224)), ((900, 900), (299, 299)), ((1200, 900), (224, 224))],
)
def test_cover_takes_photos_of_usual_sizes(source, frame):
    made = apply(Image.new("L", source), "resize", width=frame[0], height=frame[1], fit="cover")
    assert made.size == frame


@pytest.mark.parametrize(("size", "cut"), [((90, 30), (30, 0, 60, 30)), ((30, 90), (0, 30, 30, 60)),
                                           ((50, 30), (10, 0, 40, 30))])  # fmt: skip
def test_cover_cuts_the_same_off_both_ends(photo, size, cut):
    image = photo(*size)
    assert apply(image, "resize", width=30, height=30, fit="cover") == image.crop(cut)


def test_cover_scales_before_it_cuts(photo):
    image = photo(400, 200)
    made = apply(image, "resize", width=50, height=50, fit="cover")
    area = cv2.resize(np.asarray(image)[:, 100:300], (50, 50), interpolation=cv2.INTER_AREA)
    assert psnr(made, area) >= 35


@pytest.mark.parametrize(
    ("source", "frame", "place"),
    [((80, 40), (40, 40), (0, 10, 40, 30)), ((40, 80), (40, 40), (10, 0, 30, 40)),
     ((10, 10), (40, 21), (9, 0, 30, 21)), ((100, 1), (10, 10), (0, 4, 10, 5))],
)  # fmt: skip
def test_pad_puts_the_picture_in_the_middle_of_its_colour(photo, source, frame, place):
    image = photo(*source)
    made = apply(image, "resize", width=frame[0], height=frame[1], fit="pad", color="#102030")
    left, top, right, bottom = place
    inner = apply(image, "resize", width=right - left, height=bottom - top)
    expected = np.full((frame[1], frame[0], 3), (0x10, 0x20, 0x30), np.uint8)
    expected[top:bottom, left:right] = np.asarray(inner)
    np.testing.assert_array_equal(np.asarray(made), expected)


def test_pad_is_white_by_default_and_grey_on_grey():
    black = Image.new("RGB", (20, 10))
    assert apply(black, "resize", width=20, height=20, fit="pad").getpixel((0, 0)) == (255,) * 3
    made = apply(black.convert("L"), "resize", width=20, height=20, fit="pad", color="gray")
    assert (made.mode, made.getpixel((0, 0)), made.getpixel((0, 10))) == ("L", 128, 0)


def test_a_region_is_taken_for_the_whole_picture():
    # What a shrunken decode adds at an edge must not get into the result.
    image = Image.new("RGB", (33, 20), "red")
    image.paste("blue", (0, 0, 32, 20))
    step = parse({"steps": [{"resize": {"width": 8, "height": 5, "filter": "box"}}]}).steps[0]
    made = STEPS["resize"].function(image, **step.params, box=(0, 0, 32, 20))
    assert made.getcolors() == [(40, (0, 0, 255))]


@pytest.mark.parametrize(
    ("fit", "size"), [("stretch", (300, 300)), ("contain", (300, 225)), ("pad", (300, 225)),
                      ("cover", (400, 300))],
)  # fmt: skip
def test_a_decoder_is_told_how_large_the_whole_source_will_be(fit, size):
    assert scaled_size((4000, 3000), 300, 300, fit) == pytest.approx(size)


def test_no_side_may_be_larger_than_jpeg_can_hold(encoded):
    assert encoded(Image.new("L", (MAX_SIDE, 1)), "JPEG")
    with pytest.raises(OSError):
        encoded(Image.new("L", (MAX_SIDE + 1, 1)), "JPEG")


# Filters


@pytest.mark.parametrize("radius", [0.5, 1, 2, 5, 10])
def test_gaussian_blur_is_one_by_standard_deviation(photo, radius):
    image = photo(201, 133)
    expected = cv2.GaussianBlur(np.asarray(image), (0, 0), radius)
    assert psnr(apply(image, "gaussian_blur", radius=radius), expected) >= 45


def test_unsharp_mask_adds_what_a_blur_takes_away(photo):
    image = photo(201, 133)
    source = pixels(image)
    detail = source - cv2.GaussianBlur(source, (0, 0), 2)
    expected = to_levels(np.where(np.abs(detail) > 3, source + 1.5 * detail, source))
    made = apply(image, "unsharp_mask", radius=2, percent=150, threshold=3)
    assert psnr(made, expected) >= 40 > psnr(image, expected)


def test_unsharp_mask_leaves_alone_what_is_below_its_threshold(photo):
    image = photo(60, 40)
    assert apply(image, "unsharp_mask", radius=2, percent=500, threshold=255) == image
    assert apply(image, "unsharp_mask", radius=2, percent=0, threshold=0) == image


KERNELS = {
    "sharpen": np.array([[-2, -2, -2], [-2, 32, -2], [-2, -2, -2]]) / 16,
    "edge_enhance": np.array([[-1, -1, -1], [-1, 10, -1], [-1, -1, -1]]) / 2,
}


@pytest.mark.parametrize("name", KERNELS)
def test_a_fixed_kernel_is_convolved(photo, name):
    image = photo(60, 40)
    expected = to_levels(cv2.filter2D(pixels(image), -1, KERNELS[name]))
    inner = np.s_[1:-1, 1:-1]
    np.testing.assert_array_equal(pixels(apply(image, name))[inner], expected[inner])


@pytest.mark.parametrize("size", [3, 5, 7])
def test_median_is_that_of_the_square(photo, size):
    image = photo(60, 40)
    inner = np.s_[size // 2 : -(size // 2), size // 2 : -(size // 2)]
    expected = cv2.medianBlur(np.asarray(image), size)
    made = np.asarray(apply(image, "median", size=size))
    np.testing.assert_array_equal(made[inner], expected[inner])


# Colours


def test_enhance_changes_nothing_by_default(photo):
    image = photo(60, 40)
    assert apply(image, "enhance") == image


def test_brightness_multiplies(photo):
    image = photo(60, 40)
    made = apply(image, "enhance", brightness=1.4)
    assert np.abs(pixels(made) - np.clip(pixels(image) * 1.4, 0, 255)).max() <= 1


def test_contrast_spreads_around_the_mean_luma(photo):
    image = photo(60, 40)
    mean = (pixels(image) @ LUMA).mean()
    expected = np.clip(mean + (pixels(image) - mean) * 1.5, 0, 255)
    assert np.abs(pixels(apply(image, "enhance", contrast=1.5)) - expected).max() <= 2


def test_color_spreads_around_the_luma_of_each_pixel(photo):
    image = photo(60, 40)
    gray = (pixels(image) @ LUMA)[..., None]
    expected = np.clip(gray + (pixels(image) - gray) * 1.5, 0, 255)
    assert np.abs(pixels(apply(image, "enhance", color=1.5)) - expected).max() <= 2


def test_sharpness_spreads_around_a_smoothed_image(photo):
    image = photo(60, 40)
    smooth = cv2.filter2D(pixels(image), -1, np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13)
    expected = np.clip(smooth + (pixels(image) - smooth) * 2, 0, 255)
    made = pixels(apply(image, "enhance", sharpness=2))
    assert np.abs(made - expected)[1:-1, 1:-1].max() <= 2


def test_brightness_comes_before_contrast_and_contrast_before_colour(photo):
    image = photo(60, 40)
    one_by_one = apply(image, "enhance", brightness=1.3)
    for factor in ("contrast", "color", "sharpness"):
        one_by_one = apply(one_by_one, "enhance", **{factor: 1.3})
    assert apply(image, "enhance", sharpness=1.3, color=1.3, contrast=1.3, brightness=1.3) == (
        one_by_one
    )


def test_grayscale_is_601_luma(photo):
    image = photo(60, 40)
    made = apply(image, "grayscale")
    assert made.mode == "L"
    assert np.abs(pixels(made) - pixels(image) @ LUMA).max() <= 1


def narrow(image):
    """The same picture in levels 40 to 167."""
    return Image.fromarray(np.asarray(image) // 2 + 40)


def test_autocontrast_stretches_each_channel(photo):
    image = narrow(photo(60, 40))
    low, high = pixels(image).min(axis=(0, 1)), pixels(image).max(axis=(0, 1))
    expected = (pixels(image) - low) * 255 / (high - low)
    assert np.abs(pixels(apply(image, "autocontrast")) - expected).max() <= 1


def test_autocontrast_ignores_its_cutoff_at_both_ends():
    levels = np.repeat(np.array([0] + [100] * 49 + [150] * 49 + [255], np.uint8), 4)
    made = np.asarray(apply(Image.fromarray(levels.reshape(10, 40)), "autocontrast", cutoff=2))
    assert [int(np.median(made[levels.reshape(10, 40) == x])) for x in (100, 150)] == [0, 255]


def test_equalize_evens_out_each_channel(photo):
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


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_color_matrix_multiplies_each_pixel(photo, matrix):
    image = photo(61, 43)
    rows = np.array(matrix, float)
    product = np.einsum("ij,yxj->yxi", rows[:, :3], pixels(image))
    if rows.shape[1] == 4:
        product += rows[:, 3]
    # Single precision may round a product that lies on a half the other way.
    exact = np.abs(product - np.floor(product) - 0.5) > 1e-4
    made, expected = pixels(apply(image, "color_matrix", matrix=matrix)), np.rint(product)
    np.testing.assert_array_equal(made[exact], np.clip(expected, 0, 255)[exact])
    assert np.abs(made - np.clip(expected, 0, 255)).max() <= 1


def test_color_matrix_takes_grey_as_three_equal_channels():
    made = apply(
        Image.new("L", (3, 2), 100), "color_matrix", matrix=[[1, 0, 0], [0.5, 0, 0], [0] * 3]
    )
    assert made.getcolors() == [(6, (100, 50, 0))]
