"""Resampling with the compiled kernel gives the bytes of cykooz-resizer on every processor."""

import random
import shutil

import numpy as np
import pytest

from pixelmill.imaging.arrays import as_bgra
from pixelmill.imaging.steps import resampling
from pixelmill.imaging.steps.resampling import resample_array
from tests.helpers.compiled import VECTORS, compiled

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler"),
    pytest.mark.skipif(resampling.simd is None, reason="cykooz-resizer has no wheel here"),
]

KERNELS = {"lanczos": 3, "bicubic": 2, "bilinear": 1}


@pytest.fixture(scope="module", params=VECTORS, ids=VECTORS.get)
def kernel(request, tmp_path_factory, repository):
    return compiled(tmp_path_factory.mktemp("kernel"), repository, request.param)


def pictures(count):
    """Levels of all sizes, noise or, the hardest, black and white; what to make of them."""
    draw, pixels = random.Random(5), np.random.default_rng(5)
    for _ in range(count):
        height, width = draw.randint(1, 300), draw.randint(1, 300)
        levels = pixels.integers(0, 256, (height, width, 3), dtype=np.uint8)
        if draw.random() < 0.5:
            levels = np.where(levels > 127, 255, 0).astype(np.uint8)
        box = (0.0, 0.0, float(width), float(height))
        if draw.random() < 0.4:
            left, top = draw.uniform(0, width - 1), draw.uniform(0, height - 1)
            box = (left, top, draw.uniform(left + 1, width), draw.uniform(top + 1, height))
        size = draw.randint(1, int(box[2] - box[0])), draw.randint(1, int(box[3] - box[1]))
        yield levels, size, draw.choice(list(KERNELS)), box


def padded(levels):
    """A view of the first three of four channels."""
    return as_bgra(levels)[..., :3]


@pytest.mark.parametrize("hold", [padded, np.asfortranarray, np.asarray], ids=lambda f: f.__name__)
def test_its_bytes_are_those_of_cykooz_resizer(kernel, monkeypatch, hold):
    for levels, size, name, box in pictures(400):
        monkeypatch.setattr(resampling, "kernel", None)
        expected = resample_array(padded(levels), size, name, box)
        monkeypatch.setattr(resampling, "kernel", kernel)
        made = resample_array(hold(levels), size, name, box)
        np.testing.assert_array_equal(made, expected, f"{levels.shape} {size} {name} {box}")


def test_grey_is_left_to_cykooz_resizer(kernel, monkeypatch):
    levels = np.arange(60 * 50, dtype=np.uint8).reshape(60, 50)
    expected = resample_array(levels, (20, 30), "lanczos", (0, 0, 50, 60))
    monkeypatch.setattr(resampling, "kernel", kernel)
    made = resample_array(levels, (20, 30), "lanczos", (0, 0, 50, 60))
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 0}, {"sources": 0}, {"reach": 0}, {"reach": 4}, {"start": -0.1}, {"end": 20.1},
        {"start": 5, "end": 5}, {"start": float("nan")}, {"end": float("nan")},
    ],
    ids=str,
)  # fmt: skip
def test_a_side_that_cannot_be_is_refused(kernel, changes):
    given = {"size": 10, "sources": 20, "start": 0, "end": 20, "reach": 3, **changes}
    with pytest.raises(ValueError, match="do not fit"):
        kernel.side(*given.values())


def spoilt(side, place, value):
    """A side with another whole number in the place of one."""
    numbers = np.frombuffer(side, np.int32).copy()
    numbers[place] = value
    return numbers.tobytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda good: {"source": (21, 30)}, lambda good: {"source": (0, 30)},
        lambda good: {"target": (10, 11)}, lambda good: {"target": (0, 10)},
        lambda good: {"across": good["down"]}, lambda good: {"down": b""},
        lambda good: {"down": good["down"][:-1]}, lambda good: {"down": good["down"] + b"x"},
        lambda good: {"down": spoilt(good["down"], 2, 1)},
        lambda good: {"down": spoilt(good["down"], 3, 99)},
        lambda good: {"down": spoilt(good["down"], 4, 30)},
        lambda good: {"down": spoilt(good["down"], 4, -2)},
        lambda good: {"down": spoilt(good["down"], 9, 0)},
    ],
    ids=[
        "width", "no-width", "rows", "no-columns", "other-side", "no-side", "cut", "longer",
        "taps", "precision", "beyond", "before", "backwards",
    ],
)  # fmt: skip
def test_images_that_do_not_fit_are_refused(kernel, change):
    given = {
        "from": np.zeros((30, 20, 3), np.uint8),
        "source": (20, 30),
        "to": np.zeros((10, 10, 3), np.uint8),
        "target": (10, 10),
        "across": kernel.side(10, 20, 0, 20, 3),
        "down": kernel.side(10, 30, 0, 30, 3),
        "down_first": False,
    }
    kernel.resample(*given.values())
    with pytest.raises(ValueError, match="do not fit"):
        kernel.resample(*(given | change(given)).values())
