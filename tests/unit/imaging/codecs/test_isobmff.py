"""Boxes of AVIF and HEIC are read, and broken ones are ignored."""

import io
import random
import struct

import pillow_heif
import pytest

from pixelmill.imaging.codecs import isobmff


def box(kind, content):
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full(kind, content, version=0, flags=0):
    return box(kind, struct.pack(">I", version << 24 | flags) + content)


COLOR = box(b"colr", b"nclx" + struct.pack(">HHHB", 12, 13, 6, 0x80))
OTHER = box(b"colr", b"nclx" + struct.pack(">HHHB", 9, 16, 9, 0x80))
PROFILE = box(b"colr", b"prof" + bytes(128))
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
    "with-a-profile": (file_of([COLOR, PROFILE], items((1, [1, 2]))), None),
    "none": (file_of([SIZE], items((1, [1]))), None),
    "no-such-property": (file_of([COLOR], items((1, [7]))), None),
}


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
