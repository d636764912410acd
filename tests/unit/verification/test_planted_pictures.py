"""Verification reports planted faults, and accepts correct pictures.

A small version of ``planted_pictures.py``, which is run by hand over many images.
"""

import csv
import hashlib
import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pixelmill.imaging.recipe_parser import parse
from pixelmill.verification.inspector import Inspector, Task
from tests.helpers import picture_faults
from tests.helpers.passes import process_folder

SHRINK = {"resize": {"longest": 120}}

RECIPES = {
    "jpeg": {"steps": [SHRINK]},
    "jpeg of low quality": {"steps": [SHRINK], "output": {"format": "jpeg", "quality": 15}},
    "opencv": {"steps": [SHRINK], "backend": "opencv"},
    "hardly smaller": {"steps": [{"resize": {"longest": 280}}], "output": {"format": "png"}},
    "png": {"steps": [SHRINK], "output": {"format": "png"}},
    "webp": {"steps": [SHRINK], "output": {"format": "webp"}, "animation": "all"},
    "avif": {"steps": [SHRINK], "output": {"format": "avif"}},
    "tiff": {"steps": [SHRINK], "output": {"format": "tiff"}},
    "gif": {"steps": [SHRINK], "output": {"format": "gif"}},
    "moving": {"steps": [SHRINK], "output": {"format": "png"}, "animation": "all"},
    "deep": {"steps": [SHRINK], "output": {"format": "png"}, "depth": "keep"},
    "kept": {
        "steps": [SHRINK], "output": {"format": "png"}, "orientation": "keep", "color": "keep",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory, photo, stored):
    """A folder of pictures that may cause false alarms, and some to plant faults in."""
    folder = tmp_path_factory.mktemp("sources")
    photo(300, 200).save(folder / "photo.jpg", quality=92)
    turned, exif = stored(photo(300, 200, 1), 6)
    turned.save(folder / "turned.jpg", exif=exif)
    layers = np.asarray(photo(300, 200, 2))
    rows, columns = np.mgrid[0:200, 0:300]
    alpha = np.clip(300 - 3 * np.hypot(rows - 100, columns - 150), 0, 255).astype(np.uint8)
    Image.fromarray(np.dstack([layers, alpha])).save(folder / "cut-out.png")
    deep = layers[..., 0].astype(np.uint16) * 200 + (rows * 7 % 200).astype(np.uint16)
    Image.fromarray(deep).save(folder / "deep.png")
    frames = [photo(150, 100, seed) for seed in (3, 4, 5, 6)]
    times = {"save_all": True, "append_images": frames[1:], "duration": [80, 90, 200, 60]}
    frames[0].save(folder / "moving.webp", **times)
    for period in (2, 2.5, 3, 5):
        stripes = (np.floor(columns / period * 2) % 2 * 255).astype(np.uint8)
        Image.fromarray(stripes).save(folder / f"stripes-{period}.png")
        colored = np.dstack([stripes, 255 - stripes, stripes // 2])
        Image.fromarray(colored).save(folder / f"stripes-{period}.jpg", quality=95)
    diagonal = np.floor((rows + columns) / np.sqrt(2)) % 2 * 255
    Image.fromarray(diagonal.astype(np.uint8)).save(folder / "diagonal.png")
    for side in (8, 16):
        disc = np.hypot(*(np.mgrid[:side, :side] - side / 2)) < side / 3
        dark = np.where(disc[..., None], (0, 0, 30, 255), 0).astype(np.uint8)
        Image.fromarray(dark).save(folder / f"dark-{side}.png")
    page = Image.new("RGB", (300, 200), "white")
    for line in range(20):
        text = "the quick brown fox jumps over the lazy dog " * 2
        ImageDraw.Draw(page).text((0, 10 * line), text[line:], "#c00000", ImageFont.load_default(9))
    page.save(folder / "text.png")
    noise = np.random.default_rng(0)
    for width, height in ((1, 300), (500, 3), (1, 1), (5, 5)):
        pixels = noise.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"noise-{width}x{height}.png")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory, sources):
    """Function that gives an inspector of a recipe's outputs, their folder, and their rows."""
    found = {}

    def make(name):
        if name not in found:
            target = tmp_path_factory.mktemp("out")
            recipe = parse(RECIPES[name])
            process_folder(str(sources), str(target), recipe, "sequential", 1)
            with (target / "manifest.csv").open(encoding="utf-8", newline="") as file:
                rows = {row["source"]: row for row in csv.DictReader(file)}
            images = target / "images"
            found[name] = Inspector(str(sources), str(images), recipe.as_data(), 30.0), images, rows
        return found[name]

    return make


def inspect(inspector, images, row, data=None):
    path = images / row["output"]
    right = path.read_bytes()
    sha256 = hashlib.sha256(data or right).hexdigest()
    try:
        path.write_bytes(data or right)
        return inspector.inspect(Task(row["output"], row["source"], "", sha256, True))
    finally:
        path.write_bytes(right)


@pytest.mark.parametrize("recipe", RECIPES)
def test_right_pictures_pass(made, recipe):
    inspector, images, rows = made(recipe)
    assert {row["status"] for row in rows.values()} == {"ok"}
    for source, row in rows.items():
        finding = inspect(inspector, images, row)
        assert finding.faults == (), source
        assert finding.similarity_db is not None, source


#: Which outputs of which recipes a fault is planted in, and what verification must say.
PLANTED = [
    *(
        (fault, recipe, "photo.jpg")
        for fault in (
            "red and blue swapped", "red and green swapped", "inverted", "four bits too dark",
            "a bit too bright", "gamma 2.2 too much", "gamma 2.2 too little", "gamma 1.4 too much",
            "grey", "replaced by noise", "noise added", "half grey", "mirrored", "upside down",
            "moved by 2", "moved by 5",
        )
        for recipe in ("jpeg", "png", "gif")
    ),
    *(
        (fault, recipe, "photo.jpg")
        for fault in ("red and blue swapped", "noise added", "moved by 2")
        for recipe in ("opencv", "webp", "avif", "tiff")
    ),
    *(
        (fault, recipe, "cut-out.png")
        for fault in ("alpha lost", "alpha inverted", "alpha multiplied in", "moved by 2")
        for recipe in ("png", "webp", "avif", "tiff")
    ),
    *(
        (fault, recipe, "moving.webp")
        for fault in ("frames exchanged", "a frame lost", "the first frame only")
        for recipe in ("moving", "webp")
    ),
    ("8 of 16 bits", "deep", "deep.png"),
    ("12 of 16 bits", "deep", "deep.png"),
]  # fmt: skip


#: Half of them represent all in short runs: other recipes for one fault than for the next.
SOME = [
    pytest.param(*each, marks=pytest.mark.slow if (number + number // 4) % 2 else ())
    for number, each in enumerate(PLANTED)
]


@pytest.mark.parametrize(("fault", "recipe", "source"), SOME)
def test_planted_pictures_are_named(made, fault, recipe, source):
    inspector, images, rows = made(recipe)
    wrong = picture_faults.planted(fault, (images / rows[source]["output"]).read_bytes())
    finding = inspect(inspector, images, rows[source], wrong)
    assert "similarity" in dict(finding.faults)


@pytest.mark.parametrize("recipe", ["jpeg", "png", "opencv"])
@pytest.mark.parametrize("times", [0, 2])
def test_an_orientation_that_is_applied_never_or_twice_is_named(made, sources, recipe, times):
    inspector, images, rows = made(recipe)
    right = (images / rows["turned.jpg"]["output"]).read_bytes()
    wrong = picture_faults.misturned((sources / "turned.jpg").read_bytes(), right, times)
    finding = inspect(inspector, images, rows["turned.jpg"], wrong)
    assert "similarity" in dict(finding.faults)


def test_an_orientation_that_is_still_noted_is_named(made):
    inspector, images, rows = made("jpeg")
    with Image.open(images / rows["turned.jpg"]["output"]) as image:
        image.getexif()[0x0112] = 6
        file = io.BytesIO()
        image.save(file, "JPEG", quality=85, exif=image.getexif())
    finding = inspect(inspector, images, rows["turned.jpg"], file.getvalue())
    assert "records orientation 6, not 1" in dict(finding.faults)["similarity"]


@pytest.mark.parametrize(("recipe", "format_"), [("moving", "PNG"), ("webp", "WEBP")])
def test_wrong_times_are_named(made, recipe, format_):
    inspector, images, rows = made(recipe)
    row = rows["moving.webp"]
    _, frames, times = picture_faults.frames_of((images / row["output"]).read_bytes())
    wrong = picture_faults.saved(format_, frames, [times[0] + 30, *times[1:]])
    fault = dict(inspect(inspector, images, row, wrong).faults)["similarity"]
    assert "frame 1 is shown for 110 ms, not 80" in fault
