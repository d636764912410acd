"""A dataset with its output tree, beside originals that nothing may change."""

import csv
import shutil

import pytest

from pixelmill.core.sandbox import Sandbox
from pixelmill.imaging.recipe_parser import parse
from pixelmill.pipeline.policy import Policy
from tests.helpers.passes import process_folder

SMALL = parse({"steps": [{"resize": {"width": 16, "height": 16}}], "output": {"format": "jpeg"}})
OTHER = parse({"steps": [{"resize": {"width": 24, "height": 24}}], "output": {"format": "jpeg"}})
RENAMED = parse({"steps": [{"resize": {"width": 16, "height": 16}}], "output": {"format": "png"}})
VARIANTS = parse({"outputs": [{"name": "a", "format": "png"}, {"name": "b", "format": "jpeg"}]})

#: The own steps of these tests leave the tree on purpose.
FREE = Policy(sandbox=Sandbox(on=False))

FOLDERS = ("", "sub/", "sub/deep/")
COUNT = 4


def content(folder):
    """Everything below a folder: names, types, bytes and times of files."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Place:
    """Sources, a complete output tree, and originals in another folder."""

    def __init__(self, root):
        self.source, self.tree, self.originals = root / "in", root / "out", root / "originals"
        self.images = self.tree / "images"

    def process(self, recipe=SMALL, engine="sequential", **options):
        source, target = str(self.source), str(self.tree)
        options.setdefault("policy", FREE)
        return process_folder(source, target, recipe, engine, 2, **options)

    def rows(self):
        with (self.tree / "manifest.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def outputs(self):
        return content(self.images)


@pytest.fixture(scope="module")
def complete_place(tmp_path_factory, photos):
    root = tmp_path_factory.mktemp("place")
    for folder in FOLDERS:
        photos(root / "in" / folder, COUNT, (40, 30))
    Place(root).process()
    return root


@pytest.fixture
def place(complete_place, tmp_path, photos):
    shutil.copytree(complete_place, tmp_path / "place", symlinks=True)
    made = Place(tmp_path / "place")
    # The names are those of outputs, and of all that a tree holds.
    for folder in ("", *FOLDERS, "images/", "images/sub/"):
        photos(made.originals / folder, COUNT, (200, 150))
    for name in ("ledger.sqlite", "manifest.csv", ".lock", ".reserve", "x.csv", ".crumbs/1-1"):
        (made.originals / name).parent.mkdir(exist_ok=True)
        (made.originals / name).write_bytes(b"an original")
    before = content(made.originals)
    yield made
    assert content(made.originals) == before
