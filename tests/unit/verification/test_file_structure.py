"""Segments, chunks and boxes are found as the standards say, whatever stands between them."""

import struct

import pytest

from pixelmill.verification.file_structure import (
    avif_properties,
    boxes,
    find_box,
    gif_frames,
    jpeg_segments,
    kind_of,
    notes_of,
    picture_track,
)
from tests.helpers.imaging import chunk, png


def segment(marker, content=b""):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def test_bytes_between_segments_are_skipped_and_the_scan_ends_them():
    fill, bare = b"\xff", b"\xff\x01\xff\xd0"
    data = b"\xff\xd8" + fill + segment(0xE0, b"x") + bare + segment(0xE1) + b"\xff\xda\0\2\xff\xe2"
    assert list(jpeg_segments(data)) == [(0xE0, b"x"), (0xE1, b""), (0xDA, b"")]


def test_parts_of_a_profile_are_joined_by_their_numbers():
    parts = (
        segment(0xE2, b"ICC_PROFILE\0" + bytes([number, 3]) + content)
        for number, content in ((2, b"b"), (3, b"c"), (1, b"a"))
    )
    assert notes_of(b"\xff\xd8" + b"".join(parts) + b"\xff\xda").profile == b"abc"


@pytest.mark.parametrize("late", [False, True])
def test_chunks_of_colours_count_only_before_the_pixels(late):
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    data, end = png(2, 1, 8, 2, [bytes(6)]), chunk(b"IEND", b"")
    data = data.replace(end, gamma + end) if late else data[:33] + gamma + data[33:]
    assert notes_of(data).colors == ({} if late else {b"gAMA": struct.pack(">I", 100_000)})


def test_the_control_of_a_frame_of_a_gif_is_that_of_the_next_one_alone():
    control = b"\x21\xf9\x04\1\2\3\4\0"
    comment = b"\x21\xfe\2hi\0"
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\1\0\0"
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0)
    data = head + control + comment + frame + b"\0\0" + frame + b";" + frame
    assert [found for _, _, found in gif_frames(data)] == [b"\1\2\3\4", bytes(4)]


def box(name, *contents):
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), name) + content


def test_a_box_has_a_length_of_32_or_64_bits_or_reaches_to_the_end():
    large = struct.pack(">I4sQ", 1, b"larg", 16 + 2) + b"22"
    last = struct.pack(">I4s", 0, b"last") + b"333"
    assert list(boxes(box(b"smal", b"1") + large + last)) == [
        (b"smal", b"1"), (b"larg", b"22"), (b"last", b"333"),
    ]  # fmt: skip
    assert list(boxes(struct.pack(">I4s", 7, b"bad ") + box(b"smal"))) == []


def heif(item, pitm=0, version=0, wide=0):
    """A file whose picture has two of three properties; numbers have 16 or 32 bits."""

    def number(value, large):
        return struct.pack(">I" if large else ">H", value)

    def entry(item, *indices):
        coded = (struct.pack(">H", 0x8000 | k) if wide else bytes([0x80 | k]) for k in indices)
        return number(item, version) + bytes([len(indices)]) + b"".join(coded)

    properties = box(b"ipco", box(b"ispe", b"any"), box(b"irot", b"\1"), box(b"imir", b"\0"))
    entries = struct.pack(">I", 2) + entry(item + 1, 1) + entry(item, 0, 2, 9, 3)
    association = box(b"ipma", bytes([version, 0, 0, wide]), entries)
    primary = box(b"pitm", bytes([pitm, 0, 0, 0]), number(item, pitm))
    meta = box(b"meta", bytes(4), primary, box(b"iprp", properties, association))
    return box(b"ftyp", b"avif", bytes(4)) + meta


@pytest.mark.parametrize(
    "data",
    [heif(3), heif(3, wide=1), heif(3, pitm=1), heif(70_000, pitm=1, version=1),
     heif(70_000, pitm=1, version=1, wide=1)],
)  # fmt: skip
def test_the_properties_are_those_of_the_primary_picture_in_their_order(data):
    assert avif_properties(data) == [(b"irot", b"\1"), (b"imir", b"\0")]
    assert notes_of(data).orientation == 5
    assert kind_of(data) == "avif"


def test_the_track_with_the_pictures_is_found_among_others():
    tracks = (
        box(b"trak", box(b"mdia", box(b"hdlr", bytes(8), kind)), box(b"mark", kind))
        for kind in (b"soun", b"pict", b"auxv")
    )
    track = picture_track(box(b"free", b"x") + box(b"moov", box(b"mvhd"), *tracks))
    assert find_box(track, b"mark") == b"pict"
    assert picture_track(box(b"free", b"x")) is None
