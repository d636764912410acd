"""Frame timing: how long the frames of an animation are shown."""

from __future__ import annotations

import math
from collections.abc import Sequence

#: Browsers (Chromium, Firefox and Safari) show a frame whose time is at most the first value for
#: the second value, in ms.
_TOO_SHORT, _REPLACEMENT = 10, 100


def as_shown(times: Sequence[float]) -> tuple[int, ...]:
    """Times of the frames of a GIF in whole ms, as browsers show them.

    Examples
    --------
    >>> as_shown([0, 10, 20, 1000 / 60, 1000 / 60])
    (100, 100, 20, 17, 16)
    """
    return in_units([time if time > _TOO_SHORT else _REPLACEMENT for time in times], 1)


def in_units(times: Sequence[float], unit: float, least: int = 1) -> tuple[int, ...]:
    """Express times in whole units so that each frame ends as close to its time as possible.

    If each time were rounded separately, 60 frames of 1/60 s would last 1,020 ms.

    Parameters
    ----------
    times : sequence of float
        In ms.
    unit : float
        In ms.
    least : int
        Shortest time in units; what it adds is subtracted from the following times.

    Examples
    --------
    >>> in_units([33, 33, 34], 10)
    (3, 4, 3)
    >>> in_units([15, 15, 15, 15], 10, least=2)
    (2, 2, 2, 2)
    """
    end, given = 0.0, 0
    units = []
    for time in times:
        end += time / unit
        units.append(max(least, math.floor(end + 0.5) - given))
        given += units[-1]
    return tuple(units)
