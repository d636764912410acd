"""A replaced source is processed again even if its size and modification time are the same."""

import os

import pytest
from PIL import Image

from pixelmill.pipeline import planning
from tests.helpers.places import SMALL, Place
from tests.helpers.replacing import change_mode, needs_changes, replace_preserving

pytestmark = needs_changes


@pytest.fixture
def tree(tmp_path, photos):
    """A processed folder of four images."""
    place = Place(tmp_path)
    photos(place.source, 4, (40, 30))
    place.process()
    return place


def new_picture(encoded, size):
    content = encoded(Image.new("RGB", (40, 30), "red"), "JPEG")
    assert len(content) <= size
    return content


def in_place(path, content):
    replace_preserving(path, content)


def by_another_file(path, content):
    """As with rsync -t: another file takes the name."""
    before = path.stat()
    other = path.with_suffix(".new")
    other.write_bytes(content.ljust(before.st_size, b"\0"))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("engine", ["sequential", "processes"])
@pytest.mark.parametrize("replace", [in_place, by_another_file], ids=lambda f: f.__name__)
def test_only_the_image_that_was_replaced_is_made_again(tree, encoded, replace, engine):
    before = tree.outputs()
    path = tree.source / "1.jpg"
    replace(path, new_picture(encoded, path.stat().st_size))
    assert tree.process(engine=engine).images == 1
    after = tree.outputs()
    assert {name for name in before if before[name] != after[name]} == {"1.jpg"}
    red = Image.open(tree.images / "1.jpg").resize((1, 1)).getpixel((0, 0))
    assert red[0] > 240 and max(red[1:]) < 15
    assert tree.process().images == 0


@pytest.mark.parametrize("change", [change_mode, lambda path: os.link(path, f"{path}.link")])
def test_an_image_whose_state_alone_changed_is_kept_and_looked_at_once(tree, change, monkeypatch):
    outside = tree.source.parent / "1.jpg"
    os.rename(tree.source / "1.jpg", outside)
    change(outside)
    os.rename(outside, tree.source / "1.jpg")
    read = []
    digest = planning.content_digest
    monkeypatch.setattr(planning, "content_digest", lambda data: read.append(1) or digest(data))
    before = tree.outputs()
    assert tree.process(SMALL).images == 0
    assert tree.process(SMALL).images == 0
    assert tree.outputs() == before
    assert len(read) == 1
