"""An output tree to plant faults in, and the result of verifying it."""

import csv
import hashlib

from PIL import Image

from pixelmill.dataset import catalog
from pixelmill.imaging.recipe_parser import parse
from pixelmill.verification.verify import verify
from tests.helpers.passes import process_folder

RESIZE = {"resize": {"width": 48, "height": 32}}


COUNT = 26


class Tree:
    """An output tree and its source, to plant faults in and to verify."""

    def __init__(self, root, steps=(RESIZE,)):
        self.source, self.target, self.images = root / "in", root / "out", root / "out/images"
        self.recipe = parse({"steps": list(steps)})

    def process(self):
        process_folder(str(self.source), str(self.target), self.recipe, "sequential", 1)

    def entries(self):
        return list(catalog.scan(str(self.source))[0].entries)

    def verify(self, entries=None, workers=1, confined=False, **options):
        """Verify in this process, or in a confined child process."""
        entries = self.entries() if entries is None else entries
        data = self.recipe.as_data()
        source, target = str(self.source), str(self.target)
        return verify(source, target, data, entries, workers, confined=confined, **options)

    def note_as_made(self, *outputs):
        """Update the manifest for the existing files, so that their digests are correct."""
        manifest = self.target / "manifest.csv"
        with manifest.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        for row in rows:
            if row[2] in outputs:
                row[7] = hashlib.sha256((self.images / row[2]).read_bytes()).hexdigest()
        with manifest.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def check_of(result, name):
    return next(check for check in result["checks"] if check["name"] == name)


def faults_of(result):
    """The outputs that each failed check names."""
    return {
        check["name"]: {named["image"]: named["why"] for named in check["named"]}
        for check in result["checks"]
        if not check["passed"]
    }


def edit(path, change):
    """Change the pixels of an output and encode them as before."""
    with Image.open(path) as image:
        changed = change(image.convert("RGB"))
    changed.save(path, "JPEG", quality=95)


def exchange(one, other):
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def filled(root, photos):
    """Make a correct tree in which one input failed."""
    photos(root / "in", COUNT)
    (root / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    Tree(root).process()
    return root
