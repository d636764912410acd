"""Rows of Parquet files are read as members, and what is wrong is told in a sentence."""

import os
import random

import pytest

from pixelmill.core.errors import UserError
from pixelmill.storage import parquet_format, parquet_pages
from pixelmill.storage.archives import Archives, Member
from pixelmill.storage.member import MemberError, Spot
from pixelmill.storage.parquet_format import texts
from pixelmill.storage.parquet_pages import PageError
from tests.helpers.optional import if_installed
from tests.helpers.packed import listed
from tests.helpers.parquets import (
    BYTES,
    CODECS,
    CONTENT,
    IMAGE,
    INTEGERS,
    REPEATED,
    REQUIRED,
    Long,
    element,
    ended,
    parquet_of,
    table_of,
    thrift,
)

NOISE = random.Random(5)

CONTENTS = {f"sub/{n}.jpg": NOISE.randbytes(n * 3000) + bytes(99) for n in range(20)}


@pytest.fixture
def write(tmp_path):
    """Function that writes a file and returns its path."""

    def put(data):
        path = tmp_path / "a.parquet"
        path.write_bytes(data)
        return path

    return put


def read_all(path):
    return {name: member.read() for name, member in listed(path)[0].items()}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("rows", [1, 7, 100])
def test_rows_are_read_in_any_order(write, codec, rows):
    path = write(parquet_of(CONTENTS.items(), rows=rows, codec=codec))
    members, left_out = listed(path)
    assert left_out == []
    assert parquet_pages._last[0] is None  # a page may have 128 MiB
    for name in reversed(CONTENTS):
        assert members[name].read() == CONTENTS[name]
    assert list(members) == list(CONTENTS)
    with members["sub/9.jpg"].open() as file:
        file.seek(7)
        assert file.read(5) == CONTENTS["sub/9.jpg"][7:12]
        assert file.read() == CONTENTS["sub/9.jpg"][12:]


def test_a_column_of_bytes_names_its_rows_by_their_numbers(write):
    path = write(parquet_of(CONTENTS.items(), CONTENT, rows=7))
    assert list(read_all(path).items()) == [
        (f"{number:08}", content) for number, content in enumerate(CONTENTS.values())
    ]


def test_names_are_paths_that_no_earlier_row_has(write):
    paths = [
        "cat/1.jpg", "1.jpg", "1.jpg", None, "./1.jpg", "../1.jpg", "/etc/1.jpg", "C:\\x\\1.png",
        "a\0b.jpg", "", "n" * 300 + ".jpg", "00000011.jpg", "1.jpg", "00000013", None, "x/" * 9000,
        "é.jpg", "\udcff.jpg", "1.very long suffix",
    ]  # fmt: skip
    names = [
        "cat/1.jpg", "1.jpg", "00000002.jpg", "00000003", "00000004.jpg", "00000005.jpg",
        "00000006.jpg", "00000007.png", "00000008.jpg", "00000009", "00000010.jpg",
        "00000011.jpg", "00000012.jpg", "00000013", "00000014", "00000015",
        "é.jpg", "\udcff.jpg", "1.very long suffix",
    ]  # fmt: skip
    for count in range(1, len(paths) + 1):  # rows that are appended change no name
        rows = [(path, b"%d" % number) for number, path in enumerate(paths[:count])]
        path = write(parquet_of(rows, rows=4))
        assert list(read_all(path).items()) == [
            (name, content) for name, (_, content) in zip(names, rows, strict=False)
        ]


def test_a_number_that_is_taken_gets_another_name(write):
    rows = [("00000002.jpg", b"0"), ("a.jpg", b"1"), ("a.jpg", b"2"), ("00000002_.jpg", b"3")]
    assert list(read_all(write(parquet_of(rows)))) == [
        "00000002.jpg", "a.jpg", "00000002_.jpg", "00000003.jpg",
    ]  # fmt: skip


def test_rows_without_an_image_are_left_out(write):
    rows = [("a.jpg", None), ("b.jpg", b"1"), (None, None), ("c.jpg", b"2")]
    for options in ({}, {"rows": 1}, {"version": 2}, {"dictionary": True}, {"in_page": 1}):
        members, left_out = listed(write(parquet_of(rows, **options)))
        assert {name: member.read() for name, member in members.items()} == {
            "b.jpg": b"1",
            "c.jpg": b"2",
        }
        assert left_out == ["rows without an image"] * 2


def test_the_mark_of_a_row_depends_on_its_content_alone(write):
    def marks(path):
        found = Archives(str(path)).members(lambda _: True, print)
        return {name: (listed.size, listed.mtime_ns, listed.mark) for name, listed, _ in found}

    path = write(parquet_of(CONTENTS.items()))
    before = marks(path)
    os.utime(path, ns=(0, 0))
    assert marks(path) == before
    changed = {**CONTENTS, "sub/7.jpg": b"other", "new.jpg": b"new"}
    after = marks(write(parquet_of(reversed(changed.items()), codec="zstd", rows=3)))
    assert {name for name in after if after[name] != before.get(name)} == {"sub/7.jpg", "new.jpg"}


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip"])
def test_a_row_of_a_file_that_was_changed_is_not_read(write, codec):
    members, _ = listed(write(parquet_of(CONTENTS.items(), codec=codec)))
    write(parquet_of(list(CONTENTS.items())[5:], codec=codec))
    failed = 0
    for name, member in members.items():
        try:
            assert member.read() == CONTENTS[name]
        except MemberError as error:
            assert error.reason == "unreadable"
            failed += 1
    assert failed > 10
    for offset in (-1, 1, 2, 3, 2**62):
        with pytest.raises(MemberError):
            Member(members["sub/9.jpg"].archive, Spot(9, 9, offset)).read()


LISTS = [
    element("images", children=1),
    element("list", REPEATED, children=1),
    *[element("element", children=2), *IMAGE[1:]],
]

PLAIN_BYTES = element("image", type=BYTES)

SCHEMAS = {
    "a text": ([element("caption", type=BYTES, text=True)], "has no column .* 'caption'"),
    "a number": ([element("label", type=INTEGERS)], "has no column of bytes.* are 'label'; write"),
    "lists of images": (LISTS, "has no column of bytes.* its columns are 'images'"),
    "repeated bytes": ([element("b", REPEATED, BYTES)], "has no column of bytes"),
    "bytes without paths": (IMAGE[:1] + IMAGE[1:2] + [element("x", type=BYTES)], "has no column"),
    "no column": ([], "has no column .* its columns are none"),
    "two": (
        [PLAIN_BYTES, element("mask", type=BYTES)],
        "several columns that may hold images: 'image', 'mask'; write one of them",
    ),
    "two structs": ([*IMAGE, element("mask", children=2), *IMAGE[1:]], "'image', 'mask'; write"),
    "many": ([element(f"c{n}", type=BYTES) for n in range(9)], "'c0', .*'c5' and others; write"),
    "a name in disguise": (
        [element("a\u202eb\n", type=INTEGERS)],
        r"its columns are 'a\\u202eb\\n'; write",
    ),
    "fields without end": ([element(f"{n}", children=1) for n in range(90)], "a damaged footer"),
    "fields missing": ([element("a", children=5), *IMAGE], "has a damaged footer"),
    "fewer than none": ([element("a", children=-5), *IMAGE], "has a damaged footer"),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_which_column_has_the_images_is_told_if_it_is_unclear(write, name):
    schema, why = SCHEMAS[name]
    children = sum(field.get(5, 0) for field in schema)
    root = element("schema", REQUIRED, children=max(len(schema) - children, 0))

    def change(footer):
        return {**footer, 2: [root, *schema]}

    path = write(parquet_of([("a.jpg", b"1")], change=change))
    with pytest.raises(UserError, match=rf"The archive '.*a\.parquet' .*{why}"):
        listed(path)


def test_the_struct_is_taken_where_there_are_bytes_too(write):
    """Columns of other types before it, and bytes that are no images."""
    before = [element("label", type=INTEGERS), element("embedding", type=BYTES)]

    def change(footer):
        (group,) = footer[4]
        other = {2: Long(4), 3: {4: 99, 5: Long(1), 7: Long(9), 9: Long(4)}}
        root = element("schema", REQUIRED, children=3)
        return {**footer, 2: [root, *before, *IMAGE], 4: [{**group, 1: [other] * 2 + group[1]}]}

    assert read_all(write(parquet_of([("a.jpg", b"1")], change=change))) == {"a.jpg": b"1"}


def in_column(**fields):
    """Change fields of the first column of the first group."""

    def change(footer):
        column = footer[4][0][1][0]
        column[3] |= {int(key[1:]): value for key, value in fields.items()}
        return footer

    return change


def in_chunk(number, value):
    def change(footer):
        footer[4][0][1][0][number] = value
        return footer

    return change


def with_rows(footer):
    return {**footer, 3: Long(10**8), 4: [{**footer[4][0], 3: Long(10**8)}]}


GOOD = parquet_of(CONTENTS.items())
FEW = [("a.jpg", b"1" * 999), ("b.jpg", b"2" * 999)]

DAMAGED = {
    "nothing": (b"", "is not a Parquet file, or its end is missing; copy or download it again"),
    "short": (b"PAR1", "is not a Parquet file"),
    "two magics": (b"PAR1PAR1", "has no footer where it should be"),
    "no size": (b"PAR1" + bytes(4) + b"PAR1", "has no footer where it should be"),
    "text": (b"some text" * 99, "is not a Parquet file"),
    "wrong beginning": (b"RAP1" + GOOD[4:], "is not a Parquet file"),
    "cut": (GOOD[:-1], "is not a Parquet file, or its end is missing"),
    "no end": (GOOD[: len(GOOD) // 2], "is not a Parquet file, or its end is missing"),
    "encrypted": (GOOD[:-4] + b"PARE", "is encrypted; write it without encryption"),
    "a huge footer": (GOOD[:-8] + b"\xff\xff\xff\x7fPAR1", "has no footer where it should be"),
    "a wrong footer": (GOOD[:-8] + b"\x09\0\0\0PAR1", "has a damaged footer"),
    "no fields": (b"PAR1" + ended(thrift({})), "has a damaged footer"),
    "other types": (b"PAR1" + ended(thrift({2: 1, 3: b"", 4: 2})), "has a damaged footer"),
    "numbers": (b"PAR1" + ended(thrift({2: [1], 3: 0, 4: []})), "has a damaged footer"),
    "no schema": (b"PAR1" + ended(thrift({2: [], 3: 0, 4: []})), "has a damaged footer"),
    "a long list": (b"PAR1" + ended(b"\x29\xfc\xff\xff\xff\xff\x07\0"), "has a damaged footer"),
    "many rows": (parquet_of(FEW, change=with_rows), "has 100,000,000 rows; divide it into"),
    "other rows": (parquet_of(FEW, change=lambda f: {**f, 3: Long(3)}), "has a damaged footer"),
    "negative rows": (parquet_of([], change=lambda f: {**f, 3: Long(-3)}), "has a damaged footer"),
    "encrypted column": (parquet_of(FEW, change=in_chunk(8, {1: {}})), "the encrypted column 'im"),
    "another file": (parquet_of(FEW, change=in_chunk(1, b"b")), "has its data in another file"),
    "outside": (parquet_of(FEW, change=in_column(f9=Long(2**50))), "has a damaged footer"),
    "before": (parquet_of(FEW, change=in_column(f9=Long(-5))), "has a damaged footer"),
    "too long": (parquet_of(FEW, change=in_column(f7=Long(2**40))), "has a damaged footer"),
    "negative": (parquet_of(FEW, change=in_column(f7=Long(-9))), "has a damaged footer"),
    "cut column": (parquet_of(FEW, change=in_column(f7=Long(9))), "has a damaged page"),
    "other values": (parquet_of(FEW, change=in_column(f5=Long(9))), "has a damaged footer"),
    "another codec": (parquet_of(FEW, change=in_column(f4=2)), "cannot be decompressed"),
    "LZO": (parquet_of(FEW, change=in_column(f4=3)), "is compressed by LZO, .*; write it again"),
    "a bomb": (parquet_of([("a.jpg", bytes(10**7))], codec="zstd"), "more than 2,000 times as l"),
    "one group twice": (
        parquet_of(CONTENTS.items(), change=lambda f: {**f, 3: Long(40), 4: f[4] * 2}),
        "has row groups that overlap",
    ),
    "a header": (parquet_of(FEW, change=in_column(f9=Long(5))), "has a damaged page"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_wrong_with_a_file_is_told_in_a_sentence(write, name):
    data, why = DAMAGED[name]
    with pytest.raises(UserError, match=rf"The archive '.*a\.parquet' .*{why}"):
        listed(write(data))


def test_there_may_be_no_rows(write):
    assert listed(write(parquet_of([]))) == ({}, [])
    assert listed(write(parquet_of([], CONTENT))) == ({}, [])


def test_one_short_page_may_claim_no_more_rows_than_are_read(write, monkeypatch):
    """Each of a million rows may be the same value of a dictionary."""
    monkeypatch.setattr(parquet_format, "MOST_ROWS", 1000)
    rows = [(None, b"one")] * 1001
    data = parquet_of(rows, rows=2000, dictionary=True, in_page=2000)
    assert len(data) < 1000
    with pytest.raises(UserError, match=r"has 1,001 rows; divide it into files of 1,000 at most"):
        listed(write(data))
    found = read_all(write(parquet_of(rows[1:], rows=2000, dictionary=True)))
    assert len(found) == 1000


@if_installed("pyarrow")
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [False, True])
@pytest.mark.parametrize("kind", ["struct", "bytes", "required"])
def test_files_of_pyarrow_are_read(tmp_path, compression, version, dictionary, kind):
    import pyarrow
    from pyarrow import parquet

    contents = [*CONTENTS.values(), *[bytes(70_000)] * 3]
    if kind != "required":
        contents[3::5] = [None] * len(contents[3::5])
    paths = [f"{number}.jpg" if number % 4 else None for number in range(len(contents))]
    column = pyarrow.array(contents, pyarrow.binary())
    if kind == "struct":
        fields = {"bytes": column, "path": pyarrow.array(paths, pyarrow.string())}
        column = pyarrow.StructArray.from_arrays(list(fields.values()), list(fields))
    schema = pyarrow.schema(
        [
            pyarrow.field("label", pyarrow.int64()),
            pyarrow.field("image", column.type, nullable=kind != "required"),
            pyarrow.field("caption", pyarrow.string()),
            pyarrow.field("boxes", pyarrow.list_(pyarrow.float32())),
        ]
    )
    count = len(contents)
    table = pyarrow.table(
        [list(range(count)), column, ["text"] * count, [[1.0, 2.0]] * count], schema=schema
    )
    for options in ({}, {"row_group_size": 6}, {"data_page_size": 10_000, "write_batch_size": 4}):
        parquet.write_table(
            table,
            tmp_path / "a.parquet",
            compression=compression,
            data_page_version=version,
            use_dictionary=dictionary,
            **options,
        )
        members, left_out = listed(tmp_path / "a.parquet")
        assert [member.read() for member in members.values()] == [c for c in contents if c]
        assert len(left_out) == contents.count(None)
        if kind == "struct":
            assert list(members) == [
                path or f"{number:08}"
                for number, (path, content) in enumerate(zip(paths, contents, strict=True))
                if content
            ]


@if_installed("pyarrow")
@pytest.mark.parametrize("options", [{}, {"dictionary": True}, {"version": 2}, {"codec": "zstd"}])
def test_files_of_these_tests_are_read_by_pyarrow(write, options):
    from pyarrow import parquet

    rows = [*CONTENTS.items(), ("null.jpg", None)]
    path = write(parquet_of(rows, rows=7, **options))
    found = parquet.read_table(path)["image"].to_pylist()
    assert [row and row["bytes"] for row in found] == [content for _, content in rows]


def test_rows_that_repeat_a_value_are_bounded_too(write, monkeypatch):
    rows = [(None, NOISE.randbytes(3000))] * 90
    path = write(parquet_of(rows, CONTENT, dictionary=True))
    assert len(read_all(path)) == 90
    monkeypatch.setattr(parquet_format, "MOST_EXPANSION", 20)
    with pytest.raises(UserError, match="becomes more than 20 times as large; copy or download"):
        listed(path)


def test_texts_that_repeat_a_value_are_bounded_too(write, monkeypatch):
    path = write(table_of({"url": ["x" * 3000] * 90}, codec="none", dictionary=True))
    with path.open("rb") as file:
        assert len(list(texts(file, ["url"]))) == 90
        monkeypatch.setattr(parquet_format, "MOST_EXPANSION", 20)
        with pytest.raises(PageError, match="becomes more than 20 times as large"):
            list(texts(file, ["url"]))


def test_row_groups_without_rows_are_skipped(write):
    """Writers give them no place, since there are no pages."""

    def with_empty_group(footer):
        empty = {1: [{2: 0, 3: {1: 6, 2: [0], 3: [b"content"], 4: 0, 5: 0, 6: 0, 7: 0, 9: 0}}],
                 2: 0, 3: 0}  # fmt: skip
        return {**footer, 4: [empty, *footer[4], empty]}

    assert (
        len(read_all(write(parquet_of([(None, b"1")] * 3, CONTENT, change=with_empty_group)))) == 3
    )
    assert listed(write(parquet_of([], CONTENT, change=with_empty_group)))[0] == {}


@pytest.mark.parametrize("content", [b"", None])
def test_rows_that_take_no_room_are_bounded(write, monkeypatch, content):
    rows = [("a.jpg", content)] * 40_000
    monkeypatch.setattr(parquet_format, "MOST_EXPANSION", 20)
    with pytest.raises(UserError, match="becomes more than 20 times as large"):
        listed(write(parquet_of(rows, rows=40_000, in_page=40_000)))


def test_a_page_of_another_file_is_not_taken_for_one_that_was_read(tmp_path):
    """Both have the same size and time."""
    members = []
    for number in (b"1", b"2"):
        path = tmp_path / f"{number.decode()}.parquet"
        path.write_bytes(parquet_of([("a.jpg", number * 1000)], codec="zstd"))
        os.utime(path, ns=(1, 1))
        members += listed(path)[0].values()
    assert len({os.stat(member.archive).st_size for member in members}) == 1
    assert [member.read()[:1] for member in members] == [b"1", b"2"]
