"""BMP: every header, depth, palette, bit field and run gives the stored picture."""

import itertools

import numpy as np
import pytest

from pixelmill.core.errors import ImageError
from pixelmill.verification import second_bitmaps
from tests.helpers.bitmaps import ALPHA_BIT_FIELDS, BIT_FIELDS, RAW, RLE4, RLE8, bmp, run_lengths
from tests.helpers.drawn import alpha, colors, gray
from tests.unit.imaging.codecs.test_tiff import assert_seen, seen

#: Headers: OS/2 1.x and 2.x, and Windows from 3.0 to the fifth version.
HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)


def palette(count):
    """Red, green and blue of colours that are all different."""
    return [(k * 255 // max(1, count - 1), 255 - k * 7 % 256, k * 91 % 256) for k in range(count)]


def opaque(levels):
    return np.dstack([levels, np.full(levels.shape[:2], 255)]).astype(float)


#: Headers by the order of rows; in the oldest one the height has no sign.
LAYOUTS = [(h, down) for h in HEADERS for down in (False, True) if (h, down) != (12, True)]


@pytest.mark.parametrize(("header", "top_down"), LAYOUTS)
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes(bits, header, top_down):
    for count in {2**bits, 2, 3} if header >= 40 else {2**bits}:
        if count > 2**bits:
            continue
        table = palette(count)
        indices = gray() % np.uint16(count)
        used = 0 if count == 2**bits else count
        data = bmp(indices, bits, header=header, palette=table, used=used, top_down=top_down)
        assert_seen(data, opaque(np.array(table)[indices]), within=0)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize(
    "table", [[(0, 0, 0), (255, 255, 255)], [(255,) * 3, (0,) * 3], [(k, k, k) for k in range(16)]]
)
def test_grey_palettes_are_grey_at_every_depth(bits, table):
    table = table[: 2**bits]
    indices = gray() % np.uint16(len(table))
    data = bmp(indices, bits, palette=table, used=len(table))
    assert_seen(data, opaque(np.array(table)[indices]), within=0)


#: Bits, compression, header and number of colours in it, where it has such fields.
REACHING = [
    (bits, compression, header, colors)
    for bits, compression in [(1, RAW), (2, RAW), (4, RAW), (8, RAW), (4, RLE4), (8, RLE8)]
    for header in (12, 16, 40, 64, 124)
    for colors in (0, 2**bits)
    if header >= 40 or (compression, colors) == (RAW, 0)
]


@pytest.mark.parametrize("share", [0, 2])
@pytest.mark.parametrize(("bits", "compression", "header", "used"), REACHING)
def test_a_palette_may_reach_into_the_pixels(bits, compression, header, used, share):
    """The pixels begin after none or half of the palette; what is behind it consists of pixels."""
    indices = np.tile(gray() % np.uint16(2**bits), (4, 1))
    pixels = indices if compression == RAW else run_lengths(indices, bits == 4)
    table = palette(2**bits)[: 2**bits // share if share else 0]
    data = bmp(pixels, bits, header=header, compression=compression, palette=table, used=used)
    entry = 3 if header == 12 else 4
    whole = np.frombuffer(data, np.uint8, entry << bits, 14 + header).reshape(-1, entry)
    expected = opaque(whole[:, 2::-1][indices])
    assert_seen(data, expected, within=0)
    if header == 12 and bits != 2:  # imagecodecs refuses the others
        assert np.array_equal(second_bitmaps.bmp(data).levels[..., :3], expected[..., :3])


#: Bits of a pixel and masks of red, green, blue and alpha.
MASKS = [
    (16, (0xF800, 0x7E0, 0x1F, 0)), (16, (0x7C00, 0x3E0, 0x1F, 0)),
    (16, (0xF00, 0xF0, 0xF, 0)), (16, (0x1F, 0x7E0, 0xF800, 0)),
    (16, (0xF00, 0xF0, 0xF, 0xF000)), (16, (0x7C00, 0x3E0, 0x1F, 0x8000)),
    (16, (0xE0, 0x1C, 0x3, 0xFF00)),
    (32, (0xFF0000, 0xFF00, 0xFF, 0)), (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
    (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)), (32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)),
    (32, (0x3FF00000, 0xFFC00, 0x3FF, 0)), (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)),
    (32, (0xFC000000, 0x3F000, 0x3F, 0)), (32, (0x7F, 0x3F80, 0x1FC000, 0xFF000000)),
]  # fmt: skip

#: By header: in that of OS/2 the number means another compression, and one has no mask of alpha.
FIELDS = [
    (header, bits, masks)
    for header in HEADERS[2:]
    for bits, masks in MASKS
    if header != 64 and not (header == 52 and masks[3])
]


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize(("header", "bits", "masks"), FIELDS)
def test_bit_fields(bits, masks, header, top_down):
    channels = [*colors().transpose(2, 0, 1), alpha()]
    numbers, visible = np.zeros(alpha().shape, np.uint64), []
    for mask, channel in zip(masks, channels, strict=True):
        shift = (mask & -mask).bit_length() - 1 if mask else 0
        most = max(1, mask >> shift)
        levels = np.rint(channel / 255 * most).astype(np.uint64)
        numbers |= levels << np.uint64(shift) if mask else np.uint64(0)
        visible.append(levels * 255 / most)
    if not masks[3]:
        visible[3] = np.full(alpha().shape, 255)
    fields = 3 if header == 52 or (header == 40 and not masks[3]) else 4
    compression = ALPHA_BIT_FIELDS if header == 40 and fields == 4 else BIT_FIELDS
    data = bmp(
        numbers, bits, header=header, compression=compression, masks=masks[:fields],
        top_down=top_down,
    )  # fmt: skip
    assert_seen(data, np.dstack(visible).astype(float), within=1)


def test_a_fully_transparent_bitmap_is_treated_as_opaque():
    """Some writers set the mask but leave the byte at 0."""
    red, green, blue = colors().astype(np.uint32).transpose(2, 0, 1)
    data = bmp(
        red << 16 | green << 8 | blue, 32, header=124, compression=BIT_FIELDS,
        masks=(0xFF0000, 0xFF00, 0xFF, 0xFF000000),
    )  # fmt: skip
    assert_seen(data, opaque(colors()), within=0)


@pytest.mark.parametrize(("header", "top_down"), LAYOUTS)
@pytest.mark.parametrize("bits", [16, 24, 32])
def test_colours_without_bit_fields(bits, header, top_down):
    red, green, blue = colors().astype(np.uint32).transpose(2, 0, 1)
    expected = colors()
    if bits == 16:
        numbers = red >> 3 << 10 | green >> 3 << 5 | blue >> 3
        expected = (expected.astype(int) >> 3) * 255 / 31
    elif bits == 32:
        numbers = red << 16 | green << 8 | blue
    data = bmp(colors() if bits == 24 else numbers, bits, header=header, top_down=top_down)
    assert_seen(data, opaque(expected), within=1)


@pytest.mark.parametrize("four", [False, True])
@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("width", [39, 40])
@pytest.mark.parametrize("header", [40, 64, 108, 124])
def test_runs(header, width, ended, absolute, four):
    count = 16 if four else 256
    indices = (gray()[:, :width] >> (4 if four else 0)).astype(np.uint8)
    packed = run_lengths(indices, four, absolute, ended)
    compression, bits = (RLE4, 4) if four else (RLE8, 8)
    table = palette(count)
    data = bmp(packed, bits, header=header, compression=compression, palette=table)
    assert_seen(data, opaque(np.array(table)[indices]), within=0)


@pytest.mark.parametrize(
    ("bits", "codes", "rows"),
    [
        # A run, two to the right and one up, a run, and the end: the rest is never drawn.
        (8, "02 01  00 02 02 01  03 02  00 01",
         [[0] * 8, [0, 0, 0, 0, 2, 2, 2, 0], [1, 1, 0, 0, 0, 0, 0, 0]]),
        # Runs of two colours in turn, an odd number of them, and indices as they are.
        (4, "05 12  00 03 34 50  00 00  08 67  00 00  08 89  00 01",
         [[8, 9] * 4, [6, 7] * 4, [1, 2, 1, 2, 1, 3, 4, 5]]),
        # What goes beyond the row is cut off.
        (8, "09 01  00 00  08 02  00 00  08 03  00 01", [[3] * 8, [2] * 8, [1] * 8]),
        # What begins beyond the row, too.
        (8, "00 02 09 00 04 05  00 01", [[0] * 8] * 3),
        # Only the mark of the end is missing.
        (8, "08 01  00 00  08 02  00 00  08 03", [[3] * 8, [2] * 8, [1] * 8]),
        # The end comes early.
        (8, "08 01  00 01", [[0] * 8, [0] * 8, [1] * 8]),
    ],
)  # fmt: skip
def test_escapes(bits, codes, rows):
    table = palette(16)
    packed = bytes.fromhex(codes), 8, 3
    data = bmp(packed, bits, compression=RLE8 if bits == 8 else RLE4, palette=table, used=16)
    assert_seen(data, opaque(np.array(table)[np.array(rows)]), within=0)


@pytest.mark.parametrize(
    "data",
    [
        bmp(gray() >> 4, 4, palette=palette(16)),
        bmp(colors()[..., 0].astype(np.uint32), 32, compression=BIT_FIELDS, masks=(1020, 255, 7)),
        bmp(run_lengths(gray(), False), 8, compression=RLE8, palette=palette(256)),
        bmp(run_lengths(gray() >> 4, True, True), 4, compression=RLE4, palette=palette(16)),
        bmp(
            (bytes.fromhex("08 01") * 99, 8, 99), 8, compression=RLE8, palette=palette(16), used=16
        ),
    ],
    ids=["palette", "fields", "runs", "absolute", "one-row"],
)
def test_a_bitmap_that_was_cut_off_is_truncated(data):
    for share, name in itertools.product((0.3, 0.6, 0.95), ("pillow", "opencv")):
        with pytest.raises(ImageError) as failure:
            seen(data[: int(len(data) * share)], name)
        assert failure.value.reason == "truncated"


def test_a_last_row_that_ends_early_is_truncated():
    """Even if no code is cut."""
    for codes in ("08 01 00 00 07 02", "08 01 00 00", "08 01"):
        data = bmp((bytes.fromhex(codes), 8, 2), 8, compression=RLE8, palette=palette(16), used=16)
        with pytest.raises(ImageError) as failure:
            seen(data, "pillow")
        assert failure.value.reason == "truncated"


@pytest.mark.parametrize("field", [0, 3])
def test_bit_fields_with_gaps_are_not_supported(field):
    masks = [0xFF0000, 0xFF00, 0xFF, 0xFF000000]
    masks[field] &= 0xF5F5F5F5
    data = bmp(gray().astype(np.uint32), 32, header=124, compression=BIT_FIELDS, masks=masks)
    with pytest.raises(ImageError, match=f"the bit field {masks[field]:#x}") as failure:
        seen(data, "pillow")
    assert failure.value.reason == "unsupported"


@pytest.mark.parametrize(
    ("compression", "header", "bits", "names"),
    [(4, 40, 24, "JPEG"), (5, 40, 24, "PNG"), (3, 64, 1, "Huffman"), (4, 64, 24, "RLE24")],
)
def test_an_unsupported_kind_is_named(compression, header, bits, names):
    data = bmp((bytes(100), 8, 3), bits, header=header, compression=compression)
    for name in ("pillow", "opencv"):
        with pytest.raises(ImageError, match=names) as failure:
            seen(data, name)
        assert failure.value.reason == "unsupported"
