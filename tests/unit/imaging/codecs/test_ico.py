"""ICO: bitmaps are read by their own headers; of what entries say, only places are believed."""

import struct

import numpy as np
import pytest

from pixelmill.core.errors import ImageError
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.verification import second_bitmaps
from tests.helpers.bitmaps import icon

SIDE = 20
SEEN = DecodeOptions(alpha=True)

#: Transparent on the left, as a mask says it: 1 is transparent.
MASK = np.repeat(np.arange(SIDE)[None] < SIDE // 2, SIDE, axis=0)

#: Alpha of each pixel: a ramp.
RAMP = (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) * 255 // (SIDE * SIDE - 1)).astype(np.uint8)


def lines(rows):
    """Rows of bytes, each filled up to a multiple of four, the lowest row first."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))[::-1].tobytes()


def packed(indices, bits):
    split = indices[..., None] >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(split.astype(np.uint8).reshape(len(indices), -1), axis=1)


def colored(bits, palette=None, alpha=RAMP, masked=True, fields=()):
    """A bitmap for an icon, and the RGBA that it shows; `fields` are masks of bit fields."""
    generator = np.random.default_rng(bits)
    table = np.zeros((0, 4), np.uint8)
    if bits <= 8:
        table = np.array(palette or generator.integers(0, 256, (2**bits, 3)), np.uint8)
        indices = generator.integers(0, len(table), (SIDE, SIDE))
        colors, rows = table[indices], packed(indices, bits)
        table = np.pad(table[:, ::-1], ((0, 0), (0, 1)))
    else:
        colors = generator.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
        rows = colors[..., ::-1]
        if bits == 32:
            rows = np.dstack([rows, alpha])
    rows = rows.reshape(SIDE, -1)
    compression, used = (3 if fields else 0), (len(table) if palette else 0)
    head = struct.pack("<IiiHHIIiiII", 40, SIDE, 2 * SIDE, 1, bits, compression, 0, 0, 0, used, 0)
    mask = lines(packed(MASK, 1)) if masked else b""
    data = head + struct.pack(f"<{len(fields)}I", *fields) + table.tobytes() + lines(rows) + mask
    opaque = bits < 32 or not alpha.any() or fields
    shown = (255 * ~MASK).astype(np.uint8) if opaque else alpha
    return data, np.dstack([colors, shown])


def assert_shown(data, expected):
    found = np.asarray(decode(data, options=SEEN).frames[0].convert("RGBA"))
    second = second_bitmaps.ico(data)
    for levels in (found, second.levels):
        assert np.array_equal(levels[..., 3], expected[..., 3])
        assert np.array_equal(levels[expected[..., 3] > 0], expected[expected[..., 3] > 0])


@pytest.mark.parametrize("stated", [0, 1, 8, 24, 32])
@pytest.mark.parametrize("bits", [1, 4, 8, 24, 32])
def test_the_bitmap_states_its_bits(bits, stated):
    """Entries often state none, and sometimes others."""
    inside, expected = colored(bits)
    assert_shown(icon((SIDE, stated, inside)), expected)


@pytest.mark.parametrize("more", [-80, -1, 1, 80])
@pytest.mark.parametrize("bits", [1, 4, 8, 24, 32])
def test_the_mask_follows_the_colours_whatever_length_the_entry_states(bits, more):
    inside, expected = colored(bits)
    data = bytearray(icon((SIDE, bits, inside)) + b"\xaa" * max(0, more))
    struct.pack_into("<I", data, 14, len(inside) + more)
    assert_shown(bytes(data), expected)


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize(
    "palette", [[(0,) * 3, (255,) * 3], [(255,) * 3, (0,) * 3], [(k, k, k) for k in (0, 9)]]
)
def test_short_palettes_of_greys(bits, palette):
    inside, expected = colored(bits, palette)
    assert_shown(icon((SIDE, bits, inside)), expected)


@pytest.mark.parametrize("stated", [0, 32])
def test_alpha_that_is_0_everywhere_leaves_the_mask(stated):
    inside, expected = colored(32, alpha=np.zeros_like(RAMP))
    assert_shown(icon((SIDE, stated, inside)), expected)


@pytest.mark.parametrize("stated", [0, 32])
def test_bit_fields_without_alpha_leave_the_mask(stated):
    inside, expected = colored(32, fields=(0xFF0000, 0xFF00, 0xFF))
    assert_shown(icon((SIDE, stated, inside)), expected)


@pytest.mark.parametrize("bits", [1, 4, 8, 24])
def test_without_its_mask_it_is_truncated(bits):
    inside, _ = colored(bits, masked=False)
    with pytest.raises(ImageError, match="its mask") as raised:
        decode(icon((SIDE, bits, inside)), options=SEEN)
    assert raised.value.reason == "truncated"


def test_alpha_needs_no_mask():
    inside, expected = colored(32, masked=False)
    assert_shown(icon((SIDE, 32, inside)), expected)
