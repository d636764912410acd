"""Source guard: stops a pass whose source goes away, before it costs an output."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pixelmill.jobs import Outcome
from pixelmill.plan import UNKNOWN


class SourceGuard:
    """Notices during a pass that the disk of the sources is going away.

    Parameters
    ----------
    source : str
        Folder of the inputs.
    images : int
        How many there are.
    most : float
        Largest part of them that may vanish, 0..1.
    """

    def __init__(self, source: str, images: int, most: float) -> None:
        self._source = source
        self._images = images
        self._most = most
        self._vanished = 0
        self._identity = _identity(source)

    def look(self, outcomes: Sequence[Outcome]) -> str:
        """Say in a sentence why the pass must stop; nothing if it may go on."""
        self._vanished += sum(outcome.reason == "vanished" for outcome in outcomes)
        if any(o.reason in UNKNOWN for o in outcomes) and _identity(self._source) != self._identity:
            return (
                f"The folder '{self._source}' was removed or unmounted during the run; mount it, "
                "then run the same again. No output was removed."
            )
        if self._vanished > self._most * self._images:
            return (
                f"{self._vanished:,} of {self._images:,} images vanished from '{self._source}' "
                "during the run; mount the disk that is missing, then run the same again, or, if "
                "it is right, set removals.max_rate to 1. No output was removed."
            )
        return ""


def _identity(folder: str) -> tuple[int, int] | None:
    """What the system knows a folder by; None if it is gone."""
    try:
        state = os.stat(folder)
    except OSError:
        return None
    return state.st_dev, state.st_ino
