"""Real and hostile images: every one renders, or fails with a reason."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelmill import config, recipe
from pixelmill.errors import REASONS
from pixelmill.formats import FORMATS
from pixelmill.reference import psnr
from pixelmill.transform import Job, Renderer

CORPUS = os.environ.get("PIXELMILL_CORPUS")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CORPUS is None, reason="PIXELMILL_CORPUS is not set: image corpus not available"
    ),
    pytest.mark.filterwarnings("ignore"),  # Pillow warns of much that it finds
]

#: Names of Pillow for formats that begin as another.
BEGINS_AS = {"MPO": "jpeg"}

#: Least likeness of two photos of one scene, turned and saved apart, in dB.
LIKENESS = 24


@pytest.fixture(scope="module")
def rows():
    manifest = Path(CORPUS, "manifest.csv")
    if not manifest.is_file():
        pytest.fail("PIXELMILL_CORPUS is set, but its manifest.csv is missing")
    with open(manifest, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def outcomes(rows, tmp_path_factory):
    """What became of each image, by its path."""
    target = tmp_path_factory.mktemp("corpus")
    renderer = Renderer(CORPUS, str(target), config.named_recipe("light"))
    made = {row["path"]: renderer.render(Job(row["path"], row["path"] + ".jpg")) for row in rows}
    written = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert written == {outcome.output for outcome in made.values() if outcome.output}
    return made


def chosen(rows, expect):
    paths = [row["path"] for row in rows if row["expect"] == expect]
    assert paths
    return paths


def test_what_decodes_is_made(rows, outcomes):
    taken = {
        row["path"]
        for row in rows
        if BEGINS_AS.get(row["format"], row["format"].lower()) in FORMATS
    }
    failed = {path: outcomes[path] for path in chosen(rows, "decodes") if path in taken
              and outcomes[path].status != "ok"}  # fmt: skip
    assert failed == {}


def test_what_does_not_decode_has_a_reason(rows, outcomes):
    for path in chosen(rows, "fails"):
        outcome = outcomes[path]
        assert (outcome.status, outcome.stage) == ("failed", "decode"), path
        assert outcome.reason in REASONS, path
        assert outcome.message, path


def test_what_may_decode_does_or_has_a_reason(rows, outcomes):
    for path in chosen(rows, "either"):
        outcome = outcomes[path]
        assert (outcome.status == "ok") != (outcome.reason in REASONS), path


def test_every_output_is_of_the_size_that_was_asked_for(outcomes):
    sizes = {(made.width, made.height) for made in outcomes.values() if made.status == "ok"}
    assert sizes == {(256, 256)}


def test_what_bears_no_signature_is_no_image(rows, outcomes):
    unsigned = [row["path"] for row in rows if not row["format"]]
    assert unsigned
    assert {outcomes[path].reason for path in unsigned} == {"not_an_image"}


def test_what_would_unpack_to_too_much_is_too_large(rows, outcomes):
    bombs = [row["path"] for row in rows if row["note"].startswith("DecompressionBombError")]
    assert bombs
    assert {outcomes[path].reason for path in bombs} == {"too_large"}


@pytest.mark.parametrize("series", ["Landscape", "Portrait"])
@pytest.mark.parametrize("fit", ["stretch", "contain"])
def test_every_orientation_shows_the_same_upright_picture(rows, tmp_path, series, fit):
    step = {"resize": {"width": 256, "height": 256, "fit": fit}}
    parsed = recipe.parse({"steps": [step], "output": {"format": "png"}})
    renderer = Renderer(str(Path(CORPUS, "orientation")), str(tmp_path), parsed)
    pictures = []
    for number in range(9):
        assert renderer.render(Job(f"{series}_{number}.jpg", f"{number}.png")).status == "ok"
        with Image.open(tmp_path / f"{number}.png") as image:
            pictures.append(np.asarray(image))
    upright = pictures[1]
    assert (upright.shape[0] < upright.shape[1]) == (series == "Landscape" and fit == "contain")
    likeness = [psnr(picture, upright) for picture in pictures]
    assert [number for number in range(9) if likeness[number] < LIKENESS] == []
