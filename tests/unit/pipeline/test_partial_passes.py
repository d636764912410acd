"""A change of one of several outputs makes that output again, and leaves the others."""

import json
import os
import sqlite3

import pytest

from pixelmill.dataset import catalog, catalog_table
from pixelmill.imaging.recipe_parser import parse
from pixelmill.pipeline.policy import Policy
from pixelmill.verification.verify import verify
from tests.helpers.processed import Tree

OUTPUTS = (
    {"name": "a", "format": "webp"},
    {"name": "b", "sidecar": "json", "steps": [{"resize": {"width": 32, "height": 24}}]},
    {"name": "c", "format": "png"},
)
COUNT = 4


def recipe_with(**changes):
    """The recipe, with another content of some outputs."""
    return parse({"outputs": [{**output, **changes.get(output["name"], {})} for output in OUTPUTS]})


RECIPE = recipe_with()


@pytest.fixture
def tree(tmp_path, photos):
    photos(tmp_path / "in", COUNT)
    made = Tree(tmp_path)
    made.process(recipe=RECIPE)
    return made


def written(tree):
    """When each output was written, and to which place on the disk."""
    files = (path for path in tree.images.rglob("*") if path.is_file())
    found = ((path.relative_to(tree.images).as_posix(), path.stat()) for path in files)
    return {path: (status.st_mtime_ns, status.st_ino) for path, status in found}


def folders(paths):
    return {path.partition("/")[0] for path in paths}


def verified(tree, recipe):
    entries = catalog.scan(str(tree.source))[0].entries
    source, target = str(tree.source), str(tree.target)
    return verify(source, target, recipe.as_data(), entries, 1, confined=False)["passed"]


def fresh(tree, recipe, root):
    """The tree that a first pass makes."""
    other = Tree(root)
    other.source = tree.source
    other.process(recipe=recipe)
    return other


CHANGES = {
    "quality": {"a": {"quality": 60}},
    "target": {"a": {"target": {"bytes": 2000}}},
    "path": {"a": {"path": "{folder}/{stem}-a.{ext}"}},
    "if_larger": {"c": {"if_larger": "keep_source"}},
    "min_saving": {"c": {"min_saving": "5 %"}},
    "a-new-sidecar": {"a": {"sidecar": "json"}},
    "no-sidecar-anymore": {"b": {"sidecar": "none"}},
    "with-a-sidecar": {"b": {"quality": 60}},
    "two-of-three": {"a": {"quality": 60}, "c": {"path": "{name}"}},
}


#: Those that represent all in short runs.
FEW = ("quality", "with-a-sidecar", "two-of-three")


@pytest.mark.parametrize(
    "change",
    [pytest.param(name, marks=() if name in FEW else pytest.mark.slow) for name in CHANGES],
)
def test_only_the_changed_outputs_are_made_again(tree, tmp_path, change):
    before = written(tree)
    changed = recipe_with(**CHANGES[change])
    assert tree.process(recipe=changed).images == COUNT
    after = written(tree)
    remade = folders(path for path in after if after[path] != before.get(path))
    assert remade == set(CHANGES[change])
    other = fresh(tree, changed, tmp_path / "fresh")
    assert tree.outputs() == other.outputs()
    assert tree.table("manifest.csv") == other.table("manifest.csv")
    assert tree.process(recipe=changed).images == 0
    assert verified(tree, changed)


@pytest.mark.parametrize(
    "change",
    [
        {"b": {"steps": [{"resize": {"width": 64, "height": 48}}]}},  # may change what is decoded
        {"c": {"format": "jpeg"}},  # has no transparency
    ],
)
def test_other_steps_or_another_format_make_all_outputs_again(tree, change):
    before = written(tree)
    tree.process(recipe=recipe_with(**change))
    after = written(tree)
    assert not [path for path in before if before[path] == after.get(path)]


@pytest.mark.parametrize("engine", [pytest.param("threads", marks=pytest.mark.slow), "processes"])
def test_every_engine_makes_the_same_outputs_again(tree, tmp_path, engine):
    before = written(tree)
    changed = recipe_with(**CHANGES["with-a-sidecar"])
    tree.process(engine, 2, recipe=changed)
    after = written(tree)
    assert folders(path for path in after if after[path] != before[path]) == {"b"}
    assert tree.outputs() == fresh(tree, changed, tmp_path / "fresh").outputs()


def test_one_change_after_the_other_makes_each_output_once(tree):
    for change, remade in ((CHANGES["quality"], {"a"}), (CHANGES["two-of-three"], {"c"})):
        before = written(tree)
        tree.process(recipe=recipe_with(**change))
        after = written(tree)
        assert folders(path for path in after if after[path] != before.get(path)) == remade


@pytest.mark.parametrize(
    "lost",
    ["b/1.jpg.json", *(pytest.param(p, marks=pytest.mark.slow) for p in ("a/1.webp", "c/1.png"))],
)
def test_an_image_that_lost_an_output_too_is_complete_afterwards(tree, tmp_path, lost):
    (tree.images / lost).unlink()
    changed = recipe_with(**CHANGES["quality"])
    assert tree.process(recipe=changed).images == COUNT
    assert tree.outputs() == fresh(tree, changed, tmp_path / "fresh").outputs()


def test_a_changed_source_makes_all_of_its_outputs_again(tree, photo):
    before = written(tree)
    photo(80, 60, 99).save(tree.source / "1.jpg")
    tree.process(recipe=recipe_with(**CHANGES["quality"]))
    after = written(tree)
    remade = {path for path in after if after[path] != before[path]}
    assert {path for path in remade if not path.startswith("a/")} == {
        "b/1.jpg", "b/1.jpg.json", "c/1.png",
    }  # fmt: skip


def test_an_image_that_fails_then_has_no_outputs(tree):
    failing = recipe_with(a={"target": {"bytes": 10}})
    assert tree.process(recipe=failing, policy=Policy(max_removal_rate=1.0)).failed == COUNT
    assert tree.outputs() == {}
    assert set(tree.noted().values()) == {"failed"}
    tree.process(recipe=RECIPE)
    assert folders(tree.outputs()) == {"a", "b", "c"}


def test_such_a_pass_is_not_a_full_one_and_counts_only_what_it_made(tree):
    full = tree.timing()["last_full_pass"]
    tree.process(recipe=recipe_with(**CHANGES["quality"]))
    timing = tree.timing()
    assert timing["last_full_pass"] == full
    sizes = {path: len(data) for path, data in tree.outputs().items()}
    made = sum(size for path, size in sizes.items() if path.startswith("a/"))
    assert timing["last_pass"]["bytes_out"] == made


def test_outputs_of_a_ledger_with_one_fingerprint_for_all_are_not_made_again(tree):
    """Version 0.1 recorded the fingerprint of the whole recipe."""
    with sqlite3.connect(tree.target / "ledger.sqlite") as database:
        database.execute("UPDATE images SET recipe = ?", (RECIPE.fingerprint(),))
    assert tree.process(recipe=RECIPE).images == 0


def test_a_sidecar_states_the_recipe_of_its_own_output(tree):
    tree.process(recipe=recipe_with(**CHANGES["quality"]))
    described = json.loads(tree.outputs()["b/1.jpg.json"])["recipe"]
    assert parse(described).outputs[1] == RECIPE.outputs[1]
    assert "quality" not in described["outputs"][0]


def test_what_is_noted_of_an_output_that_stays_is_kept(tmp_path, photo):
    """Here, that it holds the coded picture of its source."""

    def recipe(quality):
        kept = {"name": "a", "format": "same", "quality": 90, "if_larger": "keep_source"}
        return parse({"outputs": [kept, {"name": "b", "quality": quality}]})

    (tmp_path / "in").mkdir()
    photo(80, 60).save(tmp_path / "in/a.jpg", quality=20)
    tree = Tree(tmp_path)
    tree.process(recipe=recipe(80))
    tree.process(recipe=recipe(70))
    assert tree.table("manifest.csv")[0]["reason"] == "source_kept"
    other = fresh(tree, recipe(70), tmp_path / "fresh")
    assert tree.table("manifest.csv") == other.table("manifest.csv")


def test_an_output_that_stays_gets_the_new_time_of_a_touched_source(tmp_path, photos):
    def recipe(quality):
        outputs = [{"name": "a"}, {"name": "b", "quality": quality}]
        return parse({"keep_mtime": True, "outputs": outputs})

    photos(tmp_path / "in", 2)
    tree = Tree(tmp_path)
    tree.process(recipe=recipe(80))
    (tree.images / "b/1.jpg").unlink()
    for path in tree.source.iterdir():
        os.utime(path, (10**9, 10**9))
    tree.process(recipe=recipe(70))
    assert {path.stat().st_mtime for path in tree.images.rglob("*.jpg")} == {10**9}


def test_a_source_that_changed_since_it_was_cataloged_is_made_as_a_whole_by_the_next_pass(
    tree, photo, tmp_path
):
    changed = recipe_with(**CHANGES["quality"])
    table = tmp_path / "catalog.csv"
    catalog_table.write(table, catalog.scan(str(tree.source))[0].entries)
    path = tree.source / "1.jpg"
    size = path.stat().st_size
    photo(40, 30, 99).save(path)
    path.write_bytes(path.read_bytes().ljust(size, b"\0"))  # of the same size
    tree.process(recipe=changed, catalog=str(table))
    tree.process(recipe=changed)
    assert tree.outputs() == fresh(tree, changed, tmp_path / "fresh").outputs()


def test_the_time_of_one_output_does_not_replace_that_of_the_image(tree):
    def seconds():
        query = "SELECT source, steps_seconds + encode_seconds FROM images WHERE variant = 'c'"
        with sqlite3.connect(tree.target / "ledger.sqlite") as database:
            return dict(database.execute(query))

    with sqlite3.connect(tree.target / "ledger.sqlite") as database:
        database.execute("UPDATE images SET steps_seconds = 3, encode_seconds = 4")
    os.remove(tree.target / "ledger.check.json")
    tree.process(recipe=recipe_with(**CHANGES["quality"]))
    assert set(seconds().values()) == {7}
