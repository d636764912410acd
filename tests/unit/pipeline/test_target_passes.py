"""Targets: the same files with every engine and after a loss, and made again if changed."""

import pytest

from pixelmill.imaging.recipe_parser import parse
from tests.helpers.processed import Tree

OUTPUTS = [
    {"name": "small", "format": "webp", "target": {"bytes": "1500"}},
    {"name": "good", "target": {"ssim": 0.95}},
    {"name": "plain"},
]
RECIPE = parse({"outputs": OUTPUTS})


@pytest.fixture
def tree(tmp_path, photos):
    photos(tmp_path / "in", 5)
    made = Tree(tmp_path)
    made.process(recipe=RECIPE)
    return made


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_every_engine_writes_the_same_files(tree, tmp_path, engine):
    other = Tree(tmp_path)
    other.target, other.images = tmp_path / "other", tmp_path / "other/images"
    other.process(engine, 2, recipe=RECIPE)
    assert other.outputs() == tree.outputs()
    assert other.table("manifest.csv") == tree.table("manifest.csv")


def test_a_lost_output_is_made_again_as_it_was(tree):
    before = tree.outputs()
    (tree.images / "good/1.jpg").unlink()
    assert tree.process(recipe=RECIPE).images == 1
    assert tree.outputs() == before


def test_a_changed_target_changes_its_outputs_and_no_others(tree):
    before = tree.outputs()
    assert tree.process(recipe=RECIPE).images == 0
    easier = {"name": "good", "target": {"ssim": 0.9}}
    changed = parse({"outputs": [OUTPUTS[0], easier, OUTPUTS[2]]})
    assert tree.process(recipe=changed).images == 5
    after = tree.outputs()
    different = {path for path in before if before[path] != after[path]}
    assert {path.partition("/")[0] for path in different} == {"good"}
    assert all(len(after[path]) < len(before[path]) for path in different)


def test_an_image_that_misses_its_target_has_no_output(tmp_path, photos):
    photos(tmp_path / "in", 3)
    tree = Tree(tmp_path)
    failing = parse({"outputs": [{"name": "small", "target": {"bytes": 100}}, OUTPUTS[2]]})
    tree.process(recipe=failing)
    assert set(tree.noted().values()) == {"failed"}
    assert {row["reason"] for row in tree.table("failures.csv")} == {"target_missed"}
    assert not tree.outputs()
