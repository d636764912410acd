"""Samples: what the second decoder reads from a file, before colours are converted."""

from __future__ import annotations

from typing import Any, NamedTuple


class Samples(NamedTuple):
    """Samples of a picture, of shape (height, width, channels), uint8 or uint16.

    `space` is ``gray``, ``rgb`` or ``cmyk`` (inks, full at the largest value); `alpha`
    tells whether the last channel is alpha, which is not multiplied into the colours.
    """

    levels: Any
    space: str
    alpha: bool = False


class UndecodableError(Exception):
    """No second library decodes a file, or its meaning is unknown."""
