"""Rendering of an image: read, decode, apply the steps, encode, rename.

Every engine runs a `Renderer`: a picklable callable that takes a batch and returns outcomes. It
raises only `TreeError`; everything else that goes wrong is an outcome.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import itertools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from PIL import Image

from pixelmill.core import files
from pixelmill.core.errors import ImageError, TreeError, describe
from pixelmill.core.files import temporary_beside
from pixelmill.core.jobs import (
    UP_TO_DATE,
    Batch,
    Job,
    Outcome,
    OutputFile,
    Stage,
    StageTimer,
)
from pixelmill.core.root import Root
from pixelmill.imaging.backends.base import Prepared
from pixelmill.imaging.backends.registry import backend
from pixelmill.imaging.codecs import reading
from pixelmill.imaging.codecs.decoded import Decoded, Packets, SizeHint
from pixelmill.imaging.codecs.formats import FORMATS, SNIFF_BYTES, output_format, sniff
from pixelmill.imaging.codecs.jpeg import SCALES
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.output_writer import OutputWriter
from pixelmill.imaging.parameters import Box, Size
from pixelmill.imaging.recipe import SIDECAR, Output, Recipe, Step
from pixelmill.imaging.steps.resize import constant_size, needed_size
from pixelmill.storage.archives import Archives, is_archive
from pixelmill.storage.member import Spot

#: Width and height of the picture that workers warm up with, those of a small photo.
_WARM_UP = (448, 448)


#: Steps by name.
_Steps: TypeAlias = Sequence[tuple[str, Prepared]]


class _Page(NamedTuple):
    """A page of an output, encoded; its size in pixels, and what is noted of it."""

    data: bytes
    size: Size
    note: str


@dataclass
class _Draft:
    """An output that is being written, to a temporary file."""

    output: Output
    path: str
    temporary: str
    descriptor: int
    pages: list[_Page] = field(default_factory=list)

    def close(self) -> None:
        """Close the file, once."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Renderer:
    """Renders images according to a recipe.

    Parameters
    ----------
    source_root, output_root : str
        Folders that the paths of jobs are relative to. Both must exist, and the second one must
        not be a link. An archive, or a pattern of archives, may take the place of the first one.
    recipe : Recipe
    limits : Limits, optional
    durable : bool
        Sync each output to the disk before it is renamed.
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
        self._sources = os.path.join(source_root, "")
        self._archives = Archives(source_root) if is_archive(source_root) else None
        self._outputs = Root(output_root, follow=False)
        # With the paths of files as they were given.
        self._described = {output.name: recipe.as_data(output) for output in recipe.outputs}
        self.recipe = recipe.with_files()
        self.limits = limits
        self.durable = durable
        self._backend = backend(recipe.settings["backend"])

    def __call__(
        self, batch: Batch, on_start: Callable[[int], None] = lambda number: None
    ) -> list[Outcome]:
        """Render each image of a batch; `on_start` is called before with its number."""
        outcomes: list[Outcome] = []
        jobs = tuple(batch.jobs)
        announced, cold = 0, False
        self._outputs.refresh()
        for number, job in enumerate(jobs):
            on_start(number)
            outcomes.append(self.render(job))
            if number == 0:
                cold = reading.is_cold(outcomes[0].seconds[0], outcomes[0].bytes_in)
            if cold and self._archives is None:
                ahead = number + 1 + reading.AHEAD
                for later in jobs[max(number + 1, announced) : ahead]:
                    reading.announce(os.path.join(self.source_root, later.source))
                announced = ahead
        if self.durable:
            self._sync(jobs)
        return outcomes

    def warm_up(self) -> None:
        """Render a small picture and discard the result.

        Everything that happens only with the first image, 10 to 30 ms in each worker, then
        belongs to the start-up. Own steps are left out. Errors are ignored here, because they
        will occur again with the first image.
        """
        recipe = self.recipe
        # A real file, because the library of an encoder may need one.
        with contextlib.suppress(Exception), tempfile.TemporaryFile(buffering=0) as file:
            decoded = self.decode(warm_up_picture())
            steps = [step for step in recipe.all_steps if step.name != "call"]
            picture = self._apply(decoded.frames[0], decoded.box, self._prepare(steps))
            for output in recipe.outputs:
                self._writer.write([picture], file.fileno(), output, decoded, b"")
                file.truncate(file.seek(0))

    def _sync(self, jobs: Sequence[Job]) -> None:
        """Sync the names of outputs to the disk; their content is synced already."""
        folders = {""}
        for folder in {os.path.dirname(path) for job in jobs for path in job.outputs}:
            while folder not in folders:  # its parents may be new too
                folders.add(folder)
                folder = os.path.dirname(folder)
        for folder in folders:
            with contextlib.suppress(FileNotFoundError):  # no image in it was rendered
                self._outputs.sync(folder)

    def render(self, job: Job) -> Outcome:
        """Render one image.

        Raises
        ------
        TreeError
            If something in the output folder, such as a link, must not be written through.
        """
        timer = StageTimer()
        try:
            data = self.read(job)
            timer.bytes_in, timer.digest = len(data), reading.content_digest(data)
            timer.lap(Stage.READ)
            self.make(job, self._decoded(data, timer), timer)
        except ImageError as error:
            return timer.outcome(job, error)
        except TreeError:
            raise
        except Exception as error:  # no error costs more than this image
            if isinstance(error, MemoryError):
                message = f"it needs more than limits.memory_mb = {self.limits.memory_mb:,}"
                return timer.outcome(job, ImageError(timer.stage, "out_of_memory", message))
            return timer.outcome(job, ImageError(timer.stage, "corrupt", describe(error)))
        return timer.outcome(job)

    def read(self, job: Job) -> bytes:
        """Read the source of an image.

        Raises
        ------
        ImageError
            If it cannot be read.
        """
        if self._archives is None:
            return reading.read(self._sources + job.source, job.bytes, self.limits)
        try:
            spot = Spot(job.bytes, job.changed_ns, job.offset)
            member = self._archives.member(job.source, spot)
        except FileNotFoundError as error:
            raise ImageError("read", "vanished", str(error.strerror)) from error
        return reading.read_place(member, limits=self.limits)

    def missing_folder(self) -> str:
        """Return a folder or an archive that this process does not see; empty if it sees all."""
        sources = [self.source_root] if self._archives is None else self._archives.paths.values()
        places = (*sources, self.output_root)
        return next((place for place in places if not os.path.exists(place)), "")

    def _decoded(self, data: bytes, timer: StageTimer) -> Iterator[tuple[Decoded, bytes]]:
        """Decode a file, or one page after the other, each with the file that begins with it."""
        recipe = self.recipe
        kind = sniff(data[:SNIFF_BYTES]) if recipe.settings["pages"] == "all" else None
        pages = (data,) if kind is None else FORMATS[kind].pages(data, self.limits.max_frames)
        for page in pages:
            decoded = self.decode(page)
            decoded.packets = _packets(page, decoded.kind, recipe.settings["metadata"])
            timer.pixels_in += decoded.pixels
            timer.lap(Stage.DECODE)
            yield decoded, page

    def make(self, job: Job, pages: Iterator[tuple[Decoded, bytes]], timer: StageTimer) -> None:
        """Run the steps and write each output; either all outputs are renamed, or none.

        A subclass may do something else with what was decoded.

        Parameters
        ----------
        job : Job
        pages : iterator of (Decoded, bytes)
            The pages that the recipe asks for, each with the file that begins with it.
        timer : StageTimer
            Takes the times, and what becomes known of the image.
        """
        recipe = self.recipe
        first = next(pages)  # before any file is created
        drafts: list[_Draft] = []
        placed: list[str] = []
        try:
            for decoded, data in itertools.chain([first], pages):
                self._write_page(job, decoded, data, drafts, timer)
            for draft in drafts:
                made, size, note = draft.pages[0]
                if len(draft.pages) > 1:
                    name = output_format(draft.output.format, first[0].kind)
                    encoded = [page.data for page in draft.pages]
                    made = self._writer.join(encoded, draft.descriptor, name)
                    note = next(filter(None, (page.note for page in draft.pages)), "")
                sha256 = hashlib.sha256(made).hexdigest()
                timer.files.append(
                    OutputFile(draft.output.name, draft.path, *size, len(made), sha256, note)
                )
            self._write_sidecars(job, *first, drafts, timer)
            for draft in drafts:
                if self.durable:
                    os.fsync(draft.descriptor)
                draft.close()
            for draft in drafts:
                if recipe.settings["keep_mtime"]:
                    self._outputs.set_mtime(draft.temporary, job.mtime_ns)
                self._outputs.replace(draft.temporary, draft.path)
                placed.append(draft.path)
            timer.lap(Stage.WRITE)
        except BaseException as error:
            for draft in drafts:
                draft.close()
            for path in (*(draft.temporary for draft in drafts), *placed):
                with contextlib.suppress(OSError, TreeError):  # the first error is reported
                    self._outputs.unlink(path)
            if isinstance(error, OSError):
                raise ImageError("write", "write_failed", str(error.strerror or error)) from error
            raise

    def decode(self, data: bytes) -> Decoded:
        """Decode a file as the recipe asks for."""
        options = self.recipe.decode_options
        return self._backend.decode(data, self.size_hint, options, self.limits)

    def _write_page(
        self, job: Job, decoded: Decoded, data: bytes, drafts: list[_Draft], timer: StageTimer
    ) -> None:
        """Run the steps, and encode each output; the drafts are created with the first page."""
        recipe = self.recipe
        common, own = self._prepared
        frames = [self._apply(frame, decoded.box, common) for frame in decoded.frames]
        box = None if recipe.steps else decoded.box
        outputs = zip(recipe.outputs, job.outputs[: len(own)], own, strict=True)
        outdated = [one for one in outputs if one[1] != UP_TO_DATE]
        for number, (output, path, steps) in enumerate(outdated):
            if number:
                timer.lap(Stage.WRITE)
            pictures = frames
            if steps:
                pictures = [
                    self._apply(*self._reduced(frame, output.steps, box, decoded.kind), steps)
                    for frame in frames
                ]
            timer.lap(Stage.STEPS)
            if number == len(drafts):
                temporary = temporary_beside(path)
                drafts.append(_Draft(output, path, temporary, self._outputs.create(temporary)))
            draft = drafts[number]
            if draft.pages:  # all pages are written again in the end
                os.ftruncate(draft.descriptor, 0)
                os.lseek(draft.descriptor, 0, os.SEEK_SET)
            made = self._writer.write(pictures, draft.descriptor, output, decoded, data)
            draft.pages.append(_Page(made.data, self._backend.size(pictures[0]), made.note))
            timer.lap(Stage.ENCODE)

    def _write_sidecars(
        self, job: Job, decoded: Decoded, data: bytes, drafts: list[_Draft], timer: StageTimer
    ) -> None:
        """Describe the outputs that have sidecars, and add drafts of these."""
        made_here = [draft.output for draft in drafts]
        pairs = list(zip(made_here, tuple(timer.files), strict=True))
        described = [pair for pair in pairs if pair[0].has_sidecar]
        if not described:
            return
        from pixelmill.imaging import sidecar

        source = sidecar.facts_of_source(job.source, data, decoded.kind)
        paths = dict(zip(self.recipe.variants, job.outputs, strict=True))
        for output, file in described:
            path = paths[output.name + SIDECAR]
            format_name = output_format(output.format, decoded.kind)
            made = sidecar.content(source, file, format_name, self._described[output.name])
            temporary = temporary_beside(path)
            drafts.append(_Draft(output, path, temporary, self._outputs.create(temporary)))
            files.write_all(drafts[-1].descriptor, made)
            sha256 = hashlib.sha256(made).hexdigest()
            timer.files.append(OutputFile(output.name + SIDECAR, path, 0, 0, len(made), sha256))

    def _reduced(
        self, picture: Any, steps: Sequence[Step], box: Box | None, kind: str
    ) -> tuple[Any, Box | None]:
        """Reduce a picture that was decoded for a larger output, as a decoder would have."""
        recipe = self.recipe
        margin = recipe.settings["shrink_margin"]
        lone = bool(recipe.steps) or len(recipe.outputs) == 1
        if (
            lone
            or not margin
            or not FORMATS[kind].shrinks
            or not steps
            or steps[0].name != "resize"
        ):
            return picture, box
        if not _may_shrink(steps[0].params):
            return picture, box
        size = self._backend.size(picture)
        left, top, right, bottom = box or (0, 0, *size)
        width, height = needed_size((right - left, bottom - top), steps[0].params)
        factor = min(size[0] / max(1, width * margin), size[1] / max(1, height * margin))
        for scale in SCALES:
            if factor >= scale > 1:
                return self._backend.reduce(picture, scale, box)
        return picture, box

    @functools.cached_property
    def size_hint(self) -> SizeHint | None:
        """Tells a decoder how large the picture must be; None if the recipe does not say."""
        return size_hint_of(self.recipe)

    @functools.cached_property
    def _prepared(self) -> tuple[_Steps, list[_Steps]]:
        """The steps of the recipe and those of each output, prepared in this process."""
        own = [self._prepare(output.steps) for output in self.recipe.outputs]
        return self._prepare(self.recipe.steps), own

    @functools.cached_property
    def _writer(self) -> OutputWriter:
        """Writes the outputs, with encoders that were prepared in this process."""
        return OutputWriter(self._backend, self.limits, self.recipe.settings["background"])

    def _prepare(self, steps: Iterable[Step]) -> _Steps:
        return [(step.name, self._backend.prepare(step, self.recipe.folder)) for step in steps]

    def __getstate__(self) -> dict[str, Any]:
        made_here = ("size_hint", "_prepared", "_writer")
        return {key: value for key, value in self.__dict__.items() if key not in made_here}

    def _apply(self, picture: Any, box: Box | None, steps: _Steps) -> Any:
        for name, step in steps:
            try:
                picture = step(picture, box)
            except (ImageError, MemoryError):
                raise
            except Exception as error:
                message = f"{name}: {describe(error)}"
                raise ImageError("steps", "step_failed", message) from error
            box = None  # it applies to the first step only
        return picture


def warm_up_picture() -> bytes:
    """Return a small photo-like JPEG, which workers warm up with."""
    drawn = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").resize(_WARM_UP).save(drawn, "JPEG")
    return drawn.getvalue()


def _packets(data: bytes, kind: str, policy: str | tuple[str, ...]) -> Packets:
    """XMP and IPTC for the outputs of a file."""
    if policy in ("strip", "none"):
        return Packets()
    from pixelmill.imaging.codecs import packets

    return packets.selected(FORMATS[kind].packets(data), policy)


def size_hint_of(recipe: Recipe) -> SizeHint | None:
    """Return a function that tells a decoder how large the picture must be, if a recipe says so."""
    firsts = [(*recipe.steps, *output.steps)[:1] for output in recipe.outputs]
    resizes = [step.params for first in firsts for step in first if step.name == "resize"]
    if not firsts or len(resizes) < len(firsts) or not all(map(_may_shrink, resizes)):
        return None
    if len(resizes) > 1:
        return partial(_largest_size, resizes)
    always = constant_size(resizes[0])
    return partial(needed_size, params=resizes[0]) if always is None else lambda source: always


def _largest_size(resizes: Sequence[Mapping[str, Any]], source: Size) -> tuple[float, float]:
    sizes = [needed_size(source, params) for params in resizes]
    return max(size[0] for size in sizes), max(size[1] for size in sizes)


def _may_shrink(resize: Mapping[str, Any]) -> bool:
    """Whether a resize gives visibly the same result from a smaller decode."""
    return not (
        resize["filter"] == "nearest"  # another pixel would be the nearest
        or resize["linear"]  # a reduced decode averages levels, not light
        or resize["percent"] is not None  # it would be percent of the reduced size
    )
