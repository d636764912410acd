"""The check names each fault of a folder of shards."""

import contextlib
import io
import json
import os
import tarfile
import zipfile
from hashlib import sha256

import pytest

from pixelmill.core.errors import UserError
from pixelmill.packing.check import check
from pixelmill.packing.division import Division
from pixelmill.packing.record import Record
from pixelmill.packing.tables import MemberRow
from tests.helpers.optional import if_installed
from tests.helpers.packed import packed as archive_of
from tests.helpers.parquets import parquet_of, samples_of
from tests.helpers.trees import make_tree, packed, write_packed

CONTENTS = {"a.jpg": b"one" * 300, "b.jpg": b"two" * 300, "c/d.jpg": b"six" * 300}


@pytest.fixture(params=["webdataset", "zip"])
def folder(request, tmp_path):
    """A folder with one shard."""
    packed(make_tree(tmp_path / "tree", CONTENTS), tmp_path / "shards", format=request.param)
    return tmp_path / "shards"


@pytest.fixture
def shard(folder):
    (path,) = folder.glob("images-*")
    return path


def faults(folder):
    return check(str(folder))[1]


def replaced(shard, contents):
    shard.write_bytes(archive_of(contents, shard.suffix))


def test_nothing_is_wrong_with_what_was_packed(folder):
    assert check(str(folder)) == (3, [])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"b.jpg": None}, ["'b.jpg' is missing"]),
        ({"a.jpg": b"two" * 300, "b.jpg": b"one" * 300},
         ["'a.jpg' has the bytes of 'b.jpg'", "'b.jpg' has the bytes of 'a.jpg'"]),
        ({"a.jpg": b"0ne" + b"one" * 299}, ["'a.jpg' has other bytes than the output"]),
        ({"x.jpg": b"x"}, ["'x.jpg' is a foreign member"]),
        ({"../x.jpg": b"x"}, ["has foreign members: members that lead out of the archive"]),
        ({}, ["its bytes differ, but not those of its members"]),
    ],
    ids=["missing", "swapped", "altered", "foreign", "outside", "packed by others"],
)  # fmt: skip
def test_a_wrong_member_is_named(folder, shard, change, told):
    contents = {name: data for name, data in (CONTENTS | change).items() if data is not None}
    replaced(shard, contents)
    assert faults(folder) == [f"{shard.name}: {fault}" for fault in told]


def test_every_flipped_byte_is_noticed(folder, shard):
    whole = shard.read_bytes()
    for place in range(0, len(whole), 97):
        data = bytearray(whole)
        data[place] ^= 0x40
        shard.write_bytes(data)
        assert faults(folder), place
    shard.write_bytes(whole)
    assert not faults(folder)


def test_a_flipped_byte_of_an_image_is_told_by_its_name(folder, shard):
    data = shard.read_bytes()
    shard.write_bytes(data.replace(b"twotwo", b"twoTwo", 1))
    assert faults(folder) == [f"{shard.name}: 'b.jpg' has other bytes than the output"]


@pytest.mark.parametrize("size", [0, 700, -1])
def test_a_shard_that_is_cut_off_is_told(folder, shard, size):
    shard.write_bytes(shard.read_bytes()[:size])
    assert faults(folder)


def test_a_member_that_is_there_twice_is_told(folder, shard):
    made = io.BytesIO(shard.read_bytes())
    if shard.suffix == ".tar":
        with tarfile.open(fileobj=made, mode="a") as archive:
            info = tarfile.TarInfo("a.jpg")
            info.size = len(CONTENTS["a.jpg"])
            archive.addfile(info, io.BytesIO(CONTENTS["a.jpg"]))
    else:
        with pytest.warns(UserWarning), zipfile.ZipFile(made, "a") as archive:
            archive.writestr("a.jpg", CONTENTS["a.jpg"])
    shard.write_bytes(made.getvalue())
    assert faults(folder) == [f"{shard.name}: 'a.jpg' is there 2 times"]


def test_missing_and_foreign_shards_are_told(folder, shard):
    shard.rename(folder / f"images-000007{shard.suffix}")
    assert faults(folder) == [
        f"images-000007{shard.suffix}: is no shard of this packing; remove it",
        f"{shard.name}: is missing",
    ]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_a_link_is_no_shard(folder, shard, tmp_path):
    shard.rename(tmp_path / shard.name)
    shard.symlink_to(tmp_path / shard.name)
    (fault,) = faults(folder)
    assert fault.startswith(f"{shard.name}: cannot be read: ")


def test_a_shard_that_only_the_table_knows_is_told(folder):
    with (folder / "packed.csv").open("a") as file:
        file.write("x,x.jpg,images-000005.tar,1,00,x.png\n")
    assert faults(folder) == [
        "images-000005.tar: is in packed.csv, but not in packed.json", "packed.csv: was altered"
    ]  # fmt: skip


def test_a_shard_that_a_pattern_would_match_is_told(folder, shard):
    names = ["images-0000000.tar", "images-000007.TAR", "images-extra.zip", "images-\x1b\n.tar"]
    for name in names:
        (folder / name).write_bytes(shard.read_bytes())
    assert len(faults(folder)) == len(names)
    assert all("is no shard of this packing" in fault for fault in faults(folder))


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: [rows[0], rows[1].replace(".png", ".tif"), *rows[2:]],
        lambda rows: [rows[0], "x" + rows[1], *rows[2:]],
        lambda rows: [*rows, rows[-1]],
    ],
    ids=["source", "key", "twice"],
)
def test_an_altered_table_is_told_and_written_again(tmp_path, folder, change):
    path = folder / "packed.csv"
    whole = path.read_text()
    path.write_text("\n".join(change(whole.splitlines())) + "\n")
    assert path.read_text() != whole
    assert "packed.csv: was altered" in faults(folder)
    packed(tmp_path / "tree", folder)
    assert (path.read_text(), faults(folder)) == (whole, [])


@pytest.mark.parametrize(
    ("key", "value"),
    [("members", 1e400), ("members", 99), ("bytes", None), ("bytes", 7), ("sha256", "")],
)
def test_an_altered_record_is_told(folder, key, value):
    path = folder / "packed.json"
    data = json.loads(path.read_text())
    data["shards"][0][key] = value
    path.write_text(json.dumps(data))
    with contextlib.suppress(UserError):
        assert faults(folder)


@pytest.mark.parametrize("text", ["[" * 200_000, "{}", "[]", '{"format": "../zip"}'])
def test_a_record_that_is_none_is_told(folder, text):
    (folder / "packed.json").write_text(text)
    with pytest.raises(UserError, match="is damaged"):
        check(str(folder))


def test_a_record_of_another_format_is_told(folder):
    path = folder / "packed.json"
    other = {"webdataset": "zip", "zip": "webdataset"}
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "format": other[data["format"]]}))
    with pytest.raises(UserError, match="is damaged"):
        check(str(folder))


def test_what_is_no_finished_packing_is_told(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for place, told in (("nowhere", "is not a folder"), ("empty", "holds no shards")):
        with pytest.raises(UserError, match=told):
            check(str(tmp_path / place))
    (folder / "packed.csv").unlink()
    with pytest.raises(UserError, match="did not end"):
        check(str(folder))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (CONTENTS, []),
        ({**CONTENTS, "b.jpg": b"two" * 299 + b"tvo"}, ["'b.jpg' has other bytes than the out"]),
        ({**CONTENTS, "b.jpg": b"two" * 400}, ["'b.jpg' has other bytes than the output"]),
        ({**CONTENTS, "c/d.jpg": None}, ["'c/d.jpg' is missing", "has foreign members: rows with"]),
        ({"a.jpg": b"one" * 300}, ["'b.jpg' is missing", "'c/d.jpg' is missing"]),
    ],
    ids=["nothing", "altered", "longer", "empty", "missing"],
)
def test_shards_of_parquet_are_checked_without_other_packages(tmp_path, rows, told):
    shard_of_samples(tmp_path, CONTENTS)
    (tmp_path / "images-000000.parquet").write_bytes(samples_of(list(rows.items())))
    for found, why in zip(faults(tmp_path), told, strict=True):
        assert found.startswith(f"images-000000.parquet: {why}")


def shard_of_samples(folder, contents):
    """A folder with one shard of Parquet."""
    name, data = "images-000000.parquet", samples_of(list(contents.items()))
    rows = [
        MemberRow(path[:-4], path, name, len(content), sha256(content).hexdigest(), path)
        for path, content in contents.items()
    ]
    (folder / name).write_bytes(data)
    write_packed(folder, rows)
    table = sha256((folder / "packed.csv").read_bytes()).hexdigest()
    shard = {"name": name, "members": 3, "bytes": len(data), "sha256": sha256(data).hexdigest()}
    made = Record("parquet", 1, Division()).as_json([shard], table)
    (folder / "packed.json").write_bytes(made)


def test_a_key_of_another_sample_is_named(tmp_path):
    shard_of_samples(tmp_path, CONTENTS)
    path = tmp_path / "images-000000.parquet"
    path.write_bytes(path.read_bytes().replace(b"\1\0\0\0a\1\0\0\0b", b"\1\0\0\0a\1\0\0\0c"))
    assert faults(tmp_path) == [f"{path.name}: 'b.jpg' cannot be read: its key differs"]


@pytest.mark.parametrize("data", [parquet_of([("a.jpg", b"1")]), b"PAR1", b""])
def test_a_shard_of_parquet_that_is_something_else_is_told(tmp_path, data):
    shard_of_samples(tmp_path, CONTENTS)
    (tmp_path / "images-000000.parquet").write_bytes(data)
    (told,) = faults(tmp_path)
    why = "has no column 'key' of texts" if data[4:] else "cannot be read: is not a Parquet file"
    assert told.startswith(f"images-000000.parquet: {why}")


def test_tables_that_are_no_files_and_endless_records_are_told(folder):
    (folder / "packed.csv").rename(folder / "other.csv")
    (folder / "packed.csv").symlink_to("other.csv")
    with pytest.raises(UserError, match=r"packed.csv' is not a regular file; remove it, then pack"):
        check(str(folder))
    os.truncate(folder / "packed.json", 10**12)
    with pytest.raises(UserError, match=r"packed.json' is damaged; restore it, or pack into"):
        check(str(folder))


@if_installed("pyarrow")
def test_faults_of_parquet_are_named(tmp_path):
    import pyarrow
    from pyarrow import parquet

    packed(make_tree(tmp_path / "tree", CONTENTS), tmp_path / "shards", format="parquet")
    path = tmp_path / "shards/images-000000.parquet"
    whole = path.read_bytes()
    table = parquet.read_table(path)
    rows = table.to_pylist()
    rows[0]["image"]["bytes"] = CONTENTS["b.jpg"]
    rows[1]["image"]["path"] = rows[1]["key"] = "x"
    parquet.write_table(pyarrow.Table.from_pylist(rows, table.schema), path)
    told = faults(tmp_path / "shards")
    assert f"{path.name}: 'a.jpg' has the bytes of 'b.jpg'" in told
    assert f"{path.name}: 'b.jpg' is missing" in told
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        assert faults(tmp_path / "shards"), place


def test_a_member_that_cannot_be_read_hides_no_other(tmp_path):
    """Neither as missing nor as right."""
    packed(make_tree(tmp_path / "tree", CONTENTS), tmp_path / "shards", format="zip")
    shard = tmp_path / "shards/images-000000.zip"
    data = shard.read_bytes().replace(b"PK\3\4", b"PK\3\5", 1).replace(b"sixsix", b"sixSix", 1)
    shard.write_bytes(data)
    first, second = faults(tmp_path / "shards")
    assert first.startswith(f"{shard.name}: 'a.jpg' cannot be read: ")
    assert second == f"{shard.name}: 'c/d.jpg' has other bytes than the output"
