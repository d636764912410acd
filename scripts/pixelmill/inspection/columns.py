"""Columns: the metrics of all images as arrays, and computations over a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.float64]
Texts: TypeAlias = NDArray[np.object_]
Mask: TypeAlias = NDArray[np.bool_]
Hashes: TypeAlias = NDArray[np.uint64]

#: Scale by which the median absolute deviation of normal values equals their standard deviation.
_MAD_OF_NORMAL = 0.6745


class Columns(Protocol):
    """What findings and statistics need of the table of metrics."""

    @property
    def sources(self) -> Sequence[str]:
        """Paths of the images, in the order of the table."""

    def __len__(self) -> int: ...

    def numbers(self, name: str) -> Numbers:
        """Return a column of numbers, NaN where it is missing."""

    def texts(self, name: str) -> Texts:
        """Return a column of texts, empty where it is missing."""

    def hashes(self, name: str) -> tuple[Hashes, Mask]:
        """Return a column of hashes, and which of them are known."""


def robust_z(values: Numbers, least_deviation: float) -> Numbers:
    """Return how unusual each value is among all, as modified z-scores.

    ``0.6745 (x - median) / MAD``, with the median absolute deviation MAD (Iglewicz and Hoaglin,
    "How to detect and handle outliers", 1993, which recommends a threshold of 3.5). Unlike with the
    mean and the standard deviation, outliers do not hide themselves.

    Parameters
    ----------
    values : ndarray
        NaN is left out, and stays NaN.
    least_deviation : float
        Replaces a smaller MAD, which is 0 if most values are equal.

    Examples
    --------
    >>> robust_z(np.array([1.0, 2.0, 3.0, 100.0]), 0.1).round(1)
    array([-1. , -0.3,  0.3, 65.8])
    """
    present = values[np.isfinite(values)]
    if not present.size:
        return np.full(len(values), np.nan)
    median = float(np.median(present))
    deviation = max(float(np.median(np.abs(present - median))), least_deviation)
    return np.asarray(_MAD_OF_NORMAL * (values - median) / deviation, np.float64)


def same(texts: Texts) -> NDArray[np.int64]:
    """Number the images with equal texts; -1 for those that share theirs with no other.

    Examples
    --------
    >>> same(np.array(["b", "a", "b", "", ""], object))
    array([ 0, -1,  0, -1, -1])
    """
    first: dict[str, int] = {}
    number = np.array([first.setdefault(text, row) for row, text in enumerate(texts)], np.int64)
    counts = np.bincount(number, minlength=1)
    is_shared = (counts[number] > 1) & (texts != "")
    return np.where(is_shared, number, -1)
