"""The layout knows the place of every file."""

import pytest

from pixelmill.core.errors import UserError
from pixelmill.dataset.layout import Layout, Tree

CONFIG = {
    "datasets": {"demo": {"generate": {}}, "mine": {"folder": "photos", "exclude": ["drafts/*"]}},
    "recipes": {"light": {}, "heavy": {}},
    "run": {
        "datasets": ["demo", "mine"],
        "recipes": ["light"],
        "engines": ["threads", "sequential"],
        "production": "auto",
    },
    "results": "results",
}


def test_generated_images_are_in_resources_and_others_in_their_folder():
    assert Layout(CONFIG).source("demo")[0] == "resources/demo"
    assert Layout(CONFIG).source("mine")[0] == "photos"


def test_a_dataset_selects_its_files():
    _, selects = Layout(CONFIG).source("mine")
    assert (selects("a.jpg"), selects("drafts/a.jpg")) == (True, False)


def test_trees_are_what_run_covers_sequential_first_and_each_once():
    assert [tree.path for tree in Layout(CONFIG).trees()] == [
        "results/demo/light/sequential",
        "results/demo/light/threads",
        "results/demo/light/auto",
        "results/mine/light/sequential",
        "results/mine/light/threads",
        "results/mine/light/auto",
    ]


def test_a_dataset_may_be_a_single_image(photos, tmp_path):
    photos(tmp_path / "in", 2)
    config = {"datasets": {"one": {"folder": str(tmp_path / "in/1.jpg")}}, "results": "out"}
    folder, selects = Layout(config).source("one")
    assert folder == str(tmp_path / "in")
    assert [name for name in ("0.jpg", "1.jpg") if selects(name)] == ["1.jpg"]


DAMAGED = [b"", b"\xff\xfe{}", b'{"a": ', b"[1, 1]", b"[" * 100_000]


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("name", ["timing.json", "verification.json"])
def test_a_damaged_file_of_a_tree_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}' cannot be read, as if it were damaged"):
        Tree("d", "r", "e", str(tmp_path)).read(name)
