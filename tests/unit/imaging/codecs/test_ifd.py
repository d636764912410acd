"""Directories of EXIF and TIFF: a field is found within its block, and bytes are kept or turned."""

import io
import struct

import numpy as np
import pytest
import tifffile

from pixelmill.imaging.codecs import ifd
from pixelmill.imaging.codecs.ifd import ASCII, BYTE, LONG, SHORT, UNDEFINED, Field, Tags
from pixelmill.imaging.codecs.spans import reader
from tests.helpers.tags import CAMERA, raw_block

TAG = 0x9003


def find(block, path=(TAG,), before=b"", behind=b"", end=None):
    """Find a field of a block in a file, of which the block is all or a part."""
    data = before + block + behind
    span = len(before), len(before + block) if end is None else len(before) + end
    return ifd.find(reader(io.BytesIO(data), len(data)), span, path)


@pytest.mark.parametrize("size", [1, 4, 5, 256])
@pytest.mark.parametrize("before", [b"", b"a segment before"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_field_is_found_wherever_its_block_is(order, before, size):
    value = bytes(range(1, 256))[:size].ljust(size, b".")
    block = raw_block([(TAG - 1, BYTE, b"a"), (TAG, BYTE, value)], order=order)
    assert find(block, before=before) == Field(BYTE, value)


def test_long_values_are_not_read():
    assert find(raw_block([(TAG, BYTE, bytes(257))])) is None


@pytest.mark.parametrize("before", [b"", bytes(60)])
def test_a_value_beyond_the_end_of_its_block_is_none(before):
    """What follows the block in the file is something else."""
    block = raw_block([(TAG, BYTE, bytes(20))])
    assert find(block, before=before, behind=bytes(99)) is not None
    assert find(block, before=before, behind=bytes(99), end=len(block) - 1) is None


@pytest.mark.parametrize("before", [b"", bytes(60)])
def test_entries_beyond_the_end_of_their_block_are_none(before):
    block = raw_block([(TAG - 1, BYTE, b"a"), (TAG, BYTE, b"b")])
    table = 8 + 2
    assert find(block, before=before, end=table + 24) == Field(BYTE, b"b")
    assert find(block, before=before, behind=bytes(99), end=table + 23) is None
    assert find(block, before=before, behind=bytes(99), end=table - 5) is None


def test_a_table_that_is_cut_off_has_the_entries_before():
    block = raw_block([(TAG, BYTE, b"a"), (TAG + 1, BYTE, b"b"), (TAG + 2, BYTE, b"c")])
    assert find(block[: 10 + 12 + 5], end=len(block)) == Field(BYTE, b"a")
    with pytest.raises(IndexError):
        find(block[: 10 + 12 + 5], (TAG + 2,), end=len(block))


def test_a_field_of_a_directory_that_is_missing_is_none():
    """It is not looked for in another one."""
    assert find(raw_block([(TAG, BYTE, b"a")]), (CAMERA, TAG)) is None
    both = raw_block([(TAG, BYTE, b"a")], [(TAG, BYTE, b"b")])
    assert find(both, (CAMERA, TAG)) == Field(BYTE, b"b")
    assert find(both) == Field(BYTE, b"a")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, None),
        (Field(BYTE, b"\7"), 7),
        (Field(SHORT, b"\1\0\2\0"), 1),
        (Field(LONG, b"\0\0\0\1"), 2**24),
        (Field(13, b"\1\0\0\0"), 1),
        (Field(9, b"\1\0\0\0"), None),  # with a sign
        (Field(ASCII, b"1\0"), None),
    ],
)
def test_an_unsigned_number_is_the_first_of_its_field(found, expected):
    assert ifd.integer("<", found) == expected


def test_the_first_of_two_fields_of_one_tag_counts():
    assert ifd.read(raw_block([(TAG, BYTE, b"a"), (TAG, BYTE, b"b")])).main[TAG].value == b"a"


def test_a_table_may_end_with_its_last_entry():
    """What follows in the standard, the offset of the next directory, is not needed."""
    block = raw_block([(TAG, BYTE, b"a"), (TAG + 1, BYTE, b"b")])[: 10 + 24]
    assert sorted(ifd.read(block).main) == [TAG, TAG + 1]
    assert sorted(ifd.read(block[:-1]).main) == [TAG]


def test_only_the_main_directory_is_read_if_that_is_enough():
    block = raw_block([(TAG, BYTE, b"a")], [(TAG, BYTE, b"b")], [(1, BYTE, b"c")])
    assert ifd.read(block) == Tags(
        "<", {TAG: Field(BYTE, b"a")}, {TAG: Field(BYTE, b"b")}, {1: Field(BYTE, b"c")}
    )
    assert ifd.read(block, main_only=True) == Tags("<", {TAG: Field(BYTE, b"a")})


# Additions


def test_added_tags_replace_none_of_the_file():
    data = raw_block([(TAG, BYTE, b"own")], [(TAG, BYTE, b"own")])
    given = Tags("<", *({TAG: Field(BYTE, b"new"), TAG + 1: Field(BYTE, b"more")},) * 2)
    tail, head = ifd.extension(data, given)
    made = ifd.read(head + data[len(head) :] + tail)
    for table in (made.main, made.camera):
        assert table == {TAG: Field(BYTE, b"own"), TAG + 1: Field(BYTE, b"more")}


def test_nothing_is_added_to_a_bigtiff():
    """Its offsets are longer."""
    data = b"II+\0" + struct.pack("<HHQ", 8, 0, 16) + struct.pack("<QQ", 0, 0)
    with pytest.raises(ValueError, match="BigTIFF"):
        ifd.extension(data, Tags("<", {TAG: Field(BYTE, b"new")}))


# Byte orders


@pytest.mark.parametrize(
    ("kind", "value", "turned"),
    [
        (ASCII, b"abc\0", b"abc\0"),
        (SHORT, b"\1\2\3\4", b"\2\1\4\3"),
        (5, b"\1\2\3\4\5\6\7\x08", b"\4\3\2\1\x08\7\6\5"),
        (UNDEFINED, b"0232", b"0232"),
        (UNDEFINED, b"UNICODE\0a\0b\0", b"UNICODE\0\0a\0b"),
        (UNDEFINED, b"UNICODE\0a\0b\0!", b"UNICODE\0\0a\0b!"),  # half a character
        (UNDEFINED, b"UNICODE\0", b"UNICODE\0"),
        (UNDEFINED, b"ASCII\0\0\0abc", b"ASCII\0\0\0abc"),
        (ASCII, b"UNICODE\0ab\0", b"UNICODE\0ab\0"),
    ],
)
def test_numbers_and_characters_are_turned_to_another_byte_order(kind, value, turned):
    tags = Tags("<", {TAG: Field(kind, value)}, {TAG: Field(kind, value)}, {1: Field(kind, value)})
    made = ifd.in_order(tags, ">")
    field = Field(kind, turned)
    assert made == Tags(">", {TAG: field}, {TAG: field}, {1: field})
    assert ifd.in_order(tags, "<") is tags


# Pages


@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}, {"rowsperstrip": 7}], ids=str)
def test_pages_of_strips_and_tiles_are_joined(options):
    random = np.random.default_rng(4)
    pages = [random.integers(0, 256, size, np.uint8) for size in ((32, 48), (31, 17), (16, 16))]
    files = []
    for page in pages:
        file = io.BytesIO()
        tifffile.imwrite(file, page, metadata=None, **options)
        files.append(file.getvalue())
    whole = ifd.joined(files)
    with tifffile.TiffFile(io.BytesIO(whole)) as found:
        assert len(found.pages) == len(pages)
        for made, page in zip(found.pages, pages, strict=True):
            np.testing.assert_array_equal(made.asarray(), page)
    assert all(place % 2 == 0 for place in ifd.offsets(whole))


def test_directories_in_a_circle_are_refused():
    """Their pages would have no end."""
    data = bytearray(raw_block([(TAG, BYTE, b"a")]))
    struct.pack_into("<I", data, 10 + 12, 8)
    with pytest.raises(ValueError, match="circle"):
        list(ifd.offsets(bytes(data)))
