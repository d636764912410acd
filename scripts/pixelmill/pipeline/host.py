"""Host: the engine runs in a child process, and its workers make the images there."""

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
from pixelmill.core.jobs import Batch, Stretch
from pixelmill.core.sandbox import Confinement, Sandbox, confine_process, confine_thread
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.output_names import Outputs
from pixelmill.engines.base import APART
from pixelmill.engines.distributed import Cluster
from pixelmill.engines.malloc import keep_freed
from pixelmill.engines.registry import open_engine
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.recipe import Recipe
from pixelmill.imaging.renderer import Renderer
from pixelmill.imaging.steps.process_state import SpoiledError
from pixelmill.pipeline import breadcrumbs
from pixelmill.pipeline.batching import batches
from pixelmill.pipeline.messages import MOST_TEXT, Channel, pack, refusal

#: Batches whose jobs are made while the workers start, and not when they are handed out.
_PREPARED = 100


@dataclass(frozen=True)
class Work:
    """What is to be rendered, and how.

    Attributes
    ----------
    renderer : Renderer
    outputs : Outputs
        Where they go.
    engine : str
    workers : int
    limits : Limits
    crumbs : str
        Folder for breadcrumbs.
    rate : float or None
        Mean seconds of an image, where some were measured.
    cluster : Cluster
        Where the workers of the engine ``distributed`` are.
    confinement : Confinement or None
        What the processes that make the images may do; None for all that this one may.
    """

    renderer: Renderer
    outputs: Outputs
    engine: str
    workers: int
    limits: Limits
    crumbs: str
    rate: float | None
    cluster: Cluster = field(default_factory=Cluster)
    confinement: Confinement | None = None


def modules(recipe: Recipe) -> tuple[str, ...]:
    """Modules that the workers need."""
    libraries = ("numpy", "simplejpeg", *(("cv2",) if recipe.uses_opencv else ()))
    return (__name__, *filter(importlib.util.find_spec, libraries))


def confinement(
    sandbox: Sandbox, recipe: Recipe, source: str, written: Sequence[str], engine: str
) -> Confinement | None:
    """Return what the processes that make the images may do; None if all that this one may.

    Parameters
    ----------
    sandbox : Sandbox
    recipe : Recipe
    source : str
        Folder of the inputs.
    written : sequence of str
        Folders of the outputs and of the breadcrumbs.
    engine : str
    """
    own = (os.path.dirname(path) or "." for path in recipe.own_files())  # with their neighbours
    read = [source, *recipe.files(), *own]
    return sandbox.confine(read, written, recipe.settings["keep_mtime"], engine)


def host(channel: Channel, work: Work, entries: Entries, stay: Callable[[], None]) -> None:
    """Run the engine in this process, and say what becomes of each batch.

    Parameters
    ----------
    channel : Channel
        Where to say it: ``ready`` with the number of workers, ``batch`` with the outcomes of
        each, and ``end``, ``broken`` if a worker died, ``refused`` (see
        `pixelmill.pipeline.messages.refusal`), or ``error`` with message and traceback.
    work : Work
    entries : Entries
        What to make.
    stay : callable
        Called at the end, while the workers are there: they are killed together, so that
        nothing that they left is lost sight of.
    """
    apart = work.engine in APART
    prepare = partial(_prepare_worker, work.limits, work.renderer, work.confinement)
    confine = partial(confine_thread, work.confinement, has_workers=apart)
    needed = modules(work.renderer.recipe)
    try:
        if not apart:
            keep_freed()
            work.limits.cap_memory(work.workers)
            work.renderer.warm_up()
        gc.freeze()  # or all modules are searched for garbage once, for 25 ms of some image's time
        todo: list[Batch] = []

        def cut() -> None:
            todo.extend(batches(entries, work.outputs, work.workers, work.rate))
            for batch in todo[:_PREPARED]:
                batch.jobs = tuple(batch.jobs)

        with open_engine(
            work.engine, work.workers, needed, prepare if apart else None, cut, confine
        ) as engine:
            confine_process(work.confinement, has_workers=apart)
            channel.send("ready", engine.workers)
            engine.run(_Packed(work.renderer, work.crumbs), todo, partial(channel.forward, "batch"))
            channel.send("end")
            stay()
    except (BrokenExecutor, SpoiledError):
        channel.send("broken")  # the crumbs tell the rest
    except UserError as error:
        channel.send("refused", refusal(error))
    except OSError as error:
        channel.send("refused", refusal(UserError(sentence(error))))
    except Exception as error:
        import traceback

        with contextlib.suppress(OSError):
            channel.send("error", (describe(error), traceback.format_exc()[-MOST_TEXT:]))


def _prepare_worker(limits: Limits, renderer: Renderer, confinement: Confinement | None) -> None:
    """Make a worker ready."""
    limits.cap_memory(1)
    renderer.warm_up()
    confine_process(confinement)
    gc.freeze()


class _Packed:
    """The work of a worker: a batch in, its outcomes out as bytes that the host passes on."""

    def __init__(self, renderer: Renderer, crumbs: str) -> None:
        self._renderer = renderer
        self._crumbs = crumbs

    def __call__(self, batch: Batch) -> bytes:
        batch.jobs = tuple(batch.jobs)  # or each would be made twice: for its name, and to be done
        with breadcrumbs.trail(self._crumbs, [job.source for job in batch.jobs]) as leave:
            began = time.time()
            outcomes = self._renderer(batch, leave)
            worker = f"{os.getpid()}-{threading.get_ident()}"
            return pack(outcomes, Stretch(worker, began, time.time(), len(outcomes)))
