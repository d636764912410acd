"""One image, whole: read, decode, steps, encode, rename. Never raises.

`Renderer` is what every engine runs: a picklable callable, batch in, outcomes out.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from PIL import Image

from pixelmill import intake
from pixelmill.backends import backend
from pixelmill.decoding import Decoded, Target
from pixelmill.encoding import encoder_name, is_whole
from pixelmill.errors import ImageError
from pixelmill.files import sync, sync_folder, temporary_beside
from pixelmill.limits import Limits
from pixelmill.operations import Box, Size, scaled_size
from pixelmill.recipe import Output, Recipe, Step

#: Stages that an outcome's times are split into, in order.
STAGES = ("read", "decode", "steps", "encode", "write")

#: The stage that follows each; the last one goes on.
_NEXT = dict(zip(STAGES, (*STAGES[1:], STAGES[-1]), strict=True))

#: Width and height of the picture that workers warm up with: that of a small photo.
_WARM_UP = (448, 448)


class Job(NamedTuple):
    """One image to make: where from, and where each of its outputs goes, below the roots."""

    source: str
    outputs: tuple[str, ...]


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


class Renderer:
    """Make images by a recipe.

    Parameters
    ----------
    source_root, output_root : str
        Folders that the jobs' paths lie below.
    recipe : Recipe
    limits : Limits, optional
    durable : bool
        Sync each output to the disk before it takes its name.
    """

    def __init__(
        self,
        source_root: str,
        output_root: str,
        recipe: Recipe,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        durable: bool = False,
    ) -> None:
        self.source_root = source_root
        self.output_root = output_root
        self.recipe = recipe.with_files()
        self.limits = limits
        self.durable = durable
        self.target = target_of(recipe)
        self._backend = backend(recipe.settings["backend"])

    def __call__(
        self, batch: Batch, begin: Callable[[str], None] = lambda source: None
    ) -> list[Outcome]:
        """Make each image of a batch, its source told before; failures are outcomes too."""
        outcomes: list[Outcome] = []
        jobs = tuple(batch.jobs)
        announced = 0
        for number, job in enumerate(jobs, start=1):
            begin(job.source)
            outcomes.append(self.render(job))
            if intake.is_cold(outcomes[0].seconds[0], outcomes[0].bytes_in):
                for later in jobs[max(number, announced) : number + intake.AHEAD]:
                    intake.announce(os.path.join(self.source_root, later.source))
                announced = number + intake.AHEAD
        if self.durable:
            self._sync(jobs)
        return outcomes

    def warm_up(self) -> None:
        """Do all of it once, with a picture that goes nowhere.

        What is looked up, made or fetched at the first image then belongs to the start:
        it took 10 to 30 ms in each worker. Own steps are left out, and what fails will
        fail again where it is told.
        """
        drawn = io.BytesIO()
        Image.radial_gradient("L").convert("RGB").resize(_WARM_UP).save(drawn, "JPEG")
        recipe = self.recipe
        # Into a real file: an encoder's library may not do with less.
        with contextlib.suppress(Exception), tempfile.TemporaryDirectory() as folder:
            decoded = self._backend.decode(
                drawn.getvalue(), self.target, recipe.reading, self.limits
            )
            steps = [step for step in recipe.all_steps if step.name != "call"]
            picture = self._apply(decoded.frames[0], decoded.box, steps)
            for output in recipe.outputs:
                self._write([picture], os.path.join(folder, "made"), output, decoded, _Clock())

    def _sync(self, jobs: Sequence[Job]) -> None:
        """Bring the names of outputs to the disk; their content is there."""
        paths = (os.path.join(self.output_root, path) for job in jobs for path in job.outputs)
        for folder in {os.path.dirname(path) for path in paths}:
            sync_folder(folder)

    def render(self, job: Job) -> Outcome:
        """Make one image."""
        clock = _Clock()
        facts = _Facts()
        try:
            data, facts.mtime_ns = intake.read(os.path.join(self.source_root, job.source))
            facts.bytes_in, facts.digest = len(data), intake.content_digest(data)
            clock.lap("read")
            reading = self.recipe.reading
            decoded = self._backend.decode(data, self.target, reading, self.limits)
            facts.pixels_in = decoded.pixels
            clock.lap("decode")
            self._make(job, decoded, facts, clock)
        except ImageError as error:
            return facts.outcome(job, clock, error)
        except Exception as error:  # whatever it was, it costs this image alone
            if isinstance(error, MemoryError):
                message = f"it needs more than limits.memory_mb = {self.limits.memory_mb:,}"
                return facts.outcome(job, clock, ImageError(clock.stage, "out_of_memory", message))
            unexpected = ImageError(clock.stage, "corrupt", f"{type(error).__name__}: {error}")
            return facts.outcome(job, clock, unexpected)
        return facts.outcome(job, clock, None)

    def _make(self, job: Job, decoded: Decoded, facts: _Facts, clock: _Clock) -> None:
        """Do the steps and write each output; all take their names, or none does."""
        recipe = self.recipe
        frames = [self._apply(frame, decoded.box, recipe.steps) for frame in decoded.frames]
        box = None if recipe.steps else decoded.box
        written: list[tuple[str, str]] = []
        placed: list[str] = []
        try:
            for output, path in zip(recipe.outputs, job.outputs, strict=True):
                pictures = frames
                if output.steps:
                    pictures = [
                        self._apply(*self._reduced(frame, output.steps, box, decoded.kind))
                        for frame in frames
                    ]
                clock.lap("steps")
                place = os.path.join(self.output_root, path)
                temporary = temporary_beside(place)
                written.append((temporary, place))
                size, sha256 = self._write(pictures, temporary, output, decoded, clock)
                width, height = self._backend.size(pictures[0])
                facts.made.append(Made(output.name, path, width, height, size, sha256))
                clock.lap("write")
            for temporary, place in written:
                if recipe.settings["keep_mtime"]:
                    os.utime(temporary, ns=(facts.mtime_ns, facts.mtime_ns))
                os.replace(temporary, place)
                placed.append(place)
            clock.lap("write")
        except BaseException as error:
            for path in (*(temporary for temporary, _ in written), *placed):
                with contextlib.suppress(OSError):  # as where it could not be made
                    os.unlink(path)
            if isinstance(error, OSError):
                raise ImageError("write", "write_failed", str(error.strerror or error)) from error
            raise

    def _reduced(
        self, picture: Any, steps: Sequence[Step], box: Box | None, kind: str
    ) -> tuple[Any, Box | None, Sequence[Step]]:
        """Reduce what was decoded for a larger output, as a decoder would have for this one."""
        recipe = self.recipe
        margin = recipe.settings["shrink_margin"]
        lone = bool(recipe.steps) or len(recipe.outputs) == 1
        if lone or not margin or kind != "jpeg" or not steps or steps[0].name != "resize":
            return picture, box, steps
        if not _may_shrink(steps[0].params):
            return picture, box, steps
        size = self._backend.size(picture)
        left, top, right, bottom = box or (0, 0, *size)
        width, height = scaled_size((right - left, bottom - top), steps[0].params)
        factor = min(size[0] / max(1, width * margin), size[1] / max(1, height * margin))
        for whole in (8, 4, 2):  # as libjpeg has them
            if factor >= whole:
                return *self._backend.reduce(picture, whole, box), steps
        return picture, box, steps

    def _apply(self, picture: Any, box: Box | None, steps: Sequence[Step]) -> Any:
        for number, step in enumerate(steps):
            first_box = box if number == 0 else None
            try:
                picture = self._backend.apply(
                    picture, step.name, step.params, first_box, self.recipe.folder
                )
            except (ImageError, MemoryError):
                raise
            except Exception as error:
                message = f"{step.name}: {type(error).__name__}: {error}"
                raise ImageError("steps", "step_failed", message) from error
        return picture

    def _write(
        self,
        pictures: Sequence[Any],
        path: str,
        output: Output,
        decoded: Decoded,
        clock: _Clock,
    ) -> tuple[int, str]:
        """Encode to a file; return its size in bytes and its sha256."""
        name = encoder_name(output.format, decoded.kind)
        background = self.recipe.settings["background"]
        try:
            data = self._backend.encode(pictures, path, name, output.options, background, decoded)
        except MemoryError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.strerror:
                raise  # the disk's doing
            message = f"{type(error).__name__}: {error}"
            raise ImageError("encode", "write_failed", message) from error
        clock.lap("encode")
        if not is_whole(data, name):
            # Pillow takes a short write, as on a disk that fills up, for a whole one.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.durable:
            sync(path)
        return len(data), hashlib.sha256(data).hexdigest()


def target_of(recipe: Recipe) -> Target | None:
    """Return what tells a decoder how large an image need be, if anything in a recipe does."""
    firsts = [(*recipe.steps, *output.steps)[:1] for output in recipe.outputs]
    resizes = [step.params for first in firsts for step in first if step.name == "resize"]
    if len(resizes) < len(firsts) or not all(map(_may_shrink, resizes)):
        return None
    if len(resizes) == 1:
        return partial(scaled_size, params=resizes[0])
    return partial(_largest_size, resizes)


def _largest_size(resizes: Sequence[Mapping[str, Any]], source: Size) -> tuple[float, float]:
    sizes = [scaled_size(source, params) for params in resizes]
    return max(size[0] for size in sizes), max(size[1] for size in sizes)


def _may_shrink(resize: Mapping[str, Any]) -> bool:
    """Whether a resize gives the same, as far as can be seen, from a smaller image."""
    return not (
        resize["filter"] == "nearest"  # the nearest pixel would be another one
        or resize["linear"]  # a shrunken decode takes the mean of levels, not of light
        or resize["percent"] is not None  # it would be percent of what was decoded
    )


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.stage = STAGES[0]  # the one that goes on now
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Note that a stage ended; the next one begins."""
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now
        self.stage = _NEXT[stage]


class _Facts:
    """What is learnt of an image on its way, good or bad."""

    def __init__(self) -> None:
        self.bytes_in = self.mtime_ns = self.pixels_in = 0
        self.digest = ""
        self.made: list[Made] = []

    def outcome(self, job: Job, clock: _Clock, error: ImageError | None) -> Outcome:
        return Outcome(
            source=job.source,
            made=tuple(self.made) if error is None else (),
            status="ok" if error is None else "failed",
            stage="" if error is None else error.stage,
            reason="" if error is None else error.reason,
            message="" if error is None else error.message,
            bytes_in=self.bytes_in,
            mtime_ns=self.mtime_ns,
            digest=self.digest,
            pixels_in=self.pixels_in,
            seconds=tuple(clock.seconds.values()),
        )


def failed(
    job: Job, stage: str, reason: str, message: str, size: int, mtime_ns: int, digest: str
) -> Outcome:
    """Outcome of an image whose process could not tell it itself."""
    facts = _Facts()
    facts.bytes_in, facts.mtime_ns, facts.digest = size, mtime_ns, digest
    return facts.outcome(job, _Clock(), ImageError(stage, reason, message))
