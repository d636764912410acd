"""TIFF: every layout gives the stored picture, or an error that names the layout."""

import io
import itertools

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelmill.core.errors import ImageError
from pixelmill.imaging.backends.registry import backend
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.limits import Limits
from tests.helpers import tiffs
from tests.helpers.drawn import (
    BLACK,
    CIE_LAB,
    CMYK,
    FLOAT,
    ICC_LAB,
    ITU_LAB,
    MASK,
    PALETTE,
    RGB,
    SIGNED,
    TURNED,
    UNSIGNED,
    WHITE,
    stored,
)
from tests.helpers.tiffs import ASCII, LONG, RATIONAL, UNDEFINED, retyped, tiff

# Warnings of the decoders are reported as outcomes.
pytestmark = pytest.mark.filterwarnings("ignore")

#: Kinds of samples: PhotometricInterpretation, bits, SampleFormat.
KINDS = [
    *((WHITE, bits, UNSIGNED) for bits in (1, 2, 4, 6, 8, 10, 12, 14, 16, 32)),
    *((BLACK, bits, UNSIGNED) for bits in (1, 2, 4, 6, 8, 10, 12, 14, 16, 32)),
    *((color, bits, SIGNED) for color in (WHITE, BLACK) for bits in (8, 16, 32)),
    *((color, bits, FLOAT) for color in (WHITE, BLACK, RGB) for bits in (16, 32, 64)),
    *((RGB, bits, UNSIGNED) for bits in (2, 4, 8, 10, 12, 14, 16, 32)),
    *((RGB, bits, SIGNED) for bits in (8, 16)),
    *((CMYK, bits, UNSIGNED) for bits in (8, 16)),
    *((PALETTE, bits, UNSIGNED) for bits in (1, 2, 4, 8)),
    *((color, bits, UNSIGNED) for color in (CIE_LAB, ICC_LAB) for bits in (8, 16)),
    (MASK, 1, UNSIGNED),
]  # fmt: skip

#: Compressions that any samples may have: none, LZW, Deflate, PackBits, LZMA, Zstandard.
COMPRESSIONS = (1, 5, 8, 32773, 34925, 50000)


def seen(data, name="pillow", **reading):
    """The 8-bit RGBA that a backend makes of a file; the output may have 16 bits."""
    decoded = backend(name).decode(data, None, DecodeOptions(alpha=True, **reading), Limits())
    levels = np.asarray(decoded.frames[0])
    levels = levels[:, :, None] if levels.ndim == 2 else levels
    values = levels / (257 if levels.dtype == np.uint16 else 1)
    if levels.shape[2] in (3, 4) and not hasattr(decoded.frames[0], "mode"):
        values = values[..., [2, 1, 0, 3][: levels.shape[2]]]
    if values.shape[2] in (1, 3):
        values = np.dstack([values, np.full(levels.shape[:2], 255)])
    return np.dstack([values[..., :1]] * 3 + [values[..., 1:]]) if values.shape[2] == 2 else values


def assert_seen(data, expected, within=2, **reading):
    for name, depth in itertools.product(("pillow", "opencv"), (8, "keep")):
        made = seen(data, name, depth=depth, **reading)
        assert made.shape == expected.shape
        assert np.abs(made[..., 3] - expected[..., 3]).max() <= 1, (name, depth)
        # Colours with a small alpha are known only to this precision.
        clear = within * 255 / np.maximum(expected[..., 3:], 1)
        assert (np.abs(made - expected)[..., :3] <= clear).all(), (name, depth)


def tolerance(color):
    """How many levels colours may be off: Lab of 8 bits is coarse."""
    return 16 if color in (CIE_LAB, ICC_LAB) else 2


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("color", "bits", "format"), KINDS)
def test_every_depth_gives_the_stored_picture(color, bits, format, order):
    samples, expected, tags = stored(color, bits, format)
    for compression, big in itertools.product((1, 8), (False, True)):
        data = tiff(
            samples, photometric=color, bits=bits, format=format, order=order, big=big,
            compression=compression, rows=7, tags=tags,
        )  # fmt: skip
        assert_seen(data, expected, tolerance(color))


#: Photometric interpretations by extra samples; nobody has said what premultiplied white means.
EXTRAS = [
    (color, extra)
    for color in (WHITE, BLACK, RGB, CMYK)
    for extra in ((), (0,), (1,), (2,), (0, 2), (2, 0))
    if (color, extra) != (WHITE, (1,))
]


@pytest.mark.parametrize(("color", "extra"), EXTRAS)
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("bits", [8, 16])
def test_planes_and_extra_samples_are_interpreted_correctly(color, bits, planar, extra):
    samples, expected, _ = stored(color, bits, UNSIGNED, extra)
    for order, compression in itertools.product("<>", (1, 5)):
        data = tiff(
            samples, photometric=color, bits=bits, extra=extra, planar=planar, order=order,
            compression=compression, rows=9,
        )  # fmt: skip
        assert_seen(data, expected)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize(("tile", "rows"), [(None, None), (None, 5), (16, None)])
@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize(
    ("color", "bits"), [(BLACK, 8), (WHITE, 16), (RGB, 8), (RGB, 16), (BLACK, 16)]
)
def test_compressions_strips_tiles_and_predictors(color, bits, predictor, tile, rows, compression):
    samples, expected, _ = stored(color, bits)
    for order in "<>":
        data = tiff(
            samples, photometric=color, bits=bits, order=order, compression=compression,
            predictor=predictor, tile=tile, rows=rows,
        )  # fmt: skip
        if predictor == 2 and compression in (1, 32773):
            continue  # which no writer combines
        assert_seen(data, expected)


@pytest.mark.parametrize("compression", [8, 50000])
@pytest.mark.parametrize("bits", [16, 32, 64])
@pytest.mark.parametrize("color", [BLACK, RGB])
def test_the_predictor_of_floating_point_numbers(color, bits, compression):
    samples, expected, _ = stored(color, bits, FLOAT)
    data = tiff(
        samples, photometric=color, bits=bits, format=FLOAT, compression=compression, predictor=3
    )
    assert_seen(data, expected)


@pytest.mark.parametrize("bits", [1, 4, 8, 12, 16])
@pytest.mark.parametrize("compression", [1, 5])
def test_bits_in_the_other_order(bits, compression):
    samples, expected, _ = stored(BLACK, bits)
    data = tiff(samples, photometric=BLACK, bits=bits, fill=2, compression=compression)
    assert_seen(data, expected)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_palette_of_8_bit_levels(bits, order):
    samples, expected, ((code, kind, values),) = stored(PALETTE, bits)
    narrow = [value // 257 for value in values]
    data = tiff(samples, photometric=PALETTE, bits=bits, order=order, tags=((code, kind, narrow),))
    assert_seen(data, expected)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("low", [0, 127, 128, 255])
def test_the_upper_bytes_of_a_palette_are_its_levels(bits, low):
    """Writers set the lower bytes in different ways."""
    samples, expected, ((code, kind, values),) = stored(PALETTE, bits)
    tag = (code, kind, [value // 257 * 256 + low for value in values])
    for compression in (8, 34925):  # Pillow decodes only the first one
        data = tiff(
            samples, photometric=PALETTE, bits=bits, compression=compression, tags=(tag,)
        )  # fmt: skip
        assert_seen(data, expected, within=0)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("compression", [1, 8, 34925])
@pytest.mark.parametrize("missing", [1, 3, None])
def test_a_palette_that_is_too_short_is_corrupt(bits, compression, missing):
    samples = np.zeros((4, 4, 1), np.uint16)
    levels = [(number * 257) % 65536 for number in range((3 << bits) - (missing or 3 << bits))]
    tags = ((320, 3, levels),) if levels else ()
    data = tiff(samples, photometric=PALETTE, bits=bits, compression=compression, tags=tags)
    for name in ("pillow", "opencv"):
        with pytest.raises(ImageError) as failed:
            seen(data, name)
        assert failed.value.reason == "corrupt", failed.value


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize(
    ("color", "bits", "format", "extra"),
    [
        (BLACK, 8, UNSIGNED, ()), (BLACK, 12, UNSIGNED, ()), (BLACK, 16, UNSIGNED, ()),
        (WHITE, 16, UNSIGNED, ()), (RGB, 8, UNSIGNED, ()), (RGB, 16, UNSIGNED, ()),
        (RGB, 8, UNSIGNED, (1,)), (RGB, 16, UNSIGNED, (1,)), (RGB, 16, UNSIGNED, (2,)),
        (RGB, 32, FLOAT, ()), (CMYK, 8, UNSIGNED, (2,)), (CIE_LAB, 16, UNSIGNED, ()),
    ],
)  # fmt: skip
def test_every_layout_is_rotated_once(color, bits, format, extra, orientation):
    samples, expected, tags = stored(color, bits, format, extra)
    kept = (*tags, (274, 3, [orientation]))
    for planar, order, big in itertools.product((1, 2), "<>", (False, True)):
        data = tiff(
            TURNED[orientation](samples), photometric=color, bits=bits, format=format, extra=extra,
            planar=planar, order=order, big=big, tags=kept,
        )  # fmt: skip
        assert_seen(data, expected, tolerance(color))


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize(("color", "bits"), [(BLACK, 8), (RGB, 8), (RGB, 16), (WHITE, 16)])
def test_a_kept_orientation_leaves_the_rows_unchanged(color, bits, orientation):
    samples, expected, _ = stored(color, bits)
    tags = ((274, 3, [orientation]),)
    data = tiff(TURNED[orientation](samples), photometric=color, bits=bits, tags=tags)
    for name, depth in itertools.product(("pillow", "opencv"), (8, "keep")):
        made = seen(data, name, depth=depth, orientation="keep")
        np.testing.assert_allclose(made, TURNED[orientation](expected), atol=2)
        reading = DecodeOptions(depth=depth, orientation="keep")
        block = Image.Exif()
        block.load(backend(name).decode(data, None, reading, Limits()).exif or b"Exif\0\0")
        assert block.get(274, 1) == orientation


@pytest.mark.parametrize("sampling", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("compression", [1, 5, 8])
def test_luminance_and_chrominance_that_are_not_jpeg(compression, sampling):
    across, down = sampling
    levels = np.asarray(Image.fromarray(smooth()).convert("YCbCr")).astype(np.uint8)
    height, width = levels.shape[:2]
    blocks = levels[..., 0].reshape(height // down, down, width // across, across)
    light = blocks.transpose(0, 2, 1, 3).reshape(height // down, width // across, -1)
    units = np.dstack([light, levels[::down, ::across, 1:]])  # TIFF 6.0, section 21
    for orientation, order in itertools.product((1, 6), "<>"):
        if orientation != 1 and sampling != (1, 1):
            continue
        turned = TURNED[orientation](units)
        tags = ((530, 3, list(sampling)), (274, 3, [orientation]))
        side = (width, height) if orientation == 1 else (height, width)
        data = tiff(
            turned, photometric=6, compression=compression, order=order, tags=tags,
            size=side, count=3,
        )  # fmt: skip
        assert_seen(data, opaque(smooth()), 12)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("gray", [False, True])
def test_jpeg_in_strips_of_pixels_or_of_planes(planar, gray):
    file = io.BytesIO()
    levels = smooth()[..., 0] if gray else smooth()
    if planar == "separate" and not gray:
        levels = levels.transpose(2, 0, 1)
    tifffile.imwrite(
        file, levels, photometric="minisblack" if gray else "rgb", compression="jpeg",
        compressionargs={"level": 97}, planarconfig=None if gray else planar, rowsperstrip=8,
    )  # fmt: skip
    expected = np.dstack([smooth()[..., 0]] * 3) if gray else smooth()
    assert_seen(file.getvalue(), opaque(expected), 5)


def smooth():
    down, across = np.mgrid[:24, :40]
    return np.dstack([60 + across * 3, 60 + down * 4, 120 + down * 0]).astype(np.uint8)


def opaque(levels):
    return np.dstack([levels, np.full(levels.shape[:2], 255)]).astype(float)


@pytest.mark.parametrize("bits", [8, 16])
def test_lab_is_relative_to_its_white_point(bits):
    """Blue of sRGB is Lab of 32.3, 79.2, -107.9 beside D65, and of 29.6, 68.3, -112 beside D50."""
    blue = {"D65": (32.30, 79.19, -107.86), "D50": (29.57, 68.30, -112.03)}
    for name, lab in blue.items():
        step = 2 ** (bits - 8)
        light, a, b = round(lab[0] / 100 * (2**bits - 1)), *(round(v * step) for v in lab[1:])
        samples = np.array([[[light, a % 2**bits, b % 2**bits]] * 4] * 4, f"u{bits // 8}")
        white = [3127, 10000, 3290, 10000] if name == "D65" else [3457, 10000, 3585, 10000]
        for tags in ((), ((318, RATIONAL, white),))[name == "D65" :]:
            made = seen(tiff(samples, photometric=CIE_LAB, bits=bits, tags=tags))[0, 0]
            assert np.abs(made[:3] - (0, 0, 255)).max() <= (14 if bits == 8 else 4), (name, made)


def test_itu_lab_has_its_own_ranges():
    """RFC 3949, 6.2.3: a of -85 to 85, b of -75 to 125."""
    samples = np.array([[[128, 128, 96], [255, 128, 96], [0, 128, 96], [136, 248, 180]]], np.uint8)
    grays = [119, 255, 0]  # L of 50.2, 100 and 0
    made = seen(tiff(samples, photometric=ITU_LAB))[0]
    assert np.abs(made[:3, :3] - np.array(grays)[:, None]).max() <= 2
    assert np.abs(made[3, :3] - (252, 0, 10)).max() <= 12  # nearly the red of sRGB


def test_floating_point_colours_may_exceed_1():
    """The highlights of a rendering do so; they do not darken the picture."""
    samples = np.full((8, 8, 3), 0.5, np.float32)
    samples[0, 0] = 40
    made = seen(tiff(samples, photometric=RGB, bits=32, format=FLOAT))
    assert np.abs(made[4, 4, :3] - 128).max() <= 1
    assert made[0, 0].tolist() == [255] * 4


@pytest.mark.parametrize(("color", "bits"), [(BLACK, 8), (BLACK, 16), (RGB, 8), (RGB, 16)])
def test_an_undescribed_sample_is_alpha(color, bits):
    samples, expected, _ = stored(color, bits, UNSIGNED, (2,))
    for planar in (1, 2):
        assert_seen(tiff(samples, photometric=color, bits=bits, planar=planar), expected)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("color", "bits"), [(RGB, 16), (WHITE, 16), (BLACK, 12)])
def test_tags_are_kept(color, bits, order, big):
    samples, _, _ = stored(color, bits)
    tags = ((315, ASCII, b"somebody\0"), (33432, ASCII, b"2026\0"), (270, ASCII, b"a picture\0"))
    data = tiff(samples, photometric=color, bits=bits, order=order, big=big, tags=tags)
    for name, depth, policy in itertools.product(
        ("pillow", "opencv"), (8, "keep"), ("strip", "keep", "none")
    ):
        reading = DecodeOptions(depth=depth, metadata=policy)
        block = Image.Exif()
        block.load(backend(name).decode(data, None, reading, Limits()).exif or b"Exif\0\0")
        expected = {"strip": (315, 33432), "keep": (270, 315, 33432), "none": ()}[policy]
        assert tuple(sorted(block)) == expected


@pytest.mark.parametrize("color", [WHITE, BLACK, RGB])
def test_unsigned_bytes_that_are_labelled_signed(color):
    samples, expected, _ = stored(color, 8)
    assert_seen(tiff(samples, photometric=color, format=SIGNED), expected)


@pytest.mark.parametrize("bits", [8, 16])
def test_signed_samples_of_hard_contrast_stay_signed(bits):
    stripes = np.tile(np.array([0, 0, 255, 255], np.uint8), (8, 4))
    low = -(2 ** (bits - 1))
    samples = np.where(stripes > 0, -low - 1, low)[..., None].astype(f"i{bits // 8}")
    data = tiff(samples, photometric=BLACK, bits=bits, format=SIGNED)
    assert_seen(data, opaque(np.dstack([stripes] * 3)), 0)


@pytest.mark.parametrize("extra", [(0,), (0, 0), (2, 0)])
def test_planes_of_extra_samples_may_be_missing(monkeypatch, extra):
    samples, expected, _ = stored(RGB, 8, UNSIGNED, extra)
    ignored = samples[..., -1].tobytes()
    pack = tiffs.ENCODERS[5]
    monkeypatch.setitem(tiffs.ENCODERS, 5, lambda data: b"" if data == ignored else pack(data))
    assert_seen(tiff(samples, photometric=RGB, extra=extra, planar=2, compression=5), expected)


def test_the_plane_of_alpha_may_not_be_missing(monkeypatch):
    """Even behind one of extra samples that are ignored."""
    samples, _, _ = stored(RGB, 8, UNSIGNED, (0, 2))
    alpha = samples[..., -1].tobytes()
    pack = tiffs.ENCODERS[5]
    monkeypatch.setitem(tiffs.ENCODERS, 5, lambda data: b"" if data == alpha else pack(data))
    data = tiff(samples, photometric=RGB, extra=(0, 2), planar=2, compression=5)
    for name in ("pillow", "opencv"):
        with pytest.raises(ImageError) as failure:
            seen(data, name)
        assert failure.value.reason == "truncated"


#: Tags whose numbers some writers store in other types than the standard's: sizes, BitsPerSample,
#: Compression, PhotometricInterpretation, Orientation, SamplesPerPixel, RowsPerStrip,
#: PlanarConfiguration, Predictor, the sides of tiles, ExtraSamples and SampleFormat.
NUMBERS = (256, 257, 258, 259, 262, 274, 277, 278, 284, 317, 322, 323, 338, 339)

#: Types of single bytes: BYTE and UNDEFINED.
BYTES = (1, 7)


def numbered(tag, order, big, **layout):
    """A TIFF that has a tag, and what it shows."""
    samples, drawn, _ = stored(RGB, 8, UNSIGNED, (2,) if tag == 338 else ())
    if tag in (322, 323):
        layout["tile"] = 32
    if tag == 317:
        layout |= {"compression": 8, "predictor": 2}
    if tag == 274:
        samples, layout["tags"] = TURNED[6](samples), [(274, tiffs.SHORT, [6])]
    extra = (2,) if tag == 338 else ()
    data = tiff(samples, photometric=RGB, extra=extra, order=order, big=big, **layout)
    return data, drawn


@pytest.mark.parametrize("kind", BYTES)
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True), (">", True)])
@pytest.mark.parametrize("tag", NUMBERS)
def test_numbers_may_be_stored_in_bytes(tag, order, big, kind):
    data, drawn = numbered(tag, order, big)
    assert_seen(retyped(data, tag, kind, order, big), drawn)


@pytest.mark.parametrize("planar", [1, 2])
def test_all_numbers_may_be_stored_in_bytes(planar):
    samples, drawn, _ = stored(RGB, 8, UNSIGNED, ())
    data = tiff(samples, photometric=RGB, planar=planar, compression=5)
    for tag in (256, 257, 258, 259, 262, 277, 278, 284, 339):
        data = retyped(data, tag, BYTES[0], "<", False)
    assert_seen(data, drawn)


@pytest.mark.parametrize("order", ["<", ">"])
def test_four_numbers_in_bytes_are_stored_in_the_directory_itself(order):
    samples, drawn, _ = stored(RGB, 8, UNSIGNED, (2,))
    data = tiff(samples, photometric=RGB, extra=(2,), order=order)
    assert_seen(retyped(data, 258, BYTES[0], order, False), drawn)


@pytest.mark.parametrize("tag", [258, 259, 262, 277, 284, 338, 339])
def test_a_layout_that_is_not_a_number_is_refused(tag):
    data, _ = numbered(tag, "<", False)
    for name in ("pillow", "opencv"):
        with pytest.raises(ImageError):
            seen(retyped(data, tag, ASCII, "<", False), name)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_broken_tag_that_says_nothing_of_the_layout_changes_nothing(order):
    samples, expected, _ = stored(BLACK, 12)
    broken = ((315, ASCII, b"somebody\0"), (34665, LONG, [2**31]), (700, UNDEFINED, b"<x:xmp"))
    data = tiff(samples, photometric=BLACK, bits=12, order=order, tags=broken)
    place = data.index((315).to_bytes(2, "little" if order == "<" else "big")) + 8
    data = data[:place] + b"\xf0" * 4 + data[place + 4 :]  # where the text begins
    assert_seen(data, expected)


@pytest.mark.parametrize("bits", [8, 12])
def test_a_preview_on_the_first_page_is_the_picture(bits):
    """As in raw files of cameras, whose own picture is in a SubIFD (330)."""
    samples, expected, _ = stored(RGB, bits)
    tags = ((254, LONG, [1]), (330, LONG, [8]))
    assert_seen(tiff(samples, photometric=RGB, bits=bits, tags=tags), expected)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("size", [(0, 24), (40, 0), (0, 0), (2000, 0), (0, 2000)])
def test_a_page_without_a_size_is_corrupt(size, bits):
    samples, _, _ = stored(BLACK, bits)
    data = tiff(samples, photometric=BLACK, bits=bits, size=size, rows=24)
    for name in ("pillow", "opencv"):
        with pytest.raises(ImageError) as failure:
            seen(data, name)
        assert failure.value.reason == "corrupt"


def test_the_first_page_is_used():
    samples, expected, _ = stored(RGB, 16)
    first = tiff(samples, photometric=RGB, bits=16, planar=2)
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for page in (samples, np.zeros_like(samples)):
            writer.write(page.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    assert_seen(first, expected)
    assert_seen(file.getvalue(), expected)


@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("limits", [Limits(max_pixels=900), Limits(max_bytes=900)])
def test_limits_hold_before_anything_is_decoded(planar, limits):
    samples, _, _ = stored(RGB, 16)
    data = tiff(samples, photometric=RGB, bits=16, planar=planar)
    for name, depth in itertools.product(("pillow", "opencv"), (8, "keep")):
        with pytest.raises(ImageError) as failure:
            backend(name).decode(data, None, DecodeOptions(depth=depth), limits)
        assert failure.value.reason == "too_large"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ({"photometric": 32803}, "CFA"),
        ({"photometric": 32844}, "LOGL"),
        ({"photometric": 5, "tags": ((332, 3, [2]),)}, "inks that are not CMYK"),
        ({"photometric": 1, "bits": 24}, "24 BITS"),
        ({"photometric": 1, "format": 6, "bits": 64}, "COMPLEX"),
        ({"photometric": 1, "compression": 34661}, "JBIG"),
    ],
)
def test_an_unsupported_layout_is_named(monkeypatch, kind, names):
    monkeypatch.setitem(tiffs.ENCODERS, 34661, bytes)
    count = 4 if kind["photometric"] == 5 else 1
    number = np.complex64 if kind.get("bits") == 64 else np.uint8
    data = tiff(np.zeros((8, 8, count), number), **kind)
    for name, depth in itertools.product(("pillow", "opencv"), (8, "keep")):
        with pytest.raises(ImageError) as failure:
            seen(data, name, depth=depth)
        assert failure.value.reason == "unsupported"
        assert names in failure.value.message.upper() or names in failure.value.message


@pytest.mark.parametrize("missing", [1, 20])
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize(("tile", "rows"), [(None, None), (None, 5), (16, None)])
@pytest.mark.parametrize(
    ("color", "bits"), [(BLACK, 8), (BLACK, 12), (RGB, 8), (RGB, 16), (WHITE, 16)]
)
def test_a_file_that_lacks_its_last_bytes_gives_no_picture(
    color, bits, tile, rows, planar, missing
):
    """Missing data of the last strip or tile is not replaced."""
    count, kind = 3 if color == RGB else 1, np.uint8 if bits == 8 else np.uint16
    samples = np.full((32, 48, count), 2**bits - 1, kind)  # no tile is padded
    whole = tiff(samples, photometric=color, bits=bits, tile=tile, rows=rows, planar=planar)
    for name, depth in itertools.product(("pillow", "opencv"), (8, "keep")):
        with pytest.raises(ImageError) as failure:
            seen(whole[:-missing], name, depth=depth)
        assert failure.value.reason == "truncated"


@pytest.mark.parametrize("tile", [None, 16])
@pytest.mark.parametrize("compression", [1, 5, 8, 32773])
@pytest.mark.parametrize(
    ("color", "bits"), [(BLACK, 8), (RGB, 8), (BLACK, 12), (RGB, 16), (WHITE, 16), (PALETTE, 4)]
)
def test_a_file_that_was_cut_off_fails_as_truncated(color, bits, compression, tile):
    samples, _, tags = stored(color, bits)
    whole = tiff(
        samples, photometric=color, bits=bits, compression=compression, tile=tile, rows=5,
        order=">", tags=tags,
    )  # fmt: skip
    data = whole[: len(whole) * 5 // 6]  # more than the padding of the last tile
    for name, depth in itertools.product(("pillow", "opencv"), (8, "keep")):
        with pytest.raises(ImageError) as failure:
            seen(data, name, depth=depth)
        assert failure.value.reason == "truncated"
