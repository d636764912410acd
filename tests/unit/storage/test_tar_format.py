"""Tars are read by members, and what is wrong with one costs a member or is told in a sentence."""

import gzip
import io
import os
import tarfile
import tracemalloc

import pytest

from pixelmill.core.errors import UserError
from pixelmill.storage.archives import Archives
from pixelmill.storage.member import MemberError
from tests.helpers.packed import SECONDS, listed, tar_of, with_checksums

CONTENT = b"some content, some content, " * 1000

FORMATS = [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT]


@pytest.fixture
def write(tmp_path):
    """Function that writes an archive and returns its path."""

    def put(data):
        path = tmp_path / "a.tar"
        path.write_bytes(data)
        return path

    return put


def read_all(path):
    return {name: member.read() for name, member in listed(path)[0].items()}


@pytest.mark.parametrize("format", FORMATS)
def test_members_are_read_in_any_order(write, format):
    contents = {"a.jpg": b"one", "sub/b.jpg": CONTENT, "empty.jpg": b"", "c.jpg": bytes(512)}
    path = write(tar_of(contents.items(), format))
    assert read_all(path) == contents
    members, left_out = listed(path)
    for name in reversed(contents):
        assert members[name].read() == contents[name]
    with members["sub/b.jpg"].open() as file:
        file.seek(7)
        assert file.read(5) == CONTENT[7:12]
        assert file.read() == CONTENT[12:]
    assert left_out == []


@pytest.mark.parametrize("format", FORMATS[:2])
@pytest.mark.parametrize("name", ["deep/" * 60 + "a.jpg", "n" * 250 + ".jpg", "é" * 100 + ".jpg"])
def test_long_names_are_read(write, format, name):
    assert read_all(write(tar_of([(name, b"1")], format))) == {name: b"1"}


def test_a_name_in_two_parts_is_read(write):
    name = "deep/" * 30 + "a.jpg"
    assert list(read_all(write(tar_of([(name, b"1")], tarfile.USTAR_FORMAT)))) == [name]


def test_names_that_are_not_unicode_are_kept_as_those_of_files_are(write):
    data = with_checksums(tar_of([("ab.jpg", b"1")]).replace(b"ab.jpg", b"\xff\xfe.jpg"))
    assert list(read_all(write(data))) == ["\udcff\udcfe.jpg"]


@pytest.mark.parametrize(
    ("mtime", "ns"), [(SECONDS, SECONDS * 10**9), (1.5, 1_500_000_000), (-1.5, -1_500_000_000)]
)
def test_times_of_modification_are_those_of_the_archive(write, mtime, ns):
    path = write(tar_of([("a.jpg", b"1")], mtime=mtime))
    ((_, found, _),) = Archives(str(path)).members(lambda _: True, print)
    assert found.mtime_ns == ns


@pytest.mark.parametrize("mtime", ["nan", "1e999", "9" * 12])
def test_impossible_times_count_as_none(write, mtime):
    path = write(tar_of([("a.jpg", b"1")], pax_headers={"mtime": mtime}))
    ((_, found, _),) = Archives(str(path)).members(lambda _: True, print)
    assert abs(found.mtime_ns) < 2**63


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/etc/passwd.jpg", "members that lead out of the archive"),
        ("../../out.jpg", "members that lead out of the archive"),
        ("sub\\a.jpg", "members with a backslash in their names"),
        ("n" * 300 + ".jpg", "members with too long names"),
    ],
)
def test_members_with_impossible_names_are_left_out(write, name, why):
    members, left_out = listed(write(tar_of([(name, b"1"), ("good.jpg", b"2")])))
    assert list(members) == ["good.jpg"]
    assert left_out == [why]


@pytest.mark.parametrize(
    ("type", "why"),
    [
        (tarfile.SYMTYPE, "links"),
        (tarfile.LNKTYPE, "links"),
        (tarfile.CHRTYPE, "special files"),
        (tarfile.BLKTYPE, "special files"),
        (tarfile.FIFOTYPE, "special files"),
    ],
)
def test_links_and_devices_are_left_out(write, type, why):
    data = tar_of([("a.jpg", b"")], type=type, linkname="/etc/passwd")
    assert listed(write(data)) == ({}, [why])


@pytest.mark.parametrize("format", FORMATS[:2])
@pytest.mark.parametrize("target", ["sub/a.jpg", "n" * 150 + ".jpg"])
def test_a_hard_link_stands_for_the_member_that_it_links_to(write, format, target):
    data = linked((target, b"content"), ("b.jpg", target), ("c.jpg", "lost.jpg"), format=format)
    members, left_out = listed(write(data))
    assert {name: member.read() for name, member in members.items()} == {
        target: b"content",
        "b.jpg": b"content",
    }
    assert left_out == ["links"]


def linked(*members, format=tarfile.PAX_FORMAT):
    """A tar of members by name: their contents, or the names that they link to."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=format) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.LNKTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def test_a_hard_link_has_no_content_whatever_its_size_says(write):
    """POSIX lets archives note the size of the file that it links to."""
    data = bytearray(
        linked(("a.jpg", b"1" * 512), ("b.jpg", "a.jpg"), ("c.jpg", b"2" * 512),
               format=tarfile.USTAR_FORMAT)
    )  # fmt: skip
    link = 2 * 512
    data[link + 124 : link + 136] = b"%011o\0" % 512
    assert read_all(write(with_checksums(data))) == {
        "a.jpg": b"1" * 512, "b.jpg": b"1" * 512, "c.jpg": b"2" * 512,
    }  # fmt: skip


def test_times_in_headers_of_gnu_tar_are_no_part_of_names(write):
    """They stand where others have the beginning of a long name."""
    data = bytearray(tar_of([("a.jpg", b"1" * 512)], tarfile.GNU_FORMAT))
    data[345:357] = b"%011o\0" % SECONDS
    assert list(read_all(write(with_checksums(data)))) == ["a.jpg"]


def test_a_hard_link_stands_for_what_had_the_name_before(write):
    """As if the archive had been unpacked: a later member with that name changes no link."""
    path = write(linked(("a", b"old"), ("b", "a"), ("c", "b"), ("a", b"new"), ("d", "a")))
    assert read_all(path) == {"a": b"new", "b": b"old", "c": b"old", "d": b"new"}


def test_a_hard_link_to_a_later_member_is_left_out(write):
    members, left_out = listed(write(linked(("b", "a"), ("a", b"1"))))
    assert (list(members), left_out) == (["a"], ["links"])


@pytest.mark.parametrize("members", [1, 2])
def test_a_tar_that_was_cut_off_between_two_members_is_damaged(write, members):
    data = tar_of([(f"{n}.jpg", CONTENT) for n in range(2)], tarfile.USTAR_FORMAT)
    size = 512 + -(-len(CONTENT) // 512) * 512
    with pytest.raises(UserError, match="has no mark of its end, as if it had been cut off; copy"):
        listed(write(data[: members * size]))


def test_the_last_member_with_a_name_counts_be_it_a_link_or_not(write):
    path = write(linked(("a", b"1"), ("b", "a"), ("b", b"2"), ("c", b"3"), ("c", "a")))
    found = Archives(str(path)).members(lambda _: True, print)
    assert {name: member.read() for name, _, member in found} == {"a": b"1", "b": b"2", "c": b"1"}


def test_many_links_to_many_members_with_one_name_are_listed_once_each(write):
    path = write(linked(*[("a", b"1")] * 300, *((f"{n}", "a") for n in range(300))))
    found = Archives(str(path)).members(lambda _: True, print)
    assert sum(1 for _ in found) == 600


def test_links_with_names_that_are_too_long_are_not_remembered(write):
    """Each may have a megabyte, and an archive may have a hundred thousand of them."""
    long = "n" * 300_000
    path = write(linked(("a", b"1"), ("b", "a"), *((f"{long}{n}", f"{long}x") for n in range(20))))
    tracemalloc.start()
    try:
        members, left_out = listed(path)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert list(members) == ["a", "b"]
    assert left_out == ["members with too long names"] * 20
    assert most < 4_000_000


def test_folders_are_no_members(write):
    assert listed(write(tar_of([("sub", b"")], type=tarfile.DIRTYPE))) == ({}, [])


SPARSE = [
    tar_of([("a.jpg", b"1" * 512)], pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}),
    tar_of([("a.jpg", b"1" * 512)], tarfile.GNU_FORMAT, type=tarfile.GNUTYPE_SPARSE),
]  # fmt: skip


@pytest.mark.parametrize("data", SPARSE, ids=["pax", "gnu"])
def test_a_sparse_member_has_a_reason(write, data):
    members, _ = listed(write(data))
    with pytest.raises(MemberError, match="sparse") as caught:
        members["a.jpg"].read()
    assert caught.value.reason == "unsupported"


ONE = tar_of([("a.jpg", CONTENT), ("b.jpg", CONTENT)], tarfile.USTAR_FORMAT)


def with_field(place, value):
    """A tar whose first header has other bytes at a place, with the right checksum."""
    data = bytearray(ONE)
    data[place : place + len(value)] = value
    return with_checksums(data)


def long_name_of_nothing():
    """A header that announces a long name of no bytes."""
    data = bytearray(ONE[:512])
    data[124:135], data[156] = b"0" * 11, ord("L")
    return with_checksums(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"some text", "is not a tar archive"),
        (b"some text" * 512, "is not a tar archive"),
        (gzip.compress(ONE), "is compressed by gzip.*; decompress it"),
        (ONE[: len(CONTENT)], "ends before its member 'a.jpg' does"),
        (ONE[: len(CONTENT) + 2000], "ends before its member 'b.jpg' does"),
        (ONE[: 28_672 + 300], "has a damaged header at byte 28,672"),
        (ONE[:28_672] + b"x" * 512 + ONE[29_184:], "has a damaged header at byte 28,672"),
        (with_field(124, b"77777777777\0"), "ends before its member 'a.jpg' does"),
        (with_field(124, b"\xff" * 12), "has a member of a negative size at byte 0"),
        (with_field(124, b"-0000000512\0"), "has a member of a negative size at byte 0"),
        (with_field(124, b"\x80" + b"\xff" * 11), "ends before its member 'a.jpg' does"),
        (with_field(124, b"no number\0\0\0"), "has a damaged header at byte 0"),
        (with_field(156, b"x"), "has a damaged pax header"),
        (with_field(156, b"L")[:28_000], "ends before its last member"),
        (tar_of([("a" * 2 * 10**6, b"1")]), "at too great length"),
        (long_name_of_nothing() * 30 + ONE, "at too great length"),
        (tar_of([("a.jpg", b"1")], pax_headers={"size": "-5"}), "has a damaged pax header"),
        (tar_of([("a.jpg", b"1")], pax_headers={"size": "9" * 18}), "ends before its member"),
    ],
)
def test_a_damaged_archive_is_told_in_a_sentence(write, data, why):
    path = write(data)
    with pytest.raises(UserError, match=rf"The archive '.*a\.tar' .*{why}"):
        listed(path)


def test_one_block_of_zeros_is_enough_for_the_end_and_there_may_be_no_member(write):
    end = 2 * 28_672 + 512
    assert set(read_all(write(ONE[:end]))) == {"a.jpg", "b.jpg"}
    assert listed(write(bytes(1024))) == ({}, [])
    with pytest.raises(UserError, match="has no mark of its end"):
        listed(write(b""))


def test_a_member_of_an_archive_that_was_changed_is_not_read(write):
    path = write(ONE)
    members, _ = listed(path)
    assert members["a.jpg"].read() == CONTENT
    os.utime(path, ns=(0, 0))
    with pytest.raises(MemberError, match="changed after it was listed"):
        members["a.jpg"].read()
    with pytest.raises(MemberError, match="changed after it was listed"):
        members["a.jpg"].open()


def test_checksums_of_old_programs_are_sums_of_signed_bytes(write):
    data = bytearray(tar_of([("é.jpg", CONTENT)], tarfile.GNU_FORMAT))
    noted = int(data[148:154], 8) - 256 * sum(byte > 127 for byte in "é".encode())
    for wrong, names in ((0, ["é.jpg"]), (1, None)):
        data[148:156] = b"%06o\0 " % (noted + wrong)
        if names:
            assert list(read_all(write(data))) == names
        else:
            with pytest.raises(UserError, match="is not a tar archive"):
                listed(write(data))


def test_a_header_for_all_members_changes_none_of_them(write):
    """As `git archive` writes one, with a remark."""
    made = io.BytesIO()
    given = {"comment": "of a commit", "mtime": "5", "path": "other.jpg"}
    with tarfile.open(fileobj=made, mode="w", pax_headers=given):
        pass
    first = made.getvalue()[: 2 * 512]
    path = write(first + tar_of([("a.jpg", b"1"), ("b.jpg", b"2")]))
    found = list(Archives(str(path)).members(lambda _: True, print))
    expected = [("a.jpg", SECONDS * 10**9), ("b.jpg", SECONDS * 10**9)]
    assert [(name, one.mtime_ns) for name, one, _ in found] == expected
