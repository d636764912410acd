"""Jobs: an image to make, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

from pixelmill.core.errors import ImageError

#: Stages that an outcome's times are split into, in order.
STAGES = ("read", "decode", "steps", "encode", "write")

#: Number of each.
READ, DECODE, STEPS, ENCODE, WRITE = range(len(STAGES))


class Job(NamedTuple):
    """One image to make.

    Attributes
    ----------
    source : str
        Its path below the root of sources.
    outputs : tuple of str
        Where each of its outputs goes, below the root of those.
    bytes, mtime_ns, changed_ns : int
        Size, modification time and time of change that the source had when it was
        catalogued. If it has changed since, the next pass finds another time, and looks at
        the content.
    """

    source: str
    outputs: tuple[str, ...]
    bytes: int = 0
    mtime_ns: int = 0
    changed_ns: int = 0


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
    changed_ns: int = 0

    @property
    def bytes_out(self) -> int:
        """Size of all outputs."""
        return sum(made.bytes for made in self.made)


class Account:
    """What is learnt of an image on its way, good or bad; and seconds by stage."""

    __slots__ = ("_last", "_number", "bytes_in", "digest", "made", "pixels_in", "seconds")

    def __init__(self) -> None:
        self.bytes_in = self.pixels_in = 0
        self.digest = ""
        self.made: list[Made] = []
        self.seconds = [0.0] * len(STAGES)
        self._number = READ  # of the stage that goes on now
        self._last = perf_counter()

    @property
    def stage(self) -> str:
        """The stage that goes on now."""
        return STAGES[self._number]

    def lap(self, number: int) -> None:
        """Note that a stage ended; the next one begins, and after the last it goes on."""
        now = perf_counter()
        self.seconds[number] += now - self._last
        self._last = now
        self._number = number + 1 if number < WRITE else WRITE

    def outcome(self, job: Job, error: ImageError | None = None) -> Outcome:
        """Sum up what became of the image."""
        if error is None:
            became = tuple(self.made), "ok", "", "", ""
        else:
            became = (), "failed", error.stage, error.reason, error.message
        known = self.bytes_in, job.mtime_ns, self.digest, self.pixels_in
        return Outcome(job.source, *became, *known, tuple(self.seconds), job.changed_ns)


def failed(job: Job, stage: str, reason: str, message: str, digest: str) -> Outcome:
    """Outcome of an image whose process could not tell it itself."""
    account = Account()
    account.bytes_in, account.digest = job.bytes, digest
    return account.outcome(job, ImageError(stage, reason, message))
