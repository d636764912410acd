"""One image, whole: read, decode, steps, encode, rename. Never raises.

`Renderer` is what every engine runs: a picklable callable, batch in, outcomes out.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from pixelmill import codec, own_steps
from pixelmill.errors import ImageError
from pixelmill.files import temporary_beside
from pixelmill.limits import Limits
from pixelmill.operations import STEPS, Box, Size, scaled_size
from pixelmill.recipe import Recipe

#: Stages that an outcome's times are split into, in order.
STAGES = ("read", "decode", "steps", "encode", "write")

#: Digests of sources tell change, not forgery: 128 bits are plenty.
DIGEST_BYTES = 16


class Job(NamedTuple):
    """One image to make: where from, where to, below the roots."""

    source: str
    output: str


class Batch:
    """Jobs that one worker does in one go.

    No dataclass and no sequence: Dask would walk into either.
    """

    __slots__ = ("jobs",)

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = tuple(jobs)


class Outcome(NamedTuple):
    """What became of one image.

    `stage`, `reason` and `message` are empty where it went well; `width`, `height`,
    `bytes_out` and `sha256` are those of the output. `seconds` are by stage.
    """

    source: str
    output: str
    status: str
    stage: str
    reason: str
    message: str
    bytes_in: int
    mtime_ns: int
    digest: str
    pixels_in: int
    width: int
    height: int
    bytes_out: int
    sha256: str
    seconds: tuple[float, ...]


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
        self.recipe = recipe
        self.limits = limits
        self.durable = durable

    def __call__(self, batch: Batch) -> list[Outcome]:
        """Make each image of a batch; failures are outcomes too."""
        return [self.render(job) for job in batch.jobs]

    def render(self, job: Job) -> Outcome:
        """Make one image."""
        clock = _Clock()
        facts = _Facts()
        try:
            output = os.path.join(self.output_root, job.output)
            data = _read(os.path.join(self.source_root, job.source), facts)
            clock.lap()
            decoded = codec.decode(data, self.target(), self.recipe.shrink_margin, self.limits)
            facts.pixels_in = decoded.pixels
            clock.lap()
            image = self._apply_steps(decoded.image, decoded.box)
            clock.lap()
            _write(image, output, self.recipe, decoded.profile, facts, clock, self.durable)
        except ImageError as error:
            return facts.outcome(job, clock, error)
        except Exception as error:  # whatever it was, it costs this image alone
            stage = STAGES[min(len(clock.laps), len(STAGES) - 1)]
            if isinstance(error, MemoryError):
                message = f"it needs more than limits.memory_mb = {self.limits.memory_mb:,}"
                return facts.outcome(job, clock, ImageError(stage, "out_of_memory", message))
            unexpected = ImageError(stage, "corrupt", f"{type(error).__name__}: {error}")
            return facts.outcome(job, clock, unexpected)
        return facts.outcome(job, clock, None)

    def target(self) -> codec.Target | None:
        """Return what tells a decoder how large the image need be, if anything does."""
        first = self.recipe.steps[0] if self.recipe.steps else None
        if first is None or first.name != "resize":
            return None
        params = first.params
        if params["filter"] == "nearest":
            return None  # to take the nearest pixel of a smaller image would be another pixel
        if params["linear"]:
            return None  # a shrunken decode takes the mean of levels, not of light
        if params["percent"] is not None:
            return None  # `resize` would take percent of what was decoded

        def target(source: Size) -> tuple[float, float]:
            return scaled_size(source, params)

        return target

    def _apply_steps(self, image: Image.Image, box: Box | None) -> Image.Image:
        for number, step in enumerate(self.recipe.steps):
            try:
                if step.name == "call":
                    image = own_steps.call(image, step.params, self.recipe.folder)
                elif number == 0 and box is not None:
                    image = STEPS[step.name].function(image, **step.params, box=box)
                else:
                    image = STEPS[step.name].function(image, **step.params)
            except (ImageError, MemoryError):
                raise
            except Exception as error:
                message = f"{step.name}: {type(error).__name__}: {error}"
                raise ImageError("steps", "step_failed", message) from error
        return image


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.laps: list[float] = []
        self._last = time.perf_counter()

    def lap(self) -> None:
        now = time.perf_counter()
        self.laps.append(now - self._last)
        self._last = now


class _Facts:
    """What is learnt of an image on its way, good or bad."""

    def __init__(self) -> None:
        self.bytes_in = self.mtime_ns = self.pixels_in = 0
        self.width = self.height = self.bytes_out = 0
        self.digest = self.sha256 = ""

    def outcome(self, job: Job, clock: _Clock, error: ImageError | None) -> Outcome:
        seconds = tuple(clock.laps) + (0.0,) * (len(STAGES) - len(clock.laps))
        return Outcome(
            source=job.source,
            output=job.output if error is None else "",
            status="ok" if error is None else "failed",
            stage="" if error is None else error.stage,
            reason="" if error is None else error.reason,
            message="" if error is None else error.message,
            bytes_in=self.bytes_in,
            mtime_ns=self.mtime_ns,
            digest=self.digest,
            pixels_in=self.pixels_in,
            width=self.width,
            height=self.height,
            bytes_out=self.bytes_out,
            sha256=self.sha256,
            seconds=seconds,
        )


def failed(
    job: Job, stage: str, reason: str, message: str, size: int, mtime_ns: int, digest: str
) -> Outcome:
    """Outcome of an image whose process could not tell it itself."""
    facts = _Facts()
    facts.bytes_in, facts.mtime_ns, facts.digest = size, mtime_ns, digest
    return facts.outcome(job, _Clock(), ImageError(stage, reason, message))


def _read(path: str, facts: _Facts) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            state = os.fstat(file.fileno())
            data = file.readall()
    except FileNotFoundError as error:
        raise ImageError("read", "vanished", str(error.strerror)) from error
    except OSError as error:
        raise ImageError("read", "unreadable", str(error.strerror)) from error
    facts.bytes_in, facts.mtime_ns = len(data), state.st_mtime_ns
    facts.digest = content_digest(data)
    return data


def content_digest(data: bytes) -> str:
    """Digest that tells whether a source changed."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def _write(
    image: Image.Image,
    path: str,
    recipe: Recipe,
    profile: bytes | None,
    facts: _Facts,
    clock: _Clock,
    durable: bool,
) -> None:
    """Encode beside the output's place, then rename: it is whole or absent."""
    temporary = temporary_beside(path)
    try:
        try:
            file = open(temporary, "w+b")  # noqa: SIM115
        except FileNotFoundError:
            os.makedirs(os.path.dirname(temporary), exist_ok=True)
            file = open(temporary, "w+b")  # noqa: SIM115
        try:
            with file:
                codec.encode(image, file, recipe.format, recipe.quality, profile)
                clock.lap()
                file.seek(0)
                data = file.read()
                if not codec.is_whole(data, recipe.format):
                    # Pillow takes a short write, as on a disk that fills up, for a whole one.
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                sha256 = hashlib.sha256(data).hexdigest()
                if durable:
                    os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except MemoryError:
        raise
    except Exception as error:
        stage, message = STAGES[len(clock.laps)], f"{type(error).__name__}: {error}"
        if isinstance(error, OSError) and error.strerror:
            # The disk's doing; its file name would be the temporary one.
            stage, message = "write", error.strerror
        raise ImageError(stage, "write_failed", message) from error
    facts.sha256 = sha256
    facts.width, facts.height = image.size
    facts.bytes_out = len(data)
    clock.lap()
