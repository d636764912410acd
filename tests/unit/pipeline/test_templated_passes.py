"""Templates: the same names with every engine, made again if they change, and nothing left over."""

import pytest

from pixelmill.core.errors import UserError
from pixelmill.dataset import catalog
from pixelmill.dataset.ledger import Ledger
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


def nested(levels):
    """A template by which the names of files are names of folders too."""
    return recipe("{stem}-{width}.{ext}/" * levels + "{stem}-{width}.{ext}")


@pytest.mark.parametrize(("before", "after"), [(1, 0), (0, 1), (2, 1), (1, 2)])
def test_files_may_get_the_names_that_folders_had_and_folders_those_of_files(
    tree, tmp_path, before, after
):
    tree.process(recipe=nested(before))
    assert tree.process(recipe=nested(after)).failed == 0
    clean = Tree(tmp_path)
    clean.target, clean.images = tmp_path / "clean", tmp_path / "clean/images"
    clean.process(recipe=nested(after))
    assert tree.outputs() == clean.outputs()
    assert not [path for path in tree.images.iterdir() if path.name.startswith(".")]


def test_an_output_in_the_way_is_kept_until_its_image_is_made_again(tree):
    """The source disappears in mid-run, after the pass has been planned."""
    tree.process(recipe=nested(1))
    kept = set(tree.outputs().values())
    gone = sorted(tree.source.rglob("*.jpg"))[:2]
    for path in gone:
        path.rename(path.with_suffix(".away"))
    tree.process(recipe=nested(0), catalog=str(tree.target / "catalog.csv"))
    assert [row["reason"] for row in tree.table("failures.csv")] == ["vanished"] * 2
    assert kept == set(tree.outputs().values())
    for path in gone:
        path.with_suffix(".away").rename(path)
    assert tree.process(recipe=nested(0)).failed == 0
    assert len(tree.outputs()) == 6


def test_a_run_that_was_killed_between_moving_and_recording_is_continued(tree, monkeypatch):
    tree.process(recipe=nested(1))
    with monkeypatch.context() as killed:
        killed.setattr(Ledger, "move_outputs", lambda self, moves: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            tree.process(recipe=nested(0))
    assert tree.process(recipe=nested(0)).failed == 0
    assert len(tree.outputs()) == 6
