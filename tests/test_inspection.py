"""An output is held against what its recipe demands, whatever made it."""

import pytest
from PIL import Image

from pixelmill.inspection import expected_modes, expected_size, upright_size

FRAME = {"width": 40, "height": 30}


@pytest.mark.parametrize(
    ("steps", "source", "expected"),
    [
        ([("resize", FRAME)], None, (40, 30)),
        ([("resize", {**FRAME, "fit": "cover"})], None, (40, 30)),
        ([("resize", {**FRAME, "fit": "pad"})], None, (40, 30)),
        ([("resize", {**FRAME, "fit": "contain"})], None, "source"),
        ([("resize", {**FRAME, "fit": "contain"})], (100, 10), (40, 4)),
        ([("sharpen", {})], (7, 9), (7, 9)),
        ([("call", {}), ("sharpen", {})], (7, 9), None),
        ([("call", {}), ("resize", FRAME)], (7, 9), (40, 30)),
    ],
    ids=["stretch", "cover", "pad", "contain-unknown", "contain", "none", "own", "own-first"],
)
def test_the_size_follows_from_the_recipe(steps, source, expected):
    assert expected_size(steps, source) == expected


@pytest.mark.parametrize(
    ("names", "modes"),
    [
        (["resize"], {"RGB", "L"}),
        (["grayscale", "sharpen"], {"L"}),
        (["grayscale", "color_matrix"], {"RGB"}),
        (["color_matrix", "call"], {"RGB", "L"}),
    ],
    ids=["either", "grey", "colour-again", "own"],
)
def test_the_mode_follows_from_the_recipe(names, modes):
    assert set(expected_modes([(name, {}) for name in names])) == modes


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_the_upright_size_is_that_of_the_picture_as_seen(tmp_path, format_, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "stored"
    Image.new("RGB", (30, 20)).save(path, format_, exif=exif)
    assert upright_size(path) == ((20, 30) if orientation >= 5 else (30, 20))


def test_the_size_of_a_broken_source_is_unknown(tmp_path):
    (tmp_path / "broken").write_bytes(b"\xff\xd8\xff")
    assert upright_size(tmp_path / "broken") is None
