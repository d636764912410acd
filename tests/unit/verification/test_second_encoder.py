"""What compression does to a picture is known for the options of a recipe."""

import numpy as np
import pytest

from pixelmill.verification.second_encoder import compressed

STRIPES = np.zeros((32, 32, 3), np.uint8)
STRIPES[:, ::2] = 255, 0, 0
STRIPES[:, 1::2] = 0, 0, 255


def error(kind, picture=STRIPES, **options):
    (made,) = compressed(picture, kind, {"quality": 95, **options})
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
