"""ICO: bitmaps are read by their own headers; of what entries say, only places are believed."""

import itertools
import struct

import numpy as np
import pytest

from pixelmill.core.errors import ImageError
from pixelmill.imaging.codecs import ico
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


def colored(bits, palette=None, alpha=RAMP, masked=True, fields=(), top_down=False):
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
    compression, used = {0: 0, 3: 3, 4: 6}[len(fields)], (len(table) if palette else 0)
    down, high = (-1, -2 * SIDE) if top_down else (1, 2 * SIDE)
    head = struct.pack("<IiiHHIIiiII", 40, SIDE, high, 1, bits, compression, 0, 0, 0, used, 0)
    mask = lines(packed(MASK, 1)[::down]) if masked else b""
    data = (
        head
        + struct.pack(f"<{len(fields)}I", *fields)
        + table.tobytes()
        + lines(rows[::down])
        + mask
    )
    opaque = bits < 32 or not alpha.any() or len(fields) == 3
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


@pytest.mark.parametrize("stated", [0, 32])
def test_a_bit_field_of_alpha_goes_before_the_mask(stated):
    inside, expected = colored(32, fields=(0xFF0000, 0xFF00, 0xFF, 0xFF000000))
    shown = np.asarray(decode(icon((SIDE, stated, inside)), options=SEEN).frames[0])
    np.testing.assert_array_equal(shown, expected)


@pytest.mark.parametrize("bits", [1, 8, 24, 32])
def test_alpha_and_masks_are_turned_with_the_rows(bits):
    """A negative height means that the first row is the uppermost one."""
    for down in (True, False):
        inside, expected = colored(bits, top_down=down)
        shown = np.asarray(decode(icon((SIDE, bits, inside)), options=SEEN).frames[0])
        np.testing.assert_array_equal(shown[..., 3], expected[..., 3])
        np.testing.assert_array_equal(shown[expected[..., 3] > 0], expected[expected[..., 3] > 0])


@pytest.mark.parametrize("bits", [1, 4, 8, 24])
def test_without_its_mask_it_is_truncated(bits):
    inside, _ = colored(bits, masked=False)
    with pytest.raises(ImageError, match="its mask") as raised:
        decode(icon((SIDE, bits, inside)), options=SEEN)
    assert raised.value.reason == "truncated"


def test_alpha_needs_no_mask():
    inside, expected = colored(32, masked=False)
    assert_shown(icon((SIDE, 32, inside)), expected)


# The choice


def ico_entry(data):
    """Where the first picture of an icon begins, and the width that is stated of it."""
    return struct.unpack_from("<I", data, 6 + 12)[0], data[6]


def png(color_type, bits):
    """The beginning of a PNG, up to what it says of its samples."""
    return b"\x89PNG\r\n\x1a\n" + struct.pack(
        ">I4sIIBBBBB", 13, b"IHDR", 9, 9, bits, color_type, 0, 0, 0
    )


def bitmap(bits):
    return struct.pack("<IiiHH", 40, 9, 18, 1, bits) + bytes(40)


#: Pictures in the order of their bits: by a PNG's samples, and by the header of a bitmap.
BY_BITS = {
    "grey of 1": png(0, 1), "palette of 4": bitmap(4), "palette of 8": png(3, 8), "16": bitmap(16),
    "RGB of 8": png(2, 8), "32": bitmap(32), "RGB of 16": png(2, 16), "RGBA of 16": png(6, 16),
}  # fmt: skip


@pytest.mark.parametrize(("less", "more"), [*itertools.pairwise(BY_BITS)], ids=str)
def test_of_equally_large_pictures_the_one_with_the_most_bits_is_taken(less, more):
    for names in ((less, more), (more, less)):
        data = ico.best_alone(icon(*((16, 32, BY_BITS[name]) for name in names)))
        place, _ = ico_entry(data)
        assert data[place:].startswith(BY_BITS[more])


@pytest.mark.parametrize("color_type", [0, 4])
def test_grey_with_alpha_has_two_samples(color_type):
    count = {0: 1, 4: 2}[color_type]
    beside = bitmap(8 * count - 1), bitmap(8 * count + 1)
    for other, chosen in zip(beside, (png(color_type, 8), beside[1]), strict=True):
        data = ico.best_alone(icon((16, 0, other), (16, 0, png(color_type, 8))))
        place, _ = ico_entry(data)
        assert data[place:].startswith(chosen)


def test_a_side_of_0_is_the_largest():
    data = ico.best_alone(icon((255, 32, bitmap(32)), (0, 1, bitmap(1)), (128, 32, bitmap(32))))
    place, stated = ico_entry(data)
    assert (stated, data[place:].startswith(bitmap(1))) == (0, True)


def test_an_icon_of_one_picture_or_a_broken_one_stays_as_it_is():
    whole = icon((16, 32, bitmap(32)), (32, 32, bitmap(32)))
    for data in (icon((16, 32, bitmap(32))), whole[:5], whole[:37], b""):
        assert ico.best_alone(data) is data
