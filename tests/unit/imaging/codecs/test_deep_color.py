"""Pictures of 16 bits per channel, between files and arrays."""

import struct
import zlib

import numpy as np
import pytest

from pixelmill.imaging.codecs import deep_color
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS
from pixelmill.imaging.codecs.ifd import Tags
from tests.helpers.imaging import chunk

#: First column and row, and steps, of the passes of Adam7 (PNG 3rd edition, 8.1).
PASSES = [
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
    (0, 1, 1, 2),
]  # fmt: skip

GRAY, RGB = 0, 2


def deep_png(levels, color_type, transparent, interlaced):
    """A PNG of 16 bits with one transparent colour."""
    height, width = levels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, interlaced)
    rows = b""
    for left, top, across, down in PASSES if interlaced else [(0, 0, 1, 1)]:
        for row in levels[top::down, left::across]:
            rows += b"\0" + row.astype(">u2").tobytes() if row.size else b""
    chunks = {
        b"IHDR": header,
        b"tRNS": struct.pack(f">{len(transparent)}H", *transparent),
        b"IDAT": zlib.compress(rows),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*pair) for pair in chunks.items())


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("color_type", [GRAY, RGB])
def test_pixels_of_the_transparent_colour_are_transparent(color_type, interlaced):
    """Not those that have one of its channels, or only the upper bytes of all."""
    channels = {GRAY: 1, RGB: 3}[color_type]
    random = np.random.default_rng(3)
    levels = random.choice(np.uint16([0x1234, 0x1235, 0x3434]), (12, 10, channels))
    data = deep_png(levels, color_type, levels[3, 4].tolist(), interlaced)
    samples, _ = deep_color.png_source(data, DecodeOptions(depth="keep")).read()
    np.testing.assert_array_equal(samples.colors, levels)
    is_transparent = (levels == levels[3, 4]).all(axis=2)
    assert 1 < is_transparent.sum() < 60
    expected = np.where(is_transparent, 0, 65535)
    np.testing.assert_array_equal(samples.alpha, expected)


@pytest.mark.parametrize(
    "open_", [deep_color.png_source, lambda data, _: deep_color.tiff_source(data)]
)
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_pictures_of_8_bits_are_left_to_pillow(photo, encoded, format, open_):
    assert open_(encoded(photo(8, 6), format), DecodeOptions(depth="keep")) is None


def test_every_format_of_16_bits_holds_transparency():
    """The backend OpenCV keeps alpha for that reason, and never flattens 16 bits."""
    assert {name for name, known in OUTPUT_FORMATS.items() if known.deep} == {"png", "tiff"}
    assert all(known.alpha for known in OUTPUT_FORMATS.values() if known.deep)


@pytest.mark.parametrize("format", ["png", "tiff"])
def test_options_of_16_bits_are_those_of_the_recipe(format):
    ramp = np.dstack([np.arange(4000, dtype=np.uint16).reshape(40, 100)] * 3)
    key, *values = {"png": ("level", 0, 9), "tiff": ("compression", "none", "lzw", "deflate")}[
        format
    ]
    sizes = [
        len(OUTPUT_FORMATS[format].encode_deep(ramp, {key: value}, None, Tags()))
        for value in values
    ]
    assert len(set(sizes)) == len(sizes)
    assert sizes[0] == max(sizes)
