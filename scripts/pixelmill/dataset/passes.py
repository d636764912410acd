"""Passes: what one run over a dataset did and how long it took, for a tree or for its shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypedDict, cast

from pixelmill.core.jobs import BusyInterval, Outcome
from pixelmill.core.machine_load import Conditions, merge
from pixelmill.engines.registry import AUTO

#: Conditions of passes of earlier versions.
NOT_RECORDED: Conditions = {}


class Pass(NamedTuple):
    """One run over a dataset; `is_full` if it rendered every image of the catalog.

    `conditions` are empty for passes of earlier versions.
    """

    is_full: bool
    engine: str
    workers: int
    seconds: float
    startup_seconds: float
    images: int
    failed: int
    bytes_in: int
    bytes_out: int
    megapixels_in: float
    catalog: str
    recipe: str
    code: str
    machine: str
    conditions: Conditions = NOT_RECORDED

    def told(self) -> str:
        """Tell how many images were processed, in what time, and how.

        Examples
        --------
        >>> one = Pass(True, "threads", 2, 1.5, 0.4, 1200, 0, 0, 0, 0.0, "", "", "", "")
        >>> one.told()
        '1,200 images in 1.5 s (800/s, threads, 2 workers)'
        """
        speed = self.images / max(self.seconds, 1e-9)
        told = f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}"
        workers = f"{self.workers} worker{'s' * (self.workers != 1)}"
        images = f"{self.images:,} image{'s' * (self.images != 1)}"
        return f"{images} in {self.seconds:.1f} s ({told}/s, {self.engine}, {workers})"


class PassRecord(TypedDict):
    """A pass as ``timing.json`` has it; `whole` is `Pass.is_full`."""

    whole: bool
    engine: str
    workers: int
    seconds: float
    startup_seconds: float
    images: int
    failed: int
    bytes_in: int
    bytes_out: int
    megapixels_in: float
    catalog: str
    recipe: str
    code: str
    machine: str
    conditions: Conditions


def as_record(one: Pass | None) -> PassRecord | None:
    """Return a pass in the form of ``timing.json``; None for none."""
    fields = PassRecord.__annotations__
    return None if one is None else cast(PassRecord, dict(zip(fields, one, strict=True)))


class Totals:
    """Sums over the outcomes of a pass."""

    def __init__(self) -> None:
        self.images = self.failed = self.bytes_in = self.bytes_out = self.pixels_in = 0
        self.reasons: Counter[str] = Counter()
        self.refused = False  # whether a step failed because it lacked a permission

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Add the outcomes of a batch."""
        for outcome in outcomes:
            self.images += 1
            self.failed += outcome.status == "failed"
            if outcome.reason:
                self.reasons[outcome.reason] += 1
            if outcome.reason == "step_failed":
                self.refused |= PermissionError.__name__ in outcome.message
            self.bytes_in += outcome.bytes_in
            self.bytes_out += outcome.bytes_out
            self.pixels_in += outcome.pixels_in


def merge_passes(passes: Sequence[Pass], images: int, catalog: str) -> Pass:
    """Combine the passes of shards, as if one had come after another.

    Parameters
    ----------
    passes : sequence of Pass
        At least one.
    images : int
        Number of images in the whole dataset.
    catalog : str
        Digest of the whole dataset.
    """
    working = [one for one in passes if one.images] or passes
    engines = {one.engine for one in working}
    made = sum(one.images for one in passes)
    return Pass(
        is_full=made == images and all(one.is_full for one in working),
        engine=engines.pop() if len(engines) == 1 else AUTO,
        workers=max(one.workers for one in working),
        seconds=sum(one.seconds for one in passes),
        startup_seconds=sum(one.startup_seconds for one in passes),
        images=made,
        failed=sum(one.failed for one in passes),
        bytes_in=sum(one.bytes_in for one in passes),
        bytes_out=sum(one.bytes_out for one in passes),
        megapixels_in=sum(one.megapixels_in for one in passes),
        catalog=catalog,
        recipe=_all(one.recipe for one in working),
        code=_all(one.code for one in working),
        machine=_all(one.machine for one in working),
        conditions=merge([one.conditions for one in working]),
    )


def concatenate(timed: Sequence[tuple[Pass, Sequence[BusyInterval]]]) -> list[BusyInterval]:
    """Return when workers were busy, as if the passes of shards had come one after another."""
    began = 0.0
    moved: list[BusyInterval] = []
    for one, stretches in timed:
        moved += [s._replace(began=began + s.began, ended=began + s.ended) for s in stretches]
        began += one.seconds
    return moved


def _all(digests: Iterable[str]) -> str:
    return "+".join(sorted(set(digests)))
