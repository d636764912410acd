"""Statistics of a dataset, and the constants by which training normalizes it."""

import json

import numpy as np
import pytest

from pixelmill.inspection.statistics import MOST_CAMERAS, normalization, summarize
from tests.helpers.columns import ArrayColumns


def test_normalization_is_that_of_all_pixels_together():
    random = np.random.default_rng(1)
    pictures = [random.random((40, 50, 3)) ** random.uniform(0.5, 3) for _ in range(6)]
    values = {}
    for number, color in enumerate(("red", "green", "blue")):
        values[f"{color}_mean"] = np.array([one[..., number].mean() for one in pictures])
        values[f"{color}_std"] = np.array([one[..., number].std() for one in pictures])
    constants = normalization(ArrayColumns([f"{k}.png" for k in range(6)], values))
    pixels = np.concatenate([one.reshape(-1, 3) for one in pictures])
    assert constants["mean"] == pytest.approx(pixels.mean(axis=0), abs=1e-5)
    assert constants["std"] == pytest.approx(pixels.std(axis=0), abs=1e-5)


def test_without_measured_images_there_are_no_constants():
    assert normalization(ArrayColumns(["a.jpg"], {})) is None
    assert summarize(ArrayColumns([], {}))["images"] == 0


@pytest.fixture
def summary():
    values = {
        "reason": np.array(["", "", "", "truncated"], object),
        "format": np.array(["jpeg", "png", "jpeg", ""], object),
        "mode": np.array(["RGB", "P", "RGB", ""], object),
        "camera": np.array(["Canon EOS 5D", "", "Canon EOS 5D", ""], object),
        "taken": np.array(["2024-05-31T10:00:00", "", "2023-01-02T10:00:00", ""], object),
        "bytes": np.array([1000.0, 200, 300, 50]),
        "width": np.array([4000.0, 640, 64, np.nan]),
        "height": np.array([3000.0, 480, 2**14, np.nan]),
    }
    return summarize(ArrayColumns(["a.jpg", "b.png", "c.jpg", "d.jpg"], values))


def test_a_summary_counts_what_there_is(summary):
    assert (summary["images"], summary["failed"], summary["bytes"]) == (4, 1, 1550)
    assert summary["megapixels"] == pytest.approx(12 + 0.3072 + 1.048576, rel=1e-5)
    assert summary["formats"] == {"jpeg": 2, "png": 1}
    assert summary["modes"] == {"RGB": 2, "P": 1}
    assert summary["cameras"] == {"Canon EOS 5D": 2, "": 1}
    assert summary["months"] == {"": 1, "2023-01": 1, "2024-05": 1}


def test_histograms_count_each_measured_image_once(summary):
    for name in ("longer_sides", "image_megapixels"):
        assert sum(summary[name]["counts"]) == 3
    sides = summary["longer_sides"]
    counted = dict(zip(sides["lower_bounds"], sides["counts"], strict=True))
    assert {bound: count for bound, count in counted.items() if count} == {
        512: 1,  # 640
        2896: 1,  # 4000
        16384: 1,  # 2**14, which is the last bound
    }


def test_a_summary_is_json(summary):
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_only_the_most_frequent_cameras_are_listed():
    cameras = [f"camera {k}" for k in range(MOST_CAMERAS + 30) for _ in range(k + 1)]
    columns = ArrayColumns(
        [str(k) for k in range(len(cameras))], {"camera": np.array(cameras, object)}
    )
    summary = summarize(columns)
    assert next(iter(summary["cameras"])) == f"camera {MOST_CAMERAS + 29}"
    assert len(summary["cameras"]) == MOST_CAMERAS
    assert sum(summary["cameras"].values()) + summary["other_cameras"] == len(cameras)
