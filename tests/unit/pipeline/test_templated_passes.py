"""Templates: the same names with every engine, made again if they change, and nothing left over."""

import pytest

from pixelmill.core.errors import UserError
from pixelmill.dataset import catalog
from pixelmill.dataset.shards import Shard
from pixelmill.imaging.recipe_parser import parse
from pixelmill.pipeline.policy import Policy
from pixelmill.verification.verify import verify
from tests.helpers.processed import Tree


def recipe(path):
    return parse({"steps": [{"resize": {"width": 32, "height": 24}}], "output": {"path": path}})


FLAT = recipe("{stem}-{width}.{ext}")


@pytest.fixture
def tree(tmp_path, photos):
    for folder in ("2023", "2024/may"):
        photos(tmp_path / "in" / folder, 3)
    made = Tree(tmp_path)
    made.process(recipe=FLAT)
    return made


def test_outputs_are_flat_and_verified(tree):
    names = set(tree.outputs())
    assert len(names) == 6
    assert {"0-32.jpg", "1-32.jpg", "2-32.jpg"} < names
    entries = catalog.scan(str(tree.source))[0].entries
    data = FLAT.as_data()
    found = verify(str(tree.source), str(tree.target), data, entries, 1, confined=False)
    assert found["passed"]


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_every_engine_gives_the_same_names(tree, tmp_path, engine):
    other = Tree(tmp_path)
    other.target, other.images = tmp_path / "other", tmp_path / "other/images"
    other.process(engine, 2, recipe=FLAT)
    assert other.outputs() == tree.outputs()


def test_a_new_template_moves_all_outputs(tree):
    assert tree.process(recipe=FLAT).images == 0
    assert tree.process(recipe=recipe("{folder}/{name}")).images == 6
    assert {path.rpartition("/")[0] for path in tree.outputs()} == {"2023", "2024/may"}
    assert len(tree.outputs()) == 6


def test_a_twin_that_goes_leaves_its_name_to_the_other(tree):
    (tree.source / "2023/0.jpg").unlink()
    assert tree.process(recipe=FLAT).images == 1
    names = {path for path in tree.outputs() if path.startswith("0")}
    assert names == {"0-32.jpg"}


def test_twins_are_an_error_if_the_policy_says_so(tree):
    with pytest.raises(UserError, match=r"'2023/0.jpg' and '2024/may/0.jpg' have the same output"):
        tree.process(recipe=FLAT, policy=Policy(collisions="error"))


def test_shards_are_refused(tree):
    with pytest.raises(UserError, match="cannot be compared between shards"):
        tree.process(recipe=FLAT, shard=Shard(1, 2))
