"""An output tree after one pass, and events that may happen to it."""

import csv
import json
import os

from pixelmill.imaging.recipe_parser import parse
from tests.helpers.passes import process_folder

RECIPE = parse({"steps": [{"resize": {"width": 32, "height": 24}}, "sharpen"]})


COUNT = 6


class Tree:
    """A folder of images and its output tree."""

    def __init__(self, root):
        self.source, self.target, self.images = root / "in", root / "out", root / "out/images"

    def process(self, engine="sequential", workers=1, recipe=RECIPE, **options):
        source, target = str(self.source), str(self.target)
        return process_folder(source, target, recipe, engine, workers, **options)

    def outputs(self):
        """Bytes of every file below ``images``, by path."""
        files = (path for path in self.images.rglob("*") if path.is_file())
        return {path.relative_to(self.images).as_posix(): path.read_bytes() for path in files}

    def table(self, name):
        with (self.target / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def timing(self):
        return json.loads((self.target / "timing.json").read_text(encoding="utf-8"))

    def noted(self):
        """Status of each source according to the manifest."""
        return {row["source"]: row["status"] for row in self.table("manifest.csv")}


def add(tree, picture):
    picture(50).save(tree.source / "new.jpg")


def change(tree, picture):
    picture(50).save(tree.source / "1.jpg")


def touch(tree, picture):
    os.utime(tree.source / "1.jpg", ns=(1, 1))


def nothing(tree, picture):
    pass


def filled(root, photos):
    """Process some images, also in sub-folders, and a broken one."""
    photos(root / "in", COUNT - 2)
    photos(root / "in/sub/deeper", 1)
    (root / "in/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    Tree(root).process()
    return root
