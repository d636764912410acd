"""A pass processes stale images and no others."""

import multiprocessing
import os
import shutil

import pytest

from pixelmill.core.errors import UserError
from pixelmill.core.sandbox import Sandbox
from pixelmill.dataset import catalog, catalog_table
from pixelmill.imaging.recipe_parser import parse
from pixelmill.pipeline.policy import Policy
from tests.helpers.processed import COUNT, RECIPE, Tree, add, change, filled, nothing, touch

OTHER = parse({"steps": [{"resize": {"width": 32, "height": 24}}]})


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos):
    return filled(tmp_path_factory.mktemp("made"), photos)


@pytest.fixture
def tree(made, tmp_path):
    return Tree(shutil.copytree(made, tmp_path / "tree"))


def change_without_changing_size_in_bytes(tree, picture):
    data = bytearray((tree.source / "1.jpg").read_bytes())
    data[-30] ^= 0x01
    (tree.source / "1.jpg").write_bytes(data)


def remove(tree, picture):
    (tree.source / "1.jpg").unlink()


def delete_output(tree, picture):
    (tree.images / "1.jpg").unlink()


def truncate_output(tree, picture):
    (tree.images / "1.jpg").write_bytes(b"\xff\xd8\xff")


def repair_the_broken_one(tree, picture):
    picture(50).save(tree.source / "broken.jpg")


@pytest.mark.parametrize(
    ("happens", "made_again"),
    [
        (nothing, 0),
        (add, 1),
        (change, 1),
        (change_without_changing_size_in_bytes, 1),
        (remove, 0),
        (touch, 0),
        (delete_output, 1),
        (truncate_output, 1),
        (repair_the_broken_one, 1),
    ],
)
def test_only_changed_images_are_rendered_again(tree, picture, tmp_path, happens, made_again):
    before = {path: path.stat().st_mtime_ns for path in tree.images.rglob("*.jpg")}
    happens(tree, picture)
    assert tree.process().images == made_again
    kept = [path for path, time in before.items() if path.exists() and changed_at(path) == time]
    assert len(kept) >= len(before) - 1
    fresh = Tree(tmp_path / "fresh")
    shutil.copytree(tree.source, fresh.source)
    fresh.process()
    assert tree.outputs() == fresh.outputs()
    assert tree.table("manifest.csv") == fresh.table("manifest.csv")


def changed_at(path):
    return path.stat().st_mtime_ns


def test_after_a_touch_the_source_is_not_read_again(tree, monkeypatch):
    touch(tree, None)
    tree.process()
    read = []
    monkeypatch.setattr("pixelmill.pipeline.planning.content_digest", read.append)
    assert tree.process().images == 0
    assert read == []


def test_another_recipe_renders_all_images_once(tree):
    assert tree.process(recipe=OTHER).images == COUNT
    assert tree.process(recipe=OTHER).images == 0


def test_another_output_format_replaces_the_outputs(tree):
    png = parse({**RECIPE.as_data(), "output": {"format": "png"}})
    tree.process(recipe=png)
    assert set(tree.outputs()) == {"0.png", "1.png", "2.png", "3.png", "sub/deeper/0.png"}


OWN_STEP = '''
def lighten(image, amount=40):
    """Make lighter."""
    return image.point(lambda level: min(255, level + amount))
'''


def test_the_code_of_an_own_step_decides_and_its_comments_do_not(tree, tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN_STEP, encoding="utf-8")
    recipe = parse({"steps": [{"call": {"function": "own:lighten"}}]}, folder=str(tmp_path))
    assert tree.process(recipe=recipe).images == COUNT
    file.write_text("# A comment\n" + OWN_STEP.replace("Make lighter", "Lighten"), encoding="utf-8")
    assert tree.process(recipe=recipe).images == 0
    file.write_text(OWN_STEP.replace("min(255", "min(250"), encoding="utf-8")
    assert tree.process(recipe=recipe).images == COUNT


def test_an_image_that_fails_now_loses_its_old_output(tree):
    (tree.source / "1.jpg").write_bytes(b"\xff\xd8\xff and no more")
    tree.process()
    assert "1.jpg" not in tree.outputs()
    assert tree.noted()["1.jpg"] == "failed"


#: Renders an image once, and fails the second time; another image ends the process.
ONLY_ONCE = """
import os, pathlib

MARK = pathlib.Path({mark!r})


def step(image):
    if image.height == 66:
        if MARK.exists():
            raise ValueError("once is enough")
        MARK.touch()
    if image.height == 65:
        os.abort()
    return image
"""


@pytest.mark.skipif(os.name == "nt", reason="signals end processes on POSIX alone")
def test_an_unreported_output_of_a_dead_worker_is_removed_if_its_image_fails(
    tmp_path, photos, picture
):
    tree = Tree(tmp_path)
    photos(tree.source, 12)
    for name, height in (("5.jpg", 66), ("7.jpg", 65)):  # in one batch, as the largest ones
        picture(9, (960, height)).save(tree.source / name, quality=95)
    (tmp_path / "mine.py").write_text(ONLY_ONCE.format(mark=str(tmp_path / "mark")))
    recipe = parse({"steps": [{"call": {"function": "mine:step"}}]}, folder=str(tmp_path))
    tree.process(recipe=recipe, policy=Policy(sandbox=Sandbox(on=False)))
    reasons = {row["source"]: row["message"] for row in tree.table("failures.csv")}
    assert set(reasons) == {"5.jpg", "7.jpg"}
    assert "once is enough" in reasons["5.jpg"]  # it was made before
    assert set(tree.outputs()) == {f"{n}.jpg" for n in range(12) if n not in (5, 7)}


def test_an_image_that_fails_now_does_not_affect_the_output_of_another_image(tmp_path, picture):
    """Its old output name now belongs to another input."""
    tree = Tree(tmp_path)
    tree.source.mkdir()
    picture(0).save(tree.source / "a.png")
    tree.process()
    assert set(tree.outputs()) == {"a.jpg"}
    picture(1).save(tree.source / "a.jpg")
    (tree.source / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    tree.process()
    assert tree.noted() == {"a.jpg": "ok", "a.png": "failed"}
    assert set(tree.outputs()) == {"a.jpg"}


def test_removing_an_input_removes_its_output_and_empty_folders(tree):
    shutil.rmtree(tree.source / "sub")
    tree.process()
    assert not (tree.images / "sub").exists()
    assert "sub/deeper/0.jpg" not in tree.noted()


def test_a_pass_that_would_remove_more_than_half_stops(tree):
    """An unmounted disk must not empty the results."""
    for number in range(1, 4):
        (tree.source / f"{number}.jpg").unlink()
    shutil.rmtree(tree.source / "sub")
    before = tree.outputs()
    with pytest.raises(UserError, match="4 of 6"):
        tree.process()
    assert tree.outputs() == before


def test_an_empty_folder_is_reported_and_nothing_is_removed(tree):
    shutil.rmtree(tree.source)
    tree.source.mkdir()
    before = tree.outputs()
    with pytest.raises(UserError, match="no image"):
        tree.process()
    assert tree.outputs() == before


def test_a_pass_with_nothing_to_make_starts_no_engine(tree):
    done = tree.process("processes", 2)
    assert (done.images, done.startup_seconds) == (0, 0.0)


def test_a_first_pass_whose_plan_is_refused_leaves_no_process(tmp_path, picture):
    tree = Tree(tmp_path)
    tree.source.mkdir()
    picture(0).save(tree.source / "a.png")
    picture(1).save(tree.source / "a.jpg")
    with pytest.raises(UserError, match="have the same output name"):
        tree.process("processes", 2, policy=Policy(collisions="error"))
    assert multiprocessing.active_children() == []


def test_an_image_that_vanished_since_it_was_catalogued_is_tried_again(tree, tmp_path, picture):
    table = tmp_path / "catalog.csv"
    gone = catalog.Entry("gone.jpg", 100, 1, "jpeg")
    catalog_table.write(table, [*catalog_table.read(tree.target / "catalog.csv"), gone])
    tree.process(catalog=str(table))
    assert {row["reason"] for row in tree.table("failures.csv")} > {"vanished"}
    picture(50).save(tree.source / "gone.jpg")
    assert tree.process().images == 1
    assert tree.noted()["gone.jpg"] == "ok"


def test_after_damage_of_a_ledger_only_time_is_lost(tree):
    before = tree.outputs(), tree.table("manifest.csv")
    (tree.target / "ledger.sqlite").write_bytes(b"no database " * 1000)
    assert tree.process().images == 0
    assert (tree.outputs(), tree.table("manifest.csv")) == before
