"""Scenes: synthetic pictures that have the statistics of photographs."""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: A picture, RGB, uint8.
Picture: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

#: Octaves of the clouds, and the standard deviation of the largest one in levels of 255.
_OCTAVES, _CONTRAST = 5, 70.0

#: Standard deviation of the blur of edges, in pixels, and the pixels that it takes in.
_BLUR, _BLURRED = 0.7, (5, 5)

cv2.setNumThreads(1)  # the engines' workers use the cores


def photo(random: np.random.Generator, width: int, height: int) -> Picture:
    """Draw clouds of noise at decreasing scales, shapes with soft edges, texture and grain.

    Natural images have a spectrum that falls as 1/f (Field 1987): each octave has half the
    amplitude of the one before.

    Parameters
    ----------
    random : numpy.random.Generator
        Decides everything but the size.
    width, height : int
        In pixels.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        RGB.
    """
    clouds: Array = np.zeros((1, 1, 3), np.float32)
    for octave in range(1, _OCTAVES + 1):
        cells = 2**octave
        layer = random.standard_normal((cells, cells, 3), np.float32)
        # Neighbouring colours are similar in nature.
        layer = 0.35 * layer + 0.9 * layer.mean(axis=2, keepdims=True)
        clouds = cv2.resize(clouds, (cells, cells), interpolation=cv2.INTER_CUBIC)
        clouds = clouds + np.float32(_CONTRAST / 2 ** (octave - 1)) * layer
    clouds += random.uniform(80, 170, 3).astype(np.float32)
    small = np.clip(clouds, 0, 255).astype(np.uint8)
    scene: Array = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(random.integers(6, 16))):
        _draw_shape(scene, random)
    scene = cv2.GaussianBlur(scene, _BLURRED, _BLUR)
    texture = random.standard_normal((height // 2 + 1, width // 2 + 1), np.float32)
    texture *= np.float32(random.uniform(2, 6))
    grain = cv2.resize(texture, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.add(scene, cv2.merge([grain] * 3), dtype=cv2.CV_8U))


def _draw_shape(scene: Array, random: np.random.Generator) -> None:
    """Draw an ellipse, a triangle or a line that is partly transparent."""
    height, width = scene.shape[:2]
    color = tuple(int(level) for level in random.integers(0, 256, 3))
    opacity = float(random.uniform(0.35, 0.9))
    left, top = random.uniform(-0.1, 1.0, 2) * (width, height)
    across, down = random.uniform(0.05, 0.45, 2) * (width, height)
    kind, thickness = random.integers(0, 3), int(random.integers(1, 9))
    # Only the part of the scene around the shape is blended.
    x, y = max(0, int(left) - thickness), max(0, int(top) - thickness)
    ends = left + (2 if kind == 2 else 1) * across, top + down
    part = scene[y : int(ends[1]) + thickness + 1, x : int(ends[0]) + thickness + 1]
    if not part.size:
        return
    drawn = part.copy()
    left, top = left - x, top - y
    if kind == 0:
        center = int(left + across / 2), int(top + down / 2)
        cv2.ellipse(drawn, center, (int(across / 2), int(down / 2)), 0, 0, 360, color, cv2.FILLED)
    elif kind == 1:
        corners = [
            (left, top),
            (left + across, top + 0.3 * down),
            (left + 0.4 * across, top + down),
        ]
        cv2.fillPoly(drawn, [np.array(corners).astype(np.int32)], color)
    else:
        end = int(left + 2 * across), int(top + down)
        cv2.line(drawn, (int(left), int(top)), end, color, thickness)
    cv2.addWeighted(drawn, opacity, part, 1 - opacity, 0, dst=part)


def noise(random: np.random.Generator, width: int, height: int) -> Picture:
    """Draw each level of each pixel evenly from all levels."""
    return random.integers(0, 256, (height, width, 3), dtype=np.uint8)


def solid(random: np.random.Generator, width: int, height: int) -> Picture:
    """Fill a picture with one colour."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = random.integers(0, 256, 3)
    return picture


def as_jpeg(picture: Picture, quality: int) -> bytes:
    """Encode a picture as JPEG, with half the resolution of chroma."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])
