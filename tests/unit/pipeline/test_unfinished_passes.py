"""After a pass that was not completed, another recipe keeps none of its unrecorded outputs."""

import pytest

from pixelmill.dataset import catalog
from pixelmill.dataset.ledger import Ledger
from pixelmill.imaging.recipe_parser import parse
from tests.helpers.passes import preview
from tests.helpers.processed import Tree

COUNT = 4


def named(path, **step):
    """A recipe whose outputs have the same size in bytes, whatever the step does."""
    steps = [{"resize": {"width": 20, "height": 10}}, {"enhance": step}] if step else []
    return parse({"steps": steps, "output": {"format": "bmp", "path": path}})


BRIGHT, DARK = named("{name}", brightness=1.5), named("{name}", brightness=0.5)
MOVED = named("{stem}-new.{ext}", brightness=1.5)


@pytest.fixture
def tree(tmp_path, photos):
    photos(tmp_path / "in", COUNT)
    made = Tree(tmp_path)
    made.process(recipe=BRIGHT)
    return made


@pytest.fixture
def interrupted(tree, monkeypatch):
    """Function that begins a pass and stops it before any of its outputs is recorded."""

    def interrupt(recipe):
        def stop(self, outcomes, fingerprints):
            assert list(outcomes)
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(Ledger, "record", stop)
            with pytest.raises(KeyboardInterrupt):
                tree.process(recipe=recipe)

    return interrupt


def reasons(tree, recipe):
    entries = catalog.scan(str(tree.source))[0].entries
    return dict(preview(tree.source, tree.target, recipe, entries).plan.reasons)


def test_outputs_of_the_same_size_are_made_again(tree, interrupted):
    before = tree.outputs()
    interrupted(DARK)
    changed = sum(before[path] != data for path, data in tree.outputs().items())
    assert changed > 0
    assert reasons(tree, BRIGHT) == {"output altered": changed}
    assert tree.process(recipe=BRIGHT).images == changed
    assert tree.outputs() == before
    assert reasons(tree, BRIGHT) == {}


def test_outputs_under_other_names_are_moved_out_of_the_way(tree, interrupted):
    before = tree.outputs()
    interrupted(MOVED)
    assert any("-new" in path for path in tree.outputs())
    tree.process(recipe=BRIGHT)
    assert tree.outputs() == before
    assert list(tree.target.rglob("unclaimed/*-new.bmp"))


def test_it_is_remembered_until_a_pass_is_completed(tree, interrupted):
    before = tree.outputs()
    interrupted(DARK)
    interrupted(MOVED)
    tree.process(recipe=BRIGHT)
    assert tree.outputs() == before


def test_the_same_recipe_goes_on_without_reading_any_output(tree, interrupted, caplog):
    interrupted(DARK)
    caplog.clear()
    with caplog.at_level("INFO"):
        assert tree.process(recipe=DARK).images == COUNT
    assert "compared with their digests" not in caplog.text
    with caplog.at_level("INFO"):
        tree.process(recipe=BRIGHT)
    assert "compared with their digests" not in caplog.text


def test_a_pass_with_nothing_to_do_leaves_no_mark(tree, caplog):
    tree.process(recipe=BRIGHT)
    with caplog.at_level("INFO"):
        tree.process(recipe=DARK)
    assert "compared with their digests" not in caplog.text
