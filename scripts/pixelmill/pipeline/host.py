"""Host: run the engine in a child process, whose workers render the images."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from functools import partial

from pixelmill.core.errors import UserError, describe, sentence
from pixelmill.core.jobs import Batch, BusyInterval
from pixelmill.core.sandbox import Confinement, Sandbox, confine_process, confine_thread
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.output_names import Outputs
from pixelmill.engines.distributed import Cluster
from pixelmill.engines.lifecycle import open_engine
from pixelmill.engines.local import needs_dask
from pixelmill.engines.malloc import keep_freed
from pixelmill.engines.processes import import_all
from pixelmill.engines.registry import engine_spec, has_processes, on_cluster
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.recipe import Recipe
from pixelmill.imaging.renderer import Renderer
from pixelmill.imaging.steps.process_state import SpoiledError
from pixelmill.pipeline import breadcrumbs
from pixelmill.pipeline.batching import MOST_IMAGES, batches
from pixelmill.pipeline.messages import MOST_TEXT, Channel, pack, refusal
from pixelmill.storage.archives import files_of

#: The first batches, whose jobs are created while the workers start and not when they are sent.
_PREPARED = 100


@dataclass(frozen=True)
class Work:
    """What to render, and how.

    Attributes
    ----------
    renderer : Renderer
    engine : str
    workers : int
    limits : Limits
    breadcrumb_dir : str
        Folder of the breadcrumbs.
    seconds_per_image : float or None
        Mean seconds of an image; None if none has been measured.
    cluster : Cluster
        Where the workers of the engine ``distributed`` are.
    confinement : Confinement or None
        What the rendering processes are allowed to do; None if they are not confined.
    images : int
        Number of images, which come after this.
    """

    renderer: Renderer
    engine: str
    workers: int
    limits: Limits
    breadcrumb_dir: str
    seconds_per_image: float | None
    cluster: Cluster = field(default_factory=Cluster)
    confinement: Confinement | None = None
    images: int = 0


def libraries(with_opencv: bool = True) -> tuple[str, ...]:
    """Return the names of the libraries that rendering imports late, as far as they exist."""
    names = ("numpy", "simplejpeg", *(("cv2",) if with_opencv else ()))
    return tuple(filter(importlib.util.find_spec, names))


def modules(recipe: Recipe, renderer: type[Renderer] = Renderer) -> tuple[str, ...]:
    """Return the names of the modules that the workers need."""
    return (__name__, renderer.__module__, *libraries(recipe.uses_opencv))


def confinement(
    sandbox: Sandbox, recipe: Recipe, source: str, written: Sequence[str], engine: str
) -> Confinement | None:
    """Return what the rendering processes are allowed to do; None if they are not confined.

    Parameters
    ----------
    sandbox : Sandbox
    recipe : Recipe
    source : str
        Folder of the inputs, or their archives.
    written : sequence of str
        Folders of the outputs and of the breadcrumbs.
    engine : str
    """
    own = (
        os.path.dirname(path) or "." for path in recipe.own_files()
    )  # modules import their neighbours
    read = [*files_of(source), *recipe.files(), *own]
    unconfined = engine if on_cluster(engine) else ""
    return sandbox.confine(read, written, recipe.settings["keep_mtime"], unconfined)


def run_host(
    channel: Channel,
    work: Work,
    images: Callable[[], tuple[Entries, Outputs]],
    stay: Callable[[], None],
) -> None:
    """Run the engine in this process, and report what becomes of each batch.

    Parameters
    ----------
    channel : Channel
        Where messages are sent: ``ready`` with the number of workers, ``batch`` with the
        outcomes of each batch, and at the end ``end``, ``broken`` if a worker died, ``refused``
        (see `pixelmill.pipeline.messages.refusal`), or ``error`` with a message and traceback.
    work : Work
    images : callable
        Returns the images to render, and the names of their outputs. It is called while the
        workers start.
    stay : callable
        Called at the end, while the workers still exist: the parent kills them together with
        this process, so that it finds everything that they have started.
    """
    apart = has_processes(work.engine)
    prepare = partial(_prepare_worker, work.limits, work.renderer, work.confinement)
    confine = partial(confine_thread, work.confinement, has_workers=apart)
    needed = modules(work.renderer.recipe, type(work.renderer))
    if work.images > MOST_IMAGES * work.workers:  # more than a few batches: see `needs_dask`
        needed += engine_spec(work.engine).modules
    try:
        if not apart:
            keep_freed()
            work.limits.cap_memory(work.workers)
            work.renderer.warm_up()
        # Else one garbage collection would search all modules, for 25 ms, and workers that are
        # forked would get copies of all objects.
        gc.freeze()
        todo: list[Batch] = []

        def cut() -> None:
            entries, outputs = images()
            todo.extend(batches(entries, outputs, work.workers, work.seconds_per_image))
            for batch in todo[:_PREPARED]:
                batch.jobs = tuple(batch.jobs)
            if needs_dask(len(todo), work.workers):
                import_all(engine_spec(work.engine).modules)  # a part of the start-up

        with open_engine(
            work.engine, work.workers, needed, prepare if apart else None, cut, confine, fork=True
        ) as engine:
            confine_process(work.confinement, has_workers=apart)
            channel.send("ready", engine.workers)
            engine.run(
                _BatchWorker(work.renderer, work.breadcrumb_dir),
                todo,
                partial(channel.forward, "batch"),
            )
            channel.send("end")
            stay()
    except (BrokenExecutor, SpoiledError):
        channel.send("broken")  # the breadcrumbs tell the rest
    except UserError as error:
        channel.send("refused", refusal(error))
    except OSError as error:
        channel.send("refused", refusal(UserError(sentence(error))))
    except Exception as error:
        import traceback

        with contextlib.suppress(OSError):
            channel.send("error", (describe(error), traceback.format_exc()[-MOST_TEXT:]))


def _prepare_worker(limits: Limits, renderer: Renderer, confinement: Confinement | None) -> None:
    """Make a worker ready for its first image."""
    limits.cap_memory(1)
    renderer.warm_up()
    confine_process(confinement)
    gc.freeze()


class _BatchWorker:
    """The work of a worker: takes a batch, and returns its outcomes as bytes for the host."""

    def __init__(self, renderer: Renderer, breadcrumb_dir: str) -> None:
        self._renderer = renderer
        self._breadcrumb_dir = breadcrumb_dir

    def __call__(self, batch: Batch) -> bytes:
        batch.jobs = tuple(batch.jobs)  # else each job would be created twice
        with breadcrumbs.record(self._breadcrumb_dir, [job.source for job in batch.jobs]) as mark:
            began = time.time()
            outcomes = self._renderer(batch, mark)
            worker = f"{os.getpid()}-{threading.get_ident()}"
            return pack(outcomes, BusyInterval(worker, began, time.time(), len(outcomes)))
