"""Outputs that do not look like their sources are reported, and others are not."""

import shutil

import numpy as np
import pytest
from PIL import Image

from pixelmill.dataset import synthetic
from tests.helpers.verified import COUNT, RESIZE, Tree, check_of, edit, exchange, faults_of, filled


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos):
    return filled(tmp_path_factory.mktemp("made"), photos)


@pytest.fixture
def tree(made, tmp_path):
    return Tree(shutil.copytree(made, tmp_path / "tree"))


def swap_channels(image):
    return Image.merge("RGB", image.split()[::-1])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (swap_channels, "channels are swapped"),
        (lambda image: image.transpose(Image.Transpose.ROTATE_180), "turned by 180 degrees"),
        (lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "mirrored"),
        (lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM), "orientation"),
        (lambda image: image.convert("L"), "colours are lost"),
        (lambda image: image.point(lambda level: level // 2), "does not look like its source"),
    ],
    ids=["channels swapped", "upside down", "mirrored", "flipped", "grey", "too dark"],
)
def test_wrong_pixels_recorded_in_the_manifest_are_found_by_comparison(tree, change, why):
    edit(tree.images / "3.jpg", change)
    tree.note_as_made("3.jpg")
    faults = faults_of(tree.verify())
    assert list(faults) == ["similarity"]
    assert list(faults["similarity"]) == ["3.jpg"]
    assert why in faults["similarity"]["3.jpg"]


def test_a_quarter_turn_of_a_square_output_is_named(tmp_path, photos):
    photos(tmp_path / "in", 2)
    square = Tree(tmp_path, [{"resize": {"width": 48, "height": 48}}])
    square.process()
    edit(square.images / "1.jpg", lambda image: image.transpose(Image.Transpose.ROTATE_90))
    square.note_as_made("1.jpg")
    faults = faults_of(square.verify())
    assert "turned by" in faults["similarity"]["1.jpg"]


def test_exchanged_outputs_recorded_in_the_manifest_are_found_by_comparison(tree):
    exchange(tree.images / "3.jpg", tree.images / "7.jpg")
    tree.note_as_made("3.jpg", "7.jpg")
    assert faults_of(tree.verify()) == {
        "similarity": {
            "3.jpg": "exchanged: looks like the image of '7.jpg'",
            "7.jpg": "exchanged: looks like the image of '3.jpg'",
        }
    }


@pytest.mark.parametrize(
    "steps", [[RESIZE, "sharpen"], ["sharpen", RESIZE]], ids=["a filter after", "a filter before"]
)
def test_outputs_without_a_reference_are_counted_as_not_compared(tmp_path, photos, steps):
    photos(tmp_path / "in", 3)
    filtered = Tree(tmp_path, steps)
    filtered.process()
    check = check_of(filtered.verify(), "similarity")
    assert (check["compared"], check["not_compared"]) == (0, 3)


@pytest.mark.parametrize(("sample", "compared"), [(0, 0), (3, 3), (1000, COUNT)])
def test_the_sample_says_how_many_are_compared_and_the_rest_is_counted(tree, sample, compared):
    check = check_of(tree.verify(sample=sample), "similarity")
    assert (check["compared"], check["not_compared"]) == (compared, COUNT - compared)


def test_a_sample_is_the_same_every_time(tree, tmp_path):
    for path in tree.images.iterdir():
        edit(path, swap_channels)
    tree.note_as_made(*(path.name for path in tree.images.iterdir()))
    first = faults_of(tree.verify(sample=5, scope="all"))["similarity"]
    assert faults_of(tree.verify(sample=5, scope="all"))["similarity"] == first
    assert len(first) == 5


def test_an_output_that_fails_another_check_is_compared_whatever_the_sample(tree):
    exchange(tree.images / "3.jpg", tree.images / "7.jpg")
    assert list(faults_of(tree.verify(sample=0))["similarity"]) == ["3.jpg", "7.jpg"]


def test_the_least_similarity_decides(tree):
    assert "similarity" in faults_of(tree.verify(min_psnr=100.0))


@pytest.mark.parametrize(
    ("content", "side"), [("photo", 16), ("photo", 32), ("photo", 48), ("noise", 64)]
)
def test_small_outputs_of_detailed_pictures_look_like_their_sources(tmp_path, content, side):
    """The kernels of two libraries and the compression differ most if pictures are not reduced."""
    (tmp_path / "in").mkdir()
    for number in range(12):
        picture, _ = synthetic.image(synthetic.Spec(content=content), number)
        picture.save(tmp_path / "in" / f"{number}.jpg", quality=90)
    thumbnails = Tree(tmp_path, [{"resize": {"width": side, "height": side}}])
    thumbnails.process()
    assert faults_of(thumbnails.verify()) == {}


@pytest.mark.parametrize("filter", ["lanczos", "bicubic", "bilinear", "hamming", "box", "nearest"])
def test_enlarged_pictures_look_like_their_sources(tmp_path, filter):
    """Each kernel gives another result for a few pixels, and all are right."""
    (tmp_path / "in").mkdir()
    pixels = np.random.default_rng(1)
    for number, size in enumerate([(13, 7), (9, 30), (60, 40), (3, 3), (1, 1)]):
        levels = pixels.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(levels).save(tmp_path / "in" / f"{number}.png")
    tree = Tree(tmp_path, [{"resize": {"width": 256, "height": 200, "filter": filter}}])
    tree.process()
    assert faults_of(tree.verify()) == {}
