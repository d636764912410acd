"""Shards share only a folder of images, and another number of shards makes no image stale."""

import os
import shutil

import pytest

from pixelmill.core import locks
from pixelmill.core.errors import TreeError, UserError
from pixelmill.core.locks import exclusive
from pixelmill.core.root import Root
from pixelmill.dataset import output_tree
from pixelmill.dataset.globs import Selection
from pixelmill.dataset.shards import Shard, all_of, shard_of
from pixelmill.imaging.recipe_parser import parse
from tests.helpers.sharding import COUNT, RECIPE, Tree

OTHER = parse({**RECIPE.as_data(), "output": {"format": "bmp"}})
THIRD = parse({"steps": [*RECIPE.as_data()["steps"], "grayscale"], "output": {"format": "bmp"}})


def test_another_number_of_shards_makes_no_image_stale(whole):
    before = {path: path.stat() for path in whole.images.rglob("*") if path.is_file()}
    tables = whole.tables()
    for count in (4, 3):
        made, done = whole.divided(count)
        assert (sum(made), done.images) == (0, 0)
        assert whole.tables() == tables
        assert whole.states() == [str(shard) for shard in all_of(count)]
    assert whole.process().images == 0
    assert whole.tables() == tables
    assert whole.states() == []
    after = {path: path.stat() for path in whole.images.rglob("*") if path.is_file()}
    assert {p: (s.st_mtime_ns, s.st_ino) for p, s in before.items()} == {
        p: (s.st_mtime_ns, s.st_ino) for p, s in after.items()
    }


def test_the_last_full_pass_is_kept_if_the_number_of_shards_changes(whole):
    full = whole.timing()["last_full_pass"]
    whole.divided(4)
    assert whole.timing()["last_full_pass"] == full


def test_no_file_is_opened_again_to_catalog_it_in_shards(whole, monkeypatch):
    """Its times and size identify it."""
    whole.process()
    looked = []
    monkeypatch.setattr("pixelmill.dataset.catalog._look", looked.append)
    tables = whole.tables()
    whole.divided(3)
    whole.process()
    assert (whole.tables(), looked) == (tables, [])


def test_the_ledger_that_matches_the_image_is_used(whole):
    """A pass in shards was interrupted, and a pass without shards continues with another recipe."""
    (whole.source / "broken.jpg").unlink()
    whole.process(OTHER)
    first = whole.process(THIRD, shard=Shard(1, 2)).images
    assert 0 < first < COUNT - 1
    assert whole.process(OTHER).images == first
    whole.process(THIRD, shard=Shard(1, 2))
    assert whole.process(THIRD).images == COUNT - 1 - first


def test_interrupted_shards_do_not_affect_other_shards(whole):
    whole.divided(2, recipe=OTHER)
    other = sum(whole.process(THIRD, shard=shard).images for shard in all_of(4)[:2])
    assert other > 0
    made, _ = whole.divided(2, recipe=OTHER)
    assert sum(made) == other
    assert whole.states() == ["1-of-2", "2-of-2"]


def test_a_shard_invalidates_the_tables_before_it_changes_anything(whole):
    """Otherwise, an interrupted run would leave tables that Snakemake considers current."""
    whole.divided(2)
    for folder in (whole.target, whole.target / "shards/2-of-2"):
        folder.mkdir(exist_ok=True)
        for name in ("manifest.csv", "verification.json", "catalog.csv"):
            (folder / name).touch()
    whole.process(shard=Shard(1, 3))
    for folder in (whole.target, whole.target / "shards/2-of-2"):
        left = {path.name for path in folder.iterdir()}
        assert not left & {"manifest.csv", "verification.json"}
        assert "catalog.csv" in left


def test_most_of_a_shard_may_be_removed_if_little_of_the_dataset_is(fresh, monkeypatch):
    monkeypatch.setattr(output_tree, "TELLING", 1)
    alone = Shard(shard_of("1.jpg", 1000), 1000)
    fresh.divided(2)
    fresh.process(shard=alone)
    (fresh.source / "1.jpg").unlink()
    assert fresh.process(shard=alone).images == 0
    assert "1.jpg" not in fresh.outputs()


def test_exactly_the_share_that_is_allowed_may_be_removed(tmp_path):
    workspace = output_tree.Workspace(str(tmp_path))
    rows = dict.fromkeys("abcd")
    workspace.check_removals(2, rows, 0.5, "in", None)
    workspace.check_removals(4, rows, 1.0, "in", None)
    for lost, most in ((3, 0.5), (1, 0.0)):
        with pytest.raises(UserError, match=f"sources of {lost} of 4 images"):
            workspace.check_removals(lost, rows, most, "in", None)


@pytest.mark.skipif(os.name == "nt", reason="links of files need a privilege there")
@pytest.mark.parametrize("names", [1, 2])
def test_the_time_of_an_output_is_not_set_under_its_other_names(tmp_path, names):
    """As in a backup with hard links."""
    (tmp_path / "images").mkdir()
    output, backup = tmp_path / "images/a.jpg", tmp_path / "backup.jpg"
    output.write_bytes(b"made")
    if names == 2:
        os.link(output, backup)
    before = output.stat()
    output_tree.set_mtime(Root(tmp_path / "images"), "a.jpg", 10**9)
    assert (output.read_bytes(), output.stat().st_mtime_ns) == (b"made", 10**9)
    assert (output.stat().st_ino == before.st_ino) == (names == 1)
    if names == 2:
        assert backup.stat().st_mtime_ns == before.st_mtime_ns


def test_an_output_is_claimed_by_any_name_that_a_file_system_takes_for_its_own(tmp_path):
    for name in ("a.jpg", "sub/B.jpg", "sub/c.jpg", "sub/.pixelmill-1f-2e-3d4c.tmp"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).touch()
    output_tree.set_unclaimed_aside(Root(tmp_path), ["A.jpg", "sub/b.jpg", "gone.jpg"])
    moved = {path.name for path in (tmp_path / "unclaimed").rglob("*") if path.is_file()}
    left = {path.name for path in (tmp_path / "images").rglob("*") if path.is_file()}
    assert (moved, left) == ({"c.jpg"}, {"a.jpg", "B.jpg", ".pixelmill-1f-2e-3d4c.tmp"})


@pytest.mark.skipif(os.name == "nt", reason="folders that are in use stay there")
@pytest.mark.parametrize("place", ["out", "out/images"])
@pytest.mark.parametrize("replaced", [False, True])
def test_a_tree_that_was_removed_or_replaced_is_noticed(tmp_path, place, replaced):
    workspace = output_tree.Workspace(str(tmp_path / "out"))
    with (
        pytest.raises(TreeError, match=r"out' was removed or replaced|was removed while"),
        workspace.open(),
    ):
        workspace.check_unmoved()
        (tmp_path / place).rename(tmp_path / "away")
        if replaced:
            (tmp_path / "out/images").mkdir(parents=True)
        workspace.check_unmoved()


@pytest.mark.parametrize("count", [2, 4])
def test_a_shard_stops_if_more_than_half_of_the_dataset_is_gone(in_shards, count):
    tree = in_shards(count)
    before = tree.outputs()
    for path in sorted(tree.source.glob("*.*"))[:-2]:
        path.unlink()
    with pytest.raises(UserError, match=rf"sources of .* of {COUNT} images .* are gone"):
        tree.divided(count)
    assert tree.outputs() == before


def test_a_shard_stops_if_a_new_selection_excludes_most_of_the_dataset(in_shards):
    tree = in_shards(2)
    before = tree.outputs()
    with pytest.raises(UserError, match=rf"sources of .* of {COUNT} images .* are gone"):
        tree.divided(2, selection=Selection(exclude=["*.jpg", "*.png"]))
    assert tree.outputs() == before


def test_two_runs_do_not_share_a_shard_but_shards_share_a_tree(fresh, monkeypatch):
    monkeypatch.setattr(locks, "LOCK_PATIENCE", 0.1)
    one, two = all_of(2)
    with exclusive(fresh.target, together=True), exclusive(one.below(str(fresh.target))):
        fresh.process(shard=two)
        with pytest.raises(UserError, match="Another run"):
            fresh.process(shard=one)
        with pytest.raises(UserError, match="Another run"):
            fresh.process()


def test_a_damaged_ledger_of_a_shard_is_replaced_by_its_backup(in_shards):
    tree = in_shards(2)
    outputs, tables = tree.outputs(), tree.tables()
    (tree.target / "shards/1-of-2/ledger.sqlite").write_bytes(b"no database " * 1000)
    again, _ = tree.divided(2)
    assert again == [0, 0]
    assert (tree.outputs(), tree.tables()) == (outputs, tables)


def test_without_its_backup_the_ledger_of_a_shard_is_found_again_in_the_whole(in_shards):
    tree = in_shards(2)
    outputs, tables = tree.outputs(), tree.tables()
    spoil(tree.target / "shards/1-of-2")
    again, _ = tree.divided(2)
    assert again == [0, 0]
    assert (tree.outputs(), tree.tables()) == (outputs, tables)


@pytest.mark.parametrize("gone", ["", "sub/a.png"])
def test_a_lost_ledger_of_a_shard_affects_only_that_shard(fresh, gone):
    """Its output of an image that has disappeared since is moved away by the gathering."""
    made = [fresh.process(shard=shard).images for shard in all_of(2)]
    lost = shard_of("sub/a.png", 2)
    spoil(fresh.target / f"shards/{lost}-of-2")
    if gone:
        (fresh.source / gone).unlink()
    again, _ = fresh.divided(2)
    assert again == [made[n] - bool(gone) if n == lost - 1 else 0 for n in range(2)]
    clean = Tree(fresh.target.parent / "clean")
    shutil.copytree(fresh.source, clean.source)
    clean.process()
    assert (fresh.outputs(), fresh.tables()) == (clean.outputs(), clean.tables())
    assert (fresh.target / "unclaimed").exists() == bool(gone)


@pytest.mark.parametrize("backup", [True, False])
@pytest.mark.parametrize("count", [3, 1])
def test_a_damaged_ledger_of_an_earlier_division_is_ignored(in_shards, count, backup):
    """Unless it has a backup, it may have known the images of outputs that nobody claims now."""
    tree = in_shards(2)
    outputs, tables = tree.outputs(), tree.tables()
    old = tree.target / "shards/1-of-2"
    for path in tree.target.glob("ledger.*"):
        path.unlink()
    if backup:
        (old / "ledger.sqlite").write_bytes(b"no database " * 1000)
    else:
        spoil(old)
        (tree.images / "stray.jpg").write_bytes(b"of an image that is gone")
    tree.divided(count) if count > 1 else tree.process()
    assert (tree.outputs(), tree.tables()) == (outputs, tables)
    assert (tree.target / "unclaimed/stray.jpg").exists() is not backup


@pytest.mark.parametrize(("name", "is_moved"), [("sub/", False), ("sub/own.jpg", True)])
def test_a_folder_of_images_that_holds_none_is_not_moved_away(tmp_path, name, is_moved):
    folder = tmp_path / "images/sub"
    folder.mkdir(parents=True)
    if is_moved:
        (tmp_path / "images" / name).write_bytes(b"mine")
    with output_tree.Workspace(str(tmp_path)).open() as ledger:
        assert len(ledger.rows()) == 0
    assert (tmp_path / "unclaimed/images" / name).exists() == is_moved
    assert folder.exists() != is_moved


def spoil(folder):
    """Damage a ledger and its backup."""
    for name in ("ledger.sqlite", "ledger.backup.sqlite"):
        (folder / name).write_bytes(b"no database " * 1000)


def test_a_lost_state_of_a_shard_is_found_again_in_the_whole(in_shards):
    tree = in_shards(2)
    shutil.rmtree(tree.target / "shards/1-of-2")
    made, _ = tree.divided(2)
    assert made == [0, 0]
