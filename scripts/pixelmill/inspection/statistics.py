"""Statistics: what the images of a dataset are as a whole, as a dict that fits into JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypedDict

import numpy as np

from pixelmill.inspection.columns import Columns, Mask, Numbers

COLORS = ("red", "green", "blue")

#: Significant digits of numbers.
_DIGITS = 6

#: Most cameras that are listed by name; a crawl has thousands.
MOST_CAMERAS = 50

#: Bounds of the bins of megapixels, each twice the one before.
_MEGAPIXELS = [0.0, *(2.0**power for power in range(-6, 9))]

#: Bounds of the bins of the longer side, in pixels, each about 1.4 times the one before.
_SIDES = [0, *(round(2 ** (power / 2)) for power in range(12, 29))]


class Histogram(TypedDict):
    """Counts between bounds; a value that equals a bound is in the upper bin.

    The last bin has no upper bound.
    """

    lower_bounds: list[float]
    counts: list[int]


class Normalization(TypedDict):
    """Mean and standard deviation of red, green and blue, 0 to 1."""

    mean: list[float]
    std: list[float]


class Statistics(TypedDict):
    """Statistics of a dataset.

    ``months`` counts images by the month in which they were taken, as ``2026-11``. Images without a
    time, or a camera, are counted as ``""``. ``other_cameras`` counts those whose camera is not
    among the `MOST_CAMERAS` most frequent ones.
    """

    images: int
    failed: int
    bytes: int
    megapixels: float
    formats: dict[str, int]
    modes: dict[str, int]
    cameras: dict[str, int]
    other_cameras: int
    months: dict[str, int]
    longer_sides: Histogram
    image_megapixels: Histogram
    normalization: Normalization | None


def summarize(columns: Columns) -> Statistics:
    """Summarize a dataset."""
    failed = columns.texts("reason") != ""
    measured = ~failed
    width, height = columns.numbers("width"), columns.numbers("height")
    megapixels = width * height / 1e6
    cameras = _counted(columns.texts("camera")[measured])
    frequent = dict(list(cameras.items())[:MOST_CAMERAS])
    return {
        "images": len(columns),
        "failed": int(failed.sum()),
        "bytes": int(np.nansum(columns.numbers("bytes"))),
        "megapixels": _rounded(float(np.nansum(megapixels))),
        "formats": _counted(columns.texts("format")[measured]),
        "modes": _counted(columns.texts("mode")[measured]),
        "cameras": frequent,
        "other_cameras": sum(cameras.values()) - sum(frequent.values()),
        "months": dict(sorted(_counted(_months(columns, measured)).items())),
        "longer_sides": _histogram(np.fmax(width, height), _SIDES),
        "image_megapixels": _histogram(megapixels, _MEGAPIXELS),
        "normalization": normalization(columns),
    }


def normalization(columns: Columns) -> Normalization | None:
    """Return the constants by which training normalizes its inputs; None if nothing was measured.

    Each image counts the same, as in training, where all are resized to one size. The variance of
    all pixels is the mean of the images' variances plus the variance of their means (law of total
    variance), not the mean of their standard deviations squared.
    """
    means, deviations = [], []
    for color in COLORS:
        mean, std = columns.numbers(f"{color}_mean"), columns.numbers(f"{color}_std")
        measured = np.isfinite(mean) & np.isfinite(std)
        if not measured.any():
            return None
        mean, std = mean[measured], std[measured]
        means.append(_rounded(float(mean.mean())))
        deviations.append(_rounded(float(np.sqrt(np.mean(std**2) + np.var(mean)))))
    return {"mean": means, "std": deviations}


def _months(columns: Columns, measured: Mask) -> list[str]:
    return [taken[: len("2026-11")] for taken in columns.texts("taken")[measured].tolist()]


def _counted(texts: Iterable[str]) -> dict[str, int]:
    """Count texts, the most frequent first; equally frequent ones are sorted."""
    return dict(sorted(Counter(texts).items(), key=lambda entry: (-entry[1], entry[0])))


def _histogram(values: Numbers, bounds: list[float] | list[int]) -> Histogram:
    present = values[np.isfinite(values)]
    bins = np.searchsorted(bounds, present, "right") - 1
    counts = np.bincount(bins, minlength=len(bounds))
    return {"lower_bounds": list(bounds), "counts": counts.tolist()}


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
