"""Replace outputs with faulty pictures, and look for missed faults and false alarms.

Usage: `python -m tests.helpers.planted_pictures FOLDER...`

The images of the folders, and some that are drawn here, are processed by several recipes.
Verification compares every output and must raise no alarm; then wrong pictures are put in place
of some outputs, and verification must name each of them.
"""

import argparse
import collections
import contextlib
import csv
import hashlib
import itertools
import random
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pixelmill.imaging.recipe_parser import parse
from pixelmill.verification.inspector import Inspector, Task
from pixelmill.verification.second_decoder import decode
from pixelmill.verification.second_samples import UndecodableError
from tests.helpers import picture_faults
from tests.helpers.passes import process_folder

#: Number of faulty pictures of each kind.
EACH = 9

FRAME = {"width": 96, "height": 96}

RECIPES = {
    "jpeg": {"steps": [{"resize": {"width": 64, "height": 48}}], "output": {"format": "jpeg"}},
    "webp": {"steps": [{"resize": {**FRAME, "fit": "cover"}}], "output": {"format": "webp"}},
    "png": {
        "steps": [{"resize": {"longest": 256}}, {"border": {"width": 3, "color": "#204060"}}],
        "output": {"format": "png"},
        "depth": 8,
    },
    "moving": {"steps": [{"resize": {"longest": 128}}], "output": {"format": "png"},
               "animation": "all"},
    "deep": {"steps": [{"resize": {"longest": 200}}], "output": {"format": "png"}, "depth": "keep"},
    "avif": {"steps": [{"resize": {**FRAME, "fit": "pad", "color": "gray"}}],
             "output": {"format": "avif"}},
    "gif": {"steps": [{"resize": {"longest": 100, "filter": "bicubic"}}],
            "output": {"format": "gif"}, "animation": "all"},
    "opencv": {"steps": [{"resize": {"longest": 160}}], "output": {"format": "jpeg"},
               "backend": "opencv"},
    "same": {"steps": [{"rotate": {"angle": 90}}], "output": {"format": "same"}},
}  # fmt: skip


def draw(folder):
    """Draw pictures that are finer than their outputs' pixels, thin or tiny."""
    folder.mkdir(parents=True)
    rows, columns = np.mgrid[0:240, 0:320]
    for period in (2, 2.5, 3, 4.1, 5, 7.3, 10):
        for angle in (0, 15, 45, 80, 90):
            across = columns * np.cos(np.radians(angle)) + rows * np.sin(np.radians(angle))
            wave = (np.floor(across / period * 2) % 2 * 255).astype(np.uint8)
            Image.fromarray(wave).save(folder / f"stripes-{period}-{angle}.png")
            color = np.dstack([wave, 255 - wave, np.roll(wave, 1, axis=1)])
            Image.fromarray(color).save(folder / f"stripes-{period}-{angle}.jpg", quality=95)
    words = "the quick brown fox jumps over the lazy dog 0123456789 "
    for size, ink, paper in itertools.product((8, 10, 14), ("black", "#c00000"), ("white", "navy")):
        page = Image.new("RGB", (400, 300), paper)
        font = ImageFont.load_default(size)
        for line in range(300 // size):
            ImageDraw.Draw(page).text((0, line * size), words[line % 40 :] + words * 2, ink, font)
        page.save(folder / f"text-{size}-{ink.strip('#')}-{paper}.png")
    generator = np.random.default_rng(0)
    for width, height in ((1, 200), (200, 1), (2, 500), (500, 3), (5, 900), (1000, 7), (1, 1),
                          (2, 2), (3, 2), (5, 5), (8, 8), (16, 4)):  # fmt: skip
        pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"noise-{width}x{height}.png")
        Image.fromarray(pixels).save(folder / f"noise-{width}x{height}.jpg", subsampling=0)
        alpha = generator.integers(0, 256, (height, width, 1), dtype=np.uint8)
        Image.fromarray(np.dstack([pixels, alpha])).save(folder / f"alpha-{width}x{height}.png")
    for number in range(8):
        patches = np.random.default_rng(number).integers(0, 256, (4, 5, 4), dtype=np.uint8)
        smooth = Image.fromarray(patches).resize((300, 200), Image.Resampling.BICUBIC)
        smooth.save(folder / f"smooth-{number}.png")
        deep = np.asarray(smooth.convert("L").resize((300, 200)), np.uint16) * 200 + 3000
        deep += generator.integers(0, 200, deep.shape, dtype=np.uint16)
        Image.fromarray(deep).save(folder / f"deep-{number}.png")
        frames = [smooth.convert("RGB").rotate(40 * k) for k in range(5)]
        options = {
            "save_all": True,
            "append_images": frames[1:],
            "duration": [70, 90, 120, 200, 50],
        }
        for suffix in ("gif", "webp", "png", "avif"):
            frames[0].save(folder / f"moving-{number}.{'a' * (suffix == 'png')}{suffix}", **options)


def process(source, target, recipe):
    """Process a folder; return the recipe, and rows of the outputs."""
    parsed = parse(recipe)
    process_folder(str(source), str(target), parsed, "sequential", 1)
    with (target / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "ok"]
    return parsed.as_data(), rows


def task_of(row, data):
    return Task(
        row["output"], row["source"], row["variant"], hashlib.sha256(data).hexdigest(), True
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--keep", type=Path, help="work in this folder, and leave it")
    parser.add_argument("--recipes", nargs="*", default=list(RECIPES), choices=list(RECIPES))
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        work = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source = work / "in"
        if not source.exists():
            draw(source / "drawn")
            for number, folder in enumerate(options.folders):
                shutil.copytree(folder, source / f"folder-{number}")
        counts, candidates = collections.Counter(), []
        for name in options.recipes:
            recipe, rows = process(source, work / name, RECIPES[name])
            candidates += look(name, source, work / name, recipe, rows, counts)
        print(dict(counts))
        plant(candidates)


def look(name, source, target, recipe, rows, counts):
    """Inspect correct outputs; return those to plant faults in."""
    inspector = Inspector(str(source), str(target / "images"), recipe, 30.0)
    began, good = time.perf_counter(), []
    for row in rows:
        path = target / "images" / row["output"]
        finding = inspector.inspect(task_of(row, path.read_bytes()))
        if finding.faults:
            counts["alarms"] += 1
            print(f"ALARM {name} {row['source']}: {finding.faults}")
        elif finding.similarity_db is None:
            counts["not compared"] += 1
            print(f"not compared {name} {row['source']}: {why_not(source / row['source'], path)}")
        else:
            counts["right"] += 1
            good.append((name, inspector, source / row["source"], path, row))
    each = (time.perf_counter() - began) / max(1, len(rows))
    print(f"{name}: {len(rows)} outputs, {1000 * each:.2f} ms each", flush=True)
    return good


def why_not(*paths):
    """Say why one of some files is not compared."""
    for path in paths:
        try:
            decode(path.read_bytes(), moving=True)
        except UndecodableError as error:
            return error
    return "its steps have no reference"


def is_tiny(source):
    """Whether a picture has too few pixels to distinguish a fault from another kernel."""
    return min(decode(source.read_bytes()).frames[0].shape[:2]) < 16


def plant(candidates):
    """Replace correct pictures with faulty ones, one at a time."""
    order = random.Random(18)
    planted, missed = collections.Counter(), []
    for fault in (*picture_faults.FAULTS, "not turned", "turned twice"):
        order.shuffle(candidates)
        for name, inspector, source, path, row in candidates:
            if planted[fault] == EACH:
                break
            right = path.read_bytes()
            if fault in picture_faults.FAULTS:
                wrong = picture_faults.planted(fault, right)
            else:
                wrong = picture_faults.misturned(
                    source.read_bytes(), right, 2 * (fault != "not turned")
                )
            if wrong is None or is_tiny(source):
                continue
            planted[fault] += 1
            path.write_bytes(wrong)
            finding = inspector.inspect(task_of(row, wrong))
            path.write_bytes(right)
            found = [why for check, why in finding.faults if check == "similarity"]
            if not found:
                missed.append((fault, name, row["source"], finding.similarity_db, finding.faults))
            elif planted[fault] <= 2:
                print(f"{fault}: {name} {row['source']}: {found[0]}")
    print(f"planted {planted.total()}: {dict(planted)}; missed {len(missed)}")
    for one in missed:
        print("MISSED", *one)


if __name__ == "__main__":
    main()
