"""Zips are read by members, and what is wrong with one costs a member or is told in a sentence."""

import io
import stat
import struct
import tracemalloc
import zipfile
import zlib

import pytest

from pixelmill.core.errors import UserError
from pixelmill.storage.archives import Archives
from pixelmill.storage.member import MemberError
from tests.helpers.packed import SECONDS, listed, patched, zip_of

CENTRAL, LOCAL, END = b"PK\1\2", b"PK\3\4", b"PK\5\6"

#: Fields of the headers: where they are, and how they are stored.
FLAGS, METHOD, CRC, LENGTH = (8, "<H"), (10, "<H"), (16, "<L"), (24, "<L")
LOCAL_FLAGS, LOCAL_METHOD = (6, "<H"), (8, "<H")

CONTENT = b"some content, some content, " * 1000


@pytest.fixture
def write(tmp_path):
    """Function that writes an archive and returns its path."""

    def put(data):
        path = tmp_path / "a.zip"
        path.write_bytes(data)
        return path

    return put


def read_all(path):
    return {name: member.read() for name, member in listed(path)[0].items()}


def why_unreadable(path):
    ((_, member),) = listed(path)[0].items()
    with pytest.raises(MemberError) as caught:
        member.read()
    return caught.value.reason, caught.value.strerror


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_read_in_any_order(write, method):
    contents = {"a.jpg": b"one", "sub/b.jpg": CONTENT, "empty.jpg": b"", "c.jpg": bytes(10**6)}
    path = write(zip_of(contents.items(), method))
    assert read_all(path) == contents
    members, left_out = listed(path)
    for name in reversed(contents):
        assert members[name].read() == contents[name]
    assert left_out == []


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_part_of_a_member_is_read_without_the_rest(write, method):
    path = write(zip_of([("a.jpg", CONTENT)], method))
    with listed(path)[0]["a.jpg"].open() as file:
        assert file.read(9) == CONTENT[:9]
        file.seek(20_000)
        assert file.read(5) == CONTENT[20_000:20_005]
        file.seek(-7, io.SEEK_END)
        assert file.read() == CONTENT[-7:]
        file.seek(3)
        assert file.read(4) == CONTENT[3:7]


def test_a_large_member_is_read_in_any_order_without_keeping_all_of_it(write, monkeypatch):
    monkeypatch.setattr("pixelmill.storage.zip_format._KEPT", 300_000)
    content = bytes(range(256)) * 20_000
    (member,) = listed(write(zip_of([("a.jpg", content)])))[0].values()
    with member.open() as file:
        tracemalloc.start()
        try:
            while file.read(10_000):
                pass
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert most < 2_500_000
        for place in (5_000_000, 100, 3_000_000, 2_990_000, 5_119_999, 0, 310_000):
            file.seek(place)
            assert file.read(1000) == content[place : place + 1000]


def test_a_zip_may_follow_another_file_and_have_a_comment(write):
    data = b"#!/bin/sh\n" * 99 + zip_of([("a.jpg", CONTENT)], comment=b"with " + END + b" inside")
    assert read_all(write(data)) == {"a.jpg": CONTENT}


def test_members_may_have_comments(write):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in ("a.jpg", "b.jpg"):
            info = zipfile.ZipInfo(name)
            info.comment = b"PK\1\2 a remark"
            archive.writestr(info, name.encode())
    assert read_all(write(made.getvalue())) == {"a.jpg": b"a.jpg", "b.jpg": b"b.jpg"}


def test_large_archives_are_read(write, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    contents = {"a.jpg": CONTENT, "b.jpg": CONTENT[:500]}
    data = zip_of(contents.items())
    assert b"PK\6\6" in data
    assert read_all(write(data)) == contents


def test_a_small_member_far_behind_in_a_large_archive_is_read(write, monkeypatch):
    """Of its three numbers, only the offset stands in the extra field."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    contents = {"a.jpg": CONTENT, "b.jpg": CONTENT[:500], "c.jpg": CONTENT[:90]}
    data = zip_of(contents.items(), zipfile.ZIP_STORED)
    extra = [info.extra for info in zipfile.ZipFile(io.BytesIO(data)).infolist()]
    assert [len(field) for field in extra] == [20, 12, 12]
    assert read_all(write(data)) == contents


def test_a_member_that_was_written_to_a_stream_is_read(write):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    made = Pipe()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", CONTENT)  # its size and CRC follow its data
    assert read_all(write(made.getvalue())) == {"a.jpg": CONTENT}


def test_times_of_modification_are_those_of_the_archive(write):
    path = write(zip_of([("a.jpg", b"1")]))
    ((_, listed_as, _),) = Archives(str(path)).members(lambda _: True, print)
    assert listed_as.mtime_ns == SECONDS * 10**9
    for flags, seconds, expected in ((1, 1234567891, 1234567891), (1, -7, -7), (2, 7, SECONDS)):
        stamp = struct.pack("<HHBl", 0x5455, 5, flags, seconds)  # 2: only the time of access
        path = write(zip_of([("a.jpg", b"1")], extra=stamp))
        ((_, listed_as, _),) = Archives(str(path)).members(lambda _: True, print)
        assert listed_as.mtime_ns == expected * 10**9
    path = write(patched(zip_of([("a.jpg", b"1")]), CENTRAL, 12, "<H", 23 << 11 | 59 << 5 | 29))
    ((_, listed_as, _),) = Archives(str(path)).members(lambda _: True, print)
    assert listed_as.mtime_ns == (SECONDS + 11 * 3600 + 59 * 60 + 58) * 10**9
    path = write(patched(zip_of([("a.jpg", b"1")]), CENTRAL, 14, "<H", 0))  # month 0, day 0
    ((_, listed_as, _),) = Archives(str(path)).members(lambda _: True, print)
    assert listed_as.mtime_ns == 0


@pytest.mark.parametrize("name", ["é.jpg", "日本/写真.jpg", "tab\there.jpg", "two\nlines.jpg"])
def test_unusual_names_are_kept(write, name):
    assert list(read_all(write(zip_of([(name, b"1")])))) == [name]


def test_names_without_a_mark_for_unicode_are_those_of_dos(write):
    data = zip_of([("xx.jpg", b"1")], create_system=0).replace(b"xx.jpg", b"x\x81.jpg")
    assert list(read_all(write(data))) == ["xü.jpg"]
    raw = b"x\x81.jpg"
    field = b"\1" + struct.pack("<L", zlib.crc32(raw)) + "ж.jpg".encode()
    data = zip_of([("xx.jpg", b"1")], extra=struct.pack("<HH", 0x7075, len(field)) + field)
    assert list(read_all(write(data.replace(b"xx.jpg", raw)))) == ["ж.jpg"]


@pytest.mark.parametrize("system", [3, 19], ids=["unix", "macos"])
def test_names_without_a_mark_are_bytes_if_they_were_packed_on_unix(write, system):
    data = zip_of([("xx.jpg", b"1")], create_system=system).replace(b"xx.jpg", "ж.jpg".encode())
    assert list(read_all(write(data))) == ["ж.jpg"]


def test_names_that_are_not_unicode_are_kept_as_those_of_files_are(write):
    data = zip_of([("é.jpg", b"1")]).replace("é".encode(), b"\xff\xfe")
    assert list(read_all(write(data))) == ["\udcff\udcfe.jpg"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/etc/passwd.jpg", "members that lead out of the archive"),
        ("../../out.jpg", "members that lead out of the archive"),
        ("sub/../../out.jpg", "members that lead out of the archive"),
        ("C:/windows.jpg", "members that lead out of the archive"),
        ("sub\\a.jpg", "members with a backslash in their names"),
        ("..\\..\\out.jpg", "members with a backslash in their names"),
        ("n" * 256 + ".jpg", "members with too long names"),
        ("folder/" * 700 + "a.jpg", "members with too long names"),
        ("é" * 128 + ".jpg", "members with too long names"),
    ],
)
def test_members_with_impossible_names_are_left_out(write, name, why):
    path = write(zip_of([(name, b"1"), ("good.jpg", b"2")]))
    members, left_out = listed(path)
    assert list(members) == ["good.jpg"]
    assert left_out == [why]


def test_a_name_with_the_character_nul_is_left_out(write):
    data = zip_of([("axb.jpg", b"1"), ("good.jpg", b"2")]).replace(b"axb", b"a\0b")
    assert listed(write(data))[1] == ["members with impossible names"]


@pytest.mark.parametrize(
    ("mode", "why"),
    [(stat.S_IFLNK, "links"), (stat.S_IFCHR, "special files"), (stat.S_IFIFO, "special files")],
)
@pytest.mark.parametrize("system", [3, 19], ids=["unix", "macos"])
def test_links_and_devices_are_left_out(write, mode, why, system):
    path = write(
        zip_of([("a.jpg", b"/etc/passwd")], external_attr=mode << 16, create_system=system)
    )
    assert listed(path) == ({}, [why])


def test_folders_are_no_members(write):
    assert listed(write(zip_of([("sub/", b"")]))) == ({}, [])


DEFLATED = zip_of([("a.jpg", CONTENT)])
DIRECTORY = DEFLATED.index(CENTRAL)
STORED = zip_of([("a.jpg", CONTENT)], zipfile.ZIP_STORED)


def claiming(length=10, packed=10, offset=0):
    """A zip with the numbers of a large archive, whose only member has ten bytes."""
    data = patched(zip_of([("a.jpg", b"0123456789")], zipfile.ZIP_STORED), CENTRAL, 30, "<H", 28)
    for place in (20, 24, 42):
        data = patched(data, CENTRAL, place, "<L", 0xFFFFFFFF)
    end = data.index(END)
    extra = struct.pack("<HH3Q", 1, 24, length, packed, offset)
    size = end + len(extra) - data.index(CENTRAL)
    return patched(data[:end] + extra + data[end:], END, 12, "<L", size)


@pytest.mark.parametrize(
    ("data", "reason", "why"),
    [
        (patched(DEFLATED, LOCAL, *LOCAL_FLAGS, 1 << 0), "unsupported", "encrypted"),
        (patched(DEFLATED, LOCAL, *LOCAL_FLAGS, 1 << 6), "unsupported", "encrypted"),
        (patched(DEFLATED, LOCAL, *LOCAL_METHOD, 12), "unsupported", "method 12"),
        (patched(DEFLATED, CENTRAL, *CRC, 7), "unreadable", "its CRC differs"),
        (patched(DEFLATED, CENTRAL, *LENGTH, 100), "unreadable", "more than the 100 bytes"),
        (patched(DEFLATED, CENTRAL, *LENGTH, 30_000), "unreadable", "not the 30,000"),
        (patched(DEFLATED, CENTRAL, *LENGTH, 10**6), "unreadable", "larger than its data can be"),
        (patched(STORED, CENTRAL, *LENGTH, 28_001), "unreadable", "larger than its data can be"),
        (patched(b"x" + DEFLATED, END, 16, "<L", DIRECTORY + 1), "unreadable", "not where the"),
        (patched(DEFLATED, LOCAL, 40, "<L", 0xFFFFFFFF), "unreadable", "data are damaged"),
    ],
)  # fmt: skip
def test_a_damaged_member_has_a_reason(write, data, reason, why):
    found, message = why_unreadable(write(data))
    assert found == reason
    assert why in message


@pytest.mark.parametrize("length", [2**62, 2**63, 2**64 - 1])
def test_a_member_whose_size_is_impossible_costs_itself_only(write, length):
    assert read_all(write(claiming())) == {"a.jpg": b"0123456789"}
    assert "larger than its data can be" in why_unreadable(write(claiming(length)))[1]


def test_data_that_never_end_are_given_up(write):
    nothing = b"\0\0\0\xff\xff"  # a stored block of no bytes
    data = zip_of([("a.jpg", nothing * 10**6)], zipfile.ZIP_STORED)
    data = patched(data, LOCAL, *LOCAL_METHOD, 8)
    assert why_unreadable(write(data)) == ("unreadable", "its compressed data do not end")


def test_a_bomb_takes_no_more_memory_than_it_claims(write):
    data = zip_of([("a.jpg", bytes(50 * 10**6))])
    assert len(data) < 10**5
    path = write(patched(data, CENTRAL, *LENGTH, 1000))
    assert why_unreadable(path)[1] == "it has more than the 1,000 bytes that the archive lists"
    with listed(path)[0]["a.jpg"].open() as file:
        for _ in range(2):
            with pytest.raises(MemberError):
                file.read(10)


def overlapping():
    """Many members that share one local header, as in the bombs of Fifield (2019)."""
    data = zip_of([("a.jpg", CONTENT)] * 1)
    at, end = data.index(CENTRAL), data.index(END)
    entry = data[at:end]
    tail = bytearray(data[end:])
    struct.pack_into("<HHL", tail, 8, 50, 50, 50 * len(entry))
    return data[:at] + 50 * entry + bytes(tail)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is not a zip archive, or its end is missing"),
        (b"some text", "is not a zip archive, or its end is missing"),
        (DEFLATED[:-1], "is not a zip archive, or its end is missing"),
        (DEFLATED[: len(DEFLATED) // 2], "is not a zip archive, or its end is missing"),
        (DEFLATED.replace(CENTRAL, b"PK\1\3"), "has a damaged list of members"),
        (patched(DEFLATED, END, 8, "<L", 0x70007), "has a damaged list of members"),
        (patched(DEFLATED, END, 12, "<L", 10), "has a damaged list of members"),
        (patched(DEFLATED, END, 12, "<L", 2**31), "has no list of members where it should be"),
        (patched(DEFLATED, END, 16, "<L", 2**31), "has no list of members where it should be"),
        (patched(DEFLATED, END, 4, "<H", 1), "is one part of a divided archive"),
        (patched(DEFLATED, END, 6, "<H", 1), "is one part of a divided archive"),
        (patched(DEFLATED, END, 10, "<H", 2), "is one part of a divided archive"),
        (patched(DEFLATED, CENTRAL, 20, "<L", 10**6), "lists a member that ends behind"),
        (claiming(packed=2**64 - 1), "lists a member that ends behind all members"),
        (claiming(offset=2**64 - 1), "lists a member that ends behind all members"),
        (overlapping(), "has members that overlap"),
    ],
)
def test_a_damaged_archive_is_told_in_a_sentence(write, data, why):
    path = write(data)
    with pytest.raises(UserError, match=rf"The archive '.*a\.zip' {why}.*; copy or download it"):
        listed(path)


def test_an_empty_archive_has_no_members(write):
    assert listed(write(zip_of([]))) == ({}, [])


def test_a_million_members_are_listed_without_keeping_them(write):
    data = zip_of([("a.jpg", b"")])
    at, end = data.index(CENTRAL), data.index(END)
    entry, count = data[at:end], 20_000
    data = data[:at] * count + b"".join(
        entry[:42] + struct.pack("<L", n * at) + entry[46:] for n in range(count)
    )
    tail = struct.pack("<4s4H2LH", END, 0, 0, count, count, count * len(entry), count * at, 0)
    found = Archives(str(write(data + tail))).members(lambda _: True, print)
    assert next(found)[0] == "a.jpg"
    assert sum(1 for _ in found) == count - 1
