"""Metrics of pictures have the values that their formulas give, computed here with NumPy alone."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.arrays import array_of, as_bgra
from pixelmill.inspection.measuring.picture_metrics import measure, on_white, reduced
from pixelmill.inspection.metrics import LONGEST_SIDE, PERCENTILES


def metric(pixels, name):
    return measure(np.asarray(pixels, np.uint8))[name]


def flat(*color, height=40, width=48):
    """A picture of one colour, blue first, or of one level of grey."""
    return np.full((height, width, *([len(color)] if len(color) > 1 else [])), color, np.uint8)


@pytest.fixture
def noise():
    """A picture in colour without any structure."""
    return np.random.default_rng(1).integers(0, 256, (61, 83, 3), dtype=np.uint8)


@pytest.fixture
def gray(noise):
    return np.ascontiguousarray(noise[..., 0])


def test_numbers_have_six_digits(gray):
    value = metric(gray, "luma_std")
    assert value == float(f"{gray.std():.6g}")


def test_luma_is_that_of_rec_601():
    for color, weight in (((255, 0, 0), 0.114), ((0, 255, 0), 0.587), ((0, 0, 255), 0.299)):
        assert metric(flat(*color), "luma_mean") == round(255 * weight)


def test_mean_and_deviation_of_luma(gray):
    assert metric(gray, "luma_mean") == pytest.approx(gray.mean(), rel=1e-5)
    assert metric(gray, "luma_std") == pytest.approx(gray.std(), rel=1e-5)


@pytest.mark.parametrize("percent", PERCENTILES)
def test_a_percentile_is_a_level_that_occurs(gray, percent):
    wanted = np.percentile(gray, percent, method="inverted_cdf")
    assert metric(gray, f"luma_p{percent}") == wanted


def test_percentiles_of_few_pixels():
    pixels = np.array([[10, 20, 30, 40]], np.uint8)
    found = measure(pixels)
    assert [found[f"luma_p{p}"] for p in (1, 25, 50, 75, 99)] == [10, 10, 20, 30, 40]


def test_means_and_deviations_of_channels_are_shares(noise):
    found = measure(noise)
    for channel, color in enumerate(("blue", "green", "red")):
        values = noise[..., channel] / 255
        assert found[f"{color}_mean"] == pytest.approx(values.mean(), rel=1e-5)
        assert found[f"{color}_std"] == pytest.approx(values.std(), rel=1e-5)


def test_a_deviation_of_almost_nothing_is_not_lost_to_rounding():
    pixels = flat(200, 201, 202, height=512, width=512)
    assert metric(pixels, "red_std") == 0
    pixels[0, 0, 2] = 203
    assert metric(pixels, "red_std") == pytest.approx(pixels[..., 2].std() / 255, rel=1e-5)


def colorfulness(pixels):
    """The formula of Hasler and Suesstrunk, as they write it."""
    blue, green, red = (pixels[..., k].astype(float) for k in range(3))
    rg, yb = red - green, (red + green) / 2 - blue
    return math.hypot(rg.std(), yb.std()) + 0.3 * math.hypot(rg.mean(), yb.mean())


def test_colorfulness_follows_the_formula(noise):
    assert metric(noise, "colorfulness") == pytest.approx(colorfulness(noise), rel=1e-5)
    noise[..., 1] //= 3
    assert metric(noise, "colorfulness") == pytest.approx(colorfulness(noise), rel=1e-5)


@pytest.mark.parametrize("width", [600, 1023])
def test_colors_of_less_than_twice_the_longest_side_are_not_reduced(width):
    pixels = np.random.default_rng(3).integers(0, 256, (20, width, 3), dtype=np.uint8)
    assert metric(pixels, "red_std") == pytest.approx(pixels[..., 2].std() / 255, rel=1e-5)
    assert metric(pixels, "colorfulness") == pytest.approx(colorfulness(pixels), rel=1e-5)
    gray = np.ascontiguousarray(pixels[..., 2])
    assert metric(gray, "green_std") == metric(pixels, "red_std")


def test_colors_of_larger_pictures_are_those_of_means_of_blocks():
    pixels = np.random.default_rng(3).integers(0, 256, (60, 1800, 3), dtype=np.uint8)
    blocks = pixels.reshape(20, 3, 600, 3, 3).mean(axis=(1, 3))
    assert metric(pixels, "blue_mean") == pytest.approx(blocks[..., 0].mean() / 255, rel=1e-4)
    assert metric(pixels, "blue_std") == pytest.approx(blocks[..., 0].std() / 255, rel=1e-3)
    assert metric(pixels, "colorfulness") == pytest.approx(colorfulness(blocks), rel=1e-2)


def area_means(pixels, size):
    """The mean of the area that each pixel of the result covers, along one axis after the other."""
    for axis, count in enumerate(size):
        length = pixels.shape[axis]
        bounds = np.linspace(0, length, count + 1)
        steps = np.arange(length)
        end, begin = bounds[1:, None], bounds[:-1, None]
        covered = np.clip(np.minimum(end, steps + 1) - np.maximum(begin, steps), 0, None)
        pixels = np.moveaxis(np.tensordot(covered / (end - begin), pixels, (1, axis)), 0, axis)
    return pixels


@pytest.mark.parametrize("shape", [(30, 1024), (1500, 1100), (1024, 1024)])
def test_luma_of_twice_the_longest_side_is_reduced_to_the_means_of_areas(shape):
    pixels = np.random.default_rng(4).integers(0, 256, shape, dtype=np.uint8)
    made = reduced(pixels)
    assert max(made.shape) == LONGEST_SIDE
    assert min(made.shape) == round(LONGEST_SIDE * min(shape) / max(shape))
    assert np.abs(made - area_means(pixels.astype(float), made.shape)).max() <= 0.5 + 1e-3


def interpolated(pixels, size):
    """Interpolate between the centres of pixels, along one axis after the other."""
    for axis, count in enumerate(size):
        pixels = np.moveaxis(pixels, axis, 0)
        place = np.clip((np.arange(count) + 0.5) * len(pixels) / count - 0.5, 0, len(pixels) - 1)
        before = np.minimum(place.astype(int), len(pixels) - 2)
        share = (place - before)[:, None]
        pixels = np.moveaxis((1 - share) * pixels[before] + share * pixels[before + 1], 0, axis)
    return pixels


@pytest.mark.parametrize("shape", [(513, 400), (600, 450), (700, 1023), (600, 30)])
def test_luma_of_smaller_pictures_is_interpolated(shape):
    pixels = np.random.default_rng(4).integers(0, 256, shape, dtype=np.uint8)
    made = reduced(pixels)
    assert max(made.shape) == LONGEST_SIDE
    assert min(made.shape) == round(LONGEST_SIDE * min(shape) / max(shape))
    # OpenCV's weights are multiples of 1/256.
    assert np.abs(made - interpolated(pixels.astype(float), made.shape)).max() <= 2


def test_luma_of_a_large_picture_is_that_of_its_pixels(noise):
    large = np.tile(noise, (13, 13, 1))
    luma = np.rint(large @ [0.114, 0.587, 0.299])
    found = measure(large)
    wanted = np.rint(area_means(luma, (round(793 * 512 / 1079), 512)))
    assert found["luma_mean"] == pytest.approx(wanted.mean(), rel=1e-3)
    assert found["luma_std"] == pytest.approx(wanted.std(), rel=1e-3)
    assert found["sharpness"] == pytest.approx(laplacian(wanted).var(), rel=1e-2)


@pytest.mark.parametrize("shape", [(40, 5000), (1, 5000), (600, 600, 4), (3000, 2, 3)])
def test_large_pictures_of_any_shape_are_measured(shape):
    found = measure(np.full(shape, 7, np.uint8))
    assert found["luma_std"] == found["colorfulness"] == 0


def test_colorfulness_of_pictures_with_known_values(gray):
    assert metric(gray, "colorfulness") == 0
    assert metric(np.dstack([gray] * 3), "colorfulness") == 0
    # Pure red: rg = 255 and yb = 127.5 everywhere.
    assert metric(flat(0, 0, 255), "colorfulness") == pytest.approx(0.3 * 255 * math.sqrt(1.25))


def test_entropy_of_pictures_with_known_values():
    assert metric(flat(77), "entropy") == 0
    assert metric([[0, 255] * 8], "entropy") == 1
    assert metric(np.arange(256).reshape(16, 16), "entropy") == 8


def laplacian(pixels):
    """The Laplacian of four neighbours, where all of them exist."""
    p = pixels.astype(float)
    return p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4 * p[1:-1, 1:-1]


def test_sharpness_is_the_variance_of_the_laplacian(gray):
    assert metric(gray, "sharpness") == pytest.approx(laplacian(gray).var(), rel=1e-5)
    assert metric(flat(9), "sharpness") == 0


def test_sharpness_of_a_slope_is_none():
    assert metric(np.tile(np.arange(200), (30, 1)), "sharpness") == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (2, 50), (50, 2)])
def test_sharpness_does_not_apply_to_lines(shape):
    assert metric(np.zeros(shape), "sharpness") is None


@pytest.mark.parametrize("seed", range(3))
def test_a_large_photo_is_as_sharp_as_its_copies(photo, encoded, seed):
    large = photo(2048, 1536, seed=seed)
    size = (LONGEST_SIDE, LONGEST_SIDE * 3 // 4)
    wanted = metric(array_of(large), "sharpness")
    for filter in (Image.Resampling.BICUBIC, Image.Resampling.LANCZOS):
        copy = large.resize(size, filter)
        assert metric(array_of(copy), "sharpness") == pytest.approx(wanted, rel=0.5), filter
        saved = Image.open(io.BytesIO(encoded(copy, "JPEG", quality=85)))
        assert metric(array_of(saved), "sharpness") == pytest.approx(wanted, rel=0.5), filter


def test_a_blurred_picture_is_less_sharp(photo):
    image = photo(512, 384, seed=3)
    coarse = image.resize((128, 96), Image.Resampling.BOX).resize(image.size)
    sharpness = [metric(array_of(shown), "sharpness") for shown in (image, coarse)]
    assert sharpness[1] < sharpness[0] / 10


def test_blocks_of_a_jpeg_are_seen(photo, encoded, tmp_path):
    image = photo(320, 240, seed=1)
    found = [metric(array_of(image), "blockiness")]
    for quality in (90, 30, 5):
        path = tmp_path / f"{quality}.jpg"
        path.write_bytes(encoded(image, "JPEG", quality=quality))
        with Image.open(path) as opened:
            found.append(metric(array_of(opened), "blockiness"))
    assert found[0] == pytest.approx(1, abs=0.05)
    assert found == sorted(found)
    assert found[-1] > 1.5


def tiles(height, width, size=8):
    """A chessboard whose squares are flat."""
    rows, columns = np.indices((height, width)) // size
    return ((rows + columns) % 2 * 20 + 100).astype(np.uint8)


def test_blockiness_of_pictures_with_known_values():
    assert metric(flat(50), "blockiness") == 1
    assert metric(tiles(64, 80), "blockiness") == (20 + 0.5) / 0.5
    assert metric(tiles(64, 80, size=5), "blockiness") < 1.5


@pytest.mark.parametrize("turn", [np.flipud, np.fliplr, np.rot90, np.transpose])
def test_blocks_of_a_picture_that_was_turned_are_seen(turn):
    pixels = np.ascontiguousarray(turn(tiles(61, 83)))
    assert metric(pixels, "blockiness") == (20 + 0.5) / 0.5


def test_blockiness_does_not_apply_to_reduced_and_small_pictures(gray):
    assert metric(tiles(64, 520), "blockiness") is None
    assert metric(gray[:20], "blockiness") is None


def test_clipped_levels_are_those_next_to_black_and_white():
    pixels = np.arange(256).reshape(16, 16)
    assert metric(pixels, "clipped_shadows") == pytest.approx(3 / 256, rel=1e-5)
    assert metric(pixels, "clipped_highlights") == pytest.approx(3 / 256, rel=1e-5)


def test_the_share_of_transparent_pixels():
    pixels = flat(1, 2, 3, 255, height=10, width=10)
    assert metric(pixels, "transparent") == 0
    pixels[:3, :, 3] = [[0], [128], [254]]
    assert metric(pixels, "transparent") == pytest.approx(0.3)
    assert metric(pixels[..., :3], "transparent") == 0


def test_hidden_colors_of_a_large_picture_do_not_count():
    """It is composed on white before it is reduced."""
    pixels = flat(0, 0, 0, 255, height=600, width=1200)
    pixels[:, ::2] = (0, 200, 0, 0)
    found = measure(pixels)
    assert found["luma_mean"] == pytest.approx(127.5, abs=0.6)
    assert (found["colorfulness"], found["transparent"]) == (0, 0.5)


def test_a_picture_with_alpha_is_composed_on_white(noise):
    alpha = np.random.default_rng(2).integers(0, 256, noise.shape[:2], dtype=np.uint8)
    share = alpha[..., None] / 255
    wanted = np.rint(noise * share + 255 * (1 - share))
    composed = on_white(np.dstack([noise, alpha]))
    assert np.abs(composed - wanted).max() <= 0
    found = measure(np.dstack([noise, alpha]))
    assert {**found, "transparent": 0.0} == measure(composed)


@pytest.mark.parametrize(
    ("edges", "share"),
    [
        ((0, 0, 0, 0), 0),
        ((10, 0, 0, 0), 10 / 40),
        ((5, 5, 0, 0), 10 / 40),
        ((0, 0, 12, 12), 24 / 48),
        ((4, 6, 8, 10), 1 - 30 * 30 / (40 * 48)),
    ],
)
def test_borders_are_uniform_rows_and_columns(noise, edges, share):
    top, bottom, left, right = edges
    pixels = np.full((40, 48), 16, np.uint8)
    pixels[top : 40 - bottom, left : 48 - right] = noise[
        : 40 - top - bottom, : 48 - left - right, 1
    ]
    assert metric(pixels, "border") == pytest.approx(share, rel=1e-5)


def test_a_border_may_have_the_noise_of_compression(gray):
    gray[:20] = 100 + gray[:20] % 11
    assert metric(gray, "border") == pytest.approx(20 / 61, rel=1e-5)
    gray[0, 0] = 120
    assert metric(gray, "border") == 0


def test_a_uniform_picture_is_all_border():
    assert metric(flat(255), "border") == 1
    assert metric([[7]], "border") == 1


@pytest.mark.parametrize("turn", [np.asarray, np.transpose])
def test_a_picture_of_two_colors_is_all_border(turn):
    assert metric(turn(np.repeat([[0, 255]], 30, axis=0).repeat(20, axis=1)), "border") == 1


def test_gray_has_the_same_metrics_as_the_same_gray_in_colors(gray):
    wanted = measure(gray)
    assert measure(gray[..., None]) == wanted
    assert measure(np.dstack([gray] * 3)) == wanted


def test_gray_with_alpha_has_the_same_metrics_as_in_colors(gray):
    alpha = np.flipud(gray)
    wanted = measure(np.dstack([gray, gray, gray, alpha]))
    assert measure(np.dstack([gray, alpha])) == wanted
    turned = np.dstack([gray, gray, gray, alpha])[::-1].copy()[::-1]
    assert measure(turned) == wanted


def test_arrays_of_decoders_have_the_same_metrics_as_copies(noise):
    wanted = measure(noise)
    assert measure(as_bgra(noise)[..., :3]) == wanted
    assert measure(np.flipud(np.flipud(noise).copy())) == wanted


@pytest.mark.parametrize("shape", [(1, 1), (1, 512), (512, 1), (1, 1, 3), (3, 2, 4)])
def test_the_smallest_pictures_are_measured(shape):
    found = measure(np.zeros(shape, np.uint8))
    assert {name for name, value in found.items() if value is None} <= {"sharpness", "blockiness"}
