"""Source guard: stop a pass if its sources disappear or fail, before outputs are removed."""

from __future__ import annotations

from collections.abc import Iterable

from pixelmill.core.jobs import Outcome
from pixelmill.core.reasons import SOURCE_UNKNOWN
from pixelmill.storage.archives import identity, is_archive


class SourceGuard:
    """Notices that too many sources vanish, or that too many images with an output fail.

    Parameters
    ----------
    source : str
        Folder of the inputs, or their archives.
    images : int
        Number of inputs.
    most : float
        The largest share of them, 0..1, that may vanish or lose their outputs.
    state : object, optional
        What `pixelmill.storage.archives.identity` returned before the inputs were listed; by
        default, what it returns now.

    Attributes
    ----------
    verdict : str
        Why the pass must stop, in a sentence; empty if it may continue.
    """

    def __init__(self, source: str, images: int, most: float, state: object = None) -> None:
        self.verdict = ""
        self._source = source
        self._images = images
        self._most = most
        self._vanished = self._lost = 0
        self._identity = identity(source) if state is None else state

    def observe(self, outcomes: Iterable[Outcome]) -> None:
        """Count the sources that vanished, and check that folder or archives are still the same."""
        unknown = [outcome for outcome in outcomes if outcome.reason in SOURCE_UNKNOWN]
        self._vanished += sum(outcome.reason == "vanished" for outcome in unknown)
        if unknown and identity(self._source) != self._identity:
            what = (
                f"The archive '{self._source}' was changed, removed or unmounted during the run"
                if is_archive(self._source)
                else f"The folder '{self._source}' was removed or unmounted during the run"
            )
            self.verdict = (
                f"{what}; mount it, and run the same command again. No image without a source "
                "lost its output."
            )
        elif self._vanished > self._most * self._images:
            self.verdict = (
                f"{self._vanished:,} of {self._images:,} images vanished from '{self._source}' "
                "during the run; mount the missing disk, and run the same command again, or, if "
                "this is intended, set removals.max_rate to 1. None of them lost its output."
            )

    def may_lose_one(self) -> bool:
        """Return whether one more image may lose its output, and count it."""
        if self._lost + 1 > self._most * self._images:
            self.verdict = (
                f"{self._lost + 1:,} of {self._images:,} images failed in this pass, and their "
                "earlier outputs would be removed; see failures.csv, and check the sources and the "
                "recipe. If this is intended, set removals.max_rate to 1."
            )
            return False
        self._lost += 1
        return True
