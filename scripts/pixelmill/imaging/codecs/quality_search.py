"""Quality search: the quality at which a file reaches an aim, found with few encodes.

Size and similarity grow with the quality, nearly as a power of its distance from 110, whatever the
format. The search therefore interpolates, and bisects if it has not ended after some tries.
"""

from __future__ import annotations

import math
from collections.abc import Callable

#: The lowest and the highest quality.
LEAST, MOST = 1, 100

#: The quality from which the distance is measured, and the power, from photos as JPEG.
_LIMIT, _POWER = 110, 1.2

#: How often the search interpolates.
_TRIES = 6


def last_below(surplus: Callable[[int], float], start: int) -> int:
    """Find the highest quality below an aim; that and the next quality are both tried.

    Parameters
    ----------
    surplus : callable
        Takes a quality, and returns the logarithm of what it reaches divided by the aim. It is
        not above 0 for a quality below the aim.
    start : int
        The first quality that is tried.

    Returns
    -------
    int
        From 0, if no quality is below the aim, to `MOST`, if all are.

    Examples
    --------
    >>> tried = []
    >>> last_below(lambda quality: tried.append(quality) or math.log(quality / 61.5), start=75)
    61
    >>> tried
    [75, 68, 64, 62, 61]
    """
    below, above = LEAST - 1, MOST + 1
    known: dict[int, float] = {}
    quality = start
    while above - below > 1:
        quality = min(max(quality, below + 1), above - 1)
        known[quality] = surplus(quality)
        if known[quality] <= 0:
            below = quality
        else:
            above = quality
        quality = _estimate(known, below, above)
        if len(known) >= _TRIES:
            quality = (below + above) // 2
    return below


def _estimate(known: dict[int, float], below: int, above: int) -> int:
    """Estimate the quality that just reaches the aim."""
    ends = [quality for quality in (below, above) if quality in known]
    power = _POWER
    if len(ends) > 1:
        power = (known[above] - known[below]) / (_place(above) - _place(below))
    near = min(ends, key=lambda quality: abs(known[quality]))
    place = _place(near) - known[near] / power
    return math.floor(_LIMIT - math.exp(-min(max(place, -_MOST_PLACE), _MOST_PLACE)))


#: Beyond all places, and not too large to be an exponent.
_MOST_PLACE = 99.0


def _place(quality: int) -> float:
    """Return a number on which the logarithm of a size depends linearly."""
    return -math.log(_LIMIT - quality)
