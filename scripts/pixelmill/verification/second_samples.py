"""Samples: what the second decoder reads of a file, before its colours are converted."""

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
    """There is no second library that decodes a file, or what it means is not known."""
