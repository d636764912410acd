"""Resizing gives the documented size and picture, compared with fractions, OpenCV and NumPy."""

import math
import random
import re
from fractions import Fraction

import cv2
import numpy as np
import pytest
from PIL import Image

from pixelmill.core.errors import UserError
from pixelmill.imaging.arrays import image_of
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.steps import MAX_SIDE, STEPS
from pixelmill.imaging.steps.resize import needed_size, resampled_size, scaled_size
from tests.helpers.imaging import arrays_of


def pixels(image):
    return np.asarray(image).astype(float)


def psnr(a, b):
    error = np.mean((pixels(a) - pixels(b)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def framed(frame, fit, **params):
    return {"width": frame[0], "height": frame[1], "fit": fit, **params}


FILTERS = ["lanczos", "bicubic", "bilinear", "hamming", "box"]


@pytest.mark.parametrize("filter", FILTERS)
@pytest.mark.parametrize("size", [(64, 48), (100, 100), (256, 180)])
def test_stretch_looks_like_the_area_average_of_another_library(apply, photo, filter, size):
    image = photo(301, 203)
    made = apply(image, "resize", width=size[0], height=size[1], filter=filter)
    area = cv2.resize(np.asarray(image), size, interpolation=cv2.INTER_AREA)
    assert psnr(made, area) >= 35


def test_filters_differ(apply, photo):
    made = [apply(photo(90, 60), "resize", width=31, height=17, filter=f) for f in FILTERS]
    assert len({image.tobytes() for image in made}) == len(FILTERS)


def test_the_default_is_to_stretch_with_lanczos(apply, photo):
    image = photo(90, 60)
    made = apply(image, "resize", width=31, height=17, resampler="pillow")
    assert made == image.resize((31, 17), Image.Resampling.LANCZOS)


def test_box_averages_whole_blocks(apply, photo):
    image = photo(60, 40)
    blocks = pixels(image).reshape(10, 4, 20, 3, 3).mean(axis=(1, 3))
    made = apply(image, "resize", width=20, height=10, filter="box")
    assert np.abs(pixels(made) - blocks).max() <= 1


def test_nearest_takes_the_pixel_at_the_centre(apply, photo):
    image = photo(50, 33)
    rows = np.floor((np.arange(11) + 0.5) * 33 / 11).astype(int)
    columns = np.floor((np.arange(20) + 0.5) * 50 / 20).astype(int)
    made = apply(image, "resize", width=20, height=11, filter="nearest")
    np.testing.assert_array_equal(np.asarray(made), np.asarray(image)[np.ix_(rows, columns)])


@pytest.mark.parametrize("fit", ["stretch", "contain", "cover", "pad"])
def test_an_image_of_the_right_size_keeps_its_pixels(apply, photo, fit):
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
    assert resampled_size(source, framed(frame, "contain")) == size
    assert resampled_size(source, framed(frame, "pad")) == size


def contained(source, frame):
    """The documented size in exact fractions."""
    scale = min(Fraction(frame[0], source[0]), Fraction(frame[1], source[1]))
    return tuple(max(1, math.floor(side * scale + Fraction(1, 2))) for side in source)


def test_any_size_is_contained_exactly():
    draw = random.Random(2026)
    for _ in range(5000):
        source = (draw.randrange(1, 3000), draw.randrange(1, 3000))
        frame = draw.choice([(7, 5), (100, 100), (128, 96), (256, 256), (300, 512)])
        assert resampled_size(source, framed(frame, "contain")) == contained(source, frame)


@pytest.mark.parametrize(("short", "size"), [(175, 88), (173, 87)])
def test_half_a_pixel_is_rounded_up(short, size):
    for times in range(1, 500):
        sides = 200 * times, short * times  # scale to 100 and 87.5, or 86.5
        assert resampled_size(sides, framed((100, 100), "contain")) == (100, size), times
        assert resampled_size(sides[::-1], framed((100, 100), "contain")) == (size, 100), times


@pytest.mark.parametrize("fit", ["stretch", "cover"])
@pytest.mark.parametrize("source", [(1, 1), (1, 500), (500, 1), (33, 44)])
@pytest.mark.parametrize("frame", [(1, 1), (16, 9), (9, 16), (60, 60)])
def test_stretch_and_cover_fill_the_frame(apply, photo, fit, source, frame):
    made = apply(photo(*source), "resize", width=frame[0], height=frame[1], fit=fit)
    assert made.size == frame


def test_cover_fills_any_frame_from_any_size(apply):
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
def test_cover_handles_photos_of_common_sizes(apply, source, frame):
    made = apply(Image.new("L", source), "resize", width=frame[0], height=frame[1], fit="cover")
    assert made.size == frame


@pytest.mark.parametrize(("size", "cut"), [((90, 30), (30, 0, 60, 30)), ((30, 90), (0, 30, 30, 60)),
                                           ((50, 30), (10, 0, 40, 30))])  # fmt: skip
def test_cover_cuts_the_same_off_both_ends(apply, photo, size, cut):
    image = photo(*size)
    assert apply(image, "resize", width=30, height=30, fit="cover") == image.crop(cut)


def test_cover_scales_before_it_cuts(apply, photo):
    image = photo(400, 200)
    made = apply(image, "resize", width=50, height=50, fit="cover")
    area = cv2.resize(np.asarray(image)[:, 100:300], (50, 50), interpolation=cv2.INTER_AREA)
    assert psnr(made, area) >= 35


@pytest.mark.parametrize(
    ("source", "frame", "place"),
    [((80, 40), (40, 40), (0, 10, 40, 30)), ((40, 80), (40, 40), (10, 0, 30, 40)),
     ((10, 10), (40, 21), (9, 0, 30, 21)), ((100, 1), (10, 10), (0, 4, 10, 5))],
)  # fmt: skip
def test_pad_puts_the_picture_in_the_middle_of_its_colour(apply, photo, source, frame, place):
    image = photo(*source)
    made = apply(image, "resize", width=frame[0], height=frame[1], fit="pad", color="#102030")
    left, top, right, bottom = place
    inner = apply(image, "resize", width=right - left, height=bottom - top)
    expected = np.full((frame[1], frame[0], 3), (0x10, 0x20, 0x30), np.uint8)
    expected[top:bottom, left:right] = np.asarray(inner)
    np.testing.assert_array_equal(np.asarray(made), expected)


def test_pad_is_white_by_default_and_grey_on_grey(apply):
    black = Image.new("RGB", (20, 10))
    assert apply(black, "resize", width=20, height=20, fit="pad").getpixel((0, 0)) == (255,) * 3
    made = apply(black.convert("L"), "resize", width=20, height=20, fit="pad", color="gray")
    assert (made.mode, made.getpixel((0, 0)), made.getpixel((0, 10))) == ("L", 128, 0)


def test_a_region_is_taken_for_the_whole_picture():
    # Pixels that a reduced decode adds at an edge must not affect the result.
    image = Image.new("RGB", (33, 20), "red")
    image.paste("blue", (0, 0, 32, 20))
    step = parse({"steps": [{"resize": {"width": 8, "height": 5, "filter": "box"}}]}).steps[0]
    made = STEPS["resize"].function(image, **step.params, box=(0, 0, 32, 20))
    assert made.getcolors() == [(40, (0, 0, 255))]


@pytest.mark.parametrize(
    ("fit", "size"), [("stretch", (300, 300)), ("contain", (300, 225)), ("pad", (300, 225)),
                      ("cover", (400, 300))],
)  # fmt: skip
def test_a_decoder_receives_the_required_size_of_the_whole_source(fit, size):
    assert scaled_size((4000, 3000), framed((300, 300), fit)) == pytest.approx(size)


def test_no_side_may_be_larger_than_jpeg_can_hold(encoded):
    assert MAX_SIDE == 65_500
    assert encoded(Image.new("L", (65_500, 1)), "JPEG")
    with pytest.raises(OSError):
        encoded(Image.new("L", (65_501, 1)), "JPEG")


# One side, percent, longest and shortest side


def exactly(source, scale):
    return tuple(max(1, math.floor(side * scale + Fraction(1, 2))) for side in source)


WAYS = {
    "width": lambda source, n: Fraction(n, source[0]),
    "height": lambda source, n: Fraction(n, source[1]),
    "longest": lambda source, n: Fraction(n, max(source)),
    "shortest": lambda source, n: Fraction(n, min(source)),
    "percent": lambda source, n: Fraction(n, 100),
}


@pytest.mark.parametrize("way", WAYS)
def test_one_number_keeps_the_proportions_exactly(way):
    draw = random.Random(2026)
    for _ in range(3000):
        source, number = (draw.randrange(1, 3000), draw.randrange(1, 3000)), draw.randrange(1, 1000)
        expected = exactly(source, WAYS[way](source, number))
        assert resampled_size(source, {way: number}) == expected, (source, number)


def test_a_fractional_percentage_is_exact():
    for tenths in range(1, 2000):
        for side in (50, 125, 500, 4000):
            expected = exactly((side, side), Fraction(tenths, 1000))
            assert resampled_size((side, side), {"percent": tenths / 10}) == expected, tenths


@pytest.mark.parametrize(
    ("params", "size"),
    [
        ({"width": 30}, (30, 20)),
        ({"height": 30}, (45, 30)),
        ({"width": 30, "fit": "contain"}, (30, 20)),
        ({"percent": 50}, (45, 30)),
        ({"percent": 0.1}, (1, 1)),
        ({"longest": 45}, (45, 30)),
        ({"shortest": 120}, (180, 120)),
    ],
)
def test_a_photo_gets_the_size_asked_for(apply, photo, params, size):
    made = apply(photo(90, 60), "resize", **params)
    assert made.size == size
    area = cv2.resize(np.asarray(photo(90, 60)), size, interpolation=cv2.INTER_AREA)
    assert psnr(made, area) >= (24 if params == {"shortest": 120} else 30)


@pytest.mark.parametrize(
    ("source", "size"),
    [((4000, 3000), (400, 300)), ((3000, 4000), (300, 400)), ((100, 100), (300, 300)),
     ((1, 100), (300, 30_000)), ((300, 301), (300, 301))],
)  # fmt: skip
def test_outside_is_the_smallest_that_covers_the_frame(source, size):
    assert resampled_size(source, framed((300, 300), "outside")) == size


def test_outside_covers_any_frame_and_cuts_nothing():
    draw = random.Random(2026)
    for _ in range(3000):
        source = (draw.randrange(1, 3000), draw.randrange(1, 3000))
        frame = (draw.randrange(1, 500), draw.randrange(1, 500))
        scale = max(Fraction(frame[0], source[0]), Fraction(frame[1], source[1]))
        assert resampled_size(source, framed(frame, "outside")) == exactly(source, scale)


def test_a_result_may_have_the_largest_side(apply):
    longest = apply(Image.new("L", (MAX_SIDE // 100, 1)), "resize", longest=MAX_SIDE)
    assert longest.size == (MAX_SIDE, 100)


def test_a_result_that_no_format_could_hold_is_refused(apply):
    with pytest.raises(ValueError, match="would exceed 65500 pixels"):
        apply(Image.new("L", (1, 1000)), "resize", width=100)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "resize: give width, height, percent, longest or shortest"),
        ({"fit": "pad"}, "resize: give width, height, percent, longest or shortest"),
        ({"width": 5, "longest": 5}, "either width or longest"),
        ({"percent": 5, "shortest": 5}, "either percent or shortest"),
        ({"width": 5, "fit": "cover"}, "both width and height, which fit: cover needs"),
        ({"longest": 5, "fit": "pad"}, "both width and height, which fit: pad needs"),
    ],
)
def test_a_size_must_be_given_in_exactly_one_way(params, words):
    with pytest.raises(UserError, match=re.escape(words)):
        parse({"steps": [{"resize": params}]})


# Never larger


@pytest.mark.parametrize(
    ("params", "size"),
    [
        (framed((200, 30), "stretch"), (90, 30)),
        (framed((200, 200), "contain"), (90, 60)),
        (framed((200, 50), "cover"), (90, 50)),
        (framed((30, 30), "cover"), (30, 30)),
        (framed((200, 200), "cover"), (90, 60)),
        (framed((200, 200), "pad"), (200, 200)),
        (framed((200, 30), "outside"), (90, 60)),
        (framed((30, 30), "outside"), (45, 30)),
        ({"width": 200}, (90, 60)),
        ({"percent": 101}, (90, 60)),
        ({"longest": 91}, (90, 60)),
        ({"shortest": 30}, (45, 30)),
    ],
)
def test_no_side_becomes_longer(apply, photo, params, size):
    assert apply(photo(90, 60), "resize", upscale="never", **params).size == size


def test_cover_without_enlarging_gives_the_covered_part_of_the_frame(apply, photo):
    made = apply(photo(90, 60), "resize", **framed((200, 50), "cover", upscale="never"))
    assert made == photo(90, 60).crop((0, 5, 90, 55))


def test_pad_fills_the_frame_around_a_small_picture(apply, photo):
    made = apply(photo(90, 60), "resize", **framed((100, 100), "pad", upscale="never"))
    assert made.crop((5, 20, 95, 80)) == photo(90, 60)
    assert made.getpixel((4, 50)) == made.getpixel((50, 19)) == (255, 255, 255)


# Gravity


PLACES = {
    "center": (1, 1), "top": (1, 0), "bottom": (1, 2), "left": (0, 1), "right": (2, 1),
    "top_left": (0, 0), "top_right": (2, 0), "bottom_left": (0, 2), "bottom_right": (2, 2),
}  # fmt: skip


@pytest.mark.parametrize("gravity", PLACES)
def test_cover_keeps_the_part_that_gravity_names(apply, photo, gravity):
    across, down = PLACES[gravity]
    wide = apply(photo(90, 30), "resize", **framed((30, 30), "cover", gravity=gravity))
    tall = apply(photo(30, 90), "resize", **framed((30, 30), "cover", gravity=gravity))
    assert wide == photo(90, 30).crop((30 * across, 0, 30 * across + 30, 30))
    assert tall == photo(30, 90).crop((0, 30 * down, 30, 30 * down + 30))


@pytest.mark.parametrize("gravity", PLACES)
def test_pad_places_the_picture_by_its_gravity(apply, photo, gravity):
    across, down = PLACES[gravity]
    params = framed((50, 50), "pad", gravity=gravity, upscale="never", color="black")
    made = apply(photo(30, 20), "resize", **params)
    expected = np.zeros((50, 50, 3), np.uint8)
    top, left = 15 * down, 10 * across
    expected[top : top + 20, left : left + 30] = np.asarray(photo(30, 20))
    np.testing.assert_array_equal(np.asarray(made), expected)


# Fill of pad


@pytest.mark.parametrize(("mode", "with_alpha"), [("RGB", "RGBA"), ("L", "LA"), ("RGBA", "RGBA")])
def test_transparent_padding_gives_the_result_alpha(apply, photo, mode, with_alpha):
    image = photo(40, 20).convert(mode)
    made = apply(image, "resize", **framed((40, 40), "pad", color="transparent"))
    assert made.mode == with_alpha
    assert made.crop((0, 10, 40, 30)).convert(mode) == image
    alpha = np.asarray(made)[..., -1]
    assert (alpha[10:30] == 255).all()
    assert (alpha[:10] == 0).all()
    assert (alpha[30:] == 0).all()


def test_a_result_without_padding_has_alpha_as_well(apply, photo):
    made = apply(photo(40, 40), "resize", **framed((20, 20), "pad", color="transparent"))
    assert made.mode == "RGBA"


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
def test_blur_fills_with_the_picture_itself_strongly_blurred(apply, photo, mode):
    image = photo(120, 40).convert(mode)
    made = apply(image, "resize", **framed((120, 120), "pad", color="blur"))
    assert made.mode == mode
    assert made.crop((0, 40, 120, 80)) == image
    middle = np.asarray(image)[:, 40:80]
    covering = cv2.resize(middle, (120, 120), interpolation=cv2.INTER_LINEAR)
    backdrop = cv2.GaussianBlur(covering, (0, 0), 4)
    assert psnr(np.asarray(made)[:40], backdrop[:40]) >= 30


def test_gravity_places_the_picture_and_not_the_blurred_one_behind_it(apply, photo):
    """Behind it is the middle of the picture, wherever the picture is."""
    image, frame = photo(120, 40), framed((60, 60), "pad", color="blur")
    left, middle = (
        apply(image, "resize", **frame, gravity=gravity) for gravity in ("top_left", "center")
    )
    assert left.crop((0, 0, 60, 20)) == middle.crop((0, 20, 60, 40))
    assert left.crop((0, 40, 60, 60)) == middle.crop((0, 40, 60, 60))


def test_no_more_is_asked_of_a_decoder_than_the_blurred_picture_shows():
    """In a small frame, each pixel is seen."""
    small = framed((15, 15), "pad", color="blur", upscale="allow")
    assert needed_size((400, 40), small) == (150, 15)


def test_16_bits_are_padded_with_the_blurred_picture_too(apply, photo):
    image = photo(120, 40).convert("L")
    deep = Image.fromarray(np.asarray(image) * np.uint16(257))
    params = framed((120, 120), "pad", color="blur")
    made = apply(deep, "resize", **params)
    assert made.mode == "I;16"
    assert np.abs(pixels(made) / 257 - pixels(apply(image, "resize", **params))).max() <= 1


# Alpha


def transparent_half(color):
    """An opaque colour on the left, and a transparent one on the right."""
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[:, :20] = (*color, 255)
    pixels[:, 20:] = (0, 255, 0, 0)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("filter", ["bilinear", "box"])
def test_hidden_colours_do_not_bleed_into_edges(apply, filter, linear):
    image = transparent_half((200, 40, 40))
    made = np.asarray(apply(image, "resize", width=13, height=13, filter=filter, linear=linear))
    seen = made[..., 3] > 16
    assert np.abs(made[seen][:, :3].astype(int) - (200, 40, 40)).max() <= 6
    assert 0 < made[0, 6, 3] < 255


# Linear light


def light(levels):
    """IEC 61966-2-1, levels of 8 bits."""
    values = np.asarray(levels, float) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def levels(light):
    return 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_mean_of_light_is_taken(apply, photo, mode):
    image = photo(60, 40).convert(mode)
    channels = np.atleast_3d(np.asarray(image))
    blocks = light(channels).reshape(10, 4, 20, 3, -1).mean(axis=(1, 3))
    made = apply(image, "resize", width=20, height=10, filter="box", linear=True)
    assert np.abs(np.atleast_3d(pixels(made)) - levels(blocks)).max() <= 0.51


def test_a_checkerboard_keeps_its_brightness(apply):
    board = Image.fromarray(np.indices((64, 64)).sum(axis=0).astype(np.uint8) % 2 * 255)
    plain, linear = (
        apply(board, "resize", width=8, height=8, filter="box", linear=on).getpixel((4, 4))
        for on in (False, True)
    )
    assert (plain, linear) == (128, 188)  # half of the light is level 188


def test_linear_light_keeps_every_level(apply):
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).repeat(2).reshape(1, 512))
    made = apply(ramp, "resize", width=256, height=1, filter="box", linear=True)
    assert np.asarray(made)[0].tolist() == list(range(256))


def test_linear_light_of_16_bits(apply):
    deep = np.array([[0, 65535]], np.uint16)
    made = apply(Image.fromarray(deep), "resize", width=1, height=1, filter="box", linear=True)
    assert made.mode == "I;16"
    assert made.getpixel((0, 0)) == pytest.approx(levels(0.5) * 257, abs=2)


def test_linear_light_is_taken_of_what_cover_keeps(apply):
    squares = Image.fromarray(np.array([[10, 90, 200]], np.uint8).repeat(30, 0).repeat(30, 1))
    made = apply(squares, "resize", width=9, height=9, fit="cover", filter="box", linear=True)
    assert set(made.get_flattened_data()) == {90}


def test_nearest_takes_no_means_of_light(apply, photo):
    params = {"width": 20, "height": 11, "filter": "nearest"}
    image = photo(50, 33).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    for picture in (image, image.convert("RGB")):
        made = apply(picture, "resize", **params, linear=True)
        assert made == apply(picture, "resize", **params)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    "params",
    [
        *({"width": 40, "height": 30, "fit": fit} for fit in ("stretch", "contain", "outside")),
        *({"width": 40, "height": 60, "fit": "cover", "gravity": g} for g in ("center", "top")),
        *({"width": 40, "height": 60, "fit": "pad", "color": c} for c in ("#102030", "blur")),
        {"percent": 50}, {"percent": 100}, {"percent": 200}, {"longest": 40, "linear": True},
        {"width": 40, "filter": "box"}, {"width": 40, "resampler": "pillow"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("box", [None, (0, 0, 120.5, 80.25)])
def test_levels_are_resized_as_images_are(photo, box, params, mode):
    kind = STEPS["resize"]
    given = {key: parameter.default for key, parameter in kind.parameters.items()} | params
    image = photo(121, 81).convert(mode)
    expected = kind.function(image, **given, box=box)
    for levels in arrays_of(image):
        made = kind.on_array(**given)(levels, box)
        assert (made if isinstance(made, Image.Image) else image_of(made)) == expected


def test_percentages_are_decimal_numbers():
    """As floating-point numbers, 32.3 % of 500 pixels would be less than 161.5."""
    assert 500 * 32.3 / 100 < 161.5 or 500 * (32.3 / 100) < 161.5
    assert resampled_size((500, 1000), {"percent": 32.3}) == (162, 323)
    assert resampled_size((1500, 1000), {"percent": 4.1}) == (62, 41)


def test_a_region_is_resampled_even_to_the_size_of_the_picture(photo):
    kind, image = STEPS["resize"], photo(61, 41)
    given = {key: parameter.default for key, parameter in kind.parameters.items()}
    given |= {"width": 61, "height": 41}
    assert kind.function(image, **given, box=(0, 0, 61, 41)) == image
    made = kind.function(image, **given, box=(0, 0, 30.5, 20.5))
    assert psnr(made, image.crop((0, 0, 31, 21)).resize((61, 41))) > 30 > psnr(made, image)
