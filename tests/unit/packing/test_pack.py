"""Packing gives the same bytes for the same outputs, and writes again only what changed."""

import csv
import json
import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixelmill.core.errors import TreeError, UserError
from pixelmill.core.filenames import unescape
from pixelmill.core.locks import exclusive
from pixelmill.core.tables import iterate_table
from pixelmill.imaging.recipe_parser import parse
from pixelmill.packing import outputs, shard_formats, tables
from pixelmill.packing.check import check
from pixelmill.packing.division import Division
from pixelmill.packing.pack import PackRequest, _first_record, pack
from pixelmill.packing.record import JOURNAL, RECORD, STATE
from tests.helpers.passes import process_folder
from tests.helpers.trees import FORMATS, files_of, make_tree, packed, packed_afresh, shards_of

CONTENTS = {f"{number // 7}/{number}.jpg": b"%d" % number * 50 for number in range(30)}

every_format = pytest.mark.parametrize("form", FORMATS)


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "tree", CONTENTS)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "shards"


def inodes(folder):
    return {path.name: path.stat().st_ino for path in folder.glob("images-*")}


def changed(before, folder):
    """Names of the shards that were written since."""
    after = inodes(folder)
    return {name for name in before.keys() | after if before.get(name) != after.get(name)}


@every_format
def test_all_outputs_are_packed_and_listed(tree, folder, form):
    assert str(packed(tree, folder, 10, format=form)) == "30 images in 3 shards, 3 written now"
    with (folder / "packed.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["member"] for row in rows} == set(CONTENTS)
    assert {row["shard"] for row in rows} == set(shards_of(folder)) and len(shards_of(folder)) == 3
    by_member = {row["member"]: row for row in rows}
    row = by_member["1/9.jpg"]
    assert (row["key"], row["bytes"], row["source"]) == ("1/9", "50", "1/9.jpg.png")
    assert len(row["digest"]) == 64
    record = json.loads((folder / "packed.json").read_text())
    assert (record["format"], record["count"], record["images_per_shard"]) == (form, 3, 10)
    assert check(str(folder)) == (30, [])


#: What happens to the outputs between two packings: some are written, some removed.
CHANGES = st.lists(
    st.dictionaries(
        st.sampled_from([f"{folder}{n}.jpg" for folder in ("", "x.y/", "é/") for n in "012"]),
        st.one_of(st.none(), st.binary(max_size=9)),
        max_size=5,
    ),
    min_size=1,
    max_size=4,
)


@every_format
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES, sidecars=st.booleans())
def test_a_history_gives_the_bytes_of_one_packing(tmp_path_factory, form, changes, sidecars):
    root = tmp_path_factory.mktemp("history")
    contents = {"first.jpg": b"1", "second.jpg": b"2", "third.jpg": b"3"}
    make_tree(root / "tree", contents, sidecars)
    packed(root / "tree", root / "grown", 1, format=form)
    for change in changes:
        contents.update(change)
        contents = {name: data for name, data in contents.items() if data is not None}
        make_tree(root / "tree", contents, sidecars)
        packed(root / "tree", root / "grown")
    packed_afresh(root / "tree", root / "fresh", like=root / "grown")
    assert files_of(root / "grown") == files_of(root / "fresh")
    shutil.rmtree(root)


def test_nothing_is_written_again_if_nothing_changed(tree, folder):
    packed(tree, folder, 10)
    before, files = inodes(folder), files_of(folder)
    for path in (tree / "images").rglob("*.jpg"):
        os.utime(path, ns=(1, 1))
    assert packed(tree, folder).written == 0
    assert changed(before, folder) == set()
    assert files_of(folder) == files


@pytest.mark.parametrize(
    "change",
    [{"1/9.jpg": b"other"}, {"1/9.jpg": None}, {"new.jpg": b"new"}],
    ids=["changed", "gone", "new"],
)
def test_one_image_changes_one_shard(tree, folder, change):
    packed(tree, folder, 10)
    before = inodes(folder)
    contents = {name: data for name, data in (CONTENTS | change).items() if data is not None}
    make_tree(tree, contents)
    assert packed(tree, folder).written == 1
    assert len(changed(before, folder)) == 1
    assert check(str(folder)) == (len(contents), [])


#: What may happen to the members of a shard of which none is new and none is gone but by its name.
SAME_BYTES = {
    "renamed in its place": {"a.jpg": None, "ab.jpg": b"1"},
    "another suffix": {"a.jpg": None, "a.png": b"1"},
    "moved to a folder": {"a.jpg": None, "a/a.jpg": b"1"},
    "exchanged": {"a.jpg": b"2", "b/b.jpg": b"1"},
    "all renamed": {"a.jpg": None, "b/b.jpg": None, "a-.jpg": b"1", "b/c.jpg": b"2"},
    "equal ones renamed": {"c.jpg": None, "d.jpg": None, "e.jpg": b"3", "f.jpg": b"3"},
}


@every_format
@pytest.mark.parametrize("change", SAME_BYTES.values(), ids=SAME_BYTES)
def test_a_shard_is_written_again_for_the_names_of_its_members_alone(tmp_path, form, change):
    contents = {"a.jpg": b"1", "b/b.jpg": b"2", "c.jpg": b"3", "d.jpg": b"3"}
    tree, folder = make_tree(tmp_path / "tree", contents), tmp_path / "shards"
    packed(tree, folder, 10, format=form)
    contents = {name: data for name, data in (contents | change).items() if data is not None}
    make_tree(tree, contents)
    assert packed(tree, folder).written == 1
    assert check(str(folder)) == (len(contents), [])
    packed_afresh(tree, tmp_path / "fresh", like=folder)
    assert files_of(folder) == files_of(tmp_path / "fresh")


@pytest.mark.parametrize("damage", ["flipped", "flipped, with its old time", "shorter", "gone"])
def test_a_shard_that_is_not_as_it_was_written_is_written_again(tree, folder, damage):
    packed(tree, folder, 10)
    files = files_of(folder)
    path = folder / "images-000001.tar"
    data, state = bytearray(path.read_bytes()), path.stat()
    data[600] ^= 1
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if damage == "shorter" else data)
    if damage == "flipped, with its old time":
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert packed(tree, folder).written == 1
    assert files_of(folder) == files


def test_a_shard_whose_times_changed_is_kept(tree, folder):
    packed(tree, folder, 10)
    before = inodes(folder)
    os.utime(folder / "images-000001.tar", ns=(5, 5))
    assert packed(tree, folder).written == 0
    assert changed(before, folder) == set()
    noted = map(json.loads, (folder / STATE).read_text().splitlines())
    times = {f"images-{one['number']:06}.tar": one["mtime_ns"] for one in noted}
    assert times == {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tar")}


@pytest.mark.parametrize("content", [b"", b"{", b'{"number": 0}\n[]\n\xff\n', None])
def test_without_the_state_all_shards_are_written_again_with_the_same_bytes(tree, folder, content):
    packed(tree, folder, 10)
    files = files_of(folder)
    (folder / STATE).unlink()
    if content is not None:
        (folder / STATE).write_bytes(content)
    assert packed(tree, folder).written == 3
    assert files_of(folder) == files


def test_a_state_that_lacks_a_member_is_not_believed(tree, folder):
    packed(tree, folder, 10)
    files = files_of(folder)
    first, *others = map(json.loads, (folder / STATE).read_text().splitlines())
    lines = [{**first, "sizes": first["sizes"][1:]}, *others]
    (folder / STATE).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert packed(tree, folder).written == 1
    assert files_of(folder) == files


@every_format
def test_engines_and_orders_give_the_same_shards(photos, tmp_path, form):
    photos(tmp_path / "in", 6)
    recipe = parse(
        {"steps": [{"resize": {"width": 20, "height": 20}}], "output": {"sidecar": "json"}}
    )
    for engine, workers in (("sequential", 1), ("threads", 2)):
        process_folder(tmp_path / "in", tmp_path / engine, recipe, engine, workers)
        packed(tmp_path / engine, tmp_path / f"{engine} shards", 2, format=form)
    assert files_of(tmp_path / "sequential shards") == files_of(tmp_path / "threads shards")


def test_an_altered_output_ends_the_packing_and_leaves_the_earlier_shard(tree, folder):
    packed(tree, folder, 10)
    shards = shards_of(folder)
    contents = CONTENTS | {"1/9.jpg": b"other" * 10}
    make_tree(tree, contents)
    (tree / "images/1/9.jpg").write_bytes(b"third" * 10)
    (folder / "packed.parquet").write_bytes(b"of before")
    with pytest.raises(UserError, match=r"1/9\.jpg' was altered after the run"):
        packed(tree, folder)
    assert shards_of(folder) == shards
    # What describes the shards does not outlast them.
    assert not list(folder.glob("packed.[cp]*"))
    assert json.loads((folder / RECORD).read_text())["shards"] == []
    with pytest.raises(UserError, match="did not end; pack again"):
        check(str(folder))
    (tree / "images/1/9.jpg").write_bytes(contents["1/9.jpg"])
    packed(tree, folder)
    assert check(str(folder)) == (30, [])


@pytest.mark.skipif(os.name == "nt", reason="Windows does not allow such names")
@every_format
def test_hostile_names_are_packed(tmp_path, folder, form):
    names = [
        "two\nlines.jpg", "-rf.jpg", "caf\udce9.jpg", "\u202egpj.exe.jpg", "a\\b.jpg", "C:x.jpg",
        "=1+1.jpg", "__meta__/x.jpg", "...jpg", "a.b.jpg", "a%2Eb.jpg", "%.jpg",
        "x/" * 60 + "y.jpg",
        "\udcff" * 200 + ".jpg", "é.jpg", "e\u0301.jpg", '"quoted".jpg', "😀.jpg",
    ]  # fmt: skip
    contents = {name: b"%d" % number for number, name in enumerate(names)}
    tree = make_tree(tmp_path / "tree", contents)
    packed(tree, folder, 5, format=form)
    assert check(str(folder)) == (len(names), [])
    rows = list(tables.read(str(folder)))
    assert {unescape(row.source) for row in rows} == {f"{name}.png" for name in names}
    listed = {row["source"] for row in iterate_table(tree / "manifest.csv") if row["output"]}
    assert {row.source for row in rows} == listed
    packed(tree, folder)


def refused(tree, folder, **options):
    with pytest.raises(UserError) as refusal:
        pack(PackRequest(str(tree), str(folder), **options))
    return str(refusal.value)


def test_shards_go_neither_into_the_results_nor_to_the_images(tree, tmp_path):
    inside = "inside the images of"
    assert inside in refused(tree, tree / "images")
    assert inside in refused(tree, tree / "images/shards")
    assert "is the folder of the results" in refused(tree, tree)
    assert "is the folder of the results" in refused(tree, tree / "images/..")
    (tmp_path / "in").mkdir()
    assert "never written to" in refused(tree, tmp_path / "in/x", source=str(tmp_path / "in"))
    for pattern in ("*.tar", "**/*.zip", "images-{000000..000007}.tar"):
        source = str(tmp_path / "crawl" / pattern)
        assert "would be taken for archives" in refused(tree, tmp_path / "crawl", source=source)
    (tmp_path / "file").write_text("mine")
    assert "is a file" in refused(tree, tmp_path / "file")
    assert "is not a folder" in refused(tmp_path / "nowhere", tmp_path / "shards")
    assert not (tmp_path / "shards").exists()


def test_shards_may_be_beside_the_images(tree):
    packed(tree, tree / "shards")
    assert check(str(tree / "shards")) == (30, [])


def test_nothing_is_made_if_two_outputs_have_one_key(tmp_path, folder):
    tree = make_tree(tmp_path / "tree", {"a.jpg": b"1", "a.png": b"2"})
    assert "would become one sample" in refused(tree, folder)
    assert not folder.exists()


@pytest.mark.parametrize(
    "options",
    [{"format": "zip"}, {"division": Division(images=11)}, {"division": Division(bytes=10)}],
    ids=str,
)
def test_a_folder_is_not_packed_in_another_way(tree, folder, options):
    packed(tree, folder, 10, format="webdataset")
    files = files_of(folder)
    assert "which is kept; name another folder" in refused(tree, folder, **options)
    assert files_of(folder) == files
    assert packed(tree, folder, 10).written == 0


@pytest.mark.parametrize("name", ["images-000000.tar", "images-000099.zip", "packed.csv", STATE])
def test_files_of_others_with_our_names_are_not_touched(tree, folder, name):
    folder.mkdir()
    (folder / name).write_bytes(b"mine")
    assert "there is no 'packed.json'" in refused(tree, folder)
    assert (folder / name).read_bytes() == b"mine"


def test_other_files_of_others_stay(tree, folder):
    (folder / "sub").mkdir(parents=True)
    for name in ("notes.txt", "images-1.tar", "sub/images-000000.tar"):
        (folder / name).write_text("mine")
    packed(tree, folder, 10)
    make_tree(tree, {"a.jpg": b"1"})
    packed(tree, folder)
    for name in ("notes.txt", "images-1.tar", "sub/images-000000.tar"):
        assert (folder / name).read_text() == "mine"


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
@pytest.mark.parametrize("name", ["images-000001.tar", "packed.csv", "packed.json", STATE, JOURNAL])
def test_links_are_not_written_through(tree, folder, tmp_path, name):
    packed(tree, folder, 10)
    (tmp_path / "elsewhere").write_bytes(b"mine")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"is a link|is damaged"):
        packed(tree, folder)
    assert (tmp_path / "elsewhere").read_bytes() == b"mine"
    assert (folder / name).is_symlink()


def test_a_folder_in_the_place_of_a_shard_is_told(tree, folder):
    packed(tree, folder, 10)
    (folder / "images-000001.tar").unlink()
    (folder / "images-000001.tar").mkdir()
    with pytest.raises(TreeError, match="is not a file"):
        packed(tree, folder)


@pytest.mark.parametrize(
    "change",
    [{"count": 0}, {"count": "3"}, {"count": 10**12}, {"shards": [{}]}, {"shards": None},
     {"shards": [{"name": "../x", "sha256": "0"}]}],
    ids=str,
)  # fmt: skip
def test_a_damaged_record_is_told(tree, folder, change):
    packed(tree, folder, 10)
    record = json.loads((folder / "packed.json").read_text())
    (folder / "packed.json").write_text(json.dumps(record | change))
    assert "is damaged; restore it" in refused(tree, folder)
    with pytest.raises(UserError, match="is damaged"):
        check(str(folder))


def test_one_process_packs_a_folder_at_a_time(tree, folder, monkeypatch):
    monkeypatch.setattr("pixelmill.core.locks.LOCK_PATIENCE", 0)
    with exclusive(folder):
        assert "Another run is writing to" in refused(tree, folder)


def test_what_is_asked_by_default_may_be_asked_later(tree, folder):
    packed(tree, folder)
    assert packed(tree, folder, 10_000, format="webdataset").written == 0


@pytest.mark.parametrize(("form", "count"), [("parquet", 1), ("webdataset", 2)])
def test_bytes_are_those_of_what_is_packed(tmp_path, folder, monkeypatch, form, count):
    """Parquet holds no sidecars."""
    monkeypatch.setattr(shard_formats, "find_spec", lambda name: True)  # it need not be there
    tree = str(make_tree(tmp_path / "tree", CONTENTS, sidecars=True))
    request = PackRequest(tree, str(folder), form, Division(bytes=sum(map(len, CONTENTS.values()))))
    assert _first_record(request, outputs.read(tree)).count == count


def test_bytes_divide_too(tree, folder):
    pack(PackRequest(str(tree), str(folder), division=Division(bytes=1000)))
    total = sum(map(len, CONTENTS.values()))
    assert len(shards_of(folder)) == -(-total // 1000)


def test_shards_are_synced_if_that_is_asked(tree, folder, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(fsync(descriptor)))
    packed(tree, folder, 10)
    assert not synced
    shutil.rmtree(folder)
    packed(tree, folder, 10, durable=True)
    assert len(synced) > 3


@every_format
def test_a_file_is_synced_when_all_of_it_is_written(tree, folder, monkeypatch, form):
    """A power failure leaves of a file what it had when it was last synced."""
    sizes = {}
    fsync = os.fsync

    def sync(descriptor):
        state = os.fstat(descriptor)
        sizes[state.st_ino] = state.st_size
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    packed(tree, folder, 10, format=form, durable=True)
    found = {path.name: path.stat() for path in folder.iterdir()}
    kept = {name: state.st_size for name, state in found.items() if state.st_ino in sizes}
    assert kept.keys() >= {*shards_of(folder), RECORD, STATE}
    assert os.name == "nt" or folder.stat().st_ino in sizes  # which has the names
    assert kept == {name: sizes[found[name].st_ino] for name in kept}


def test_what_was_written_so_far_is_noted_on_the_disk(tree, folder, monkeypatch):
    """Else a packing that a power failure ends begins anew."""
    synced = {}
    fsync = os.fsync

    def sync(descriptor):
        state = os.fstat(descriptor)
        synced[state.st_ino] = state.st_size
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    (tree / "images/1/9.jpg").write_bytes(b"altered")
    with pytest.raises(UserError, match="was altered after the run"):
        packed(tree, folder, 1, durable=True)
    state = (folder / JOURNAL).stat()
    assert synced[state.st_ino] == state.st_size > 0
