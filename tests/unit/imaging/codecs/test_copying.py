"""The coded picture of a file is copied without a loss, and nothing else of the file is."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.codecs.copying import copied_jpeg, copied_png, copied_webp
from tests.helpers.hidden_bytes import HIDDEN, after_coded_data, behind_the_pixels
from tests.helpers.imaging import chunk, opened, same
from tests.helpers.planted import SOURCES, planted_in
from tests.helpers.tags import raw_block

COPY = {"jpeg": copied_jpeg, "png": copied_png, "webp": copied_webp}

#: How Pillow writes files that hold nothing but a picture.
PLAIN = {
    "jpeg": [("RGB", {}), ("L", {}), ("RGB", {"progressive": True}), ("RGB", {"optimize": True})],
    "png": [("RGB", {}), ("L", {}), ("RGBA", {}), ("LA", {}), ("P", {}), ("1", {})],
    "webp": [("RGB", {}), ("RGBA", {"lossless": True}), ("RGB", {"lossless": True})],
}

EXIF = raw_block([(0x8298, 2, b"Somebody\0")])


def written(image, format, **options):
    file = io.BytesIO()
    image.save(file, format.upper(), **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("format", "mode", "options"),
    [(format, *case) for format, cases in PLAIN.items() for case in cases],
)
def test_a_file_that_holds_only_a_picture_is_copied_byte_for_byte(photo, format, mode, options):
    data = written(photo(61, 43).convert(mode), format, **options)
    assert COPY[format](data, b"", False) == data


@pytest.mark.parametrize("format", COPY)
def test_texts_and_trailing_bytes_are_left_out(picture, format):
    data = SOURCES[format](picture(1, (24, 16)))
    made = COPY[format](data, b"", False)
    assert planted_in(data)
    assert not planted_in(made)
    assert same(opened(made), opened(data))
    assert len(made) < len(data)


@pytest.mark.parametrize("format", COPY)
def test_a_copy_has_the_tags_that_are_given(picture, format):
    data = SOURCES[format](picture(1, (24, 16)))
    with Image.open(io.BytesIO(COPY[format](data, EXIF, False))) as image:
        assert dict(image.getexif()) == {0x8298: "Somebody"}


@pytest.mark.parametrize("format", COPY)
@pytest.mark.parametrize("keeps", [True, False])
def test_a_profile_is_kept_only_if_it_is_to_be(photo, format, keeps):
    profile = b"profile " * 20_000  # more than one segment of a JPEG holds
    data = written(photo(32, 24), format, icc_profile=profile)
    made = COPY[format](data, b"", keeps)
    assert opened(made).info.get("icc_profile") == (profile if keeps else None)
    assert same(opened(made), opened(data))


#: What a PNG may say about its colours (PNG 3rd edition, 11.3.2).
DESCRIPTIONS = {
    b"cICP": bytes([12, 13, 0, 1]),
    b"iCCP": b"icc\0\0" + zlib.compress(b"profile"),
    b"sRGB": b"\0",
    b"gAMA": struct.pack(">I", 55_556),
    b"cHRM": struct.pack(">8I", *(31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000)),
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_every_description_of_colours_is_kept_as_a_profile_is(photo, name):
    data = written(photo(32, 24), "png")
    header = 8 + 25
    described = data[:header] + chunk(name, DESCRIPTIONS[name]) + data[header:]
    assert copied_png(described, b"", True) == described
    assert copied_png(described, b"", False) == data


def test_a_resolution_is_left_out_of_a_jpeg(photo):
    image = photo(32, 24)
    assert copied_jpeg(written(image, "jpeg", dpi=(300, 300)), b"", False) == written(image, "jpeg")


def test_fill_bytes_between_segments_change_nothing(photo):
    data = written(photo(32, 24), "jpeg")
    assert copied_jpeg(data[:2] + b"\xff\xff" + data[2:], b"", False) == data


def test_the_first_of_several_pictures_is_copied(photo):
    data = written(photo(32, 24), "jpeg")
    assert copied_jpeg(data + written(photo(32, 24, 1), "jpeg"), b"", False) == data


def moving(format):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    return written(frames[0], format, save_all=True, append_images=frames[1:], duration=100)


def deep_png():
    return written(Image.fromarray(np.full((4, 4), 40_000, np.uint16)), "png")


def with_unknown_frame(data):
    """A JPEG whose frame claims to be coded arithmetically."""
    return data.replace(b"\xff\xc0", b"\xff\xc9", 1)


@pytest.mark.parametrize(
    ("format", "spoil"),
    [
        ("jpeg", lambda data: data[:-2]),
        ("jpeg", lambda data: data[:40]),
        ("jpeg", lambda data: data[:2]),
        ("jpeg", lambda data: written(opened(data).convert("CMYK"), "jpeg")),
        ("jpeg", with_unknown_frame),
        ("png", lambda data: data[:-12]),
        ("png", lambda data: data.replace(b"IHDR", b"IHDX")),
        ("png", lambda data: data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]),
        ("png", lambda data: data[:33] + chunk(b"CgBI", b"\0\0\0\0") + data[33:]),
        ("png", lambda data: moving("png")),
        ("png", lambda data: deep_png()),
        ("png", lambda data: b""),
        ("webp", lambda data: data[:-2]),
        ("webp", lambda data: moving("webp")),
        ("webp", lambda data: b"RIFF" + struct.pack("<I", 4) + b"WEBP"),
        ("webp", lambda data: b""),
    ],
)
def test_what_cannot_be_copied_safely_is_not_copied(photo, format, spoil):
    assert COPY[format](spoil(written(photo(32, 24), format)), b"", False) is None


@pytest.mark.parametrize(
    ("format", "options", "hide"),
    [
        ("jpeg", {}, after_coded_data),
        ("jpeg", {"progressive": True}, after_coded_data),
        ("webp", {}, after_coded_data),
        ("webp", {"lossless": True}, after_coded_data),
        ("png", {}, after_coded_data),
        ("png", {}, behind_the_pixels),
    ],
)
def test_a_file_with_bytes_that_no_decoder_reads_is_not_copied(photo, format, options, hide):
    data = hide(written(photo(64, 48), format, **options))
    assert opened(data).size == (64, 48)
    assert COPY[format](data, b"", False) is None


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


#: Tables of JPEG that hold other bytes than values, by kind: marker, precision or class, content.
TABLES = {
    "quantization": (0xDB, 0x00, HIDDEN.ljust(64, b".")),
    "quantization of 16 bits": (0xDB, 0x10, HIDDEN.ljust(128, b".")),
    "Huffman of DC": (0xC4, 0x00, bytes([0] * 7 + [len(HIDDEN)] + [0] * 8) + HIDDEN),
    "Huffman of AC": (0xC4, 0x10, bytes([0] * 7 + [len(HIDDEN)] + [0] * 8) + HIDDEN),
}


@pytest.mark.parametrize("number", [3, 0], ids=["unused", "replaced before it is used"])
@pytest.mark.parametrize(("marker", "kind", "content"), TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("progressive", [False, True])
def test_tables_that_no_scan_uses_are_left_out(photo, marker, kind, content, number, progressive):
    data = written(photo(64, 48), "jpeg", progressive=progressive)
    table = segment(marker, bytes([kind | number]) + content)
    after_jfif = 20
    hidden = data[:after_jfif] + table + data[after_jfif:]
    assert same(opened(hidden), opened(data))
    assert copied_jpeg(hidden, b"", False) == data


def test_only_the_restart_interval_that_a_scan_uses_is_copied(photo):
    data = written(photo(64, 48), "jpeg", restart_marker_blocks=2)
    hidden = b"".join(segment(0xDD, HIDDEN[k : k + 2]) for k in range(0, len(HIDDEN) - 1, 2))
    assert copied_jpeg(data[:20] + hidden + data[20:], b"", False) == data


def test_a_jpeg_with_several_segments_of_adobe_is_not_copied(photo):
    data = written(photo(64, 48), "jpeg")
    hidden = segment(0xEE, b"Adobe\0\x64SECR\1")
    made = copied_jpeg(data[:20] + hidden + data[20:], b"", False)
    longer = segment(0xEE, hidden[4:] + HIDDEN)
    assert made is not None
    assert copied_jpeg(data[:20] + longer + data[20:], b"", False) == made
    assert copied_jpeg(data[:20] + 2 * hidden + data[20:], b"", False) is None


@pytest.mark.parametrize(
    ("mode", "name", "content"),
    [
        ("P", b"PLTE", 2 * HIDDEN[:21]),
        ("L", b"tRNS", b"\0\1" + HIDDEN),
        ("RGB", b"tRNS", b"\0\1\0\1\0\1" + HIDDEN),
        ("RGBA", b"tRNS", HIDDEN),
        ("P", b"tRNS", bytes(256) + HIDDEN),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_palettes_and_transparency_of_a_wrong_size_number_or_place_are_not_copied(
    photo, mode, name, content, late
):
    data = written(photo(64, 48).convert(mode), "png")
    place = data.index(b"IEND" if late else b"IDAT") - 4
    assert copied_png(data[:place] + chunk(name, content) + data[place:], b"", False) is None


@pytest.mark.parametrize(
    ("mode", "name", "content"),
    [("L", b"tRNS", b"\0\1"), ("RGB", b"tRNS", b"\0\1" * 3), ("RGB", b"PLTE", b"abc" * 3)],
)
def test_a_chunk_that_belongs_before_the_pixels_is_not_copied_behind_them(
    photo, mode, name, content
):
    data = written(photo(64, 48).convert(mode), "png")
    before, behind = data.index(b"IDAT") - 4, data.index(b"IEND") - 4
    added = chunk(name, content)
    assert copied_png(data[:before] + added + data[before:], b"", False) is not None
    assert copied_png(data[:behind] + added + data[behind:], b"", False) is None


def test_bytes_after_the_first_partition_of_a_webp_are_noticed(photo):
    """Decoders of VP8 find the other partitions by its size (RFC 6386, 9.1)."""
    data = written(photo(64, 48), "webp")
    coded = data[20:]
    tag = int.from_bytes(coded[:3], "little")
    end = 10 + (tag >> 5)
    tag += len(HIDDEN) << 5
    coded = tag.to_bytes(3, "little") + coded[3:end] + HIDDEN + coded[end:]
    body = data[8:16] + struct.pack("<I", len(coded)) + coded + bytes(len(coded) % 2)
    hidden = b"RIFF" + struct.pack("<I", len(body)) + body
    assert same(opened(hidden), opened(data))
    assert copied_webp(hidden, b"", False) is None


def test_tables_of_one_segment_are_copied_byte_for_byte_if_all_are_used(photo):
    data = written(photo(64, 48), "jpeg")
    first, second = (match.start() for match in re.finditer(rb"\xff\xdb", data))
    both = segment(0xDB, data[first + 4 : first + 69] + data[second + 4 : second + 69])
    joined = data[:first] + both + data[second + 69 :]
    assert same(opened(joined), opened(data))
    assert copied_jpeg(joined, b"", False) == joined


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_suggested_for_poorer_displays_are_left_out(photo, mode):
    data = written(photo(64, 48).convert(mode), "png")
    suggestion = chunk(b"PLTE", HIDDEN[:21])
    assert copied_png(data[:33] + suggestion + data[33:], b"", False) == data


def test_a_table_between_scans_that_the_next_one_does_not_use_is_left_out(photo):
    """A scan of AC coefficients names a table of DC, which it never reads."""
    data = written(photo(64, 48), "jpeg", progressive=True)
    scans = [match.start() for match in re.finditer(rb"\xff\xda", data)]
    coefficients = [data[scan + 5 + 2 * data[scan + 4]] for scan in scans]
    last = max(scan for scan, first in zip(scans, coefficients, strict=True) if first)
    marker, kind, content = TABLES["Huffman of DC"]
    hidden = data[:last] + segment(marker, bytes([kind]) + content) + data[last:]
    assert coefficients[-1] and same(opened(hidden), opened(data))
    assert copied_jpeg(hidden, b"", False) == data


def test_tables_of_16_bits_are_copied(photo):
    data = written(photo(64, 48), "jpeg")
    wide = re.sub(
        rb"\xff\xdb\0\x43([\0-\3])(.{64})",
        lambda found: segment(
            0xDB, bytes([found[1][0] | 0x10]) + b"".join(bytes([0, k]) for k in found[2])
        ),
        data, flags=re.DOTALL,
    ).replace(b"\xff\xc0", b"\xff\xc1", 1)  # fmt: skip
    assert len(wide) == len(data) + 2 * 64
    assert same(opened(wide), opened(data))
    assert copied_jpeg(wide, b"", False) == wide


def test_a_second_segment_of_jfif_is_left_out(photo):
    data = written(photo(64, 48), "jpeg")
    assert copied_jpeg(data[:20] + data[2:20] + data[20:], b"", False) == data


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 9), (4, 3), (9, 9)])
def test_an_interlaced_png_is_copied_whatever_passes_are_empty(size):
    """Passes without a column have no rows either (PNG 3rd edition, 8.1)."""
    passes = (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    )
    rows = b""
    for left, top, across, down in passes:
        columns = len(range(left, size[0], across))
        rows += (b"\0" + b"x" * columns) * (len(range(top, size[1], down)) if columns else 0)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 1))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert opened(data).getextrema() == (ord("x"), ord("x"))
    assert copied_png(data, b"", False) == data


def test_a_png_whose_coded_data_have_no_end_is_not_copied(photo):
    data = written(photo(64, 48), "png")
    place, end = data.index(b"IDAT") + 4, data.index(b"IEND") - 8
    for missing in (1, 4):
        spoilt = data[: place - 8] + chunk(b"IDAT", data[place : end - missing]) + data[end + 4 :]
        assert copied_png(spoilt, b"", False) is None


def riff(*chunks):
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
        for name, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_the_first_picture_of_a_webp_is_copied_unless_it_moves(photo):
    first, second = (written(photo(32, 24, k), "webp") for k in (0, 1))
    both = riff((b"VP8 ", first[20:]), (b"VP8 ", second[20:]))
    assert copied_webp(both, b"", False) == riff((b"VP8 ", first[20:])) == first
    for name in (b"ANIM", b"ANMF"):
        assert copied_webp(riff((b"VP8 ", first[20:]), (name, bytes(6))), b"", False) is None


def test_alpha_beside_a_lossy_picture_is_copied(photo):
    image = photo(64, 48).copy()  # others use it too
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    data = written(image, "webp")
    assert b"ALPH" in data
    for exif in (b"", EXIF):
        made = copied_webp(data, exif, False)
        assert made == data or exif
        assert opened(made).mode == "RGBA"
        assert same(opened(made), opened(data))


def test_a_block_that_no_segment_holds_is_not_written(photo):
    data = written(photo(32, 24), "jpeg")
    assert copied_jpeg(data, bytes(70_000), False) is None


def test_tags_are_as_long_as_a_segment_of_a_jpeg(photo):
    """Its length has 16 bits, counts itself, and covers a prefix of six bytes."""
    data = written(photo(32, 24), "jpeg")
    most = 0xFFFF - 2 - 6
    assert len(copied_jpeg(data, bytes(most), False)) == len(data) + 4 + 6 + most
    assert copied_jpeg(data, bytes(most + 1), False) is None


def test_tags_are_written_once_before_pixels_of_several_chunks(photo):
    data = written(photo(64, 48), "png")
    place, end = data.index(b"IDAT") + 4, data.index(b"IEND") - 8
    parts = [chunk(b"IDAT", data[place : place + 100]), chunk(b"IDAT", data[place + 100 : end])]
    split = data[: place - 8] + b"".join(parts) + data[end + 4 :]
    assert same(opened(split), opened(data))
    assert copied_png(split, b"", False) == split
    made = copied_png(split, EXIF, False)
    assert made == split[: place - 8] + chunk(b"eXIf", EXIF) + split[place - 8 :]


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT", b"IEND", b"tEXt"])
def test_a_png_with_a_wrong_checksum_is_not_copied(photo, name):
    data = written(photo(64, 48), "png")
    data = data[:33] + chunk(b"tEXt", b"Comment\0at home") + data[33:]
    place = data.index(name)
    end = place + 4 + int.from_bytes(data[place - 4 : place], "big")
    assert copied_png(data, b"", False) is not None
    spoilt = data[:end] + bytes([data[end] ^ 1]) + data[end + 1 :]
    assert copied_png(spoilt, b"", False) is None
