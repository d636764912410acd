"""A measurer finds the same in a picture whatever file it comes from, and writes nothing."""

import json
import pickle
import re

import numpy as np
import pytest
from PIL import Image

from pixelmill.core.jobs import Batch, Job
from pixelmill.imaging.fingerprint import code_fingerprint
from pixelmill.inspection.measuring.measurer import CODE, RECIPE, Measurer
from pixelmill.inspection.metrics import METRICS
from pixelmill.pipeline.engine_choice import choose


@pytest.fixture
def measure(tmp_path):
    """Function that measures a file of the folder `in`, and returns its outcome and facts."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    measurer = Measurer(str(tmp_path / "in"), str(tmp_path / "out"), RECIPE)
    measurer.warm_up()

    def run(name):
        (outcome,) = measurer(Batch([Job(name, ())]))
        assert not list((tmp_path / "out").iterdir())
        return outcome, json.loads(outcome.facts or "{}")

    return run


def test_an_image_has_facts_in_place_of_outputs(tmp_path, measure, photo):
    photo(640, 400).save(tmp_path / "in/a.jpg", quality=88)
    outcome, facts = measure("a.jpg")
    assert (outcome.status, outcome.files) == ("ok", ())
    assert facts["format"] == "jpeg"
    assert (facts["width"], facts["height"], facts["jpeg_quality"]) == (640, 400, 88)
    assert facts.keys() <= METRICS.keys()


def test_the_picture_is_measured_as_it_is_shown(tmp_path, measure, photo):
    """Upright, in sRGB, whatever the file holds."""
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(96, 64).save(tmp_path / "in/stored.png", exif=exif)
    photo(96, 64).transpose(Image.Transpose.ROTATE_270).save(tmp_path / "in/upright.png")
    (_, stored), (_, upright) = measure("stored.png"), measure("upright.png")
    assert stored == upright
    assert (stored["width"], stored["height"]) == (64, 96)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp"])
def test_one_picture_in_any_lossless_format_has_the_same_pixels_and_hashes(
    tmp_path, measure, photo, name
):
    options = {"lossless": True} if name == "a.webp" else {}
    photo(90, 70).save(tmp_path / "in/first.png")
    photo(90, 70).save(tmp_path / "in" / name, **options)
    (_, first), (_, other) = measure("first.png"), measure(name)
    for metric in ("pixel_digest", "phash", "dhash", "sharpness", "luma_mean"):
        assert first[metric] == other[metric]


def test_transparency_is_measured(tmp_path, measure):
    picture = np.full((20, 20, 4), 255, np.uint8)
    picture[:5, :, 3] = 0
    Image.fromarray(picture).save(tmp_path / "in/a.png")
    assert measure("a.png")[1]["transparent"] == 0.25


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_images_of_any_mode_can_be_measured(tmp_path, measure, photo, mode):
    picture = photo(60, 40)
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    picture = picture if mode == "I;16" else picture.convert(mode)
    picture.save(tmp_path / "in/a.tif")
    outcome, facts = measure("a.tif")
    assert (outcome.status, facts["width"], facts["height"]) == ("ok", 60, 40)


def test_an_image_that_cannot_be_decoded_has_a_reason_and_no_facts(tmp_path, measure):
    (tmp_path / "in/a.jpg").write_bytes(b"\xff\xd8\xff and no more")
    outcome, facts = measure("a.jpg")
    assert (outcome.status, facts) == ("failed", {})
    assert outcome.reason


def test_many_images_are_measured_in_processes_and_few_are_not():
    """The estimates of the engine are those of work that holds the GIL."""
    scales = pickle.loads(pickle.dumps(RECIPE)).scales_on_threads
    assert choose("auto", 2, scales, work=5.0, known=True) == "processes"
    assert choose("auto", 2, scales, work=0.03, known=False) == "threads"


def test_the_code_that_measures_makes_the_numbers_stale_and_no_image():
    assert code_fingerprint(others=CODE) != code_fingerprint()


def test_all_modules_that_decide_a_number_make_it_stale(repository):
    package = repository / "scripts/pixelmill"
    texts = [path.read_text("utf-8") for path in (package / "inspection/measuring").iterdir()
             if path.suffix == ".py"]  # fmt: skip
    imported = set(re.findall(r"^from pixelmill\.inspection\.(\w+) import", "".join(texts), re.M))
    assert imported - {"measuring"} == {"metrics"}
    for name in imported:
        assert {f"inspection/{name}", f"inspection/{name}.py"} & {*CODE}
