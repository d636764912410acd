"""Resampling with vector instructions is within one level of Pillow on every processor."""

import math
import os
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.arrays import array_of
from pixelmill.imaging.steps import resampling
from pixelmill.imaging.steps.resampling import resample, resample_array
from tests.helpers.imaging import arrays_of

cykooz_resizer = pytest.importorskip("cykooz_resizer", reason="has no wheel for this machine")

KERNELS = ["lanczos", "bicubic", "bilinear"]


def whole(image):
    return (0.0, 0.0, float(image.width), float(image.height))


def levels_apart(image, size, filter, box):
    made = resample(image, size, filter, box, vectors=True)
    pillow = image.resize(size, Image.Resampling[filter.upper()], box=box)
    assert (made.mode, made.size) == (pillow.mode, pillow.size)
    return np.abs(np.asarray(made).astype(int) - np.asarray(pillow).astype(int))


def random_picture(draw, pixels):
    width, height = (int(math.exp(draw.uniform(0, 6))) for _ in range(2))
    channels = draw.choice([1, 3])
    levels = pixels.integers(0, 256, (height, width, channels), dtype=np.uint8)
    if draw.random() < 0.5:  # the hardest: black and white
        levels = np.where(levels > 127, 255, 0).astype(np.uint8)
    return Image.fromarray(levels[..., 0] if channels == 1 else levels)


def random_region(draw, image):
    if draw.random() < 0.6:
        return whole(image)
    left, top = draw.uniform(0, image.width - 1), draw.uniform(0, image.height - 1)
    return (left, top, draw.uniform(left + 1, image.width), draw.uniform(top + 1, image.height))


@pytest.mark.parametrize("filter", KERNELS)
def test_any_shrinking_is_pillows_to_a_level(filter):
    draw, pixels = random.Random(filter), np.random.default_rng(1)
    beyond = compared = 0
    for _ in range(400):
        image = random_picture(draw, pixels)
        box = random_region(draw, image)
        size = (draw.randint(1, int(box[2] - box[0])), draw.randint(1, int(box[3] - box[1])))
        apart = levels_apart(image, size, filter, box)
        assert apart.max() <= 2
        beyond += int((apart > 1).sum())
        compared += apart.size
    assert beyond < compared / 100_000  # black and white noise is not typical of photos


@pytest.mark.parametrize("size", [(256, 256), (256, 100), (100, 256), (31, 250), (1, 1)])
def test_photos_are_pillows_to_a_level_whichever_side_loses_more(photo, size):
    image = photo(431, 377)
    assert levels_apart(image, size, "lanczos", whole(image)).max() <= 1


@pytest.mark.slow
def test_photos_of_the_corpus_are_pillows_to_a_level(monkeypatch):
    # The limits of another test may have set it.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    corpus = os.environ.get("PIXELMILL_CORPUS")
    if not corpus:
        pytest.skip("PIXELMILL_CORPUS is not set")
    paths = [p for p in Path(corpus, "photos").rglob("*.jpg") if p.name != "corrupted.jpg"]
    assert len(paths) > 10
    for path in paths:
        with Image.open(path) as file:
            image = file.convert("RGB")
        for side in (128, 256, 512):
            assert levels_apart(image, (side, side), "lanczos", whole(image)).max() <= 1


def test_numbers_are_those_of_the_package():
    names = {"lanczos": "lanczos3", "bicubic": "catmull_rom", "bilinear": "bilinear"}
    for filter, (number, _) in resampling._KERNELS.items():
        assert number == getattr(cykooz_resizer.FilterType, names[filter]).value
    assert cykooz_resizer.Algorithm.convolution.value == resampling._CONVOLUTION


@pytest.mark.parametrize("size", [(256, 256), (256, 100), (100, 256), (1, 1)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("filter", KERNELS)
def test_levels_become_what_images_do(photo, filter, mode, size):
    image = photo(431, 377).convert(mode)
    for box in (whole(image), (10.5, 3.25, 420.0, 376.5)):
        expected = array_of(resample(image, size, filter, box, vectors=True))
        for levels in arrays_of(image):
            before = levels.copy()
            np.testing.assert_array_equal(resample_array(levels, size, filter, box), expected)
            np.testing.assert_array_equal(levels, before)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_processor_makes_the_same_bytes(photo, mode, monkeypatch):
    image = photo(333, 251).convert(mode)
    made = resample(image, (100, 99), "lanczos", whole(image), vectors=True)
    known = resampling.simd.RustResizer
    plain = cykooz_resizer.CpuExtensions.none.value
    for extension in (plain, known().get_cpu_extensions()):

        def limited(extension=extension):
            made = known()
            made.set_cpu_extensions(extension)
            return made

        monkeypatch.setattr(resampling.simd, "RustResizer", limited)
        assert resample(image, (100, 99), "lanczos", whole(image), vectors=True) == made


@pytest.mark.parametrize(
    ("mode", "size", "filter"),
    [
        ("RGB", (300, 90), "lanczos"),  # enlarged on one side
        ("RGB", (90, 90), "box"),
        ("RGB", (90, 90), "hamming"),
        ("RGB", (90, 90), "nearest"),
        ("RGBA", (90, 90), "box"),
        ("LA", (90, 90), "box"),
        ("I;16", (90, 90), "lanczos"),
    ],
)
def test_modes_without_vector_code_use_pillow(photo, mode, size, filter):
    image = photo(200, 150).convert("L").convert(mode)
    pillow = image.resize(size, Image.Resampling[filter.upper()])
    assert resample(image, size, filter, whole(image), vectors=True) == pillow


def test_a_recipe_can_leave_all_to_pillow(apply, photo):
    image = photo(431, 377)
    made = apply(image, "resize", width=256, height=256, resampler="pillow")
    assert made == image.resize((256, 256), Image.Resampling.LANCZOS)


def test_without_the_package_pillow_does_it(photo, monkeypatch):
    monkeypatch.setattr(resampling, "simd", None)
    image = photo(431, 377)
    made = resample(image, (256, 256), "lanczos", whole(image), vectors=True)
    assert made == image.resize((256, 256), Image.Resampling.LANCZOS)


@pytest.mark.parametrize("vectors", [True, False])
@pytest.mark.parametrize("filter", ["lanczos", "bicubic"])
@pytest.mark.parametrize(
    ("size", "box"),
    [((31, 17), (0, 0, 97, 61)), ((30, 50), (1, 0, 97, 61)), ((150, 130), (0, 0, 97, 61)),
     ((20, 9), (3.5, 2.25, 93, 59.5))],
    ids=["smaller", "columns-mostly", "larger", "part"],
)  # fmt: skip
@pytest.mark.parametrize(("mode", "channels"), [("RGBA", 4), ("LA", 2)])
def test_pixels_with_alpha_have_the_bytes_that_images_of_floats_give(
    mode, channels, size, box, filter, vectors
):
    levels = np.random.default_rng(1).integers(0, 256, (61, 97, channels), np.uint8)

    def by_image(channel):
        image = Image.fromarray(channel.astype(np.float32))
        return np.asarray(resample(image, size, filter, box, vectors))

    share = levels[..., -1].astype(np.float32) / 255
    covered = by_image(share)
    colors = [
        by_image(levels[..., k].astype(np.float32) * share) / np.maximum(covered, 1 / 1024)
        for k in range(channels - 1)
    ]
    expected = np.rint(np.dstack([*colors, np.clip(covered, 0, 1) * np.float32(255)]))
    made = resample(Image.fromarray(levels, mode), size, filter, box, vectors)
    assert np.array_equal(np.asarray(made), np.clip(expected, 0, 255))
