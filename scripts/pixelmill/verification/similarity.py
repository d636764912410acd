"""Similarity: whether a picture is the expected one, and how similar the two are.

Correct pictures differ from each other because of resampling kernels and compression, most of
all if stripes or small text are finer than the pixels. A picture is therefore compared with
several correct renderings of the same source, and must be close to one of them.
The thresholds come from measurements, see ``docs/decisions/verification.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np

from pixelmill.verification import suspected_faults

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: Longest side of the reduced pictures, in pixels. They show what a person sees at a glance, and
#: depend little on the kernel and the compression.
SIDE = 64

#: Longest side of the central part that is compared pixel by pixel.
_WINDOW = 512

#: Largest error of any area of the reduced pictures, in levels of 255.
LOCAL = 48.0

#: Largest root mean square of the errors of single pixels, in levels of 255.
FINE = 16.0

#: How many times smaller the errors of single pixels must be with another rendering to dispel the
#: suspicion of a fault.
_DOUBT = 2.0


class Likeness(NamedTuple):
    """Result of comparing a picture with the expected one.

    Attributes
    ----------
    similarity_db : float
    why : str or None
        What is wrong, if anything is.
    pictures : tuple of ndarray
        The picture and the expected one, reduced and on white, uint8.
    """

    similarity_db: float
    why: str | None
    pictures: tuple[Array, Array]


def layers_of(picture: Array, alpha: bool) -> Array:
    """Return a picture as float32 from 0 to 255, with the colours multiplied by alpha.

    Parameters
    ----------
    picture : ndarray of shape (height, width, 3 or 4)
        uint8 or uint16, RGB with straight alpha.
    alpha : bool
        Whether a picture without alpha gets an opaque one.
    """
    full = np.iinfo(picture.dtype).max
    layers = picture.astype(np.float32)
    if full != 255:
        layers *= 255 / full
    if picture.shape[2] == 4:
        layers[..., :3] *= layers[..., 3:] / 255
        return layers
    if alpha:
        return np.dstack([layers, np.full(layers.shape[:2], 255, np.float32)])
    return layers


def reduce(picture: Array, detail: int = 2 * SIDE) -> Array:
    """Reduce a picture to a quarter, and to at most `SIDE` pixels, by averaging.

    Small pictures are reduced too, because kernels and the chroma of JPEG differ most in single
    pixels.

    Parameters
    ----------
    picture : ndarray
    detail : int
        Longest side of the source, in pixels. A picture that was enlarged is reduced to half of
        it, because every kernel invents other pixels in between.
    """
    longest = max(picture.shape[:2])
    most = max(1, min(SIDE, longest // 4, detail // 2))
    size = tuple(max(1, round(side * most / longest)) for side in picture.shape[1::-1])
    reduced = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    return reduced.reshape(size[1], size[0], -1)


def psnr(a: Array, b: Array) -> float:
    """Return the peak signal-to-noise ratio of two arrays of the same shape, in dB.

    It is 10 log10(255^2 / MSE) (ITU-T J.340), and 100 for equal arrays.
    """
    return _decibels(float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)))


def _decibels(error: float) -> float:
    return 100.0 if error <= 0 else min(100.0, 10 * math.log10(255**2 / error))


def compare(output: Array, renderings: Iterable[Array], least: float, detail: int) -> Likeness:
    """Compare a picture with correct renderings of its source.

    It is correct if it is close to one of them in all respects, and no fault explains the
    differences.

    Parameters
    ----------
    output : ndarray of shape (height, width, 3 or 4)
        uint8 or uint16, RGB with straight alpha.
    renderings : iterable of ndarray
        Pictures of the same form, the most likely one first. They are rendered until one is
        close.
    least : float
        Smallest similarity that passes, in dB.
    detail : int
        See `reduce`.
    """
    best: _Comparison | None = None
    for expected in renderings:
        compared = _compared(output, expected, least, detail)
        if best is None:
            best = compared
        elif best.suspicion is None:
            best = min(best, compared, key=lambda each: each.rank)
        elif compared.why is None and compared.fine <= best.fine / _DOUBT:
            best = compared
        if best.why is None:
            break
    if best is None:
        raise ValueError("there is no rendering to compare with")
    return Likeness(best.similarity_db, best.why, best.pictures)


class _Comparison(NamedTuple):
    """Result of comparing a picture with one rendering."""

    similarity_db: float
    why: str | None
    pictures: tuple[Array, Array]
    fine: float = math.inf
    suspicion: str | None = None

    @property
    def rank(self) -> tuple[bool, float]:
        """Sorting key: the best of several comparisons has the smallest one."""
        return self.why is not None, self.fine


def _compared(output: Array, expected: Array, least: float, detail: int) -> _Comparison:
    alpha = 4 in (output.shape[2], expected.shape[2])
    coarse, exact = (_reduced(picture, alpha, detail) for picture in (output, expected))
    pictures = _on_white(coarse), _on_white(exact)
    if output.shape[:2] != expected.shape[:2]:
        turned = suspected_faults.turned(coarse, exact)
        why = turned or "does not look like its source"
        return _Comparison(0.0, why, pictures)
    errors = coarse - exact
    similarity_db = min(_decibels(float(np.mean(part**2))) for part in _parts(errors))
    window = _window(output.shape)
    seen, meant = layers_of(output[window], alpha), layers_of(expected[window], alpha)
    fine = max(_root_mean_square(part) for part in _parts(seen - meant))
    suspicion = (
        suspected_faults.of_alpha(seen, meant)
        or suspected_faults.found(
            coarse,
            exact,
            (_reduced(one, alpha, detail) for one in suspected_faults.with_wrong_gammas(expected)),
        )
        or suspected_faults.of_colors(
            seen,
            meant,
            (layers_of(one, alpha) for one in suspected_faults.with_wrong_gammas(expected[window])),
        )
        or suspected_faults.displaced(seen, meant)
    )
    where = None
    if similarity_db < least:
        where = ""
    elif float(np.abs(cv2.blur(errors, (3, 3))).max()) > LOCAL:
        where = " in one place"
    elif fine > FINE:
        where = " closely"
    misfit = suspicion or (None if where is None else f"does not look like its source{where}")
    return _Comparison(similarity_db, misfit, pictures, fine, suspicion)


def _reduced(picture: Array, alpha: bool, detail: int) -> Array:
    """Reduce a picture and convert it to float32, in the order that takes less memory."""
    if picture.shape[2] == 4:
        return reduce(layers_of(picture, alpha), detail)
    return layers_of(reduce(picture, detail), alpha)


def _parts(layers: Array) -> list[Array]:
    """Return colours and alpha separately, so that an error of alpha is not averaged away."""
    return [layers[..., :3], *([layers[..., 3]] if layers.shape[2] == 4 else [])]


def _root_mean_square(errors: Array) -> float:
    return math.sqrt(float(np.mean(errors**2)))


def _window(shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the central part of a picture."""
    starts = [max(0, (side - _WINDOW) // 2) for side in shape[:2]]
    return slice(starts[0], starts[0] + _WINDOW), slice(starts[1], starts[1] + _WINDOW)


def _on_white(layers: Array) -> Array:
    colors = layers[..., :3]
    if layers.shape[2] == 4:
        colors = colors + (255 - layers[..., 3:])
    return np.asarray(np.rint(colors.clip(0, 255)), dtype=np.uint8)
