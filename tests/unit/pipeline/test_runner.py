"""A pass gives the same bytes with every engine, for all file names."""

import os
import re
import shutil
import sys

import pytest
from PIL import Image

from pixelmill.core import locks, machine_load
from pixelmill.core.errors import UserError
from pixelmill.core.filenames import unescape
from pixelmill.core.locks import exclusive
from pixelmill.core.reasons import REASONS
from pixelmill.dataset import catalog, catalog_table
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.plan import Plan
from pixelmill.engines import machine
from pixelmill.engines.registry import SELECTABLE, on_cluster
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.pipeline import runner
from pixelmill.verification.verify import verify
from tests.helpers.passes import process_folder
from tests.helpers.processed import COUNT, RECIPE, Tree, filled


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos):
    return filled(tmp_path_factory.mktemp("made"), photos)


@pytest.fixture
def tree(made, tmp_path):
    return Tree(shutil.copytree(made, tmp_path / "tree"))


#: Workers that each engine is tried with; they do not depend on one another.
WORKERS = {"sequential": 1, "threads": 4, "processes": 3}

#: A cluster takes seconds to start.
CASES = [
    pytest.param(engine, workers, marks=pytest.mark.slow if on_cluster(engine) else ())
    for engine, workers in [("processes", 1), *((one, WORKERS.get(one, 2)) for one in SELECTABLE)]
]


@pytest.mark.parametrize(("engine", "workers"), CASES)
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


def test_a_bad_image_fails_alone_with_a_reason(made):
    (row,) = Tree(made).table("failures.csv")
    assert (row["source"], row["stage"]) == ("broken.jpg", "decode")
    assert row["reason"] in REASONS
    assert row["message"]
    statuses = list(Tree(made).noted().values())
    assert (statuses.count("ok"), statuses.count("failed")) == (COUNT - 1, 1)


def test_without_failures_the_table_has_only_a_header(tmp_path, photos):
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


def test_two_inputs_with_the_same_output_name_both_get_outputs(tmp_path, picture):
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


@pytest.mark.parametrize(
    ("source", "target"), [("a", "a"), ("a/b", "a"), ("a", "a/b")], ids=["same", "in", "around"]
)
def test_images_and_results_must_not_be_nested(tmp_path, photos, source, target):
    photos(tmp_path / source, 1)
    with pytest.raises(UserError, match="must not contain one another"):
        process_folder(str(tmp_path / source), str(tmp_path / target), RECIPE, "sequential", 1)


def test_a_missing_source_is_reported_and_nothing_is_made(tmp_path):
    with pytest.raises(UserError, match=r"folder '.*in' does not exist"):
        Tree(tmp_path).process()
    assert not (tmp_path / "out/images").exists()


def test_two_runs_do_not_share_a_tree(tree, monkeypatch):
    monkeypatch.setattr(locks, "LOCK_PATIENCE", 0.1)
    with exclusive(tree.target), pytest.raises(UserError, match="Another run"):
        tree.process()


def test_only_temporaries_of_killed_runs_are_removed(tree):
    for name in (".pixelmill-1f-2e-3d4c.tmp", "sub/deeper/.pixelmill-1-2-3.tmp", "mine.tmp"):
        (tree.images / name).write_bytes(b"half")
    tree.process()
    left = [path.name for path in tree.images.rglob("*.tmp")]
    assert left == ["mine.tmp"]


def test_no_temporary_is_left_after_a_pass(made):
    assert [path.name for path in (made / "out").rglob("*.tmp")] == []


@pytest.mark.parametrize(
    ("sizes", "most", "expected"),
    [
        ([], 10**7, 8),
        ([(10, 10), (3000, 2000)], 10**7, 8),
        ([(5000, 2000), (10, 10)], 10**7, 7),  # 1 GiB has room for 90 MB seven times
        ([(10, 10), (60_000, 60_000)], 10**7, 7),  # which is refused by its header
        ([(10, 10), (60_000, 60_000)], 10**10, 1),
        ([(0, 0)], 10**7, 8),  # a size that the header does not tell
    ],
)
def test_so_many_workers_begin_as_find_room_for_the_largest_images_that_are_made(
    sizes, most, expected, monkeypatch, caplog
):
    monkeypatch.setattr(machine, "available_memory", lambda: 2**30)
    entries = Entries(Entry(f"{n}.png", 9, 1, "png", *size) for n, size in enumerate(sizes))
    fitting = runner._workers_for(8, Plan(to_render=entries), Limits(max_pixels=most))
    assert fitting == expected
    assert ("images of" in caplog.text) == (fitting < 8)


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
    catalog_table.write(tmp_path / "catalog.csv", entries)
    assert catalog_table.read(tmp_path / "catalog.csv") == entries
    checks = verify(
        str(tree.source), str(tree.target), RECIPE.as_data(), entries, 1, confined=False
    )
    assert checks["passed"], checks
    assert tree.process(engine, 2).images == 0


def test_outputs_are_what_the_recipe_says(made):
    with Image.open(made / "out/images/0.jpg") as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (32, 24), "RGB")


@pytest.mark.parametrize("engine", ["sequential", "processes"])
def test_the_conditions_of_a_pass_count_the_processor_time_of_its_workers(tmp_path, photos, engine):
    done = process_folder(photos(tmp_path / "in", 30), tmp_path / "out", RECIPE, engine, 2)
    assert done.conditions["started"] > 1_700_000_000
    assert done.conditions["cpu_seconds"] > 0.0003 * done.images


def test_the_conditions_of_other_machines_are_not_those_of_this_one():
    before = machine_load.Snapshot(1e9, 0.0, 0.2, 1.0, 10.0, 0.0, 20.0)
    after = machine_load.Snapshot(1e9 + 9, 9.0, 0.9, 2.0, 19.0, 0.0, 38.0)
    assert runner._conditions(before, after, "distributed") == {"started": 1e9}
    assert runner._conditions(before, after, "threads")["other_cores"] > 0.5
