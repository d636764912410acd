"""Datasets of IPTC are kept whole, or not at all."""

import struct

import pytest

from pixelmill.imaging.codecs import iptc


def dataset(record, number, text):
    return struct.pack(">BBBH", 0x1C, record, number, len(text)) + text


UTF_8, LATIN = dataset(1, 90, b"\x1b%G"), dataset(1, 90, b"\x1b.A")
BYLINE, CITY = dataset(2, 80, "Müller".encode()), dataset(2, 90, b"Lyon")
PREVIEW, OTHER = dataset(2, 202, b"\xff\xd8"), dataset(8, 10, b"object data")


def test_keep_keeps_the_datasets_of_the_application_record():
    assert iptc.kept(UTF_8 + BYLINE + PREVIEW + CITY + OTHER) == UTF_8 + BYLINE + CITY


def test_a_list_keeps_the_listed_ones_and_says_that_they_are_utf_8():
    assert iptc.kept(UTF_8 + BYLINE + CITY, {"City"}) == UTF_8 + CITY
    assert iptc.kept(LATIN + BYLINE + CITY, {"By-line"}) == BYLINE
    assert iptc.kept(UTF_8 + BYLINE + CITY, {"Artist"}) == b""


@pytest.mark.parametrize("rest", [b"", bytes(3), b"\x1c\2", CITY[:-1], b"\x1c\2\x50\x80\4\xff\xff"])
def test_what_follows_a_malformed_dataset_is_left_out(rest):
    assert iptc.kept(BYLINE + rest) == BYLINE


def test_a_block_is_found_behind_others():
    other = b"8BIM" + struct.pack(">H", 0x03ED) + b"\3abc" + struct.pack(">I", 3) + b"xyz\0"
    assert iptc.in_blocks(other + iptc.as_block(CITY)) == CITY


@pytest.mark.parametrize("data", [b"", b"8BIM", b"8BIM\4\4", b"8BIM\4\4\xff", b"JUNK\4\4\0\0" * 9])
def test_malformed_blocks_hold_nothing(data):
    assert iptc.in_blocks(data) == b""
