"""What compression does to a picture is known for the options of a recipe."""

import numpy as np
import pytest
from PIL import Image

from pixelmill.verification import picture_check
from pixelmill.verification.expectations import expectations_of
from pixelmill.verification.second_encoder import compressed

STRIPES = np.zeros((32, 32, 3), np.uint8)
STRIPES[:, ::2] = 255, 0, 0
STRIPES[:, 1::2] = 0, 0, 255


def error(kind, picture=STRIPES, **options):
    made = next(compressed(picture, kind, {"quality": 95, **options}))
    return float(np.mean((made.astype(float) - picture) ** 2))


def test_the_subsampling_of_a_jpeg_is_that_of_the_recipe():
    full, half, quarter = (error("jpeg", subsampling=f"4:{k}") for k in ("4:4", "2:2", "2:0"))
    assert full < half / 4
    assert error("jpeg") == quarter >= half


@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
def test_a_lower_quality_costs_more(photo, kind):
    picture = np.asarray(photo(48, 32))
    assert error(kind, picture, quality=95) < error(kind, picture, quality=10) / 2


def test_what_loses_nothing_has_no_other_rendering():
    assert list(compressed(STRIPES, "png", {})) == []
    assert list(compressed(STRIPES, "webp", {"lossless": True})) == []
    assert list(compressed(STRIPES.astype(np.uint16), "jpeg", {})) == []


def test_a_target_may_lead_to_any_quality():
    assert len(list(compressed(STRIPES, "jpeg", {"target": {"bytes": 900}}))) > 10


@pytest.fixture(scope="module")
def noise():
    """A picture of which each pixel is different, as at high sensitivity."""
    levels = np.random.default_rng(1).normal(128, 60, (60, 80, 3))
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("quality", [5, 22, 31, 33, 47, 72, 90])
@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
def test_a_target_may_lead_to_any_quality_of_a_picture_of_noise(encoded, noise, kind, quality):
    """A few steps of quality change each pixel of it."""
    output = encoded(noise, kind.upper(), quality=quality)
    expectation = expectations_of({"output": {"format": kind, "target": {"bytes": 9000}}})[""]
    verdict = picture_check.check_pictures(expectation, encoded(noise, "PNG"), output, 28.0)
    assert verdict.why is None


@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
def test_other_noise_is_no_rendering_whatever_the_target(encoded, noise, kind):
    other = noise.transpose(Image.Transpose.ROTATE_180)
    output = encoded(other, kind.upper(), quality=30)
    expectation = expectations_of({"output": {"format": kind, "target": {"bytes": 9000}}})[""]
    verdict = picture_check.check_pictures(expectation, encoded(noise, "PNG"), output, 28.0)
    assert verdict.why is not None


def test_an_avif_of_noise_may_have_a_low_quality(encoded, noise):
    output = encoded(noise, "AVIF", quality=30)
    expectation = expectations_of({"output": {"format": "avif", "quality": 30}})[""]
    verdict = picture_check.check_pictures(expectation, encoded(noise, "PNG"), output, 28.0)
    assert verdict.why is None
