"""Step times: how long single steps take alone, and while another thread does the same.

A step that releases the GIL takes as long in two threads as in one; a step that holds it takes
twice as long.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

from pixelmill.benchmark.samples import THREADS_TOGETHER
from pixelmill.dataset.entries import Entry
from pixelmill.dataset.places import Places
from pixelmill.imaging.backends.base import Prepared
from pixelmill.imaging.backends.registry import backend
from pixelmill.imaging.codecs import reading
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.recipe import Recipe
from pixelmill.imaging.renderer import size_hint_of

#: Number of images that are measured: enough for a mean, and a second or two of work.
IMAGES = 24


@dataclass(frozen=True)
class StepTime:
    """Time that a step takes.

    Attributes
    ----------
    step : str
        Its name; ``module:function`` for a custom step.
    alone, together : float
        Seconds for an image, in one thread, and in each of two threads.
    """

    step: str
    alone: float
    together: float

    @property
    def lost(self) -> float:
        """Seconds that a thread waits for the other one, for each image."""
        return max(0.0, self.together - self.alone)


#: A picture, and the region of it that the first step uses.
_Job: TypeAlias = tuple[Any, Any]


def step_times(source: str, recipe: Recipe, entries: Sequence[Entry]) -> list[StepTime]:
    """Measure each step of a recipe.

    If a recipe has several outputs, only the steps of the first one are measured. Images that
    fail are left out.
    """
    recipe = recipe.with_files()
    library = backend(recipe.settings["backend"])
    size_hint = size_hint_of(recipe)
    places = Places(source)
    jobs: list[_Job] = []
    for entry in entries[:: max(1, len(entries) // IMAGES)][:IMAGES]:
        with contextlib.suppress(Exception):  # a pass reports failures
            data = reading.read_place(places.at(entry), entry.bytes)
            decoded = library.decode(data, size_hint, recipe.decode_options, Limits())
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
    """Return the time of a number of threads that each do all jobs."""

    def loop(_: int) -> None:
        for job in jobs:
            apply(job)

    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        list(pool.map(loop, range(threads)))
        return time.perf_counter() - began
