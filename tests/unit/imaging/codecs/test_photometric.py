"""Samples of every type are scaled to the full range of 8 or 16 bits."""

import io

import numpy as np
import pytest
import tifffile

from pixelmill.core.errors import ImageError
from pixelmill.imaging.codecs import tiff
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.codecs.photometric import Samples, full_range, samples_of, to_8_bits
from tests.helpers import tiffs


@pytest.mark.parametrize(
    ("samples", "bits", "expected"),
    [
        pytest.param(np.array([0, 1], bool), 1, np.array([0, 255], np.uint8), id="1"),
        pytest.param(np.array([0, 1, 3], np.uint8), 2, np.array([0, 85, 255], np.uint8), id="2"),
        pytest.param(np.array([0, 1, 15], np.uint8), 4, np.array([0, 17, 255], np.uint8), id="4"),
        pytest.param(np.array([0, 32, 63], np.uint8), 6, np.array([0, 130, 255], np.uint8), id="6"),
        pytest.param(np.array([0, 9, 255], np.uint8), 8, np.array([0, 9, 255], np.uint8), id="8"),
        pytest.param(
            np.array([0, 1, 1023], np.uint16), 10, np.array([0, 64, 65535], np.uint16), id="10"
        ),
        pytest.param(
            np.array([0, 1, 16383], np.uint16), 14, np.array([0, 4, 65535], np.uint16), id="14"
        ),
        pytest.param(
            np.array([-32768, -1, 0, 32767], np.int16), 16,
            np.array([0, 32767, 32768, 65535], np.uint16), id="signed-16",
        ),
        pytest.param(
            np.array([-128, -1, 0, 127], np.int8), 8, np.array([0, 127, 128, 255], np.uint8),
            id="signed-8",
        ),
        pytest.param(
            np.array([0, 255], np.uint32), 32, np.array([0, 255], np.uint8), id="32-as-8"
        ),
        pytest.param(
            np.array([0, 256], np.uint32), 32, np.array([0, 256], np.uint16), id="32-as-16"
        ),
        pytest.param(
            np.array([0, 2**31, 2**32 - 1], np.uint32), 32,
            np.array([0, 32768, 65535], np.uint16), id="32",
        ),
        pytest.param(
            np.array([-(2**31), 0, 2**31 - 1], np.int32), 32,
            np.array([0, 32768, 65535], np.uint16), id="signed-32",
        ),
        pytest.param(
            np.array([0, 0.25, 1], np.float16), 16, np.array([0, 16384, 65535], np.uint16),
            id="float-to-1",
        ),
        pytest.param(
            np.array([-1, 0, 51, 255], np.float64), 64, np.array([0, 0, 13107, 65535], np.uint16),
            id="float-to-255",
        ),
        pytest.param(
            np.array([0, 600, 65535], np.float32), 32, np.array([0, 600, 65535], np.uint16),
            id="float-to-65535",
        ),
        pytest.param(
            np.array([0.5, 0.5, 0.5, 70, np.nan, np.inf], np.float32), 32,
            np.array([32768, 32768, 32768, 65535, 0, 0], np.uint16), id="float-with-highlights",
        ),
        pytest.param(
            np.array([0, 0, 0, 51, 255], np.float32), 32,
            np.array([0, 0, 0, 13107, 65535], np.uint16), id="float-mostly-black",
        ),
        pytest.param(
            np.array([-9, 0, 100], np.int32), 32, np.array([0, 0, 100], np.uint8),
            id="signed-32-as-8",
        ),
        pytest.param(np.zeros(0, np.float32), 32, np.zeros(0, np.uint16), id="nothing"),
    ],
)  # fmt: skip
def test_the_range_of_a_type_becomes_that_of_8_or_16_bits(samples, bits, expected):
    made = full_range(samples, bits)
    assert made.dtype == expected.dtype
    assert made.tolist() == expected.tolist()


def test_16_bits_are_rounded_to_8():
    levels = np.array([0, 128, 129, 257, 385, 386, 65406, 65407, 65535], np.uint16)
    assert to_8_bits(levels).tolist() == [0, 0, 1, 1, 1, 2, 254, 255, 255]


@pytest.mark.parametrize(
    ("space", "alpha", "deep", "mode"),
    [("L", False, True, "I;16"), ("L", False, False, "L"), ("L", True, True, "L"),
     ("RGB", False, True, "RGB")],
)  # fmt: skip
def test_opaque_grey_stays_16_bits_if_that_is_asked_for(space, alpha, deep, mode):
    colors = np.full((2, 3, len(space)), 1000, np.uint16)
    made, mask = Samples(colors, space, colors[..., 0] if alpha else None).image(deep)
    assert (made.mode, made.getpixel((0, 0))) == (
        mode,
        {"I;16": 1000, "L": 4, "RGB": (4,) * 3}[mode],
    )
    assert (mask is not None) == alpha


def samples(levels, photometric, kind):
    """Samples of a TIFF whose last channel is alpha of some kind."""
    file = io.BytesIO()
    options = {"photometric": photometric, "extrasamples": [kind], "planarconfig": 1}
    tifffile.imwrite(file, np.array([[levels]]), metadata=None, **options)
    return samples_of(tiff.first_page(file.getvalue()))


def test_premultiplied_colours_are_divided_and_bounded_by_white():
    """Some writers store colours that are brighter than their alpha."""
    for kind in (np.uint8, np.uint16):
        most = np.iinfo(kind).max
        pixel = np.array([most * 4 // 5, most * 2 // 5, most // 5, most * 2 // 5], kind)
        made = samples(pixel, "rgb", "assocalpha")
        assert made.colors[0, 0].tolist() == [most, most, round(most / 2)]
        assert made.alpha[0, 0] == most * 2 // 5


def test_lab_with_alpha_has_one_depth_and_is_not_divided():
    pixel = np.array([128, 0, 0, 64], np.uint8)
    plain = samples(pixel, "cielab", "unassalpha")
    assert plain.colors.dtype == plain.alpha.dtype
    assert to_8_bits(plain.alpha)[0, 0] == 64
    np.testing.assert_array_equal(samples(pixel, "cielab", "assocalpha").colors, plain.colors)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_white_may_be_zero_at_any_depth(kind):
    most = np.iinfo(kind).max
    file = io.BytesIO()
    levels = np.array([[0, 1, most]], kind)
    tifffile.imwrite(file, levels, photometric="miniswhite", metadata=None)
    made = samples_of(tiff.first_page(file.getvalue())).colors
    assert made[..., 0].tolist() == [[most, most - 1, 0]]


def test_alpha_of_a_layout_that_pillow_does_not_read_is_seen():
    levels = np.array([[[9, 8, 7, 1, 0], [9, 8, 7, 1, 99]]], np.uint8)
    file = io.BytesIO()
    kinds = {"extrasamples": ["unspecified", "unassalpha"], "planarconfig": 1}
    tifffile.imwrite(file, levels, photometric="rgb", metadata=None, **kinds)
    (frame,) = decode(file.getvalue(), options=DecodeOptions(alpha=True)).frames
    assert np.asarray(frame).tolist() == [[[9, 8, 7, 0], [9, 8, 7, 99]]]
    (flat,) = decode(file.getvalue(), options=DecodeOptions(background="#000000")).frames
    assert np.asarray(flat)[0, 0].tolist() == [0, 0, 0]


def test_slices_of_depth_are_not_supported():
    file = io.BytesIO()
    volume = np.zeros((2, 16, 16), np.uint8)
    tifffile.imwrite(file, volume, volumetric=True, tile=(2, 16, 16), photometric="minisblack")
    with pytest.raises(ImageError, match="slices of depth") as failure:
        samples_of(tiff.first_page(file.getvalue()))
    assert failure.value.reason == "unsupported"


def test_a_predictor_of_other_depths_is_not_supported():
    """Differences of numbers that fill no bytes are not defined (TIFF 6.0, section 14)."""
    options = {"photometric": 1, "compression": 5, "tags": [(317, 3, [2])]}
    for bits in (4, 12):
        data = tiffs.tiff(np.zeros((2, 8, 1), np.uint16), bits=bits, **options)
        with pytest.raises(ImageError, match="with a predictor") as failure:
            tiff.first_page(data)
        assert failure.value.reason == "unsupported"
