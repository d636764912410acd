"""Facts of files: what headers and EXIF state, and nothing that a hostile file makes up."""

import io
import itertools
import random
import struct

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.codecs.formats import FORMATS
from pixelmill.inspection.measuring.file_facts import facts_of
from tests.helpers.imaging import chunk, exif_block, png

FACTS = ("mode", "bits", "taken", "camera", "jpeg_quality")
MAKE, MODEL, CAMERA_TIME, OFFSET, CHANGED = 0x010F, 0x0110, 0x9003, 0x9011, 0x0132


def image(mode="RGB", size=(24, 16)):
    """A picture in which no channel is uniform, so that encoders leave none out."""
    levels = Image.radial_gradient("L").resize(size)
    shown = levels.convert(mode)
    if mode in ("LA", "RGBA"):
        shown.putalpha(levels)
    return shown


def stated(data, kind, *names):
    facts = facts_of(data, kind)
    assert tuple(facts) == FACTS
    return tuple(facts[name] for name in names)


def tables(*numbers):
    """A segment of quantization tables; each has a number and 64 values."""
    content = b""
    for number, values in numbers:
        wide = max(values) > 255
        content += bytes([number | 16 * wide]) + np.array(values, ">u2" if wide else "u1").tobytes()
    return segment(0xDB, content)


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg(*segments, channels=3, table=0):
    """A JPEG without pixels."""
    parts = b"".join(bytes([number + 1, 0x11, table]) for number in range(channels))
    frame = segment(0xC0, struct.pack(">BHHB", 8, 16, 24, channels) + parts)
    return b"\xff\xd8" + b"".join(segments) + frame + segment(0xDA, bytes(10))


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_quality_of_each_table_of_libjpeg_is_known(encoded, mode):
    small = image(mode, (8, 8))
    found = [
        stated(encoded(small, "JPEG", quality=quality), "jpeg", "jpeg_quality")
        for quality in range(1, 101)
    ]
    assert found == [(quality,) for quality in range(1, 101)]


def test_another_table_has_the_quality_of_the_nearest_one(encoded):
    with Image.open(io.BytesIO(encoded(image(), "JPEG", quality=60))) as opened:
        values = opened.quantization[0]
    for change, low, high in ((1.1, 55, 59), (0.9, 61, 66), (4, 5, 25)):
        nearby = [min(255, max(1, round(value * change))) for value in values]
        (quality,) = stated(encoded(image(), "JPEG", qtables=[nearby]), "jpeg", "jpeg_quality")
        assert low <= quality <= high, change


def test_the_table_of_the_first_channel_counts():
    both = tables((0, [1] * 64), (1, [255] * 64))
    assert stated(jpeg(both), "jpeg", "jpeg_quality") == (100,)
    assert stated(jpeg(both, table=1), "jpeg", "jpeg_quality") == (1,)
    assert stated(jpeg(tables((0, [1000] * 64))), "jpeg", "jpeg_quality") == (1,)


def test_a_table_replaces_one_of_its_number():
    first, second = tables((0, [1] * 64)), tables((1, [7] * 64), (0, [255] * 64))
    assert stated(jpeg(first, second), "jpeg", "jpeg_quality") == (1,)


def test_no_more_tables_are_read_than_have_numbers():
    """A file of 60 MB could otherwise hold a million tables."""
    many = tables(*((1, [9] * 64) for _ in range(500)), (0, [1] * 64))
    assert stated(jpeg(many), "jpeg", "jpeg_quality") == (None,)


@pytest.mark.parametrize(
    "data",
    [jpeg(), jpeg(tables((1, [5] * 64))), jpeg(segment(0xDB, bytes(20))), b"\xff\xd8\xff", b""],
)
def test_a_jpeg_without_its_table_has_no_quality(data):
    assert stated(data, "jpeg", "jpeg_quality") == (None,)


def test_other_formats_have_no_quality(encoded):
    assert stated(encoded(image(), "WEBP", quality=50), "webp", "jpeg_quality") == (None,)


#: How Pillow codes a mode in a format: the mode and the bits that the file has.
CODED = [
    *(("jpeg", mode, mode, 8) for mode in ("L", "RGB", "CMYK")),
    *(("png", mode, mode, 8) for mode in ("L", "LA", "RGB", "RGBA", "P")),
    *(("png", "1", "1", 1), ("png", "I;16", "I;16", 16)),
    *(("webp", mode, mode, 8) for mode in ("RGB", "RGBA")),
    *(("avif", mode, mode, 8) for mode in ("RGB", "RGBA")),
    *(("tiff", mode, mode, 8) for mode in ("L", "LA", "RGB", "RGBA", "P", "CMYK", "YCbCr", "LAB")),
    *(("tiff", "1", "1", 1), ("tiff", "I;16", "I;16", 16), ("tiff", "F", "F", 32)),
    ("gif", "P", "P", 8),
    *(("bmp", "RGB", "RGB", 8), ("bmp", "P", "P", 8), ("bmp", "1", "P", 1)),
    *(("ppm", "RGB", "RGB", 8), ("ppm", "L", "L", 8), ("ppm", "1", "1", 1)),
    ("ico", "RGBA", "RGBA", 8),
]


@pytest.mark.parametrize(("kind", "mode", "coded", "bits"), CODED)
def test_mode_and_bits_are_those_of_the_file(encoded, kind, mode, coded, bits):
    data = encoded(image(mode), kind.upper())
    assert stated(data, kind, "mode", "bits") == (coded, bits)


@pytest.mark.parametrize(("color", "mode", "size"), [(2, "RGB", 6), (4, "LA", 4), (6, "RGBA", 8)])
def test_png_has_modes_of_16_bits_that_pillow_has_not(color, mode, size):
    assert stated(png(2, 2, 16, color, [bytes(2 * size)] * 2), "png", "mode", "bits") == (mode, 16)


def test_a_lossless_webp_states_its_alpha(encoded):
    transparent = image()
    transparent.putalpha(128)
    for shown, mode in ((image(), "RGB"), (transparent, "RGBA")):
        assert stated(encoded(shown, "WEBP", lossless=True), "webp", "mode") == (mode,)


@pytest.mark.parametrize(
    ("header", "coded"),
    [
        (b"P2\n# a comment\n2 2\n# another 9\n15\n", ("L", 4)),
        (b"P6 2 2 65535\n", ("RGB", 16)),
        (b"P4 2 2\n", ("1", 1)),
        (b"P5 2 2 x", (None, None)),
        (b"P5 " + b"9" * 5000, (None, None)),
    ],
)
def test_the_header_of_netpbm_is_text(header, coded):
    assert stated(header, "ppm", "mode", "bits") == coded


#: Headers of bitmaps: so long, with so many bits of a pixel.
BITMAPS = {
    (40, 1): ("P", 1), (40, 4): ("P", 4), (40, 8): ("P", 8), (40, 16): ("RGB", 5),
    (40, 24): ("RGB", 8), (40, 32): ("RGB", 8), (124, 16): ("RGB", 5),
    (12, 1): ("P", 1), (12, 8): ("P", 8), (12, 24): ("RGB", 8),
}  # fmt: skip


@pytest.mark.parametrize(("header", "coded"), BITMAPS.items())
def test_the_bits_of_a_bitmap_are_those_of_a_channel(header, coded):
    length, bits = header
    sides = struct.pack("<HHHH" if length == 12 else "<iiHH", 2, 2, 1, bits)
    data = bytes(14) + struct.pack("<I", length) + sides.ljust(length, b"\0")
    assert stated(data, "bmp", "mode", "bits") == coded


@pytest.mark.parametrize(("packed", "bits"), [(0x80, 1), (0x81, 2), (0xF7, 8), (0x01, 8)])
def test_the_bits_of_a_gif_are_those_of_the_palette_that_its_frames_share(packed, bits):
    assert stated(b"GIF89a" + bytes([2, 0, 2, 0, packed, 0, 0]), "gif", "mode", "bits") == (
        "P",
        bits,
    )


def test_heic_states_its_bits(encoded):
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(image()).save(file, quality=50)
    assert stated(file.getvalue(), "heif", "mode", "bits") == ("RGB", 8)


def with_exif(kind, block):
    """A file of a format with an EXIF block."""
    if kind == "heif":
        pillow_heif = pytest.importorskip("pillow_heif")
        file = io.BytesIO()
        pillow_heif.from_pillow(image()).save(file, exif=block)
        return file.getvalue()
    if kind == "tiff":
        return block.removeprefix(b"Exif\0\0")  # a TIFF without pixels
    file = io.BytesIO()
    image().save(file, kind.upper(), exif=block)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "avif", "heif"])
def test_time_and_camera_are_read_from_every_format_with_exif(kind):
    block = exif_block(
        [(MAKE, "ascii", "Maker"), (MODEL, "ascii", "Model 3"),
         (CHANGED, "ascii", "2026:02:03 04:05:06")],
        camera=[(CAMERA_TIME, "ascii", "2025:12:31 23:59:58")],
    )  # fmt: skip
    data = with_exif(kind, block)
    assert stated(data, kind, "taken", "camera") == ("2025-12-31T23:59:58", "Maker Model 3")


def test_the_time_of_a_change_is_not_when_a_picture_was_taken():
    data = with_exif("jpeg", exif_block([(CHANGED, "ascii", "2026:02:03 04:05:06")]))
    assert stated(data, "jpeg", "taken") == (None,)


#: Offsets from universal time that EXIF may state, and what follows the time.
OFFSETS = {
    "+02:00": "+02:00", "-03:30": "-03:30", "+14:00": "+14:00", "   :  ": "", "Z": "",
    "+25:00": "", "+02:61": "", "=1+1": "",
}  # fmt: skip


@pytest.mark.parametrize(("offset", "suffix"), OFFSETS.items())
def test_an_offset_is_added_if_it_is_one(offset, suffix):
    camera = [(CAMERA_TIME, "ascii", "2025:12:31 23:59:58"), (OFFSET, "ascii", offset)]
    data = with_exif("jpeg", exif_block([(MAKE, "ascii", "m")], camera=camera))
    assert stated(data, "jpeg", "taken") == (f"2025-12-31T23:59:58{suffix}",)


@pytest.mark.parametrize(
    "date", ["0000:00:00 00:00:00", "2025:02:30 00:00:00", "    :  :     :  :  ", "../../etc", ""]
)
def test_what_is_no_date_is_none(date):
    data = with_exif("jpeg", exif_block([], camera=[(CAMERA_TIME, "ascii", date)]))
    assert stated(data, "jpeg", "taken") == (None,)


CAMERAS = {
    ("Canon", "Canon EOS 5D"): "Canon EOS 5D",
    ("NIKON CORPORATION", "NIKON D70"): "NIKON D70",
    ("samsung", "SM-G950F"): "samsung SM-G950F",
    ("OLYMPUS IMAGING CORP.", "Olympus E-M1"): "Olympus E-M1",
    ("Maker\n\x01", "  Model\x1b[31m "): "Maker Model[31m",
    ("Apple", ""): "Apple",
    ("", "X100"): "X100",
    ("  ", "  "): None,
    ("m" * 5000, "n" * 5000): f"{'m' * 100} {'n' * 100}",
}


@pytest.mark.parametrize(("texts", "camera"), CAMERAS.items())
def test_the_camera_is_make_and_model_without_repetition(texts, camera):
    block = exif_block(
        [(tag, "ascii", text) for tag, text in zip((MAKE, MODEL), texts, strict=True)]
    )
    assert stated(with_exif("jpeg", block), "jpeg", "camera") == (camera,)


@pytest.fixture(scope="module")
def files():
    """A file of each format, with EXIF if it can have it."""
    block = exif_block(
        [(MAKE, "ascii", "Maker"), (MODEL, "ascii", "Model")],
        camera=[(CAMERA_TIME, "ascii", "2025:12:31 23:59:58")],
    )
    made = {}
    for kind in FORMATS:
        if kind in ("jpeg", "png", "webp", "avif", "tiff"):
            made[kind] = with_exif(kind, block)
        elif kind != "heif":
            file = io.BytesIO()
            image("RGBA" if kind == "ico" else "RGB").save(file, kind.upper())
            made[kind] = file.getvalue()
    return {**made, "heif": made["avif"]}


def check_types(data, kind):
    mode, bits, taken, camera, quality = stated(data, kind, *FACTS)
    assert all(value is None or type(value) is str for value in (mode, taken, camera))
    assert all(value is None or type(value) is int for value in (bits, quality))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_is_cut_off_anywhere_raises_nothing(files, kind):
    for length in range(min(len(files[kind]), 700)):
        check_types(files[kind][:length], kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_with_changed_bytes_raises_nothing(files, kind):
    chance = random.Random(kind)
    for _ in range(300):
        data = bytearray(files[kind])
        for _ in range(chance.randrange(1, 9)):
            data[chance.randrange(min(len(data), 700))] = chance.randrange(256)
        check_types(bytes(data), kind)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("content", [b"", b"\0", b"\xff" * 4096, bytes(4096)])
def test_a_file_of_another_kind_raises_nothing(kind, content):
    for name in ("jpeg", "png", "tiff", "webp"):
        (signature, *_) = FORMATS[name].signatures or (b"RIFF\0\0\0\0WEBP",)
        check_types(signature + content, kind)


def test_exif_behind_thousands_of_empty_segments_is_not_looked_for():
    block = segment(0xE1, exif_block([(MAKE, "ascii", "Maker")]))
    few, many = (jpeg(segment(0xE0, b"") * count, block) for count in (900, 500_000))
    assert stated(few, "jpeg", "camera") == ("Maker",)
    assert stated(many, "jpeg", "camera") == (None,)


def test_an_exif_block_whose_values_overlap_is_ignored():
    """A small block could otherwise be copied many times."""
    count = 5000
    entries = b"".join(
        struct.pack("<HHII", tag, 2, 60_000, 8) for tag in range(0x10F, 0x10F + count)
    )
    block = b"Exif\0\0II*\0" + struct.pack("<IH", 8, count) + entries + bytes(4)
    data = jpeg(segment(0xE1, block[:65_000]))
    assert stated(data, "jpeg", "taken", "camera") == (None, None)


def test_the_exif_of_a_png_is_found_behind_its_pixels(encoded):
    whole = encoded(image(), "PNG")
    block = exif_block([(MAKE, "ascii", "Maker")]).removeprefix(b"Exif\0\0")
    end = whole.index(b"IEND") - 4
    data = whole[:end] + chunk(b"eXIf", block) + whole[end:]
    assert stated(data, "png", "camera") == ("Maker",)


def test_an_exif_chunk_of_a_png_that_was_damaged_is_not_read(encoded):
    whole = encoded(image(), "PNG")
    blocks = [
        chunk(b"eXIf", exif_block([(MAKE, "ascii", name)]).removeprefix(b"Exif\0\0"))
        for name in ("First", "Other")
    ]
    blocks[0] = blocks[0].replace(b"First", b"Frist")
    end = whole.index(b"IEND") - 4
    data = whole[:end] + b"".join(blocks) + whole[end:]
    assert stated(data, "png", "camera") == ("Other",)


def test_of_several_exif_segments_the_first_counts():
    blocks = [segment(0xE1, exif_block([(MAKE, "ascii", name)])) for name in ("First", "Other")]
    other = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0")
    assert stated(jpeg(other, *blocks), "jpeg", "camera") == ("First",)


def test_directories_of_a_tiff_in_a_circle_end():
    block = exif_block([(MAKE, "ascii", "Maker")]).removeprefix(b"Exif\0\0")
    for place in itertools.islice(range(8, len(block) - 4), 40):
        check_types(block[:place] + struct.pack("<I", 8) + block[place + 4 :], "tiff")
