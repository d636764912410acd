"""Batching: choose the size of each batch from the estimated time of its images."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pixelmill.core.jobs import Batch, Job
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.output_names import Outputs

if TYPE_CHECKING:  # NumPy is imported while the first child starts
    import numpy as np

#: Estimated seconds of work in a batch: enough that the overhead of a batch does not matter,
#: little enough that all workers finish at about the same time. Batches shrink near the end.
LARGEST_BATCH_SECONDS = 1.0
SMALLEST_BATCH_SECONDS = 0.01

#: The most images in a batch. The outcomes of more would not fit into a pipe, which holds
#: 64 kB, and the worker would wait 2 to 6 ms until the host reads them.
MOST_IMAGES = 250

#: Each batch takes the remaining work divided by this number and by the number of workers
#: (guided self-scheduling: Polychronopoulos & Kuck 1987).
SHARE_OF_REST = 1.5

#: Cost of an image if none has been measured, between those of `light` and `intensive`: a
#: constant, a part that grows with the bytes (entropy decoding), and one that grows with the
#: pixels (the rest of decoding, resizing).
SECONDS_PER_IMAGE = 0.0005
SECONDS_PER_BYTE = 20e-9
SECONDS_PER_PIXEL = 5e-9

#: One image of medium cost is rendered before the costliest ones for every so many images.
IMAGES_PER_SCOUT = 8

#: Rounding error of a sum of estimates, in seconds.
_ROUNDING = 1e-6


def batches(
    entries: Entries, outputs: Outputs, workers: int, seconds_per_image: float | None = None
) -> Iterator[Batch]:
    """Divide the work into batches: a few images of medium cost, then the costliest ones first.

    Parameters
    ----------
    entries : Entries
        The images to render.
    outputs : Outputs
        The names of their outputs.
    workers : int
    seconds_per_image : float, optional
        Mean seconds of an image, if any have been measured.
    """
    import numpy as np

    seconds = costs(entries, seconds_per_image)
    order = _with_scouts(np.argsort(-seconds, kind="stable"), workers)
    spent = np.cumsum(seconds[order])  # up to each image, with it
    begin = number = 0
    while begin < len(order):
        before = spent[begin - 1] if begin else 0.0
        size = _batch_seconds(spent[-1] - before, workers)
        # Without a measurement, estimates may be wrong by a factor of 100: batches begin small and
        # grow, so that a run that is killed early has recorded something.
        most = 8 ** (number // workers) if seconds_per_image is None else len(order)
        full = int(np.searchsorted(spent, before + size - _ROUNDING)) + 1
        end = min(full, begin + min(most, MOST_IMAGES), len(order))
        yield Batch(_Jobs(entries, outputs, order[begin:end]))
        begin, number = end, number + 1


def costs(entries: Entries, seconds_per_image: float | None = None) -> np.ndarray:
    """Estimate the seconds of each image; their mean is `seconds_per_image`, if it is given."""
    import numpy as np

    sizes = np.asarray(entries.sizes, dtype=float)
    pixels = np.asarray(entries.widths, dtype=float) * np.asarray(entries.heights, dtype=float)
    estimates = SECONDS_PER_IMAGE + SECONDS_PER_BYTE * sizes + SECONDS_PER_PIXEL * pixels
    scale = (
        seconds_per_image / float(estimates.mean()) if seconds_per_image and len(estimates) else 1.0
    )
    scaled: np.ndarray = estimates * scale
    return scaled


def total_cost(entries: Entries, seconds_per_image: float | None = None) -> float:
    """Estimate the seconds of all images, without NumPy.

    Examples
    --------
    >>> from pixelmill.dataset.entries import Entry
    >>> entries = Entries([Entry("a.jpg", 10**6, 0, "jpeg", 2000, 1000)])
    >>> round(total_cost(entries), 4), total_cost(entries, 0.5)
    (0.0305, 0.5)
    """
    if seconds_per_image:
        return len(entries) * seconds_per_image
    pixels: int = sum(map(operator.mul, entries.widths, entries.heights))
    by_size = SECONDS_PER_BYTE * sum(entries.sizes) + SECONDS_PER_PIXEL * pixels
    return SECONDS_PER_IMAGE * len(entries) + by_size


class _Jobs(Sequence[Job]):
    """The jobs of a batch, created on access, since those of all batches would take much memory."""

    def __init__(self, entries: Entries, outputs: Outputs, numbers: np.ndarray) -> None:
        self._entries = entries
        self._outputs = outputs
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, place: Any) -> Any:  # of one place
        entry = self._entries[int(self._numbers[place])]
        return self._outputs.job(entry)

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (list(self),)  # workers get the jobs, not the catalog


def _with_scouts(order: np.ndarray, workers: int) -> np.ndarray:
    """Move one image of medium cost per worker to the front, if there are many images.

    The images that claim to be the largest are the most likely to be damaged or hostile. A
    run should not process them all before it has rendered a single image.
    """
    import numpy as np

    count = min(workers, len(order) // IMAGES_PER_SCOUT)
    middle = len(order) // 2
    scouts = range(middle, middle + count)
    moved: np.ndarray = np.concatenate([order[scouts], np.delete(order, scouts)])
    return moved


def _batch_seconds(rest: float, workers: int) -> float:
    share = rest / (SHARE_OF_REST * workers)
    return min(LARGEST_BATCH_SECONDS, max(SMALLEST_BATCH_SECONDS, share))
