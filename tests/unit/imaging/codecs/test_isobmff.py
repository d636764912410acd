"""Boxes of AVIF and HEIC are read, and broken ones are ignored."""

import io
import random
import struct
import tracemalloc

import pillow_heif
import pytest

from pixelmill.imaging.codecs import avif, isobmff
from pixelmill.imaging.codecs.spans import reader


def box(kind, content):
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full(kind, content, version=0, flags=0):
    return box(kind, struct.pack(">I", version << 24 | flags) + content)


COLOR = box(b"colr", b"nclx" + struct.pack(">HHHB", 12, 13, 6, 0x80))
OTHER = box(b"colr", b"nclx" + struct.pack(">HHHB", 9, 16, 9, 0x80))
PROFILE = box(b"colr", b"prof" + bytes(128))
RESTRICTED = box(b"colr", b"rICC" + bytes(128))
SIZE = box(b"ispe", bytes(12))


def items(*entries, wide=False):
    """Boxes of a file whose primary item is 1: of each item its number and its properties."""
    form, version = ("I", 1) if wide else ("H", 0)
    table = b""
    for number, indices in entries:
        table += struct.pack(f">{form}B", number, len(indices)) + bytes(0x80 | k for k in indices)
    return full(b"ipma", struct.pack(">I", len(entries)) + table, version)


def file_of(properties, associations, *more):
    meta = full(b"pitm", struct.pack(">H", 1)) + b"".join(more)
    meta += box(b"iprp", box(b"ipco", b"".join(properties)) + associations)
    return box(b"ftyp", b"avif" + bytes(4)) + full(b"meta", meta) + box(b"mdat", bytes(9))


GRID = full(b"iref", box(b"dimg", struct.pack(">HH2H", 1, 2, 4, 5)))

CASES = {
    "plain": (file_of([SIZE, COLOR], items((1, [1, 2]))), (12, 13)),
    "wide-numbers": (file_of([SIZE, COLOR], items((1, [1, 2]), wide=True)), (12, 13)),
    "of-another-item": (file_of([COLOR, OTHER], items((2, [2]), (1, [1]))), (12, 13)),
    "of-another-item-alone": (file_of([OTHER], items((2, [1]))), None),
    "of-the-tiles": (file_of([OTHER, COLOR], items((3, [1]), (4, [2]), (5, [2])), GRID), (12, 13)),
    "of-the-tiles-of-another-item": (
        file_of([COLOR], items((4, [1])), GRID.replace(b"\0\1\0\2", b"\0\3\0\2")), None,
    ),
    "with-a-profile": (file_of([COLOR, PROFILE], items((1, [1, 2]))), None),
    "with-a-restricted-profile": (file_of([COLOR, RESTRICTED], items((1, [1, 2]))), None),
    "property-0-is-none": (file_of([SIZE, COLOR], items((1, [0]))), None),
    "numbers-of-15-bits": (file_of([SIZE, COLOR], full(
        b"ipma", struct.pack(">IHBHH", 1, 1, 2, 0x8001, 0x8002), flags=1)), (12, 13)),
    "none": (file_of([SIZE], items((1, [1]))), None),
    "no-such-property": (file_of([COLOR], items((1, [7]))), None),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_the_colours_are_those_of_the_primary_picture(data, expected):
    assert isobmff.nclx(data) == expected


def test_a_sequence_has_its_colours_in_its_track():
    data = full(b"stsd", struct.pack(">I", 1) + box(b"av01", bytes(78) + COLOR))
    data = full(b"hdlr", bytes(4) + b"pict") + box(b"minf", box(b"stbl", data))
    data = box(b"moov", box(b"trak", box(b"mdia", data)))
    assert isobmff.nclx(box(b"ftyp", b"avis" + bytes(4)) + data) == (12, 13)


def test_a_track_of_alpha_has_no_colours():
    def track(handler, color):
        table = full(b"stsd", struct.pack(">I", 1) + box(b"av01", bytes(78) + color))
        media = full(b"hdlr", bytes(4) + handler) + box(b"minf", box(b"stbl", table))
        return box(b"trak", box(b"mdia", media))

    data = box(b"moov", track(b"auxv", OTHER) + track(b"pict", COLOR))
    assert isobmff.nclx(box(b"ftyp", b"avis" + bytes(4)) + data) == (12, 13)


def test_sizes_of_64_bits_and_up_to_the_end_are_followed():
    data = file_of([COLOR], items((1, [1])))
    head, meta = data[:16], data[16:-17]
    large = struct.pack(">I4sQ", 1, b"meta", len(meta) + 8) + meta[8:]
    last = struct.pack(">I4s", 0, b"meta") + meta[8:]
    assert isobmff.nclx(head + large) == isobmff.nclx(head + last) == (12, 13)


@pytest.fixture(scope="module")
def files(picture):
    """An AVIF and a HEIC with EXIF."""
    found = []
    for save in (
        lambda file: picture(1).save(file, "AVIF", exif=b"Exif\0\0II*\0anything"),
        lambda file: pillow_heif.from_pillow(picture(1)).save(file, exif=b"Exif\0\0II*\0anything"),
    ):
        file = io.BytesIO()
        save(file)
        found.append(file.getvalue())
    return found


def test_the_block_of_exif_is_found(files):
    for data in files:
        assert isobmff.exif(data) == b"II*\0anything"
    assert isobmff.exif(file_of([COLOR], items((1, [1])))) == b""


BLOCK = bytes(4) + b"II*\0anything"


def with_block(extents, version=1, method=0, inside=b"", behind=b""):
    """A file whose item 1 is an EXIF block, in parts at some places: (offset, length)."""
    entry = full(b"infe", struct.pack(">HH4s", 1, 0, b"Exif") + b"\0", 2)
    table = struct.pack(">BBHH", 0x44, 0, 1, 1)
    table += struct.pack(">H", method) if version else b""
    table += struct.pack(">HH", 0, len(extents)) + b"".join(struct.pack(">II", *e) for e in extents)
    found = full(b"iinf", struct.pack(">H", 1) + entry) + full(b"iloc", table, version)
    found += box(b"idat", inside)
    return box(b"ftyp", b"avif" + bytes(4)) + full(b"meta", found) + box(b"mdat", behind)


def block_at(data):
    """The block where `exif_span` finds it."""
    begin, end = isobmff.exif_span(reader(io.BytesIO(data), len(data)))
    return data[begin:end]


@pytest.mark.parametrize("method", [1, 0xFFF1])  # 12 of its bits are reserved
@pytest.mark.parametrize("before", [b"", b"other items"])
def test_a_block_may_be_stored_among_the_descriptions(method, before):
    inside = before + BLOCK + b"more"
    data = with_block([(len(before), len(BLOCK))], method=method, inside=inside)
    assert isobmff.exif(data) == block_at(data) == BLOCK[4:]


@pytest.mark.parametrize("version", [0, 1])
def test_a_block_without_a_length_ends_with_the_file(version):
    empty = with_block([(0, 0)], version)
    data = with_block([(len(empty), 0)], version, behind=BLOCK)
    assert isobmff.exif(data) == block_at(data) == BLOCK[4:]


def test_a_block_in_parts_is_joined():
    data = with_block(
        [(6, 4), (0, 6), (12, 2)], method=1, inside=b"II*\0an" + bytes(4) + b"##" + b"y!"
    )
    assert isobmff.exif(data) == b"II*\0any!"


def test_parts_that_overlap_take_no_memory():
    """A small file may claim that its item is all of the file, hundreds of times."""
    data = with_block([(0, 0)] * 200)
    tracemalloc.start()
    assert isobmff.exif(data) == b""
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20 * len(data)


def test_broken_boxes_raise_no_error(files):
    draw = random.Random(2026)
    for data in files:
        end = data.index(b"mdat")
        for cut in range(end):
            isobmff.nclx(data[:cut])
            isobmff.exif(data[:cut])
        for _ in range(2000):
            broken = bytearray(data)
            for _ in range(draw.randrange(1, 4)):
                broken[draw.randrange(end)] = draw.randrange(256)
            isobmff.nclx(bytes(broken))
            assert len(isobmff.exif(bytes(broken))) <= len(data)


# Sequences


def sequence(repeats, whole, length, wide=False):
    """A track that is shown for a time, and one turn of which takes another."""
    form, version = ("Q", 1) if wide else ("I", 0)
    times = struct.pack(f">2{form}", 0, 0)
    edits = struct.pack(f">I{form}", 1, length) + bytes(12)
    track = full(b"tkhd", times + bytes(8) + struct.pack(f">{form}", whole), version)
    track += box(b"edts", full(b"elst", edits, version, flags=repeats))
    media = full(b"mdhd", times + struct.pack(f">I{form}", 9, length), version)
    track += box(b"mdia", media + full(b"hdlr", bytes(4) + b"pict"))
    movie = full(b"mvhd", times + struct.pack(f">I{form}", 9, whole), version)
    return box(b"ftyp", b"avis" + bytes(4)) + box(b"moov", movie + box(b"trak", track))


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(
    ("repeats", "whole", "length", "plays"),
    [(1, 30, 10, 3), (1, 31, 10, 4), (1, 10, 10, 1), (0, 30, 10, 1), (1, -1, 10, 0), (1, 30, 0, 0)],
)
def test_plays_are_the_turns_that_the_duration_has_room_for(wide, repeats, whole, length, plays):
    """Numbers of 32 or 64 bits; the largest duration, and turns of no time, stand for ever."""
    whole %= 2 ** (64 if wide else 32)
    assert avif.plays(sequence(repeats, whole, length, wide)) == plays


@pytest.mark.parametrize("times", [1, 3])
def test_the_track_lasts_all_turns_and_its_media_one(times):
    made = avif.with_plays(sequence(1, 2**64 - 1, 10, wide=True), times)
    assert made == sequence(times != 1, 10 * times, 10, wide=True)


def test_a_sequence_for_ever_stays_one():
    data = sequence(1, 2**64 - 1, 10, wide=True)
    assert avif.with_plays(data, 0) == data


def tables(*between):
    """A file with two tables of associations, and what is between them."""
    both = items((1, [1])), items((2, [1]))
    return file_of([COLOR], both[0] + b"".join(between) + both[1])


def test_tables_of_associations_are_joined_in_place():
    made = avif.with_one_table(tables())
    joined = items((1, [1]), (2, [1]))
    assert len(made) == len(tables())
    assert made.count(b"ipma") == 1
    assert joined in made
    assert isobmff.nclx(made) == isobmff.nclx(tables()) == (12, 13)
    assert avif.with_one_table(made) is made


def test_tables_of_two_kinds_stay_apart():
    """Their numbers have other lengths."""
    data = file_of([COLOR], items((1, [1])) + items((2, [1]), wide=True))
    assert avif.with_one_table(data) is data


def test_tables_with_other_boxes_between_them_stay_apart():
    data = tables(box(b"free", bytes(4)))
    assert avif.with_one_table(data) is data
