"""One reader of boxes serves everything that reads or writes AVIF and HEIC."""

import struct

import pytest

from pixelmill.imaging.codecs import avif
from pixelmill.imaging.codecs.boxes import Box, at, boxes, content, first
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS


def box(name, inside):
    return struct.pack(">I4s", 8 + len(inside), name) + inside


def long(name, inside):
    return struct.pack(">I4sQ", 1, name, 16 + len(inside)) + inside


def endless(name, inside):
    return struct.pack(">I4s", 0, name) + inside


def names(data):
    return [found.name for found in boxes(data)]


@pytest.mark.parametrize("last", [box, long, endless])
def test_boxes_of_every_size_follow_each_other(last):
    data = box(b"ftyp", b"avif") + long(b"free", b"12345") + last(b"mdat", b"pixels")
    assert names(data) == [b"ftyp", b"free", b"mdat"]
    assert content(data, b"mdat") == b"pixels"
    assert [data[one.begin : one.end] for one in boxes(data)] == [b"avif", b"12345", b"pixels"]


@pytest.mark.parametrize(
    "tail",
    [b"\0\0\0\7mdat", b"\0\0\0\x20mdatshort", b"\0\0\0\1mdat" + bytes(8), b"\0\0\0\1mdat",
     bytes(8), b"abc"],
    ids=["smaller-than-its-head", "beyond-the-end", "of-no-bytes", "without-its-size", "zeros",
         "rest"],
)  # fmt: skip
def test_boxes_end_before_malformed_data(tail):
    assert names(box(b"ftyp", b"avif") + tail) == [b"ftyp"]


def test_boxes_inside_of_others_are_found_by_their_path():
    tracks = box(b"trak", box(b"tkhd", b"one")) + box(b"trak", box(b"tkhd", b"two"))
    meta = box(b"meta", bytes(4) + box(b"pitm", b"item"))
    data = box(b"moov", tracks) + meta
    assert [data[b.begin : b.end] for b in at(data, b"moov", b"trak", b"tkhd")] == [b"one", b"two"]
    assert content(data, b"meta", b"pitm") == b"item"
    assert content(data, b"meta", b"iloc") == b""
    assert first(data, b"moov", b"meta") is None
    assert first(data, b"tkhd", outer=first(data, b"moov", b"trak")) == Box(b"tkhd", 24, 27)


def test_a_flood_of_boxes_is_not_followed():
    assert len(names(box(b"free", b"") * 50_000)) == 10_000


def test_an_encoded_file_is_whole_if_its_boxes_are():
    known = OUTPUT_FORMATS["avif"]
    whole = box(b"ftyp", b"avif") + box(b"mdat", b"pixels")
    assert known.is_whole(whole)
    for cut in range(len(whole)):
        assert not known.is_whole(whole[:cut])
    assert not known.is_whole(whole + bytes(8))


def test_numbers_of_items_may_have_32_bits():
    """Version 1 of the box that names the primary item (ISO/IEC 14496-12, 8.11.4)."""
    clap = box(b"clap", struct.pack(">IIIIiIiI", 16, 1, 8, 1, 0, 1, 0, 1))
    primary = box(b"pitm", b"\1\0\0\0" + struct.pack(">I", 70_000))
    entries = struct.pack(">IIBB", 1, 70_000, 1, 0x81)
    properties = box(b"iprp", box(b"ipco", clap) + box(b"ipma", b"\1\0\0\0" + entries))
    data = box(b"ftyp", b"avif" + bytes(4)) + box(b"meta", bytes(4) + primary + properties)
    assert avif.aperture(data, (32, 24)) == (8, 8, 24, 16)
