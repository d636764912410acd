"""The second decoder gives the stored picture of every kind of file, or says that it cannot."""

import io
import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelmill.verification.second_decoder import decode
from pixelmill.verification.second_samples import UndecodableError
from tests.helpers.bitmaps import icon, icon_bitmap
from tests.helpers.imaging import ADOBE_RGB, chunk, icc_profile, png, psnr, transparent, words
from tests.helpers.picture_containers import with_property
from tests.helpers.tiffs import retyped, tiff

RAMP = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
COLORS = np.dstack([RAMP, 250 - RAMP, RAMP // 2])


def seen(data, **options):
    (frame,) = decode(data, **options).frames
    return frame


def gray(levels):
    return np.repeat(np.asarray(levels)[..., None], 3, axis=2)


def close(one, other, most=1):
    assert one.shape == other.shape
    assert np.abs(one.astype(int) - np.asarray(other).astype(int)).max() <= most


#: Pictures by mode.
PICTURES = {
    "L": gray(RAMP),
    "RGB": COLORS,
    "1": gray(np.where(RAMP >= 128, 255, 0).astype(np.uint8)),
    "P": COLORS,
    "RGBA": np.dstack([COLORS, RAMP]),
    "LA": np.dstack([gray(RAMP), 255 - RAMP]),
}

#: Modes that a format holds.
HELD = {
    "PNG": tuple(PICTURES), "TIFF": tuple(PICTURES), "BMP": ("L", "RGB", "1", "P"),
    "PPM": ("L", "RGB", "1"), "GIF": ("L", "1", "P"), "WEBP": ("L", "RGB", "RGBA"),
    "ICO": ("RGB", "RGBA"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("format_", "mode"), [(format_, mode) for format_, modes in HELD.items() for mode in modes]
)
def test_lossless_formats_show_the_stored_picture(encoded, format_, mode):
    expected = PICTURES[mode]
    if mode == "P":
        image = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6))
        image.putpalette(COLORS.tobytes())
    else:
        image = Image.fromarray(
            expected if mode[0] == "R" else expected[..., [0, -1]][..., : len(mode)].squeeze()
        )
        image = image.convert(mode, dither=Image.Dither.NONE)
    options = {"lossless": True, "exact": True} if format_ == "WEBP" else {}
    if format_ == "ICO":
        options = {"sizes": [image.size]}
    assert np.array_equal(seen(encoded(image, format_, **options)), expected)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_png_of_grey_with_one_transparent_level(bits):
    full = 2**bits - 1
    row = bytes([0b0110_0000]) if bits == 1 else None
    levels = [0, 1, 1, 0] if bits == 1 else [0, 1, full, full - 1]
    if bits == 2:
        row = bytes([levels[0] << 6 | levels[1] << 4 | levels[2] << 2 | levels[3]])
    elif bits == 4:
        row = bytes([levels[0] << 4 | levels[1], levels[2] << 4 | levels[3]])
    elif bits == 8:
        row = bytes(levels)
    elif bits == 16:
        row = words(*levels)
    frame = seen(png(4, 1, bits, 0, [row], transparent(1)))
    white = 65535 if bits == 16 else 255
    assert frame[0, :, 0].tolist() == [level * white // full for level in levels]
    assert frame[0, :, 3].tolist() == [0 if level == 1 else white for level in levels]


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (9, 17), (32, 32)])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA"])
def test_an_interlaced_png_shows_the_same(capfd, size, mode):
    """Interlaced by hand: each pass is a picture of its own (PNG 3rd edition, 8.1)."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    depth, color = {"1": (1, 0), "L": (8, 0), "P": (4, 3), "RGBA": (8, 6)}[mode]
    levels = (columns * 7 + rows * 13) % 2**depth
    lines = []
    for left, top, across, down in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
                                    (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):  # fmt: skip
        for line in levels[top::down, left::across]:
            if not line.size:
                continue
            if mode == "RGBA":
                pixels = np.stack([line, line, line, 255 - line], axis=1).astype(np.uint8)
                lines.append(pixels.tobytes())
            else:
                bits = "".join(f"{level:0{depth}b}" for level in line)
                bits += "0" * (-len(bits) % 8)
                lines.append(bytes(int(bits[k : k + 8], 2) for k in range(0, len(bits), 8)))
    palette = bytes(range(48))
    data = png(*size, depth, color, lines, chunk(b"PLTE", palette) if mode == "P" else b"")
    frame = seen(data[:8] + chunk(b"IHDR", data[16:28] + b"\1") + data[33:])
    if mode == "P":
        expected = np.frombuffer(palette, np.uint8).reshape(16, 3)[levels]
    else:
        expected = gray(levels * 255 // (2**depth - 1))
    assert np.array_equal(frame[..., :3], expected)
    if mode == "RGBA":
        shown = frame[..., 3] if frame.shape[2] == 4 else 255
        assert np.array_equal(np.broadcast_to(shown, levels.shape), 255 - levels)
    assert capfd.readouterr().err == ""


def test_a_png_of_16_bits_keeps_them():
    frame = seen(png(2, 1, 16, 6, [words(1, 2, 3, 65535, 40000, 50000, 60000, 30000)]))
    assert frame.tolist() == [[[1, 2, 3, 65535], [40000, 50000, 60000, 30000]]]


def test_ancillary_chunks_and_their_damage_are_ignored():
    damaged = struct.pack(">I", 4) + b"zTXtabcd" + b"\0\0\0\0"
    assert seen(png(1, 1, 8, 2, [b"\1\2\3"], damaged + transparent(9, 9, 9))).tolist() == [
        [[1, 2, 3]]
    ]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_orientation_is_rotated_upright(photo, stored, encoded, format_, orientation):
    upright = photo(64, 48)
    pixels, exif = stored(upright, orientation)
    options = {"quality": 95} if format_ in ("JPEG", "WEBP", "AVIF") else {}
    data = encoded(pixels, format_, exif=exif, **options)
    assert decode(data).notes.orientation == orientation
    assert psnr(seen(data), upright) >= 28
    assert psnr(seen(data, upright=False), pixels) >= 28


#: Options of tifffile, the samples, and what they mean.
TIFFS = {
    "white is zero": ({"photometric": "miniswhite"}, RAMP, gray(255 - RAMP)),
    "white is zero, 16 bits": (
        {"photometric": "miniswhite"}, RAMP.astype(np.uint16) * 257,
        gray(65535 - RAMP.astype(int) * 257),
    ),
    "12 bits": (
        {"bitspersample": 12}, np.array([[0, 1, 2048, 4095]], np.uint16),
        gray([[0, 16, 32776, 65535]]),
    ),
    "1 bit": ({"bitspersample": 1}, RAMP > 100, gray(np.where(RAMP > 100, 255, 0))),
    "4 bits": ({"bitspersample": 4}, RAMP // 16, gray(RAMP // 16 * 17)),
    "planes": (
        {"planarconfig": "separate", "photometric": "rgb"}, np.moveaxis(COLORS, 2, 0), COLORS,
    ),
    "planes of 16 bits": (
        {"planarconfig": "separate", "photometric": "rgb"},
        np.moveaxis(COLORS, 2, 0).astype(np.uint16) * 257, COLORS.astype(int) * 257,
    ),
    "grey with alpha in planes": (
        {"planarconfig": "separate", "photometric": "minisblack", "extrasamples": ["unassalpha"]},
        np.stack([RAMP, 255 - RAMP]), np.dstack([gray(RAMP), 255 - RAMP]),
    ),
    "associated alpha": (
        {"photometric": "rgb", "extrasamples": ["assocalpha"]},
        np.array([[[50, 20, 0, 128], [0, 0, 0, 0], [9, 8, 7, 255]]], np.uint8),
        [[[100, 40, 0, 128], [0, 0, 0, 0], [9, 8, 7, 255]]],
    ),
    "something else than alpha": (
        {"photometric": "rgb", "extrasamples": ["unspecified"]}, np.dstack([COLORS, RAMP]), COLORS,
    ),
    "palette": (
        {"photometric": "palette", "colormap": np.arange(0, 65280, 85, np.uint16).reshape(3, 256)},
        np.array([[0, 100, 255]], np.uint8),
        [[[0, 85, 169], [33, 118, 202], [84, 169, 254]]],
    ),
    "palette of 8 bits": (
        {"photometric": "palette", "colormap": np.tile(np.arange(256, dtype=np.uint16), (3, 1))},
        np.array([[0, 100, 255]], np.uint8), gray([[0, 100, 255]]),
    ),
    "floating point": ({}, np.array([[0, 0.5, 1, -1]], np.float32), gray([[0, 32768, 65535, 0]])),
    "floating-point colours": (
        {"photometric": "rgb"}, np.array([[[0, 0.5, 1], [1, 0, 0.25]]], np.float32),
        [[[0, 32768, 65535], [65535, 0, 16384]]],
    ),
    "inks": (
        {"photometric": "separated"}, np.array([[[0, 255, 100, 0], [0, 0, 0, 255]]], np.uint8),
        [[[255, 0, 155], [0, 0, 0]]],
    ),
}  # fmt: skip


#: Kinds by compression and byte order; packed samples are only written right in one way.
WRITTEN = [
    (name, compression, order)
    for name, (options, _, _) in TIFFS.items()
    for compression in (None, "zlib")
    for order in "<>"
    if "bitspersample" not in options or (compression, order) == (None, "<")
]


@pytest.mark.parametrize("big", [False, True], ids=["classic", "BigTIFF"])
@pytest.mark.parametrize(("name", "compression", "order"), WRITTEN)
def test_tiffs_mean_what_the_standard_says(name, compression, big, order):
    options, samples, expected = TIFFS[name]
    file = io.BytesIO()
    options = {"photometric": "minisblack", **options}
    tifffile.imwrite(
        file,
        samples,
        bigtiff=big,
        byteorder=order,
        compression=compression,
        metadata=None,
        **options,
    )
    close(seen(file.getvalue()), np.asarray(expected), 1)


@pytest.mark.parametrize(
    ("lab", "color"),
    [((255, 0, 0), (255, 255, 255)), ((0, 0, 0), (0, 0, 0)), ((138, 81, 70), (255, 0, 0))],
    ids=["white", "black", "red"],
)
@pytest.mark.parametrize("deep", [False, True])
def test_lab_becomes_srgb(lab, color, deep):
    # Red of sRGB is (54.29, 80.81, 69.89) relative to D50.
    samples = np.array([[lab]], np.uint16)
    samples = samples * np.array([257, 256, 256], np.uint16) if deep else samples.astype(np.uint8)
    file = io.BytesIO()
    tifffile.imwrite(file, samples, photometric="cielab", metadata=None)
    close(seen(file.getvalue()) // 257, np.asarray([[color]]), 6)


@pytest.mark.parametrize(
    ("samples", "levels"),
    [
        (np.array([[-32768, 0, 32767]], np.int16), [0, 32768, 65535]),
        (np.array([[0, 100, 255]], np.uint32), [0, 100, 255]),
        (np.array([[0, 300, 65535]], np.uint32), [0, 300, 65535]),
        (np.array([[0, 2**31, 2**32 - 1]], np.uint32), [0, 32768, 65535]),
        (np.array([[0, 0.5, 1, 9]], np.float32), [0, 32768, 65535, 65535]),
        (np.array([[0, 51, 255]], np.float32), [0, 13107, 65535]),
        (np.array([[0, 13107, 65535]], np.float64), [0, 13107, 65535]),
    ],
    ids=["signed 16", "32 as 8", "32 as 16", "32", "0..1", "0..255", "0..65535"],
)
def test_samples_of_any_range_are_scaled_as_the_policies_say(samples, levels):
    file = io.BytesIO()
    tifffile.imwrite(file, samples, photometric="minisblack", metadata=None)
    close(seen(file.getvalue()), gray([levels]), 1)


def test_signed_bytes_are_not_judged():
    file = io.BytesIO()
    tifffile.imwrite(file, RAMP.astype(np.int8), photometric="minisblack", metadata=None)
    with pytest.raises(UndecodableError, match="signed bytes"):
        decode(file.getvalue())


@pytest.mark.parametrize(
    ("compression", "why"), [("group3", "fax data are damaged"), ("group4", "imcd_packints")]
)
def test_damaged_fax_data_have_no_second_opinion(compression, why):
    """Each decoder recovers other rows from damaged data."""
    bits = np.random.default_rng(3).random((64, 120)) > 0.5
    file = io.BytesIO()
    Image.fromarray(bits).save(file, "TIFF", compression=compression)
    data = file.getvalue()
    assert (seen(data) == gray(255 * bits)).all()
    page = tifffile.TiffFile(io.BytesIO(data)).pages[0]
    middle = page.dataoffsets[0] + page.databytecounts[0] // 2
    damaged = data[:middle] + bytes(9) + data[middle + 9 :]
    with pytest.raises(UndecodableError, match=why):
        decode(damaged)


@pytest.mark.parametrize("tag", [258, 259, 262, 277, 284, 339])
def test_a_tiff_whose_layout_is_stored_in_bytes_has_no_second_opinion(tag):
    data = tiff(np.full((4, 6, 3), 90, np.uint8), photometric=2, compression=5)
    assert (decode(data).frames[0] == 90).all()
    with pytest.raises(UndecodableError):
        decode(retyped(data, tag, 1, "<", False))


def bitmap(bits, compression, palette, width, height, body):
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 0, 0,
                       len(palette) // 4, 0)  # fmt: skip
    start = 14 + len(head) + len(palette)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + head + palette + body


PALETTE = bytes([0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 0])  # black, blue, green, red


@pytest.mark.parametrize(
    ("bits", "body", "rows"),
    [
        (8, b"\3\1\2\2\0\0\0\3\1\2\3\0\1\0\0\0\0\1", ["bbbgg", "bgrkk"]),
        (8, b"\5\1\0\0\0\2\2\0\2\3\0\1", ["bbbbb", "kkrrk"]),
        (4, b"\5\x12\0\0\0\5\x12\x31\x20\0\0\1", ["bgbgb", "bgrbg"]),
    ],
    ids=["runs and literals", "a jump", "four bits"],
)
def test_run_lengths_of_a_bmp(bits, body, rows):
    compression = 1 if bits == 8 else 2
    colors = {"k": (0, 0, 0), "b": (0, 0, 255), "g": (0, 255, 0), "r": (255, 0, 0)}
    expected = [[colors[letter] for letter in row] for row in reversed(rows)]
    assert seen(bitmap(bits, compression, PALETTE, 5, 2, body)).tolist() == [
        [list(color) for color in row] for row in expected
    ]


@pytest.mark.parametrize(
    ("data", "levels"),
    [
        (b"P1\n# a comment\n3 2\n1 0 1\n010", [[0, 255, 0], [255, 0, 255]]),
        (b"P2 3 1 15 0 15 5 ", [[0, 255, 85]]),
        (b"P4\n9 1\n\x80\x80", [[0] + [255] * 7 + [0]]),
        (b"P5 2 1 255\n\x05\x06", [[5, 6]]),
        (b"P5 2 1 1023\n\x03\xff\x00\x01", [[65535, 64]]),
    ],
    ids=["P1", "P2", "P4", "P5", "P5 of 10 bits"],
)
def test_portable_maps(data, levels):
    assert seen(data).tolist() == gray(levels).tolist()


@pytest.mark.parametrize("format_", ["png", "bmp"])
def test_the_largest_picture_of_an_icon(encoded, format_):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 4), dtype=np.uint8)
    data = encoded(
        Image.fromarray(pixels), "ICO", sizes=[(16, 16), (32, 32)], bitmap_format=format_
    )
    assert np.array_equal(seen(data), pixels)


def test_the_deepest_of_equally_large_pictures_of_an_icon_whatever_its_entry_claims():
    for claimed in ((0, 0), (32, 4)):
        pictures = zip(claimed, (("#0000ff", 4), ("#ff0000", 8)), strict=True)
        data = icon(*((16, bits, icon_bitmap(16, *own)) for bits, own in pictures))
        assert seen(data)[0, 0, :3].tolist() == [255, 0, 0]


def test_inks_of_a_jpeg_follow_adobes_inversion(encoded):
    inks = Image.new("CMYK", (16, 16), (0, 200, 100, 50))
    close(seen(encoded(inks, "JPEG", quality=95)), np.full((16, 16, 3), (205, 44, 125)), 3)


def test_a_profile_is_followed_unless_the_recipe_keeps_the_colours(encoded):
    image = Image.new("RGB", (8, 8), (200, 50, 50))
    data = encoded(image, "PNG", icc_profile=icc_profile(ADOBE_RGB, 2.2))
    assert seen(data, color="keep")[0, 0].tolist() == [200, 50, 50]
    # Red of Adobe RGB is beyond that of sRGB.
    red, green, blue = seen(data, color="srgb")[0, 0].tolist()
    assert red > 225
    assert green < 55
    assert abs(blue - 50) < 8


def test_the_clean_aperture_of_an_avif_is_applied(encoded):
    image = Image.new("RGB", (64, 48), "white")
    image.paste("black", (8, 4, 40, 24))
    data = encoded(image, "AVIF", quality=100)
    size = struct.pack(">8I", 32, 1, 20, 1, (-8) & 0xFFFFFFFF, 1, (-10) & 0xFFFFFFFF, 1)
    frame = seen(with_property(data, b"clap", size))
    assert frame.shape == (20, 32, 3)
    assert frame.max() < 40


@pytest.mark.parametrize(
    "data", [b"", b"text", b"\xff\xd8\xff\xe0nothing more", b"GIF89a", b"II*\0"]
)
def test_files_that_do_not_decode_are_reported(data):
    with pytest.raises(UndecodableError):
        decode(data)


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "TIFF", "GIF"])
def test_half_a_file_gives_no_picture(photo, encoded, format_):
    data = encoded(photo(160, 120), format_)
    with pytest.raises(UndecodableError):
        decode(data[: len(data) // 3])


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize(
    ("bits", "masks", "word", "color"),
    [
        (16, (0x7C00, 0x03E0, 0x001F), 0b0_11111_00000_10000, (255, 0, 132)),
        (16, (0xF800, 0x07E0, 0x001F), 0b00000_111111_00000, (0, 255, 0)),
        (32, (0xFF, 0xFF00, 0xFF0000), 0x302010, (16, 32, 48)),
        (32, (0xFFE00000, 0x1FFC00, 0x3FF), 0b10000000000_00000000000_1111111111, (128, 0, 255)),
        (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000), 0x80102030, (16, 32, 48, 128)),
        (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000), 0x00102030, (16, 32, 48)),
    ],
    ids=["555", "565", "BGR", "11-11-10", "alpha", "alpha that is zero all over"],
)
def test_bit_fields_of_a_bmp(bits, masks, word, color, top_down):
    words_ = [word, 0 if len(color) == 3 else word]
    body = struct.pack("<HH" if bits == 16 else "<II", *words_)
    compression = 3 if len(masks) == 3 else 6
    data = bitmap(bits, compression, struct.pack(f"<{len(masks)}I", *masks), 2, 1, body)
    if top_down:
        data = data[:22] + struct.pack("<i", -1) + data[26:]
    data = data[:46] + bytes(4) + data[50:]  # masks are no palette
    assert seen(data)[0, 0].tolist() == list(color)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"rowsperstrip": 2}], ids=str)
def test_the_first_layer_of_a_stack_is_its_picture(options):
    """Of a page with the tag ImageDepth, as microscopes write it."""
    layers = np.stack([RAMP, 255 - RAMP, RAMP // 2])
    file = io.BytesIO()
    tifffile.imwrite(file, layers, volumetric=True, photometric="minisblack", **options)
    assert np.array_equal(seen(file.getvalue()), gray(RAMP))


@pytest.mark.parametrize("marker", [True, False], ids=["by Adobe", "by others"])
def test_inks_of_a_jpeg_are_stored_inverted_whoever_wrote_them(encoded, marker):
    """As browsers and ImageMagick read them."""
    data = encoded(Image.new("CMYK", (16, 16), (0, 51, 102, 0)), "JPEG", quality=100)
    if not marker:
        place = data.index(b"\xff\xee")
        data = data[:place] + data[place + 16 :]
    assert b"Adobe" in data or not marker
    close(seen(data)[0, 0], np.array([255, 204, 153]), most=3)


@pytest.mark.parametrize("bits", [10, 12])
def test_the_levels_of_a_deep_avif_fill_16_bits(bits):
    full = 2**bits - 1
    levels = np.zeros((16, 16, 3), np.uint16)
    levels[:8], levels[8:12] = full, full // 2
    data = imagecodecs.avif_encode(levels, level=100, bitspersample=bits, pixelformat="444")
    frame = seen(data, color="drop").astype(int)
    assert (frame.max(), frame.min()) == (65535, 0)
    assert abs(int(frame[9, 0, 0]) - 32768) < 100


@pytest.mark.parametrize("name", [b"PLTE", b"tRNS"])
def test_of_two_chunks_of_a_png_of_which_there_may_be_one_the_first_counts(name):
    palette, others = bytes(range(12)), bytes(range(100, 112))
    twice = {b"PLTE": [palette], b"tRNS": [b"\x80\x40"]}
    twice[name].append(others if name == b"PLTE" else b"\0\0")
    extra = b"".join(chunk(key, content) for key in twice for content in twice[key])
    frame = seen(png(4, 1, 8, 3, [bytes(range(4))], extra))
    assert frame[0].tolist() == [
        [*palette[3 * k : 3 * k + 3], alpha] for k, alpha in enumerate((0x80, 0x40, 255, 255))
    ]


def test_reduced_versions_are_no_pages_of_a_tiff():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for level, kind in ((10, 0), (20, 1), (30, 2), (40, 1), (50, 0)):
            writer.write(np.full((4, 6, 3), level, np.uint8), photometric="rgb", subfiletype=kind)
    frames = decode(file.getvalue(), pages=True).frames
    assert [int(frame[0, 0, 0]) for frame in frames] == [10, 30, 50]


def test_one_sample_is_stored_the_same_in_planes_of_their_own():
    data = tiff(RAMP[..., None], photometric=1, planar=2)
    assert np.array_equal(seen(data), gray(RAMP))


@pytest.mark.parametrize("top_down", [False, True])
def test_rows_of_a_bmp_with_bit_fields_go_up_unless_its_height_is_negative(top_down):
    masks = struct.pack("<3I", 0xFF0000, 0xFF00, 0xFF)
    data = bitmap(32, 3, masks, 1, 2, struct.pack("<II", 0x0000FF, 0xFF0000))
    data = data[:46] + bytes(4) + data[50:]  # masks are no palette
    if top_down:
        data = data[:22] + struct.pack("<i", -2) + data[26:]
    blue, red = [0, 0, 255], [255, 0, 0]
    assert seen(data)[:, 0].tolist() == ([blue, red] if top_down else [red, blue])


def test_the_end_of_a_thumbnail_is_not_that_of_the_picture(encoded):
    data = encoded(Image.fromarray(COLORS), "JPEG")
    thumbnail = b"\xff\xec\0\6\xff\xd9\xff\xd9"
    whole = data[:2] + thumbnail + data[2:]
    assert seen(whole).shape == COLORS.shape
    with pytest.raises(UndecodableError, match="cut off"):
        decode(whole[:-2])
