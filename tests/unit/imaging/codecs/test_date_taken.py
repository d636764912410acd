"""Dates are read from few bytes of a file, and nothing that a hostile file claims does harm."""

import contextlib
import datetime
import io
import random
import struct

import pytest

from pixelmill.imaging.codecs import exif_facts
from pixelmill.imaging.codecs.date_taken import date_taken
from pixelmill.imaging.codecs.formats import FORMATS
from pixelmill.imaging.codecs.ifd import ASCII, UNDEFINED, Field
from pixelmill.imaging.codecs.spans import reader
from pixelmill.inspection.measuring.file_facts import facts_of
from tests.helpers import dated
from tests.helpers.imaging import chunk

TEXT, DATE = "2024:02:29 23:59:58", datetime.datetime(2024, 2, 29, 23, 59, 58)

#: What a JPEG without EXIF may begin with, and PNG, WebP, TIFF and HEIF.
BEGINNINGS = [
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\xff\xff\xffWEBP", b"II*\0",
    b"MM\0+\0\x08\0\0",
    struct.pack(">I4s4sI", 16, b"ftyp", b"heic", 0),
]  # fmt: skip


class Counted(io.BytesIO):
    """A file that counts what is read from it."""

    count = 0

    def read(self, size=-1):
        data = super().read(size)
        self.count += len(data)
        return data


def taken(data, kind, reach=2**40):
    return date_taken(io.BytesIO(data), kind, reach)


def metric(data, kind):
    stated = facts_of(data, kind)["taken"]
    return None if stated is None else datetime.datetime.fromisoformat(stated)


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", dated.FORMATS)
def test_every_format_with_exif_states_a_date(kind, order):
    data = dated.dated(TEXT, kind, order)
    assert taken(data, kind) == DATE
    assert metric(data, kind) == DATE


@pytest.mark.parametrize("kind", sorted(set(FORMATS) - set(dated.FORMATS)))
def test_the_other_formats_state_none(kind):
    assert taken(dated.dated(TEXT), kind) is None
    assert taken(b"", None) is None


IMPOSSIBLE = [
    "0000:00:00 00:00:00", "2024:13:45 10:00:00", "2025:02:29 00:00:00", "2024:01:01 24:00:00",
    "    :  :     :  :  ", "                   ", "", "2024-02-29 23:59:58", "../../../../../etc",
    "2024:02:29", "2024:02:29 23:59:58" + "x" * 300,
]  # fmt: skip


@pytest.mark.parametrize("text", IMPOSSIBLE)
@pytest.mark.parametrize("kind", ["jpeg", "tiff"])
def test_what_is_no_date_is_none(kind, text):
    assert taken(dated.dated(text, kind), kind) is None


@pytest.mark.parametrize("blanks", ["\0", "  ", "\0\0 \0"])
def test_blanks_after_a_date_mean_nothing(blanks):
    assert taken(dated.dated(TEXT + blanks), "jpeg") == DATE


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (ASCII, b"Maker\0", "Maker"),
        (ASCII, b"  Maker  ", "Maker"),
        (ASCII, b"Maker\0and what was left of a longer name\0", "Maker"),
        (ASCII, b"Ma\x07ker", "Maker"),
        (ASCII, b" \0", None),
        (ASCII, b"\0", None),
        (ASCII, b"a" * 101, "a" * 100),
        (UNDEFINED, b"Maker", None),
    ],
)
def test_a_text_is_plain_and_not_blank(kind, value, expected):
    assert exif_facts.text(Field(kind, value)) == expected


def test_the_date_of_a_change_is_not_when_a_picture_was_taken():
    without = dated.block(TEXT).replace(struct.pack("<H", dated.ORIGINAL), b"\x04\x90")
    data = b"\xff\xd8" + segment(0xE1, b"Exif\0\0" + without)
    assert taken(data, "jpeg") is None


def test_a_prefix_that_is_there_twice_is_skipped():
    data = b"\xff\xd8" + segment(0xE1, b"Exif\0\0Exif\0\0" + dated.block(TEXT))
    assert taken(data, "jpeg") == DATE == metric(data, "jpeg")


def test_exif_may_follow_other_segments_and_fill_bytes():
    other = segment(0xE0, b"JFIF\0") + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")
    data = b"\xff\xd8" + other + b"\xff\xff" + segment(0xE1, b"Exif\0\0" + dated.block(TEXT))
    assert taken(data, "jpeg") == DATE == metric(data, "jpeg")


def test_a_big_tiff_states_a_date():
    """BigTIFF: offsets and counts of 64 bits."""
    text = TEXT.encode() + b"\0"
    main, camera, value = 16, 16 + 8 + 20 + 8, 16 + 2 * (8 + 20 + 8)
    data = b"II+\0" + struct.pack("<HHQ", 8, 0, main)
    data += struct.pack("<QHHQQQ", 1, 0x8769, 13, 1, camera, 0)
    data += struct.pack("<QHHQQQ", 1, dated.ORIGINAL, dated.ASCII, len(text), value, 0) + text
    assert taken(data, "tiff") == DATE == metric(data, "tiff")


#: Bytes of pixels in large files.
PIXELS = 5_000_000


def large_jpeg():
    return dated.dated(TEXT) + bytes(PIXELS)


def large_png():
    """Its EXIF follows the pixels."""
    data = dated.dated(TEXT, "png")
    pixels = chunk(b"IDAT", bytes(65_536)) * (PIXELS // 65_536)
    return data[:33] + pixels + data[33 : data.index(b"IDAT") - 4] + chunk(b"IEND", b"")


def large_webp():
    data = dated.dated(TEXT, "webp")
    place = data.index(b"EXIF")
    return data[:place] + struct.pack("<4sI", b"VP8 ", PIXELS) + bytes(PIXELS) + data[place:]


def large_tiff():
    """Its directories follow the pixels."""
    main, text = 8 + PIXELS, TEXT.encode() + b"\0"
    camera = main + 2 + 12 + 4
    directories = struct.pack("<HHHIII", 1, 0x8769, 4, 1, camera, 0) + struct.pack(
        "<HHHIII", 1, dated.ORIGINAL, dated.ASCII, len(text), camera + 2 + 12 + 4, 0
    )
    return b"II*\0" + struct.pack("<I", main) + bytes(PIXELS) + directories + text


def large_avif():
    return dated.dated(TEXT, "avif") + struct.pack(">I4s", 8 + PIXELS, b"free") + bytes(PIXELS)


LARGE = {"jpeg": large_jpeg, "png": large_png, "webp": large_webp, "tiff": large_tiff,
         "avif": large_avif}  # fmt: skip


@pytest.mark.parametrize("kind", LARGE)
def test_few_bytes_of_a_large_file_are_read(kind):
    data = LARGE[kind]()
    file = Counted(data)
    assert date_taken(file, kind, 2**40) == DATE == metric(data, kind)
    assert file.count < 10_000
    if kind in ("png", "webp", "tiff"):
        assert taken(data, kind, 2**20) is None, "beyond its reach"


@pytest.mark.parametrize("kind", dated.FORMATS)
def test_a_file_that_is_cut_off_anywhere_raises_nothing(kind):
    data = dated.dated(TEXT, kind)
    for length in range(min(len(data), 1_500)):
        assert taken(data[:length], kind) in (None, DATE)


@pytest.mark.parametrize("kind", dated.FORMATS)
def test_a_file_with_changed_bytes_raises_nothing(kind):
    chance = random.Random(kind)
    whole = dated.dated(TEXT, kind)
    for _ in range(500):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 9)):
            data[chance.randrange(min(len(data), 1_000))] = chance.randrange(256)
        found = taken(bytes(data), kind)
        assert found is None or isinstance(found, datetime.datetime)


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("rest", [b"", b"\0", b"\xff" * 4_096, bytes(4_096), b"Exif\0\0" * 700])
def test_what_only_begins_like_an_image_raises_nothing(beginning, rest):
    for kind in FORMATS:
        assert taken(beginning + rest, kind) is None


PREFIX = b"Exif\0\0"

#: Hostile files on whose bytes a reader could go on and on: a beginning, and what is repeated.
ENDLESS = [
    ("jpeg", b"\xff\xd8", segment(0xE0, b"")),
    ("jpeg", b"\xff\xd8", b"\xff"),
    ("jpeg", b"\xff\xd8\xff\xe1\xff\xff", PREFIX),
    ("png", b"\x89PNG\r\n\x1a\n", chunk(b"tEXt", b"")),
    ("png", b"\x89PNG\r\n\x1a\n\0\x10\0\0eXIf", PREFIX),
    ("webp", b"RIFF\0\0\0\0WEBP", b"ANMF\0\0\0\0"),
    ("avif", b"", struct.pack(">I4s", 8, b"free")),
    ("avif", struct.pack(">I4s", 2_000_000, b"meta"), b"\0"),
    ("tiff", b"II*\0" + struct.pack("<IH", 8, 65_535), struct.pack("<HHII", 0x8769, 13, 1, 0)),
    ("tiff", b"II*\0" + struct.pack("<I", 8), struct.pack("<HHHII", 1, 0x8769, 4, 1, 8)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "beginning", "repeated"), ENDLESS, ids=range(len(ENDLESS)))
def test_a_file_without_end_takes_bounded_work(kind, beginning, repeated):
    file = Counted(beginning + repeated * (3_000_000 // len(repeated)))
    assert date_taken(file, kind, 2**40) is None
    assert file.count < 1_100_000


def test_no_more_is_read_than_there_is():
    read_at = reader(io.BytesIO(b"abc"), 100)
    assert read_at(0, 3) == b"abc"
    for place, size in ((0, 4), (3, 1), (2**64, 1)):
        with pytest.raises(IndexError, match="ends before"):
            read_at(place, size)


def sidecar(data, kind):
    return exif_facts.facts_of(data, kind).taken


ORIGINAL = struct.pack("<HHI", dated.ORIGINAL, dated.ASCII, len(TEXT) + 1)


@pytest.mark.parametrize("kind", dated.FORMATS)
def test_a_directory_may_state_more_fields_than_there_are(kind):
    data = dated.dated(TEXT, kind)
    place = data.index(ORIGINAL) - 2
    assert data[place : place + 2] == b"\1\0"
    for count in (b"\2\0", b"\xff\xff"):
        more = data[:place] + count + data[place + 2 :]
        if kind == "png":
            begin = more.index(b"eXIf")
            (length,) = struct.unpack_from(">I", more, begin - 4)
            content = more[begin + 4 : begin + 4 + length]
            more = more[: begin - 4] + chunk(b"eXIf", content) + more[begin + 8 + length :]
        assert taken(more, kind) == metric(more, kind) == sidecar(more, kind) == DATE


def test_fields_beyond_the_end_of_a_block_are_none_of_it():
    block = dated.block(TEXT)
    cut = block.index(ORIGINAL) - 2
    inner = segment(0xE1, b"Exif\0\0" + block[:cut]) + block[cut:]
    data = b"\xff\xd8" + inner
    assert taken(data, "jpeg") is None is metric(data, "jpeg")


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_chunk_counts_on_both_sides_of_the_pixels_unless_it_is_damaged(place):
    data = dated.dated(TEXT, "png")
    begin = data.index(b"eXIf") - 4
    (length,) = struct.unpack_from(">I", data, begin)
    exif = data[begin : begin + 12 + length]
    rest = data[:begin] + data[begin + 12 + length :]
    at = 33 if place == "before" else len(rest) - 12
    for made, expected in ((exif, DATE), (exif[:-1] + bytes([exif[-1] ^ 1]), None)):
        moved = rest[:at] + made + rest[at:]
        assert taken(moved, "png") == metric(moved, "png") == sidecar(moved, "png") == expected


def test_the_checksum_of_a_huge_block_is_not_compared():
    """It would have to be read as a whole."""
    block = dated.block(TEXT) + bytes(2**20)
    data = dated.dated(TEXT, "png")
    made = data[:33] + chunk(b"eXIf", block)
    assert taken(made, "png") == DATE
    file = Counted(made[:-1] + b"?")
    assert date_taken(file, "png", 2**40) == DATE
    assert file.count < 10_000


@pytest.mark.parametrize("length", [3, 4])
def test_a_chunk_of_odd_length_is_filled_up(length):
    """RFC 9649, 2.3."""
    data = dated.dated(TEXT, "webp")
    place = data.index(b"EXIF")
    other = struct.pack("<4sI", b"none", length) + bytes(length + length % 2)
    assert taken(data[:place] + other + data[place:], "webp") == DATE


def test_the_fill_bytes_of_a_header_are_bounded():
    frame = segment(0xC0, struct.pack(">BHHB", 8, 30, 40, 1) + b"\1\x11\0")
    assert FORMATS["jpeg"].dimensions(io.BytesIO(b"\xff\xd8" + b"\xff" * 500 + frame), b"") == (
        40,
        30,
    )
    file = Counted(b"\xff\xd8" + b"\xff" * 5_000_000 + frame)
    with contextlib.suppress(struct.error, ValueError):
        assert FORMATS["jpeg"].dimensions(file, b"") == (0, 0)
    assert file.count < 10_000
