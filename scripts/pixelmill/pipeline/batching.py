"""Batching: the work cut into parts that workers do in one go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pixelmill.core.jobs import Batch, Job
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.output_names import Outputs

if TYPE_CHECKING:  # NumPy is imported while the first child starts
    import numpy as np

#: A batch is this much work, in seconds: long enough that handing it out does not
#: count, short enough that workers end together. Near the end batches shrink.
LARGEST_BATCH_SECONDS = 1.0
SMALLEST_BATCH_SECONDS = 0.01

#: A batch has no more images than this: what becomes of them goes through a pipe that holds
#: 64 kB, and its worker would wait for who reads the rest (2 to 6 ms).
MOST_IMAGES = 250

#: Each batch takes this part of what is left, divided by the workers (guided
#: self-scheduling: Polychronopoulos & Kuck 1987).
SHARE_OF_REST = 1.5

#: Cost of an image before any was measured, between `light` and `intensive`: a part for each, one
#: by its bytes (entropy decoding) and one by its pixels (the rest of decoding, resizing).
SECONDS_PER_IMAGE = 0.0005
SECONDS_PER_BYTE = 20e-9
SECONDS_PER_PIXEL = 5e-9

#: Images of which at most one is made out of turn, before the costliest.
IMAGES_PER_SCOUT = 8

#: Seconds by which sums of estimates may be off.
_ROUNDING = 1e-6


def batches(
    entries: Entries, outputs: Outputs, workers: int, rate: float | None = None
) -> Iterator[Batch]:
    """Cut the work into batches: a few images of middling cost, then the costliest ones first.

    Parameters
    ----------
    entries : Entries
        What to make.
    outputs : Outputs
        Where it goes.
    workers : int
    rate : float, optional
        Mean seconds of an image, where some were measured.
    """
    import numpy as np

    seconds = costs(entries, rate)
    order = _with_scouts(np.argsort(-seconds, kind="stable"), workers)
    spent = np.cumsum(seconds[order])  # up to each image, with it
    begin = number = 0
    while begin < len(order):
        before = spent[begin - 1] if begin else 0.0
        size = _batch_seconds(spent[-1] - before, workers)
        # An estimate may be wrong a hundredfold: without a rate, batches begin small and
        # grow, so that a run that is killed early has got somewhere.
        most = 8 ** (number // workers) if rate is None else len(order)
        full = int(np.searchsorted(spent, before + size - _ROUNDING)) + 1
        end = min(full, begin + min(most, MOST_IMAGES), len(order))
        yield Batch(_Jobs(entries, outputs, order[begin:end]))
        begin, number = end, number + 1


def costs(entries: Entries, rate: float | None = None) -> np.ndarray:
    """Estimate the seconds of each image; their mean is the rate, where that is known."""
    import numpy as np

    sizes = np.asarray(entries.sizes, dtype=float)
    pixels = np.asarray(entries.widths, dtype=float) * np.asarray(entries.heights, dtype=float)
    estimates = SECONDS_PER_IMAGE + SECONDS_PER_BYTE * sizes + SECONDS_PER_PIXEL * pixels
    scale = rate / float(estimates.mean()) if rate and len(estimates) else 1.0
    scaled: np.ndarray = estimates * scale
    return scaled


class _Jobs(Sequence[Job]):
    """Jobs of a batch, each made when it is asked for: those of all batches would be many."""

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
        return tuple, (list(self),)  # workers are sent the jobs, and not the catalog


def _with_scouts(order: np.ndarray, workers: int) -> np.ndarray:
    """Move an image of middling cost for each worker to the front, if there are many images.

    What claims to be the largest is most likely damaged or hostile, and a run should not
    meet all of that before it has made a single image.
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
