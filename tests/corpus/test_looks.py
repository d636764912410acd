"""Real and hostile images are upright and have the right colours in every output format."""

import csv
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pixelmill.core.jobs import Job
from pixelmill.core.reasons import REASONS
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.codecs.formats import FORMATS, OUTPUT_FORMATS
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.renderer import Renderer
from tests.helpers.imaging import magick, needs_magick, opened, psnr

CORPUS = os.environ.get("PIXELMILL_CORPUS")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CORPUS is None, reason="PIXELMILL_CORPUS is not set: image corpus not available"
    ),
    pytest.mark.filterwarnings("ignore"),  # Pillow warns about many findings
]

#: Minimum PSNR of two photos of one scene, rotated and saved separately, and how much smaller
#: the PSNR of every other orientation must be; in dB.
LIKENESS, MARGIN = 24, 10


def rows():
    if CORPUS is None:
        return []
    with Path(CORPUS, "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def paths(below, expect="decodes"):
    """Paths in the corpus below a folder that behave as expected."""
    return [
        row["path"] for row in rows() if row["path"].startswith(below) and row["expect"] == expect
    ]


def ways(picture):
    """A square picture in all eight orientations, as it is first."""
    turns = [np.rot90(picture, quarters) for quarters in range(4)]
    return turns + [turn[:, ::-1] for turn in turns]


# Of sides of 1800 and 1200 pixels a square of 480 / n is made by 1/n at most.
@pytest.mark.parametrize("shrink", [1, 2, 4, 8])
@pytest.mark.parametrize("series", ["Landscape", "Portrait"])
def test_every_orientation_is_like_the_upright_one_and_like_no_other(tmp_path, series, shrink):
    side = 480 // shrink
    recipe = parse(
        {
            "steps": [{"resize": {"width": side, "height": side}}],
            "output": {"format": "png"},
            "shrink_margin": 2.5 if shrink > 1 else 0,
        }
    )
    renderer = Renderer(str(Path(CORPUS, "orientation")), str(tmp_path), recipe)
    pictures = []
    for number in range(9):
        name = f"{series}_{number}.jpg"
        data = Path(CORPUS, "orientation", name).read_bytes()
        decoded = decode(data, renderer.size_hint, recipe.decode_options).frames[0]
        assert max(decoded.size) == 1800 // shrink
        assert renderer.render(Job(name, (f"{number}.png",))).status == "ok"
        pictures.append(np.asarray(opened((tmp_path / f"{number}.png").read_bytes())))
    upright = pictures[1]
    for picture in pictures:
        likely, *others = (psnr(way, upright) for way in ways(picture))
        assert likely >= LIKENESS
        assert likely >= max(others) + MARGIN


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_transposed_pixels_with_a_tag_give_the_photo(stored, encoded, format, orientation):
    with Image.open(Path(CORPUS, "orientation/Landscape_1.jpg")) as photo:
        upright = photo.convert("RGB").resize((450, 300))
    pixels, exif = stored(upright, orientation)
    lossless = {"lossless": True} if format == "WEBP" else {}
    made = decode(encoded(pixels, format, exif=exif, **lossless)).frames[0]
    np.testing.assert_array_equal(np.asarray(made), np.asarray(upright))


# PngSuite: names that begin with x are those of broken files


PNGSUITE = [path for path in paths("robustness/pngsuite/") if not Path(path).stem.startswith("x")]


def without_gamma(data):
    """A PNG without the chunk that only ImageMagick interprets."""
    place = data.find(b"gAMA")
    return data if place < 0 else data[: place - 4] + data[place + 12 :]


def by_opencv(data):
    """A PNG as OpenCV decodes it at its full depth, as 8-bit RGBA."""
    levels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    levels = levels / 257 if levels.dtype == np.uint16 else levels.astype(float)
    if levels.ndim == 2:
        levels = np.dstack([levels] * 3)
    if levels.shape[2] == 3:
        levels = np.dstack([levels, np.full(levels.shape[:2], 255.0)])
    return levels[..., [2, 1, 0, 3]]


def seen(levels):
    """Pixels on white and on black, so that transparent pixels have no colour."""
    levels = np.asarray(levels, float)
    alpha = levels[..., 3:] / 255
    return np.dstack([levels[..., :3] * alpha, levels[..., :3] * alpha + 255 * (1 - alpha)])


#: Without the gamma of these files, which neither of the other programs applies here.
AS_STORED = DecodeOptions(alpha=True, color="drop")

#: OpenCV supports a transparent level of grey only in 8 bits.
UNSEEN = ("tbbn0g04", "tbwn0g16")


@pytest.mark.parametrize(
    "path",
    [path for path in PNGSUITE if Path(path).stem not in UNSEEN],
    ids=lambda path: Path(path).stem,
)
def test_pngsuite_gives_the_pixels_of_opencv(path):
    data = Path(CORPUS, path).read_bytes()
    made = decode(data, options=AS_STORED).frames[0].convert("RGBA")
    assert np.abs(seen(made) - seen(by_opencv(data))).max() <= 1


@needs_magick
@pytest.mark.parametrize("path", PNGSUITE, ids=lambda path: Path(path).stem)
def test_pngsuite_gives_the_pixels_of_imagemagick(path):
    data = Path(CORPUS, path).read_bytes()
    made = decode(data, options=AS_STORED).frames[0].convert("RGBA")
    raw = magick(without_gamma(data), "-depth", "8", to="rgba")
    expected = np.frombuffer(raw, np.uint8).reshape(*made.size[::-1], 4)
    assert np.abs(seen(made) - seen(expected)).max() <= 2


# CMYK


@needs_magick
@pytest.mark.parametrize("path", ["pillow/pil_sample_cmyk.jpg", "pillow/tiff_strip_cmyk_jpeg.tif"])
def test_cmyk_images_of_the_corpus_equal_those_of_imagemagick(path):
    data = Path(CORPUS, "robustness", path).read_bytes()
    made = decode(data).frames[0]
    expected = opened(magick(data, "-colorspace", "sRGB")).convert("RGB")
    assert psnr(made, expected) >= 40


# Every format


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """The outcome of each image of the corpus in every format, and its folder."""
    target = tmp_path_factory.mktemp("formats")
    step = {"resize": {"width": 48, "height": 48}}
    moving = [name for name, kind in OUTPUT_FORMATS.items() if kind.animation]
    recipes = {
        "first": {
            "outputs": [{"name": name, "format": name} for name in (*OUTPUT_FORMATS, "same")]
        },
        "all": {
            "outputs": [{"name": name, "format": name} for name in (*moving, "same")],
            "animation": "all", "metadata": "keep", "color": "keep",
        },
    }  # fmt: skip
    made = {}
    for key, data in recipes.items():
        recipe = parse({"steps": [step], **data})
        renderer = Renderer(CORPUS, str(target), recipe)
        for row in rows():
            places = tuple(f"{key}/{output.name}/{row['path']}" for output in recipe.outputs)
            made[key, row["path"]] = renderer.render(Job(row["path"], places))
    return target, made


@pytest.mark.parametrize("key", ["first", "all"])
def test_decodable_images_are_written_in_every_format(outcomes, key):
    _, made = outcomes
    begins = {row["path"]: "jpeg" if row["format"] == "MPO" else row["format"].lower()
              for row in rows()}  # fmt: skip
    failed = {
        path: made[key, path][2:6]
        for path in paths("")
        if begins[path] in FORMATS and made[key, path].status != "ok"
    }
    allowed = ("truncated", "corrupt") if key == "all" else ()  # a later frame is broken
    assert {path: why for path, why in failed.items() if why[2] not in allowed} == {}
    assert len(failed) <= 20


@pytest.mark.parametrize("key", ["first", "all"])
def test_every_output_has_its_format(outcomes, key):
    target, made = outcomes
    formats = set()
    for (kind, path), outcome in made.items():
        if kind != key or outcome.status != "ok":
            assert outcome.status == "ok" or outcome.reason in REASONS
            continue
        for output in outcome.files:
            with Image.open(target / output.path) as image:
                image.load()
                assert image.size == (48, 48), path
                if output.variant != "same":
                    assert image.format == output.variant.upper(), path
                formats.add(image.format)
    assert len(formats) == (len(OUTPUT_FORMATS) if key == "first" else len(formats))
