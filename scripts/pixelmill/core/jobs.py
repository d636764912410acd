"""Jobs: an image to render, and its outcome."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

from pixelmill.core.errors import ImageError


class Stage(enum.IntEnum):
    """The stages of an image, in order. The times of an outcome are divided by them."""

    READ = 0
    DECODE = 1
    STEPS = 2
    ENCODE = 3
    WRITE = 4


#: Names of the stages, as tables have them.
STAGES = tuple(stage.name.lower() for stage in Stage)


#: Stands for the path of an output that stays as it is.
UP_TO_DATE = ""


class Job(NamedTuple):
    """One image to render.

    Attributes
    ----------
    source : str
        Its path below the folder of the inputs.
    outputs : tuple of str
        Paths of its outputs below the folder of the outputs; `UP_TO_DATE` for those that are
        not to be made.
    bytes, mtime_ns, changed_ns : int
        Size, modification time and time of change of the source when it was cataloged. If it
        has changed since, the next pass finds other times, and compares the content.
    offset : int
        Where the source is in its archive; 0 for a file.
    """

    source: str
    outputs: tuple[str, ...]
    bytes: int = 0
    mtime_ns: int = 0
    changed_ns: int = 0
    offset: int = 0


class Batch:
    """Jobs that one worker processes in one go.

    Neither a dataclass nor a sequence, because Dask would traverse either.
    """

    __slots__ = ("jobs",)

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs


class BusyInterval(NamedTuple):
    """The time in which a worker processed a batch: its start and end, in seconds."""

    worker: str
    began: float
    ended: float
    images: int


#: What is noted of an output that holds the picture of its source as it was coded there, because
#: encoding it again saves too little.
SOURCE_KEPT = "source_kept"

#: What is noted of an output that lacks metadata of its source, because they are malformed or
#: larger than its format can hold.
METADATA_DROPPED = "metadata_dropped"

#: What may be noted of an output.
NOTES = ("", SOURCE_KEPT, METADATA_DROPPED)


class OutputFile(NamedTuple):
    """One output that was written; sides in pixels, and one of `NOTES`."""

    variant: str
    path: str
    width: int
    height: int
    bytes: int
    sha256: str
    note: str = ""


class Outcome(NamedTuple):
    """What became of one image.

    `stage`, `reason` and `message` are empty if it succeeded, `files` is empty if it failed.
    `seconds` are by stage. `facts` is a JSON object with what was found out about an image that
    has no outputs because it was only measured.
    """

    source: str
    files: tuple[OutputFile, ...]
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
    facts: str = ""

    @property
    def bytes_out(self) -> int:
        """Size of all outputs."""
        return sum(file.bytes for file in self.files)


class StageTimer:
    """Measures the stages of an image, and collects what becomes known of it."""

    __slots__ = (
        "_last", "_number", "bytes_in", "digest", "facts", "files", "pixels_in", "seconds",
    )  # fmt: skip

    def __init__(self) -> None:
        self.bytes_in = self.pixels_in = 0
        self.digest = self.facts = ""
        self.files: list[OutputFile] = []
        self.seconds = [0.0] * len(STAGES)
        self._number: int = Stage.READ
        self._last = perf_counter()

    @property
    def stage(self) -> str:
        """The current stage."""
        return STAGES[self._number]

    def lap(self, number: int) -> None:
        """End a stage, and begin the next one; the last stage continues."""
        now = perf_counter()
        self.seconds[number] += now - self._last
        self._last = now
        self._number = min(number + 1, Stage.WRITE)

    def outcome(self, job: Job, error: ImageError | None = None) -> Outcome:
        """Return the outcome of the image."""
        if error is None:
            became = tuple(self.files), "ok", "", "", ""
        else:
            became = (), "failed", error.stage, error.reason, error.message
        known = self.bytes_in, job.mtime_ns, self.digest, self.pixels_in
        facts = "" if error else self.facts
        return Outcome(job.source, *became, *known, tuple(self.seconds), job.changed_ns, facts)


def failed(job: Job, stage: str, reason: str, message: str, digest: str) -> Outcome:
    """Return the outcome of an image whose process could not report it."""
    timer = StageTimer()
    timer.bytes_in, timer.digest = job.bytes, digest
    return timer.outcome(job, ImageError(stage, reason, message))
