"""Likeness: how much two pictures look the same, and why they do not."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import cv2
import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

#: Both pictures are reduced to at most this side, in pixels: what is left is what a
#: person sees at a glance, whatever the kernel and the compression.
SIDE = 64


def reduce(picture: Array, detail: int = 2 * SIDE) -> Array:
    """Reduce to a quarter, and to at most `SIDE` pixels, by averaging.

    Small pictures too, because kernels and JPEG's chroma differ most in single pixels.

    Parameters
    ----------
    picture : array
    detail : int
        Longest side of what the picture was made of, in pixels. What was enlarged is
        reduced to half of it: kernels make up each their own pixels in between.
    """
    longest = max(picture.shape[:2])
    most = max(1, min(SIDE, longest // 4, detail // 2))
    size = tuple(max(1, round(side * most / longest)) for side in picture.shape[1::-1])
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def psnr(a: Array, b: Array) -> float:
    """Peak signal-to-noise ratio of two arrays of one shape, in dB; equal ones give 100.

    10 log10(255^2 / MSE), ITU-T J.340.
    """
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return 100.0 if error == 0 else min(100.0, 10 * math.log10(255**2 / error))


def alike(a: Array, b: Array) -> float:
    """PSNR of two pictures in dB; 0 where their sizes differ."""
    return psnr(a, b) if a.shape == b.shape else 0.0


def explain(output: Array, expected: Array, least: float) -> str:
    """Say what is wrong with an output, where a simple cause makes it right again."""
    if output.shape == expected.shape and psnr(output[..., ::-1], expected) >= least:
        return "channels are swapped"
    for quarter_turns in range(4):
        for mirrored in (False, True):
            turned = np.rot90(output, quarter_turns)
            turned = turned[:, ::-1] if mirrored else turned
            if turned.shape == expected.shape and psnr(turned, expected) >= least:
                how = "mirrored" if mirrored else f"turned by {90 * quarter_turns} degrees"
                return f"wrong orientation: {how}"
    return "does not look like its source"
