"""Make output trees in shards, one after another, as the rules do."""

import csv
import functools
import json
import shutil

import pytest

from pixelmill.dataset.gather import gather
from pixelmill.dataset.gather_catalog import gather_catalog
from pixelmill.dataset.shards import all_of
from pixelmill.imaging.recipe_parser import parse
from tests.helpers.passes import process_folder

RECIPE = parse({"steps": [{"resize": {"width": 32, "height": 24}}]})

COUNT = 12


class Tree:
    """A folder of images and its output tree, made as a whole or in shards."""

    def __init__(self, root):
        self.source, self.target, self.images = root / "in", root / "out", root / "out/images"

    def process(self, recipe=RECIPE, **options):
        source, target = str(self.source), str(self.target)
        return process_folder(source, target, recipe, "sequential", 1, **options)

    def divided(self, count, **options):
        """Process and gather all shards; return the number of images of each and of all."""
        made = [self.process(shard=shard, **options).images for shard in all_of(count)]
        return made, self.gather(count)

    def gather(self, count, token=""):
        table = str(self.target / "catalog.csv")
        gather_catalog(table, count)
        return gather(str(self.target), count, table, token)

    def outputs(self):
        files = (path for path in self.images.rglob("*") if path.is_file())
        return {path.relative_to(self.images).as_posix(): path.read_bytes() for path in files}

    def tables(self):
        """The tables that must not depend on the number of shards."""
        names = ("manifest.csv", "failures.csv", "failures.txt")
        tables = {name: (self.target / name).read_bytes() for name in names}
        # Copies of sources have other change times.
        sources = [{**row, "changed_ns": ""} for row in self.rows("catalog.csv")]
        return {**tables, "catalog.csv": sources}

    def rows(self, name="manifest.csv"):
        with (self.target / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def timing(self):
        return json.loads((self.target / "timing.json").read_text(encoding="utf-8"))

    def states(self):
        """Names of the shards that have a state."""
        return sorted(path.name for path in (self.target / "shards").glob("*"))


@pytest.fixture(scope="session")
def made_whole(tmp_path_factory, photos, picture):
    """A tree that was processed once without shards, with colliding names and a broken image."""
    root = tmp_path_factory.mktemp("whole")
    photos(root / "in", COUNT - 5)
    photos(root / "in/sub/a.jpg", 1)
    for name in ("0.png", "0.jpg.gif", "sub/a.png"):
        picture(50).save(root / "in" / name)
    (root / "in/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    Tree(root).process()
    return root


@pytest.fixture
def whole(made_whole, tmp_path):
    """A copy of it."""
    return Tree(shutil.copytree(made_whole, tmp_path / "whole"))


@pytest.fixture
def fresh(made_whole, tmp_path):
    """Its images, without any outputs."""
    shutil.copytree(made_whole / "in", tmp_path / "fresh/in")
    return Tree(tmp_path / "fresh")


@pytest.fixture(scope="session")
def made_in_shards(made_whole, tmp_path_factory):
    """Function that processes the images in so many shards, once a session; returns the folder."""

    @functools.cache
    def made(count):
        root = tmp_path_factory.mktemp(f"in_{count}_shards")
        shutil.copytree(made_whole / "in", root / "in")
        Tree(root).divided(count)
        return root

    return made


@pytest.fixture
def in_shards(made_in_shards, tmp_path):
    """Function that copies a tree that was processed and gathered in so many shards."""
    return lambda count: Tree(shutil.copytree(made_in_shards(count), tmp_path / "in_shards"))
