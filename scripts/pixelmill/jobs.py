"""Jobs: an image to make, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from pixelmill.errors import ImageError

#: Stages that an outcome's times are split into, in order.
STAGES = ("read", "decode", "steps", "encode", "write")

#: The stage that follows each; the last one goes on.
_NEXT = dict(zip(STAGES, (*STAGES[1:], STAGES[-1]), strict=True))


class Job(NamedTuple):
    """One image to make.

    Attributes
    ----------
    source : str
        Its path below the root of sources.
    outputs : tuple of str
        Where each of its outputs goes, below the root of those.
    bytes, mtime_ns : int
        Size and modification time that the source had when it was catalogued. If it has
        changed since, the next pass finds another time, and looks at the content.
    """

    source: str
    outputs: tuple[str, ...]
    bytes: int = 0
    mtime_ns: int = 0


class Batch:
    """Jobs that one worker does in one go.

    No dataclass and no sequence: Dask would walk into either.
    """

    __slots__ = ("jobs",)

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs


class Stretch(NamedTuple):
    """When a worker was busy with a batch: the time of its beginning and end, in seconds."""

    worker: str
    began: float
    ended: float
    images: int


class Made(NamedTuple):
    """One output that was written; sides in pixels."""

    variant: str
    path: str
    width: int
    height: int
    bytes: int
    sha256: str


class Outcome(NamedTuple):
    """What became of one image.

    `stage`, `reason` and `message` are empty where it went well, `made` where it did
    not. `seconds` are by stage.
    """

    source: str
    made: tuple[Made, ...]
    status: str
    stage: str
    reason: str
    message: str
    bytes_in: int
    mtime_ns: int
    digest: str
    pixels_in: int
    seconds: tuple[float, ...]

    @property
    def bytes_out(self) -> int:
        """Size of all outputs."""
        return sum(made.bytes for made in self.made)


class Account:
    """What is learnt of an image on its way, good or bad; and seconds by stage."""

    def __init__(self) -> None:
        self.bytes_in = self.pixels_in = 0
        self.digest = ""
        self.made: list[Made] = []
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.stage = STAGES[0]  # the one that goes on now
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Note that a stage ended; the next one begins."""
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now
        self.stage = _NEXT[stage]

    def outcome(self, job: Job, error: ImageError | None = None) -> Outcome:
        """Sum up what became of the image."""
        return Outcome(
            source=job.source,
            made=tuple(self.made) if error is None else (),
            status="ok" if error is None else "failed",
            stage="" if error is None else error.stage,
            reason="" if error is None else error.reason,
            message="" if error is None else error.message,
            bytes_in=self.bytes_in,
            mtime_ns=job.mtime_ns,
            digest=self.digest,
            pixels_in=self.pixels_in,
            seconds=tuple(self.seconds.values()),
        )


def failed(job: Job, stage: str, reason: str, message: str, digest: str) -> Outcome:
    """Outcome of an image whose process could not tell it itself."""
    account = Account()
    account.bytes_in, account.digest = job.bytes, digest
    return account.outcome(job, ImageError(stage, reason, message))
