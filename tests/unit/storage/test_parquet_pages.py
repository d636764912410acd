"""Values of a column are found in any page, and read again by their places."""

import io
import os
import random
import tracemalloc

import pytest

from pixelmill.storage import parquet_pages
from pixelmill.storage.parquet_pages import Chunk, PageError, content, digest, values
from tests.helpers.parquets import CODECS, DICTIONARY, PLAIN, RUNS, chunk, page, plain, runs

CHANCE = random.Random(3)

#: Small and large ones, such as compress well and not at all, an empty one, repeated ones.
CONTENTS = [
    *(CHANCE.randbytes(CHANCE.randrange(90_000)) for _ in range(12)),
    bytes(200_000),
    b"",
    *[b"again" * 9000] * 5,
    b"x",
]

WITH_NULLS = [None if number % 3 == 1 else value for number, value in enumerate(CONTENTS)]


@pytest.fixture
def column(tmp_path):
    """Function that writes pages and returns the open file and the chunk."""
    opened = []

    def put(pages, rows, codec="snappy", level=0):
        path = tmp_path / f"{len(opened)}"
        path.write_bytes(b"PAR1" + pages)
        opened.append(path.open("rb"))
        return opened[-1], Chunk(4, 4 + len(pages), CODECS[codec][0], rows, level)

    yield put
    for file in opened:
        file.close()


CASES = [
    (codec, version, dictionary, in_page)
    for codec in CODECS
    for version in (1, 2)
    for dictionary in (False, True)
    for in_page in (1000, 3)
]


@pytest.mark.parametrize(("codec", "version", "dictionary", "in_page"), CASES)
def test_values_are_found_again_in_any_order(column, codec, version, dictionary, in_page):
    for level, expected in ((0, CONTENTS), (1, WITH_NULLS), (2, WITH_NULLS)):
        pages, _ = chunk(expected, level, codec, version, in_page, dictionary)
        file, about = column(pages, len(expected), codec, level)
        found = list(values(file, about))
        assert [value and bytes(value.content) for value in found] == expected
        there = [value for value in found if value]
        for value in sorted(there, key=lambda value: value.digest):
            assert 0 < value.place < 2**63
            data = content(file, value.place, len(value.content))
            assert data == value.content
            assert digest(data) == value.digest


@pytest.mark.parametrize("codec", ["none", "snappy"])
def test_little_is_read_of_a_large_page(column, codec):
    contents = [CHANCE.randbytes(20_000) for _ in range(200)]
    pages, _ = chunk(contents, 2, codec)
    file, about = column(pages, 200, codec, 2)
    places = [value.place for value in values(file, about)]
    read = []

    class Counting(io.FileIO):
        def read(self, size=-1):
            read.append(size)
            return super().read(size)

    with Counting(os.dup(file.fileno())) as raw:
        assert content(raw, places[150], 20_000) == contents[150]
    assert sum(read) < 200_000


def test_snappy_that_refers_far_back_is_read_by_whole_pages(column):
    contents = [CHANCE.randbytes(65_532)]
    contents.append(contents[0][100:132])
    body = plain(contents)
    # A literal for each fragment, and a copy from the first one in the second.
    elements = bytes([61 << 2]) + (65_535).to_bytes(2, "little") + body[:65_536]
    elements += bytes([3 << 2]) + body[65_536:65_540]
    elements += bytes([31 << 2 | 2]) + (65_540 - 104).to_bytes(2, "little")
    packed = parquet_pages.snappy_fragments._varint(len(body)) + elements
    pages = page(0, body, lambda _: packed, {5: {1: 2, 2: PLAIN, 3: RUNS, 4: RUNS}})
    file, about = column(pages, 2)
    found = list(values(file, about))
    assert [value.content for value in found] == contents
    assert {value.place & 7 for value in found} == {CODECS["snappy"][0]}
    assert [content(file, value.place, len(value.content)) for value in found] == contents


def test_levels_may_be_packed_bits(column):
    levels = bytes([3, 0b10001101])  # a group of eight
    body = len(levels).to_bytes(4, "little") + levels + plain([b"1", b"2", b"3", b"4"])
    pages = page(0, body, bytes, {5: {1: 8, 2: PLAIN, 3: RUNS, 4: RUNS}})
    file, about = column(pages, 8, "none", 1)
    found = [value and bytes(value.content) for value in values(file, about)]
    assert found == [b"1", None, b"2", b"3", None, None, None, b"4"]


def data_page(body, count=1, encoding=PLAIN, levels=RUNS, compress=bytes, size=None):
    return page(0, body, compress, {5: {1: count, 2: encoding, 3: levels, 4: RUNS}}, size=size)


def data_page_2(body, count=1, levels=0, size=None):
    about = {1: count, 2: 0, 3: count, 4: PLAIN, 5: levels, 6: 0, 7: False}
    return page(3, body, bytes, {8: about}, size=size)


def dictionary_page(body, count, encoding=PLAIN):
    return page(2, body, bytes, {7: {1: count, 2: encoding}})


ONE = plain([b"1"])

DAMAGED = {
    "nothing": (b"", "has a damaged page"),
    "no header": (b"\0", "has a damaged page"),
    "noise": (CHANCE.randbytes(500), "has a damaged page"),
    "cut": (data_page(plain([b"content" * 9]))[:40], "has a damaged page"),
    "a value too many": (data_page(ONE * 2, 2), "has more values than rows"),
    "values missing": (data_page(b""), "has fewer values than rows"),
    "a page missing": (data_page(b"", 0), "has a damaged page"),
    "a value too long": (data_page(b"\xff\xff\xff\x7f1"), "has a value that ends behind its page"),
    "a size cut off": (data_page(b"\1\0"), "has a value that ends behind its page"),
    "negative": (data_page(ONE, size=-1), "has a damaged page"),
    "another size": (data_page(ONE, size=7), "has a damaged page"),
    "negative count": (data_page(ONE, -1), "has a damaged page"),
    "levels outside": (data_page_2(ONE, levels=99), "has a damaged page"),
    "negative levels": (data_page_2(ONE, levels=-1), "has a damaged page"),
    "huge": (data_page(ONE, size=2**31 - 1), "has a page of 2,147,483,647 bytes"),
    "an old encoding": (data_page(ONE, levels=4), "has levels of an old encoding"),
    "deltas": (data_page(ONE, encoding=6), "the encoding DELTA_LENGTH_BYTE_ARRAY, which is not"),
    "unknown": (data_page(ONE, encoding=99), "the encoding 99, which is not read"),
    "no dictionary": (data_page(b"\1\2\0", 1, DICTIONARY), "missing from its dictionary"),
    "wide numbers": (data_page(b"\xff\2\0", 1, DICTIONARY), "has a damaged page"),
    "numbers missing": (data_page(b"\1", 1, DICTIONARY), "has a damaged page"),
    "no run": (data_page(b"\1\0\0", 1, DICTIONARY), "has a damaged page"),
    "packed bits missing": (data_page(b"\1\3", 1, DICTIONARY), "has a damaged page"),
    "a small dictionary": (dictionary_page(ONE, 2), "has a damaged dictionary"),
    "a strange dictionary": (dictionary_page(ONE, 1, 6), "has a damaged dictionary"),
    "two dictionaries": (dictionary_page(ONE, 1) * 2, "has two dictionaries for the same rows"),
    "pages without rows": (data_page(b"", 0) * 1100, "has more than 1,000 pages without rows"),
    "unknown pages": (page(1, b"", bytes, {}) * 1100, "has more than 1,000 pages without rows"),
    "a header of values": (page(0, b"", bytes, {9: [1] * 2000}), "has a damaged page"),
    "a large dictionary": (dictionary_page(ONE, 2**21), "a dictionary of 2,097,152 values"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_told(column, name):
    pages, why = DAMAGED[name]
    with pytest.raises(PageError, match=why):
        list(values(*column(pages, 1, "none")))


def test_a_long_header_is_read(column):
    """Its statistics may hold the smallest and the largest value."""
    about = {1: 1, 2: PLAIN, 3: RUNS, 4: RUNS, 5: {1: b"9" * 100_000, 2: b"1" * 100_000}}
    (found,) = values(*column(page(0, ONE, bytes, {5: about}), 1, "none"))
    assert bytes(found.content) == b"1"


def test_a_dictionary_of_many_values_takes_little_memory(column):
    count = 3_000
    made = dictionary_page(bytes(4 * count), count) + data_page(b"\1\2\0", 1, DICTIONARY)
    file, about = column(made, 1, "none")
    tracemalloc.start()
    try:
        (found,) = values(file, about)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert bytes(found.content) == b""
    assert most < 150 * count  # 350 as objects


@pytest.mark.parametrize("codec", [name for name in CODECS if name != "none"])
def test_compressed_data_that_lie_are_told(column, codec):
    compress = CODECS[codec][1]
    body = plain([bytes(10**6)])
    bomb = data_page(body, compress=compress, size=10**5)
    short = data_page(body, compress=compress, size=10**7)
    noise = data_page(body, compress=lambda data: b"\1\2\3\4" * 99)
    for pages in (bomb, short, noise):
        with pytest.raises(PageError, match=r"damaged page|cannot be decompressed|2,000 times"):
            list(values(*column(pages, 1, codec)))


@pytest.mark.parametrize(("codec", "name"), [(3, "LZO"), (5, "an old LZ4"), (9, "9")])
def test_codecs_that_are_not_read_are_told(column, codec, name):
    file, about = column(data_page(ONE), 1)
    with pytest.raises(PageError, match=f"is compressed by {name}, which is not read") as caught:
        list(values(file, about._replace(codec=codec)))
    assert "compressed by Snappy" in caught.value.advice


def test_runs_end_with_the_rows(column):
    """A few bytes may claim any number of values."""
    many = data_page(b"\1" + b"\xfe\xff\xff\xff\x0f\0", 2**31 - 1, DICTIONARY)
    file, about = column(dictionary_page(ONE, 1) + many, 1, "none")
    with pytest.raises(PageError, match="has more values than rows"):
        list(values(file, about))
    numbers = parquet_pages._runs(b"\xfe\xff\xff\xff\x0f\0", 0, 1, 3)
    assert list(numbers) == [0, 0, 0]
    assert list(parquet_pages._runs(b"", 0, 0, 3)) == [0, 0, 0]
    assert list(parquet_pages._runs(runs([5, 5, 300], 9), 0, 9, 3)) == [5, 5, 300]


def test_a_large_page_is_not_decompressed_for_each_image(column, monkeypatch):
    monkeypatch.setattr(parquet_pages, "LARGEST_WHOLE", 10_000)
    pages, _ = chunk([bytes(20_000)], 0, "zstd")
    file, about = column(pages, 1, "zstd")
    with pytest.raises(PageError, match="would be decompressed for each image"):
        list(values(file, about))
    with pytest.raises(PageError, match="would be decompressed for each image"):
        content(file, 4 << 24 | CODECS["zstd"][0], 20_000)
    pages, _ = chunk([bytes(20_000)], 0, "snappy")
    assert len(list(values(*column(pages, 1)))) == 1


def test_more_values_than_have_numbers_are_told(column, monkeypatch):
    monkeypatch.setattr(parquet_pages, "_MOST_NUMBERED", 2)
    pages, _ = chunk([b"1", b"2", b"3"], 0, "gzip")
    with pytest.raises(PageError, match="has a page of more than 2 values"):
        list(values(*column(pages, 3, "gzip")))


@pytest.mark.parametrize(
    "place", [-1, 0, 1, 2, 3, 6, 7, 2**62, *(99 << 24 | how for how in range(8))]
)
def test_places_of_something_else_are_told_or_give_other_bytes(column, place):
    pages, _ = chunk(CONTENTS, 2, "snappy")
    file, _ = column(pages, len(CONTENTS))
    try:
        assert len(content(file, place, 100)) <= 100
    except PageError as error:
        assert str(error).startswith(("has ", "is "))


@pytest.mark.parametrize("codec", ["snappy", "zstd"])
def test_a_page_may_be_left_uncompressed_in_a_column_that_is_compressed(column, codec):
    """As writers do with what compression would not make smaller."""
    pages, _ = chunk(WITH_NULLS, 1, "none", 2)
    file, about = column(pages, len(WITH_NULLS), codec, 1)
    found = list(values(file, about))
    assert [value and bytes(value.content) for value in found] == WITH_NULLS
    for value in filter(None, found):
        assert content(file, value.place, len(value.content)) == value.content


def test_a_value_that_its_page_does_not_have_any_more_is_empty(column):
    """The file was changed after it was listed, as whoever knows the digest will notice."""
    pages, _ = chunk(CONTENTS, 0, "zstd")
    file, about = column(pages, len(CONTENTS), "zstd")
    first = next(values(file, about))
    assert content(file, first.place | 100_000 << parquet_pages._REST_SHIFT, 100) == b""


def test_pages_may_not_become_many_times_as_large(column, monkeypatch):
    contents = [bytes(10_000)] * 3
    pages, _ = chunk(contents, 0, "zstd", 1, 1)
    for most, is_read in ((30_100 // len(pages) + 1, True), (20_000 // len(pages), False)):
        monkeypatch.setattr(parquet_pages, "MOST_EXPANSION", most)
        monkeypatch.setattr(parquet_pages, "_SLACK", 0)
        found = values(*column(pages, len(contents), "zstd"))
        if is_read:
            assert [value.content for value in found] == contents
        else:
            with pytest.raises(PageError, match=f"becomes more than {most:,} times as large"):
                list(found)
