"""Worker of the benchmark: measures one case in this process, and prints a sample.

`python -m pixelmill.benchmark.worker` reads the order as JSON from standard input. A new process
for each measurement keeps one case from affecting the next.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from pixelmill.benchmark import peak_memory
from pixelmill.benchmark.competitors import run_rival
from pixelmill.benchmark.overhead import overhead
from pixelmill.benchmark.samples import STAGES, Case, Sample
from pixelmill.benchmark.step_times import step_times
from pixelmill.core.jobs import Job
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.ledger import Ledger
from pixelmill.dataset.output_names import Outputs
from pixelmill.dataset.places import Places
from pixelmill.engines.base import pin_inner_threads
from pixelmill.engines.lifecycle import open_engine
from pixelmill.imaging.recipe import Recipe
from pixelmill.imaging.renderer import Renderer
from pixelmill.pipeline.request import ProcessRequest
from pixelmill.pipeline.runner import process
from pixelmill.storage.archives import content

#: Time in seconds after which loops begin together, longer than it takes to hand them out.
_START_DELAY = 0.5


def measure(source: str, target: str, recipe: Recipe, case: Case, entries: Entries) -> Sample:
    """Measure one case.

    Parameters
    ----------
    source, target : str
        Folder of images, or their archives, and an empty folder for the outputs.
    recipe : Recipe
    case : Case
    entries : Entries
        The images.
    """
    if case.kind == "overhead":
        if entries.are_members:  # the bare calls read files
            source, entries = _unpacked(source, os.path.join(target, "unpacked"), entries)
        parts = overhead(source, target, recipe, entries)
        return Sample(parts["library"], 0.0, len(entries), parts=parts)
    if case.kind == "steps":
        return _steps(source, recipe, entries)
    if case.kind == "rival":
        seconds, images = run_rival(case.tool, source, target, recipe, entries, case.workers)
        return Sample(seconds, 0.0, images)
    if case.kind in ("loop", "ceiling"):
        return _loops(source, target, recipe, entries, case.workers)
    return _pass(source, target, recipe, entries, case)


def _unpacked(source: str, folder: str, entries: Entries) -> tuple[str, Entries]:
    """Write members of archives to files with numbers for names; return these as a source."""
    os.makedirs(folder)
    places = Places(source)
    written = []
    for number, entry in enumerate(entries):
        name = f"{number}{os.path.splitext(entry.path)[1]}"
        Path(folder, name).write_bytes(content(places.at(entry), entry.bytes))
        written.append(entry._replace(path=name, offset=0))
    return folder, Entries(written)


def _steps(source: str, recipe: Recipe, entries: Entries) -> Sample:
    began = time.perf_counter()
    parts = {}
    for number, step in enumerate(step_times(source, recipe, entries)):
        parts[f"{number} {step.step} alone"] = step.alone
        parts[f"{number} {step.step} together"] = step.together
    return Sample(time.perf_counter() - began, 0.0, len(entries), parts=parts)


def _pass(source: str, target: str, recipe: Recipe, entries: Entries, case: Case) -> Sample:
    """Measure a whole pass; its ledger records what the workers did."""
    done = process(ProcessRequest(source, target, recipe, case.kind, case.workers), entries)
    with Ledger(os.path.join(target, "ledger.sqlite"), read_only=True) as ledger:
        made = done.images - done.failed  # those that failed have no part in the means
        sums = [mean * made / done.workers for mean in ledger.stage_means()]
        timeline = ledger.timeline()
    busy = [0.0] * done.workers
    ends = [0.0] * done.workers
    for worker, began, ended, _ in timeline:
        if worker < done.workers:  # not one that replaced a dead worker
            busy[worker] += ended - began
            ends[worker] = ended
    # On a busy machine, workers may begin long before this process learns that they are ready.
    seconds = max(done.seconds - done.startup_seconds, *ends)
    return Sample(
        seconds=seconds,
        startup_seconds=done.startup_seconds,
        images=len(entries),
        tail_seconds=max(ends) - min(ends),
        stages=_stages(sums, seconds),
        idle=[_share_idle(part, seconds) for part in busy],
    )


def _stages(sums: Sequence[float], seconds: float) -> dict[str, float]:
    """Return the seconds of a worker by stage; the rest of the time, it waited."""
    sums = sums or [0.0] * (len(STAGES) - 1)
    return dict(zip(STAGES, (*sums, max(0.0, seconds - sum(sums))), strict=True))


def _share_idle(busy: float, seconds: float) -> float:
    return max(0.0, 1 - busy / seconds)


def _loops(source: str, target: str, recipe: Recipe, entries: Entries, count: int) -> Sample:
    """Measure independent loops over parts of the data, started together.

    The work ends when the last loop ends, as it does with an engine.
    """
    started = time.perf_counter()
    os.makedirs(target, exist_ok=True)
    renderer = Renderer(source, target, recipe)
    with open_engine("futures", count, preload=(Renderer.__module__,)) as engine:
        startup = time.perf_counter() - started
        outputs = Outputs(entries, recipe)
        jobs = [outputs.job(entry) for entry in entries]
        done: list[_Looped] = []
        begin = time.time() + _START_DELAY
        loops = [_Loop(renderer, tuple(jobs[k::count]), begin) for k in range(count)]
        engine.run(_call, loops, done.append)
    ends = [loop.ended - begin for loop in done]
    times = [image for loop in done for image in loop.images]
    return Sample(
        seconds=max(ends),
        startup_seconds=startup,
        images=len(entries),
        tail_seconds=max(ends) - min(ends),
        stages=_stages([sum(stage) / count for stage in zip(*times, strict=True)], max(ends)),
        idle=[_share_idle(end, max(ends)) for end in ends],
    )


class _Looped(NamedTuple):
    """Time at which a loop ended, and the seconds by stage of each of its images."""

    ended: float
    images: list[tuple[float, ...]]


class _Loop:
    """An independent loop: waits for the common start, then renders one image after another."""

    def __init__(self, renderer: Renderer, jobs: Sequence[Job], begin: float) -> None:
        self.renderer = renderer
        self.jobs = jobs
        self.begin = begin

    def __call__(self) -> _Looped:
        time.sleep(max(0.0, self.begin - time.time()))
        images = [self.renderer.render(job).seconds for job in self.jobs]
        return _Looped(time.time(), images)


def _call(loop: _Loop) -> _Looped:
    return loop()


def _main(order: dict[str, Any]) -> None:
    from pixelmill.imaging.recipe_parser import parse

    pin_inner_threads()
    recipe = parse(order["recipe"], folder=order["folder"])
    case = Case(**order["case"])
    entries = Entries(Entry(*entry) for entry in order["entries"])
    answer: dict[str, Any]
    if order["memory"]:
        with peak_memory.watched() as peak:
            measure(order["source"], order["target"], recipe, case, entries)
        answer = {"peak_mib": peak.mib}
    else:
        answer = asdict(measure(order["source"], order["target"], recipe, case, entries))
    shutil.rmtree(order["target"], ignore_errors=True)
    print(json.dumps(answer))  # noqa: T201


if __name__ == "__main__":
    _main(json.load(sys.stdin))
