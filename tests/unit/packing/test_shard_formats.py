"""Shards have the members, times and modes that readers of their formats expect."""

import io
import json
import stat
import tarfile
import zipfile

import pytest

from pixelmill.core.errors import UserError
from pixelmill.packing import shard_formats
from pixelmill.packing.shard_formats import FORMATS, ROW_GROUP, _tar_header, require
from tests.helpers.optional import if_installed
from tests.helpers.trees import make_tree, packed

CONTENTS = {"b/c.jpg": b"two" * 1000, "a.jpg": b"one", f"{'long' * 30}/é.jpg": b"", "a.b.jpg": b"4"}
MEMBERS = ["a", "a%2Eb", "b/c", f"{'long' * 30}/é"]


@pytest.fixture
def shard(tmp_path):
    """Function that packs some outputs into one shard, and returns its path."""

    def make(form, contents=CONTENTS, **options):
        tree = make_tree(tmp_path / "tree", contents, **options)
        packed(tree, tmp_path / "shards", format=form)
        return tmp_path / f"shards/images-000000.{FORMATS[form].suffix}"

    return make


def test_a_tar_is_ustar_with_pax_headers_for_names_that_need_them(shard):
    path = shard("webdataset")
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == [f"{name}.jpg" for name in MEMBERS]
        for member in members:
            assert (member.mode, member.uid, member.gid) == (0o644, 0, 0)
            assert (member.uname, member.gname, member.mtime) == ("", "", 315_532_800)
            assert member.isreg()
            assert bool(member.pax_headers) == (not member.name.isascii())
        contents = [archive.extractfile(member).read() for member in members]
    assert contents == [b"one", b"4", b"two" * 1000, b""]
    assert path.stat().st_size % 10_240 == 0
    assert path.read_bytes()[257:265] == b"ustar\x0000"


@pytest.mark.parametrize("size", [0, 511, 8**11 - 1, 8**11])
@pytest.mark.parametrize("name", ["a.jpg", "b/" * 49 + "xy", "x" * 101, "b/" * 60 + "é.jpg"])
def test_headers_of_a_tar_are_those_of_the_standard_library(name, size):
    info = tarfile.TarInfo(name)
    info.size, info.mtime = size, 315_532_800
    assert _tar_header(name, size) == info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def test_a_sidecar_follows_its_image_although_folders_have_similar_names(shard):
    path = shard(
        "webdataset", {"a.jpg": b"1", "a.jpg2/b.jpg": b"2", "a-b.jpg": b"3"}, sidecars=True
    )
    with tarfile.open(path) as archive:
        names = archive.getnames()
    assert names.index("a.json") == names.index("a.jpg") + 1
    assert len(names) == 6


def test_a_zip_stores_its_members(shard):
    with zipfile.ZipFile(shard("zip")) as archive:
        assert archive.namelist() == [f"{name}.jpg" for name in MEMBERS]
        assert archive.testzip() is None
        assert archive.read("b/c.jpg") == b"two" * 1000
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert info.external_attr >> 16 == stat.S_IFREG | 0o644


def test_the_writers_ask_for_one_output_after_another(tmp_path):
    """No more than a part of an output is held in memory."""
    from pixelmill.packing.outputs import Output

    events = []

    def opened(output):
        def parts():
            for number in range(3):
                events.append((output.path, number))
                yield b"x" * 5

        events.append((output.path, "open"))
        return 15, parts()

    outputs = [Output(n, "jpg", "", "", f"{n}.jpg") for n in "ab"]
    for form in ("webdataset", "zip"):
        events.clear()
        FORMATS[form].write(io.BytesIO(), outputs, opened)
        assert events == [(f"{n}.jpg", what) for n in "ab" for what in ("open", 0, 1, 2)]


@if_installed("pyarrow")
def test_parquet_has_the_layout_of_hugging_face(shard):
    from pyarrow import parquet

    contents = {f"{number:03}.jpg": b"%d" % number for number in range(2 * ROW_GROUP + 1)}
    with parquet.ParquetFile(shard("parquet", contents, sidecars=True)) as file:
        assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [
            ROW_GROUP,
            ROW_GROUP,
            1,
        ]
        features = json.loads(file.schema_arrow.metadata[b"huggingface"])["info"]["features"]
        assert features["image"] == {"_type": "Image"}
        rows = file.read().to_pylist()
    assert rows[7] == {"image": {"bytes": b"7", "path": "007.jpg"}, "key": "007"}
    assert len(rows) == len(contents)


@if_installed("pyarrow")
def test_row_groups_end_early_for_large_images(shard, monkeypatch):
    from pyarrow import parquet

    monkeypatch.setattr(shard_formats, "_ROW_GROUP_BYTES", 10)
    with parquet.ParquetFile(shard("parquet", {f"{n}.jpg": b"12345" for n in range(5)})) as file:
        rows = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert rows == [2, 2, 1]


def test_a_missing_package_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setattr(shard_formats, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="'parquet' needs the package pyarrow: pip install"):
        require("parquet")


def test_an_unknown_format_is_told():
    with pytest.raises(UserError, match="The format 'tar' is unknown"):
        require("tar")
