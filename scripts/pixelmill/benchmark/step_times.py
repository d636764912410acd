"""Times of single steps: alone, and while another thread does the same.

A step that lets go of the GIL takes as long in two threads as in one; one that holds
it takes twice as long.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

from pixelmill.benchmark.samples import THREADS_TOGETHER
from pixelmill.dataset.entries import Entry
from pixelmill.imaging.backends.base import Prepared
from pixelmill.imaging.backends.registry import backend
from pixelmill.imaging.codecs import reading
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.recipe import Recipe
from pixelmill.imaging.renderer import target_of

#: Images that times are taken of: enough for a mean, and a second or two of work.
IMAGES = 24


@dataclass(frozen=True)
class StepTime:
    """What a step takes.

    Attributes
    ----------
    step : str
        Its name; of an own step ``module:function``.
    alone, together : float
        Seconds of an image, in one thread, and in each of two at once.
    """

    step: str
    alone: float
    together: float

    @property
    def lost(self) -> float:
        """Seconds that a thread waits for another one, an image."""
        return max(0.0, self.together - self.alone)


#: A picture, and the box of it that the first step takes.
_Job: TypeAlias = tuple[Any, Any]


def step_times(source: str, recipe: Recipe, entries: Sequence[Entry]) -> list[StepTime]:
    """Time each step of a recipe.

    Of a recipe with several outputs only the first one's own steps are timed. An image
    that cannot be made is left out.
    """
    recipe = recipe.with_files()
    library = backend(recipe.settings["backend"])
    target = target_of(recipe)
    jobs: list[_Job] = []
    for entry in entries[:: max(1, len(entries) // IMAGES)][:IMAGES]:
        with contextlib.suppress(Exception):  # failures are counted elsewhere
            data = reading.read(os.path.join(source, entry.path), entry.bytes)
            decoded = library.decode(data, target, recipe.reading, Limits())
            jobs.append((decoded.frames[0], decoded.box))
    times = []
    for step in (*recipe.steps, *recipe.outputs[0].steps):
        prepared = library.prepare(step, recipe.folder)

        def apply(job: _Job, prepared: Prepared = prepared) -> Any:
            return prepared(*job)

        made = [(job, picture) for job in jobs if (picture := _tried(apply, job)) is not None]
        if not made:
            break
        jobs = [job for job, _ in made]
        alone, together = (_seconds(apply, jobs, n) / len(jobs) for n in (1, THREADS_TOGETHER))
        name = step.params["function"] if step.name == "call" else step.name
        times.append(StepTime(name, alone, together))
        jobs = [(picture, None) for _, picture in made]
    return times


def _tried(apply: Callable[[_Job], Any], job: _Job) -> Any:
    try:
        return apply(job)
    except Exception:
        return None


def _seconds(apply: Callable[[_Job], Any], jobs: Sequence[_Job], threads: int) -> float:
    """Time so many threads that each do all jobs."""

    def loop(_: int) -> None:
        for job in jobs:
            apply(job)

    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        list(pool.map(loop, range(threads)))
        return time.perf_counter() - began
