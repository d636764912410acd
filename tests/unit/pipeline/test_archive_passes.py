"""Archives give the outputs of the folder that was packed, and what changed is made again."""

import os
import shutil
import tarfile
import zipfile

import pytest

from pixelmill.core.errors import RemovalsError, UserError
from pixelmill.core.sandbox import Sandbox
from pixelmill.dataset import catalog, catalog_table
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.globs import Selection
from pixelmill.engines.registry import SELECTABLE
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.recipe_parser import parse
from pixelmill.pipeline.policy import Policy
from pixelmill.verification.verify import verify
from tests.helpers.packed import pack, packed, patched, tar_of, zip_of
from tests.helpers.passes import preview, process_folder
from tests.helpers.processed import RECIPE, Tree

COUNT = 200

KINDS = ["a.zip", "a.cbz", "a.tar", "a.parquet"]

#: One of each format.
FORMATS = ["a.zip", "a.tar", "a.parquet"]


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos):
    """A folder of 200 images and a broken one, processed, and the same packed."""
    root = tmp_path_factory.mktemp("packed")
    for number in range(4):
        photos(root / f"in/sub {number}", COUNT // 4, size=(48, 32))
    (root / "in/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    Tree(root).process()
    for name in KINDS:
        pack(root / "in", root / name)
    return root


@pytest.fixture
def few(tmp_path, photos):
    """A few images in a folder."""
    photos(tmp_path / "in/sub", 5, size=(48, 32))
    return tmp_path


def tree_of(root, archive):
    """The output tree of an archive."""
    tree = Tree(root)
    tree.source = archive
    return tree


#: One engine represents all in short runs.
CASES = [
    pytest.param(name, engine, marks=() if engine == "processes" else pytest.mark.slow)
    for name in FORMATS
    for engine in SELECTABLE
]


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_every_engine_makes_the_bytes_that_the_folder_gives(made, tmp_path, name, engine):
    tree = tree_of(tmp_path, made / name)
    done = tree.process(engine, 1 if engine == "sequential" else 2)
    assert (done.images, done.failed) == (COUNT + 1, 1)
    assert tree.outputs() == Tree(made).outputs()
    for table in ("manifest.csv", "failures.csv"):
        assert (tree.target / table).read_bytes() == (made / "out" / table).read_bytes()
    assert tree.process().images == 0
    entries = catalog_table.read(tree.target / "catalog.csv")
    checks = verify(str(tree.source), str(tree.target), RECIPE.as_data(), entries, 1)
    assert checks["passed"]
    assert {check["name"]: check["compared"] for check in checks["checks"]}["size"] == COUNT


@pytest.mark.parametrize("name", KINDS)
def test_one_changed_member_makes_one_image_again(made, tmp_path, picture, encoded, name):
    archive = shutil.copy2(made / name, tmp_path / name)
    tree = tree_of(tmp_path, archive)
    tree.process()
    before = tree.outputs()

    def change(member, content):
        if member == "sub 2/7.jpg":
            return encoded(picture(99, (48, 32)), "JPEG").ljust(len(content), b"\0")
        return content

    pack(made / "in", archive, change)
    assert tree.process().images == 1
    after = tree.outputs()
    assert {path for path in before if before[path] != after[path]} == {"sub 2/7.jpg"}


@pytest.mark.parametrize("name", KINDS)
def test_an_archive_that_is_packed_again_makes_nothing_again(few, name):
    archive = pack(few / "in", few / name)
    tree = tree_of(few, archive)
    assert tree.process().images == 5
    members = {f"sub/{n}.jpg": (few / f"in/sub/{n}.jpg").read_bytes() for n in range(5)}
    reordered = {"new.txt": b"1", **dict(reversed(members.items()))}
    archive.write_bytes(packed(reordered, archive.suffix))
    os.utime(archive, ns=(0, 0))
    assert tree.process().images == 0
    assert tree.process().images == 0


@pytest.mark.parametrize("name", KINDS)
def test_additions_and_removals_are_followed(few, name):
    tree = tree_of(few, pack(few / "in", few / name))
    tree.process()
    shutil.copy(few / "in/sub/1.jpg", few / "in/new.jpg")
    pack(few / "in", few / name, lambda member, content: None if "/3" in member else content)
    plan = preview(tree.source, tree.target, RECIPE, catalog.scan(str(tree.source))[0].entries).plan
    assert str(plan) == "make 1: 1 new; keep 4; remove 1"
    assert tree.process().images == 1
    assert set(tree.outputs()) == {"new.jpg", *(f"sub/{n}.jpg" for n in (0, 1, 2, 4))}
    pack(few / "in", few / name, lambda member, content: content if member == "new.jpg" else None)
    with pytest.raises(RemovalsError):
        tree.process()


def test_a_folder_may_be_packed_after_it_was_processed(few):
    tree = Tree(few)
    tree.process()
    tree.source = pack(few / "in", few / "a.zip")
    assert tree.process().images == 0
    shutil.rmtree(few / "in")
    with zipfile.ZipFile(tree.source) as archive:
        archive.extractall(few / "in")
    tree.source = few / "in"
    assert tree.process().images == 0


def test_many_archives_give_the_bytes_of_their_folders(few, photos):
    for number in range(3):
        photos(few / f"many/{number:02d}/deep", 2 + number, size=(48, 32))
        pack(few / f"many/{number:02d}", few / f"{number:02d}.tar")
    folder = Tree(few)
    folder.source = few / "many"
    folder.process()
    other = few / "packed"
    other.mkdir()
    tree = tree_of(other, few / "0?.tar")
    assert tree.process("processes", 2).images == 9
    assert tree.outputs() == folder.outputs()
    assert (tree.target / "manifest.csv").read_bytes() == (
        folder.target / "manifest.csv"
    ).read_bytes()


def test_a_tar_as_programs_pack_it_gives_the_bytes_of_the_folder(few):
    os.link(few / "in/sub/1.jpg", few / "in/linked.jpg")
    with tarfile.open(few / "a.tar", "w") as archive:
        archive.add(few / "in", ".")
        assert [info.linkname for info in archive if info.islnk()]
    Tree(few).process()
    other = few / "packed"
    other.mkdir()
    tree = tree_of(other, few / "a.tar")
    assert tree.process().images == 6
    assert tree.outputs() == Tree(few).outputs()


def test_globs_select_members(few):
    archive = pack(few / "in", few / "a.tar")
    tree = tree_of(few, archive)
    selection = Selection(["sub/[0-2].jpg"], ["*/1.jpg"])
    assert tree.process(selection=selection).images == 2


def test_shards_divide_archives_as_they_divide_folders(few):
    shards = 3
    archive = str(pack(few / "in", few / "a.zip"))
    parts = [
        [e.path for e in catalog.scan(source, shard=catalog.Shard(number, shards))[0].entries]
        for number in range(1, shards + 1)
        for source in (archive, str(few / "in"))
    ]
    assert parts[::2] == parts[1::2]
    assert len(set(catalog.fingerprints(archive, None, shards))) == 1


@pytest.mark.parametrize("name", FORMATS)
def test_the_token_of_the_workflow_differs_if_the_archive_does(few, name):
    archive = pack(few / "in", few / name)
    before = catalog.fingerprints(str(archive))
    assert catalog.fingerprints(str(archive)) == before
    os.utime(archive, ns=(0, 0))
    assert catalog.fingerprints(str(archive)) != before


@pytest.mark.parametrize("name", FORMATS)
def test_a_catalog_that_is_older_than_the_archive_loses_no_output(few, name):
    archive = pack(few / "in", few / name)
    tree = tree_of(few, archive)
    tree.process()
    before = tree.outputs()
    table = few / "catalog.csv"
    shutil.copy(tree.target / "catalog.csv", table)
    archive.write_bytes(packed({"first.jpg": b"1" * 999}, archive.suffix) + bytes(10_000))
    other = parse({"steps": [{"resize": {"width": 24, "height": 24}}]})
    done = tree.process(recipe=other, catalog=str(table))
    assert (done.images, done.failed) == (5, 5)
    assert {row["reason"] for row in tree.table("failures.csv")} == {"unreadable"}
    assert tree.outputs() == before


def test_a_catalog_that_names_an_archive_that_is_gone_loses_no_output(few):
    for name in ("0.tar", "1.tar"):
        pack(few / "in", few / name)
    tree = tree_of(few, few / "*.tar")
    tree.process()
    before = tree.outputs()
    table = few / "catalog.csv"
    shutil.copy(tree.target / "catalog.csv", table)
    (few / "1.tar").unlink()
    other = parse({"steps": [{"resize": {"width": 24, "height": 24}}]})
    done = tree.process(recipe=other, catalog=str(table), policy=Policy(max_removal_rate=0.6))
    assert (done.images, done.failed) == (10, 5)
    assert {row["reason"] for row in tree.table("failures.csv")} == {"vanished"}
    after = tree.outputs()
    assert after.keys() == before.keys()
    assert {name for name in before if before[name] == after[name]} == {
        f"1/sub/{n}.jpg" for n in range(5)
    }


CHANGING = """
import os, pathlib
def step(image):
    archive = pathlib.Path({archive!r})
    if os.path.exists(archive):
        {what}
    return image
"""

CHANGES = {
    "removed": "archive.unlink()",
    "changed": "os.utime(archive, ns=(0, 0))",
    "replaced": "archive.write_bytes(b'other')",
}


@pytest.mark.parametrize("what", CHANGES)
def test_an_archive_that_changes_during_a_pass_loses_no_output(few, what):
    archive = pack(few / "in", few / "a.tar")
    tree = tree_of(few, archive)
    tree.process()
    before = tree.outputs()
    (few / "own.py").write_text(
        CHANGING.format(archive=str(archive), what=CHANGES[what]), encoding="utf-8"
    )
    recipe = parse({"steps": [{"call": {"function": "own:step"}}]}, folder=str(few))
    free = Policy(sandbox=Sandbox(on=False))
    with pytest.raises(
        UserError, match=r"a\.tar' was changed, removed or unmounted during the run"
    ):
        tree.process(recipe=recipe, policy=free)
    assert before.keys() == tree.outputs().keys()


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".parquet"])
def test_an_archive_that_is_gone_is_told_and_loses_no_output(few, suffix):
    archive = pack(few / "in", few / f"a{suffix}")
    tree = tree_of(few, archive)
    tree.process()
    archive.unlink()
    with pytest.raises(UserError, match=rf"The archive '.*a\{suffix}' does not exist"):
        tree.process()
    assert len(tree.outputs()) == 5


def test_one_bad_member_costs_one_image(few):
    good = (few / "in/sub/0.jpg").read_bytes()
    data = zip_of([("bad.jpg", good), ("good.jpg", good), ("../out.jpg", good), ("x.txt", b"1")])
    first = data.index(b"PK\1\2")
    (few / "a.zip").write_bytes(data[:first] + patched(data[first:], b"PK\1\2", 16, "<L", 7))
    tree = tree_of(few, few / "a.zip")
    tree.process()
    assert {row["reason"] for row in tree.table("failures.csv")} == {"unreadable"}
    (few / "a.zip").write_bytes(data)
    assert tree.process().images == 2
    assert set(tree.outputs()) == {"bad.jpg", "good.jpg"}
    assert not (few / "out.jpg").exists()


def test_the_last_of_several_members_with_one_name_counts_as_if_they_were_unpacked(few):
    contents = [(few / f"in/sub/{n}.jpg").read_bytes() for n in range(2)]
    (few / "a.tar").write_bytes(tar_of([("a.jpg", contents[0]), ("./a.jpg", contents[1])]))
    tree = tree_of(few, few / "a.tar")
    assert tree.process().images == 1
    folder = few / "folder"
    shutil.copytree(few / "in", folder / "in")
    Tree(folder).process()
    assert tree.outputs()["a.jpg"] == Tree(folder).outputs()["sub/1.jpg"]
    found, _ = catalog.scan(str(few / "a.tar"))
    assert found.left_out == {"earlier members with the same name": 1}


def test_a_member_that_is_too_large_is_not_read(few):
    data = zip_of([("bomb.jpg", bytes(10**7))])
    assert len(data) < 20_000
    (few / "a.zip").write_bytes(data)
    tree = tree_of(few, few / "a.zip")
    tree.process(policy=Policy(limits=Limits(max_bytes=10**6)))
    assert [row["reason"] for row in tree.table("failures.csv")] == ["too_large"]


@pytest.mark.parametrize("name", FORMATS)
def test_sidecars_and_times_are_those_of_members(few, name):
    archive = pack(few / "in", few / name)
    recipe = parse({"keep_mtime": True, "output": {"format": "png", "sidecar": "json"}})
    tree = tree_of(few, archive)
    assert tree.process(recipe=recipe).failed == 0
    entries = catalog_table.read(tree.target / "catalog.csv")
    assert {path.stat().st_mtime_ns for path in tree.images.rglob("*.png")} == {
        entry.mtime_ns for entry in entries
    }
    checks = verify(str(archive), str(tree.target), recipe.as_data(), entries, 2, scope="all")
    assert checks["passed"], checks
    pack(few / "in", archive, lambda name, content: content + b" ")
    entries = catalog.scan(str(archive))[0].entries
    checks = verify(str(archive), str(tree.target), recipe.as_data(), entries, 1, scope="all")
    assert not checks["passed"]


def test_a_catalog_of_a_folder_is_written_as_before(few):
    entries = catalog.scan(str(few / "in"))[0].entries
    assert not entries.are_members
    catalog_table.write(few / "folder.csv", entries)
    assert "offset" not in (few / "folder.csv").read_text(encoding="utf-8")
    archive = pack(few / "in", few / "a.zip")
    entries = catalog.scan(str(archive))[0].entries
    assert entries.are_members
    catalog_table.write(few / "archive.csv", iter(entries))
    assert catalog_table.read(few / "archive.csv") == entries
    assert list(Entries([*entries])[1:]) == list(entries)[1:]


def test_a_scan_opens_only_members_that_changed(few, monkeypatch):
    archive = pack(few / "in", few / "a.zip")
    _, memory = catalog.scan(str(archive))
    members = {f"sub/{n}.jpg": (few / f"in/sub/{n}.jpg").read_bytes() for n in range(5)}
    members = {"sub/new.jpg": members["sub/1.jpg"], **members}
    archive.write_bytes(packed(members, ".zip"))
    opened = []
    look = catalog._look
    monkeypatch.setattr(catalog, "_look", lambda *place: opened.append(place) or look(*place))
    found, _ = catalog.scan(str(archive), known=memory)
    assert len(opened) == 1
    assert found.entries == catalog.scan(str(archive))[0].entries


def test_archives_are_never_written(made):
    before = {name: (made / name).stat().st_mtime_ns for name in KINDS}
    process_folder(made / "a.zip", made / "again", RECIPE)
    assert before == {name: (made / name).stat().st_mtime_ns for name in KINDS}
