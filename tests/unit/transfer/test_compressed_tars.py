"""Compressed tars become plain ones, whatever their streams are like, or a reason names them."""

import bz2
import contextlib
import functools
import gzip
import io
import lzma
import os
import random
import re
import sys
import tracemalloc
import zlib

import pytest

from pixelmill.core.errors import UserError
from pixelmill.engines.machine import cores
from pixelmill.transfer.compressed_tars import (
    MOST_EXPANSION,
    CompressedTars,
    is_compressed_tar,
    zstd_library,
)
from pixelmill.transfer.mirror import mirror
from pixelmill.transfer.place import PermanentError, TransferError
from tests.helpers.limited import room_for
from tests.helpers.packed import listed, tar_of
from tests.helpers.replacing import needs_changes, replace_preserving
from tests.unit.transfer.test_mirror import content

#: What compresses a content with a checksum, by the suffix of a tar, and other such suffixes.
COMPRESS = {
    ".tar.gz": lambda data: gzip.compress(data, 6, mtime=0),
    ".tar.bz2": bz2.compress,
    ".tar.xz": functools.partial(lzma.compress, preset=0),
}
SHORT = {".tgz": ".tar.gz", ".tbz2": ".tar.bz2", ".txz": ".tar.xz"}

with contextlib.suppress(ImportError):  # in Python since 3.14, else in a package
    zstd = zstd_library()
    COMPRESS[".tar.zst"] = functools.partial(
        zstd.compress, options={zstd.CompressionParameter.checksum_flag: 1}
    )
    SHORT[".tzst"] = ".tar.zst"

#: A tar of two images, one of which cannot be compressed.
TAR = tar_of([("a.jpg", random.Random(1).randbytes(3000)), ("sub/b.jpg", b"picture " * 999)])

each = pytest.mark.parametrize("suffix", COMPRESS)
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has neither links nor limits for all")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mirror"


@pytest.fixture
def archive(tmp_path):
    """Write an archive of a suffix, by default that of a tar; return its path."""

    def write(suffix, data=None):
        path = tmp_path / f"photos{suffix}"
        path.write_bytes(COMPRESS[SHORT.get(suffix, suffix)](TAR) if data is None else data)
        return path

    return write


def decompressed(path, target=io.FileIO):
    """What one archive becomes."""
    place = CompressedTars(str(path))
    (item,) = place.items()
    made = path.with_name("made")
    with target(made, "w") as file:
        place.fetch(item, file)
    return made.read_bytes()


@pytest.mark.parametrize("suffix", [*COMPRESS, *SHORT])
def test_an_archive_becomes_a_plain_tar_of_its_time(archive, folder, suffix):
    path = archive(suffix)
    os.utime(path, ns=(0, 1_600_000_000_123_456_789))
    place = CompressedTars(str(path))
    assert (mirror(place, str(folder)).failed, place.at_once) == ([], cores())
    assert content(folder) == {"photos.tar": TAR}
    assert (folder / "photos.tar").stat().st_mtime_ns == path.stat().st_mtime_ns
    assert list(listed(folder / "photos.tar")[0]) == ["a.jpg", "sub/b.jpg"]


@pytest.fixture
def crawl(tmp_path):
    """Three archives, each with an image of its name, a plain one among them, and other files."""
    for name in ("00.tar.gz", "01.TGZ", "02.tar"):
        tar = tar_of([(f"{name}.jpg", name.encode())])
        (tmp_path / name).write_bytes(tar if name == "02.tar" else gzip.compress(tar))
    (tmp_path / "03.tar.json").write_text("{}")
    (tmp_path / "04.tar.gz").mkdir()
    (tmp_path / ".tar.gz").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("0?.[tT]*", ["00/00.tar.gz.jpg", "01/01.TGZ.jpg", "02/02.tar.jpg"]),
        ("*.tar*", ["00/00.tar.gz.jpg", "02/02.tar.jpg"]),
        ("*.tar.*", ["00/00.tar.gz.jpg"]),
        ("{00..00}.tar.gz", ["00/00.tar.gz.jpg"]),
    ],
)
def test_archives_of_a_pattern_are_read_by_a_pattern(crawl, folder, pattern, names):
    """Those that are not compressed are copied, so that none is missing."""
    assert mirror(CompressedTars(str(crawl / pattern)), str(folder)).failed == []
    assert list(listed(folder / "*.tar")[0]) == names


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("00.tar.gz", True),
        ("absent.TAR.BZ2", True),
        ("{00..99}.tar.xz", True),
        ("*.tzst", True),
        ("*.tar*", True),
        ("0[0-2].tar.*", True),
        ("02.tar", False),
        ("02.tar*", False),  # matches a plain tar, which is read where it is
        ("*", False),
        ("x*.tar*", False),
        ("04.tar.gz", False),  # a folder
        (".tar.gz", False),
        ("photos.gz", False),
    ],
)
def test_sources_are_told_by_their_suffixes(crawl, source, expected):
    assert is_compressed_tar(str(crawl / source)) is expected


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("0.tar.gz", r"The archive '.*0\.tar\.gz' does not exist"),
        ("{00..05}.tar.gz", r"The archive '.*01\.tar\.gz' does not exist"),
        ("x*.tar.gz", r"No archive matches '.*x\*\.tar\.gz'"),
        ("{5..1}.tar.gz", "stand for 0 archives; give the smaller number first"),
    ],
)
def test_missing_archives_are_told(crawl, source, why):
    with pytest.raises(UserError, match=why):
        CompressedTars(str(crawl / source))


def test_two_archives_that_would_become_one_are_refused(crawl):
    (crawl / "00.tar").write_bytes(b"")
    with pytest.raises(UserError, match=r"'.*00\.tar' and '.*00\.tar\.gz' have the same name '00'"):
        CompressedTars(str(crawl / "*.tar*"))
    assert is_compressed_tar(str(crawl / "*.tar*"))


@needs_changes
@pytest.mark.parametrize("change", [replace_preserving, lambda path, data: path.write_bytes(data)])
def test_only_changed_archives_are_decompressed_again(crawl, folder, change):
    place = CompressedTars(str(crawl / "0?.[tT]*"))
    mirror(place, str(folder))
    assert mirror(place, str(folder)).kept == 3
    (crawl / "01.TGZ").unlink()
    change(crawl / "00.tar.gz", gzip.compress(tar_of([])))
    done = mirror(CompressedTars(str(crawl / "0?.[tT]*")), str(folder))
    assert (done.copied, done.kept, done.removed) == (1, 1, 1)
    assert list(listed(folder / "*.tar")[0]) == ["02/02.tar.jpg"]


def test_a_crawl_with_more_numbers_is_the_same_place(crawl, folder, monkeypatch):
    mirror(CompressedTars(str(crawl / "{00..00}.tar.gz")), str(folder))
    (crawl / "01.TGZ").rename(crawl / "01.tar.gz")
    monkeypatch.chdir(crawl)
    done = mirror(CompressedTars("{00..01}.tar.gz"), str(folder))
    assert (done.copied, done.kept) == (1, 1)


def test_an_archive_that_is_gone_is_named(crawl):
    place = CompressedTars(str(crawl / "0?.[tT]*"))
    (crawl / "01.TGZ").unlink()
    with pytest.raises(UserError, match=r"The archive '.*01\.TGZ' cannot be read: "):
        list(place.items())


@each
@pytest.mark.parametrize("padding", [b"", bytes(4), bytes(70_000)])
def test_streams_that_follow_one_another_are_one_content(archive, suffix, padding):
    parts = [TAR[:1], b"", TAR[1:511], TAR[511:5000], TAR[5000:]]
    data = b"".join(COMPRESS[suffix](part) + padding for part in parts)
    assert decompressed(archive(suffix, data)) == TAR


@each
def test_an_archive_that_is_cut_off_is_told_wherever_it_was(archive, suffix):
    """Behind the mark of the end of the tar, too."""
    whole = COMPRESS[suffix](TAR)
    for size in [0, 1, 7, *range(20, len(whole), 97), len(whole) - 1]:
        with pytest.raises(PermanentError, match=r"'.*photos.*', which ends too early"):
            decompressed(archive(suffix, whole[:size]))


@each
def test_damage_is_never_taken_for_content(archive, suffix):
    whole = COMPRESS[suffix](TAR)
    found = 0
    for place in [*range(0, len(whole), 61), *range(len(whole) - 10, len(whole))]:
        harmed = bytearray(whole)
        harmed[place] ^= 0x11
        try:
            assert decompressed(archive(suffix, bytes(harmed))) == TAR
        except TransferError as error:
            assert re.search(r"from '.*photos.*', which .*; (copy|correct|decompress)", str(error))
            found += 1
    assert found > 50


@each
@pytest.mark.parametrize("rest", [b"other data", b"\0\0\0\0other data", b"\x1f"])
def test_other_data_behind_the_end_are_told(archive, suffix, rest):
    with pytest.raises(
        TransferError, match=r"which (has other data behind its end|ends too early)"
    ):
        decompressed(archive(suffix, COMPRESS[suffix](TAR) + rest))


@pytest.mark.parametrize(
    ("suffix", "data", "why"),
    [
        (".tar.gz", bz2.compress(TAR), "is compressed by bzip2, not by gzip; correct its suffix"),
        (".txz", bz2.compress(TAR), "is compressed by bzip2, not by xz; correct its suffix"),
        (".tar.bz2", TAR, "is not compressed by bzip2; correct its suffix"),
        (".tar.xz", b"PK\3\4" * 99, "is not compressed by xz; copy or download it again"),
        (".tbz2", bz2.compress(b"\xff\xd8" * 999), "contains no tar; copy"),
        (".tbz2", bz2.compress(TAR[:511]), "contains no tar; copy"),
        (".tar.gz", b"", "ends too early"),
        (".tar", bz2.compress(TAR), "contains no tar; copy"),
    ],
    ids=range(8),
)
def test_a_file_that_is_not_what_its_suffix_says_is_told(archive, suffix, data, why):
    path = archive(suffix, data)
    with pytest.raises(TransferError) as raised:
        decompressed(path)
    verb = "copied" if suffix == ".tar" else "decompressed"
    assert str(raised.value).startswith(f"cannot be {verb} from '{path}', which {why}")


@each
def test_a_bomb_is_stopped_in_little_memory(archive, suffix):
    path = archive(suffix, COMPRESS[suffix](bytes(2**22)))
    tracemalloc.start()
    try:
        with pytest.raises(TransferError, match=r"photos.*, which becomes more than 1,000 times"):
            decompressed(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    made = path.with_name("made").stat().st_size
    assert made <= MOST_EXPANSION * path.stat().st_size + 2**16
    assert peak < 2**21


def with_window_of_xz(exponent):
    """A tar whose dictionary takes so much memory as its header says (.xz format, 3.1, 5.3.1)."""
    data = bytearray(lzma.compress(TAR))
    size = (data[12] + 1) * 4
    data[16] = 2 * (exponent - 12)
    data[12 + size - 4 : 12 + size] = zlib.crc32(data[12 : 12 + size - 4]).to_bytes(4, "little")
    return bytes(data)


def test_an_archive_that_needs_much_memory_is_refused(archive):
    assert decompressed(archive(".txz", with_window_of_xz(26))) == TAR
    with pytest.raises(TransferError, match=r"which needs too much memory; decompress it yourself"):
        decompressed(archive(".txz", with_window_of_xz(31)))


@pytest.mark.parametrize("make", [lambda path: None, getattr(os, "mkfifo", os.mkdir), os.mkdir])
def test_something_else_in_place_of_a_listed_archive_is_told(archive, make):
    path = archive(".tgz")
    place = CompressedTars(str(path))
    (item,) = place.items()
    path.unlink()
    make(path)
    with pytest.raises(TransferError, match=r"^cannot be read from '.*photos\.tgz': \w"):
        place.fetch(item, io.BytesIO())


@posix
def test_a_link_to_an_archive_stands_for_it(archive):
    path = archive(".tgz")
    (path.parent / "other.tgz").symlink_to(path)
    assert decompressed(path.parent / "other.tgz") == TAR


def test_an_archive_that_is_being_changed_is_tried_again(archive):
    path = archive(".tgz")

    class Target(io.FileIO):
        def fileno(self):
            with path.open("ab") as archive:
                archive.write(b"more")
            return super().fileno()

    with pytest.raises(TransferError, match=r"photos\.tgz', which is being changed") as raised:
        decompressed(path, Target)
    assert raised.type is TransferError


@posix
def test_an_archive_that_is_replaced_while_it_is_read_is_read_again_in_the_next_run(
    archive, folder, tmp_path
):
    path, other = archive(".tgz"), tmp_path / "new"
    other.write_bytes(gzip.compress(tar_of([])))

    class Target(io.FileIO):
        def fileno(self):
            if other.exists():
                other.replace(path)
            return super().fileno()

    class Replaced(CompressedTars):
        def fetch(self, item, file):
            with Target(os.dup(file.fileno()), "w") as target:
                return super().fetch(item, target)

    mirror(Replaced(str(path)), str(folder))
    assert content(folder) == {"photos.tar": TAR}
    assert mirror(CompressedTars(str(path)), str(folder)).copied == 1
    assert content(folder) == {"photos.tar": tar_of([])}


@posix
def test_a_full_disk_is_no_fault_of_the_archive(archive):
    with room_for(1000), pytest.raises(OSError, match="too large"):
        decompressed(archive(".tgz"))


def test_a_damaged_archive_costs_one_archive(crawl, folder):
    place = CompressedTars(str(crawl / "0?.[tT]*"))
    mirror(place, str(folder))
    (crawl / "00.tar.gz").write_bytes(gzip.compress(TAR)[:-1])
    done = mirror(place, str(folder))
    assert [name for name, _ in done.failed] == ["00.tar"]
    assert next(iter(listed(folder / "*.tar")[0])) == "00/00.tar.gz.jpg"  # the earlier copy


def test_zstd_needs_a_package_before_python_3_14(archive, monkeypatch):
    path = archive(".tar.zst", b"")
    for module in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=r"photos\.tar\.zst' .*: pip install backports\.zstd"):
        CompressedTars(str(path))
