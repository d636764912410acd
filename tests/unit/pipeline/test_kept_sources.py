"""Kept sources: the same with every engine, noted, told, verified, and made again when asked."""

import pytest

from pixelmill.core.databases import connect_to_read
from pixelmill.core.jobs import SOURCE_KEPT
from pixelmill.dataset import catalog
from pixelmill.dataset.file_names import LEDGER
from pixelmill.dataset.ledger import open_to_read
from pixelmill.dataset.ledger_tables import fault_in
from pixelmill.imaging.recipe_parser import parse
from pixelmill.verification.verify import verify
from tests.helpers.processed import Tree

KEPT = {f"{number}.jpg" for number in range(3)}


def recipe(backend="pillow", **output):
    return parse({"backend": backend, "output": {"if_larger": "keep_source", **output}})


@pytest.fixture
def tree(tmp_path, photo):
    """Six photos, three of which become larger when they are encoded again."""
    made = Tree(tmp_path)
    made.source.mkdir()
    for number in range(6):
        quality = 30 if f"{number}.jpg" in KEPT else 95
        photo(120, 90, number).save(made.source / f"{number}.jpg", quality=quality)
    return made


def noted(tree):
    return {row["source"] for row in tree.table("manifest.csv") if row["reason"] == SOURCE_KEPT}


def checked(tree, asked):
    entries = catalog.scan(str(tree.source))[0].entries
    return verify(str(tree.source), str(tree.target), asked.as_data(), entries, 1, confined=False)


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_the_manifest_notes_what_was_kept(tree, backend):
    tree.process(recipe=recipe(backend))
    assert noted(tree) == KEPT
    assert set(tree.noted().values()) == {"ok"}
    for path, data in tree.outputs().items():
        source = (tree.source / path).read_bytes()
        assert (data == source) == (path in KEPT)
        assert len(data) <= len(source)
    assert checked(tree, recipe(backend))["passed"]


def test_the_ledger_counts_what_was_kept(tree):
    tree.process(recipe=recipe())
    size = sum((tree.source / path).stat().st_size for path in KEPT)
    with open_to_read(str(tree.target / LEDGER)) as ledger:
        assert ledger.kept_sources() == (3, size)
    with connect_to_read(str(tree.target / LEDGER), False) as database:
        assert fault_in(database) == ""


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_every_engine_keeps_the_same(tree, tmp_path, engine):
    tree.process(recipe=recipe())
    other = Tree(tmp_path)
    other.target, other.images = tmp_path / "other", tmp_path / "other/images"
    other.process(engine, 2, recipe=recipe())
    assert other.outputs() == tree.outputs()
    assert other.table("manifest.csv") == tree.table("manifest.csv")


def test_a_change_of_the_rule_makes_images_again_and_no_change_does_not(tree):
    tree.process(recipe=recipe())
    assert tree.process(recipe=recipe()).images == 0
    assert tree.process(recipe=recipe(min_saving="100 %")).images == 6
    assert noted(tree) == {f"{number}.jpg" for number in range(6)}
    assert tree.process(recipe=parse({})).images == 6
    assert not noted(tree)


def test_verification_finds_an_output_that_should_have_been_kept(tree):
    tree.process(recipe=parse({}))
    found = checked(tree, recipe())
    (failed,) = (check for check in found["checks"] if not check["passed"])
    assert (failed["name"], {one["image"] for one in failed["named"]}) == ("bytes", KEPT)


def test_bilevel_pictures_are_kept_and_verified(tmp_path, photo):
    tree = Tree(tmp_path)
    tree.source.mkdir()
    photo(120, 90).convert("1").save(tree.source / "0.png")
    asked = recipe(format="png", level=0)
    tree.process(recipe=asked)
    assert noted(tree) == {"0.png"}
    assert checked(tree, asked)["passed"]
