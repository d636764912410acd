"""A pass makes what is stale and nothing else, the same bytes on every engine."""

import csv
import json
import multiprocessing
import os
import platform
import re
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from pixelmill import catalog, files
from pixelmill.engines import ENGINES
from pixelmill.errors import REASONS, UserError
from pixelmill.files import exclusive
from pixelmill.names import unescape
from pixelmill.policy import Policy
from pixelmill.process import process_folder
from pixelmill.recipe import parse
from pixelmill.sandbox import Sandbox
from pixelmill.verification import verify

RECIPE = parse({"steps": [{"resize": {"width": 32, "height": 24}}, "sharpen"]})
OTHER = parse({"steps": [{"resize": {"width": 32, "height": 24}}]})

COUNT = 6

#: Keys of a pass in timing.json that others rely on.
TIMING_KEYS = {
    "seconds",
    "startup_seconds",
    "images",
    "failed",
    "bytes_in",
    "bytes_out",
    "megapixels_in",
    "workers",
    "engine",
    "catalog",
}


class Tree:
    """A folder of images and what is made of it."""

    def __init__(self, root):
        self.source, self.target, self.images = root / "in", root / "out", root / "out/images"

    def process(self, engine="sequential", workers=1, recipe=RECIPE, **options):
        source, target = str(self.source), str(self.target)
        return process_folder(source, target, recipe, engine, workers, **options)

    def outputs(self):
        """Bytes of every file below ``images``, by path."""
        files = (path for path in self.images.rglob("*") if path.is_file())
        return {path.relative_to(self.images).as_posix(): path.read_bytes() for path in files}

    def table(self, name):
        with (self.target / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def timing(self):
        return json.loads((self.target / "timing.json").read_text(encoding="utf-8"))

    def noted(self):
        """Status by source, as the manifest has it."""
        return {row["source"]: row["status"] for row in self.table("manifest.csv")}


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos, picture):
    """A tree that was processed once: some images, in sub-folders too, and a broken one."""
    root = tmp_path_factory.mktemp("made")
    photos(root / "in", COUNT - 2)
    photos(root / "in/sub/deeper", 1)
    (root / "in/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    Tree(root).process()
    return root


@pytest.fixture
def tree(made, tmp_path):
    return Tree(shutil.copytree(made, tmp_path / "tree"))


#: Workers that each engine is tried with; they do not depend on one another.
WORKERS = {"sequential": 1, "threads": 4, "processes": 3}


@pytest.mark.parametrize(
    ("engine", "workers"), [("processes", 1), *((name, WORKERS.get(name, 2)) for name in ENGINES)]
)
def test_every_engine_makes_the_same_bytes(made, tmp_path, engine, workers):
    other = Tree(tmp_path)
    shutil.copytree(made / "in", other.source)
    done = other.process(engine, workers)
    assert (done.images, done.failed, done.workers) == (COUNT, 1, workers)
    assert other.timing()["last_pass"]["engine"] == engine
    assert other.outputs() == Tree(made).outputs()
    for table in ("manifest.csv", "failures.csv"):
        assert (other.target / table).read_bytes() == (made / "out" / table).read_bytes()


def test_the_tree_of_the_inputs_is_kept_with_the_new_suffix(made):
    assert set(Tree(made).outputs()) == {"0.jpg", "1.jpg", "2.jpg", "3.jpg", "sub/deeper/0.jpg"}


def test_a_bad_image_costs_one_image_and_says_why(made):
    (row,) = Tree(made).table("failures.csv")
    assert (row["source"], row["stage"]) == ("broken.jpg", "decode")
    assert row["reason"] in REASONS
    assert row["message"]
    statuses = list(Tree(made).noted().values())
    assert (statuses.count("ok"), statuses.count("failed")) == (COUNT - 1, 1)


def test_where_nothing_failed_the_table_of_failures_has_its_header_only(tmp_path, photos):
    photos(tmp_path / "in", 1)
    Tree(tmp_path).process()
    text = (tmp_path / "out/failures.csv").read_text(encoding="utf-8")
    assert text == "source,stage,reason,message\n"


def test_inputs_are_never_touched(tree, picture):
    def state():
        paths = [tree.source, *tree.source.rglob("*")]
        return {path: (path.stat().st_mtime_ns, path.stat().st_mode) for path in paths}

    picture(50).save(tree.source / "new.jpg")
    before = state()
    tree.process()
    assert state() == before


def add(tree, picture):
    picture(50).save(tree.source / "new.jpg")


def change(tree, picture):
    picture(50).save(tree.source / "1.jpg")


def change_without_changing_size_in_bytes(tree, picture):
    data = bytearray((tree.source / "1.jpg").read_bytes())
    data[-30] ^= 0x01
    (tree.source / "1.jpg").write_bytes(data)


def remove(tree, picture):
    (tree.source / "1.jpg").unlink()


def touch(tree, picture):
    os.utime(tree.source / "1.jpg", ns=(1, 1))


def delete_output(tree, picture):
    (tree.images / "1.jpg").unlink()


def truncate_output(tree, picture):
    (tree.images / "1.jpg").write_bytes(b"\xff\xd8\xff")


def mend_the_broken_one(tree, picture):
    picture(50).save(tree.source / "broken.jpg")


def nothing(tree, picture):
    pass


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
        (mend_the_broken_one, 1),
    ],
)
def test_only_what_changed_is_made_again(tree, picture, tmp_path, happens, made_again):
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
    monkeypatch.setattr("pixelmill.process.content_digest", read.append)
    assert tree.process().images == 0
    assert read == []


def test_another_recipe_makes_all_again_but_not_twice(tree):
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


def test_an_image_that_now_fails_takes_its_old_output_with_it(tree):
    (tree.source / "1.jpg").write_bytes(b"\xff\xd8\xff and no more")
    tree.process()
    assert "1.jpg" not in tree.outputs()
    assert tree.noted()["1.jpg"] == "failed"


#: Makes an image once, and fails when it is made again; another one ends the process.
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
def test_an_output_of_a_worker_that_died_before_it_told_is_removed_if_its_image_then_fails(
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


def test_an_image_that_now_fails_leaves_alone_the_output_of_another(tmp_path, picture):
    """Its old name now belongs to another input."""
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


def test_two_inputs_that_would_give_one_output_both_get_theirs(tmp_path, picture):
    tree = Tree(tmp_path)
    tree.source.mkdir()
    picture(0).save(tree.source / "a.png")
    tree.process()
    picture(1).save(tree.source / "a.jpg")
    assert tree.process().images == 2
    assert set(tree.outputs()) == {"a.jpg", "a.png.jpg"}
    (tree.source / "a.jpg").unlink()
    assert tree.process().images == 1
    assert set(tree.outputs()) == {"a.jpg"}


def test_an_input_that_is_gone_takes_its_output_and_empty_folders_with_it(tree):
    shutil.rmtree(tree.source / "sub")
    tree.process()
    assert not (tree.images / "sub").exists()
    assert "sub/deeper/0.jpg" not in tree.noted()


def test_a_pass_that_would_remove_more_than_half_stops_and_asks(tree):
    """An unmounted disk must not empty the results."""
    for number in range(1, 4):
        (tree.source / f"{number}.jpg").unlink()
    shutil.rmtree(tree.source / "sub")
    before = tree.outputs()
    with pytest.raises(UserError, match="4 of 6"):
        tree.process()
    assert tree.outputs() == before


def test_an_empty_folder_is_said_so_and_nothing_is_removed(tree):
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
    with pytest.raises(UserError, match="would give the same output"):
        tree.process("processes", 2, policy=Policy(collisions="error"))
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("source", "target"), [("a", "a"), ("a/b", "a"), ("a", "a/b")], ids=["same", "in", "around"]
)
def test_images_and_results_must_not_lie_in_one_another(tmp_path, photos, source, target):
    photos(tmp_path / source, 1)
    with pytest.raises(UserError, match="lie in one another"):
        process_folder(str(tmp_path / source), str(tmp_path / target), RECIPE, "sequential", 1)


def test_a_source_that_is_missing_is_said_so_and_nothing_is_made(tmp_path):
    with pytest.raises(UserError, match=r"folder '.*in' does not exist"):
        Tree(tmp_path).process()
    assert not (tmp_path / "out/images").exists()


def test_two_runs_do_not_share_a_tree(tree, monkeypatch):
    monkeypatch.setattr(files, "LOCK_PATIENCE", 0.1)
    with exclusive(tree.target), pytest.raises(UserError, match="Another run"):
        tree.process()


def test_temporaries_of_killed_runs_are_swept_and_nothing_else(tree):
    for name in (".pixelmill-1f-2e-3d4c.tmp", "sub/deeper/.pixelmill-1-2-3.tmp", "mine.tmp"):
        (tree.images / name).write_bytes(b"half")
    tree.process()
    left = [path.name for path in tree.images.rglob("*.tmp")]
    assert left == ["mine.tmp"]


def test_no_temporary_is_left_after_a_pass(made):
    assert [path.name for path in (made / "out").rglob("*.tmp")] == []


NAMES = ["two\nlines.jpg", 'quo"te, comma.jpg', "back\\slash.jpg", "Straße ☃.jpg", "no suffix"]
NAMES += ["=1+1.jpg", "-1.jpg", r"\u003d1+1.jpg", "a;@b.jpg", "\u202egpj.jpg", "a\u200bb.jpg"]
if sys.platform == "linux":
    NAMES.append(os.fsdecode(b"caf\xe9.jpg"))


@pytest.mark.parametrize("engine", ["sequential", "processes"])
def test_images_of_any_name_are_made(tmp_path, picture, engine):
    tree = Tree(tmp_path)
    tree.source.mkdir()
    for number, name in enumerate(NAMES):
        picture(number).save(tree.source / name, "JPEG")
    tree.process(engine, 2)
    outputs = {name if name.endswith(".jpg") else f"{name}.jpg" for name in NAMES}
    assert set(tree.outputs()) == outputs
    assert {unescape(source) for source in tree.noted()} == set(NAMES)
    assert not any(re.match(r"[-=+@]", source) for source in tree.noted())
    entries = catalog.scan(str(tree.source))[0].entries
    catalog.write(tmp_path / "catalog.csv", entries)
    assert catalog.read(tmp_path / "catalog.csv") == entries
    checks = verify(
        str(tree.source), str(tree.target), RECIPE.as_data(), entries, 1, confined=False
    )
    assert checks["passed"], checks
    assert tree.process(engine, 2).images == 0


def test_an_image_that_vanished_since_it_was_catalogued_is_tried_again(tree, tmp_path, picture):
    table = tmp_path / "catalog.csv"
    gone = catalog.Entry("gone.jpg", 100, 1, "jpeg")
    catalog.write(table, [*catalog.read(tree.target / "catalog.csv"), gone])
    tree.process(catalog=str(table))
    assert {row["reason"] for row in tree.table("failures.csv")} > {"vanished"}
    picture(50).save(tree.source / "gone.jpg")
    assert tree.process().images == 1
    assert tree.noted()["gone.jpg"] == "ok"


def test_a_damaged_ledger_costs_time_only(tree):
    before = tree.outputs(), tree.table("manifest.csv")
    (tree.target / "ledger.sqlite").write_bytes(b"no database " * 1000)
    assert tree.process().images == 0
    assert (tree.outputs(), tree.table("manifest.csv")) == before


def test_the_manifest_does_not_depend_on_times(made, tmp_path):
    other = Tree(tmp_path)
    shutil.copytree(made / "in", other.source)
    for path in other.source.rglob("*.jpg"):
        os.utime(path, ns=(1, 1))
    other.process()
    manifests = [root / "manifest.csv" for root in (other.target, made / "out")]
    assert manifests[0].read_bytes() == manifests[1].read_bytes()


def test_timing_tells_of_each_pass_what_others_rely_on(made):
    timing = Tree(made).timing()
    assert timing.keys() == {"last_pass", "last_full_pass"}
    assert timing["last_pass"].keys() >= TIMING_KEYS
    assert timing["last_pass"] == timing["last_full_pass"]
    assert timing["last_pass"]["seconds"] >= timing["last_pass"]["startup_seconds"]


def test_timing_sums_up_what_was_read_and_written(made):
    full = Tree(made).timing()["last_full_pass"]
    sources = [path for path in (made / "in").rglob("*.jpg") if path.is_file()]
    assert full["bytes_in"] == sum(path.stat().st_size for path in sources)
    assert full["bytes_out"] == sum(map(len, Tree(made).outputs().values()))
    assert full["megapixels_in"] == pytest.approx((COUNT - 1) * 96 * 64 / 1e6)
    assert (full["images"], full["failed"], full["workers"]) == (COUNT, 1, 1)


@pytest.mark.parametrize(("happens", "images"), [(nothing, 0), (change, 1)])
def test_a_pass_over_part_never_passes_for_a_full_one(tree, picture, happens, images):
    full = tree.timing()["last_full_pass"]
    happens(tree, picture)
    tree.process()
    timing = tree.timing()
    assert timing["last_pass"]["images"] == images
    assert timing["last_full_pass"] == full


def test_a_first_pass_that_was_cut_short_leaves_no_full_one(tree):
    """As a run that was killed does: its images are there, its pass is not."""
    for path in (tree.target / "timing.json", *tree.target.glob("ledger.*")):
        path.unlink()
    shutil.rmtree(tree.images)
    half = Tree(tree.target.parent)
    table = tree.target / "half.csv"
    catalog.write(table, catalog.read(tree.target / "catalog.csv")[:3])
    half.process(catalog=str(table))
    tree.process()
    assert tree.timing()["last_pass"]["images"] == COUNT - 3
    assert tree.timing()["last_full_pass"]["images"] == 3


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_a_pass_tells_the_engine_and_workers_that_it_used(tree, engine):
    """A plain loop that stood in for it must not count as a full pass of that engine."""
    shutil.rmtree(tree.images)
    tree.process(engine, 2)
    told = tree.timing()["last_pass"]
    assert (told["engine"], told["workers"]) in {("sequential", 1), (engine, 2)}


def test_passes_over_other_sets_have_another_digest(tree, picture):
    before = tree.timing()["last_pass"]["catalog"]
    touch(tree, picture)
    tree.process()
    assert tree.timing()["last_pass"]["catalog"] == before
    add(tree, picture)
    tree.process()
    assert tree.timing()["last_pass"]["catalog"] != before


@pytest.mark.parametrize("name", ["manifest.csv", "failures.csv", "timing.json"])
def test_no_file_that_is_passed_on_tells_of_this_machine(made, name):
    text = (made / "out" / name).read_text(encoding="utf-8")
    assert platform.node() not in re.findall(r"[\w.-]+", text)
    assert str(made) not in text
    assert str(Path.home()) not in text


def test_outputs_are_what_the_recipe_says(made):
    with Image.open(made / "out/images/0.jpg") as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (32, 24), "RGB")


def test_progress_and_plan_are_logged(tree, picture, caplog):
    add(tree, picture)
    with caplog.at_level("INFO", "pixelmill"):
        tree.process()
    assert "make 1: 1 new; keep 6; remove 0" in caplog.messages
