"""Benchmark: what parallelism wins, measured so that it can be trusted.

Every measurement runs in a fresh process, on files that are in the page cache, into
a fresh folder; arms take turns in random order; the median of several counts. The
ceiling is what the machine gives to independent loops: an engine is to be measured
against it, and no engine can be better.
"""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pixelmill import catalog
from pixelmill.catalog import Entry
from pixelmill.engines import open_engine, pin_inner_threads
from pixelmill.errors import UserError
from pixelmill.overhead import overhead
from pixelmill.plan import paths_of_outputs
from pixelmill.process import process
from pixelmill.recipe import Recipe
from pixelmill.transform import Job, Renderer

log = logging.getLogger(__name__)

#: Engines that are measured at every number of workers.
PARALLEL = ("threads", "processes", "futures")

#: How far apart the clocks of loops that were started together may be, in seconds.
_START_DELAY = 0.5


@dataclass(frozen=True)
class Arm:
    """One way to do the work: a kind, and how many workers.

    Kinds: ``loop`` (one plain loop), ``ceiling`` (as many independent loops as
    workers, each on its part), ``overhead`` (the library against bare Pillow calls),
    or an engine (a whole pass, ledger and all).
    """

    kind: str
    workers: int


@dataclass(frozen=True)
class Sample:
    """One measurement.

    Attributes
    ----------
    seconds : float
        Of the work, start-up aside.
    startup_seconds : float
    images : int
    peak_mib : float
        Largest resident memory of the measuring process, MiB.
    parts : dict
        Seconds by part, where an arm tells them.
    """

    seconds: float
    startup_seconds: float
    images: int
    peak_mib: float
    parts: dict[str, float]


def arms_for(cores: int) -> list[Arm]:
    """Arms up to a number of cores: 1, 2, 4, ... and all of them.

    Examples
    --------
    >>> sorted({arm.workers for arm in arms_for(6)})
    [1, 2, 4, 6]
    """
    counts = sorted({2**k for k in range(cores.bit_length()) if 2**k <= cores} | {cores})
    parallel = [Arm(kind, count) for count in counts for kind in ("ceiling", *PARALLEL)]
    return [Arm("overhead", 1), Arm("loop", 1), *parallel]


def run(
    source: str,
    recipe: Recipe,
    arms: Sequence[Arm],
    images: int,
    repeats: int,
    scratch: str | None = None,
    said: Callable[[str], None] = print,
    table: str | None = None,
) -> dict[str, Any]:
    """Measure all arms, interleaved.

    Parameters
    ----------
    source : str
        Folder of images.
    recipe : Recipe
    arms : sequence of Arm
    images : int
        How many of them, evenly spread.
    repeats : int
        Measurements of each arm.
    scratch : str, optional
        Where outputs go meanwhile; a temporary folder by default.
    said : callable
        Told of each measurement.
    table : str, optional
        Catalog of the folder, if made before.

    Returns
    -------
    dict
        All samples by arm, and the figures that follow from them.
    """
    entries = select(_entries(source, table), images)
    for entry in entries:  # every arm finds the files in the page cache
        with open(os.path.join(source, entry.path), "rb") as file:
            file.read()
    samples: dict[Arm, list[Sample]] = {arm: [] for arm in arms}
    order = random.Random(0)
    for repeat in range(repeats):
        for arm in order.sample(list(arms), len(arms)):
            with tempfile.TemporaryDirectory(dir=scratch, prefix="pixelmill-") as target:
                sample = _measure_apart(source, target, recipe, arm, images, table)
            samples[arm].append(sample)
            said(
                f"{repeat + 1}/{repeats} {arm.kind} x{arm.workers}: "
                f"{sample.images / sample.seconds:.1f} images/s"
            )
    return {
        "schema": 1,
        "images": len(entries),
        "repeats": repeats,
        "recipe": recipe.as_data(),
        "samples": [
            {**asdict(arm), "samples": [asdict(s) for s in taken]} for arm, taken in samples.items()
        ],
        "figures": figures(samples),
    }


def _entries(source: str, table: str | None) -> Sequence[Entry]:
    return catalog.scan(source)[0].entries if table is None else catalog.read(table)


def select(entries: Sequence[Entry], count: int) -> list[Entry]:
    """Choose so many entries, evenly spread over the catalog.

    Raises
    ------
    UserError
        If there are none.
    """
    if not entries:
        raise UserError("The folder holds no image; there is nothing to measure.")
    count = min(count, len(entries))
    return [entries[k * len(entries) // count] for k in range(count)]


def figures(samples: dict[Arm, list[Sample]]) -> list[dict[str, Any]]:
    """Median, spread, speedup and efficiencies of each arm.

    `engine_efficiency` is the median of the ratios to the ceiling of the same
    repeat, with as many workers: what is left to be won by a better engine.
    """
    loop = samples.get(Arm("loop", 1), [])
    rows = []
    for arm, taken in samples.items():
        rates = [s.images / s.seconds for s in taken]
        row: dict[str, Any] = {
            **asdict(arm),
            "images_per_second": round(statistics.median(rates), 2),
            "slowest": round(min(rates), 2),
            "fastest": round(max(rates), 2),
            "startup_seconds": round(statistics.median(s.startup_seconds for s in taken), 3),
            "peak_mib": round(statistics.median(s.peak_mib for s in taken), 1),
        }
        if loop and arm.kind != "overhead":
            speedup = statistics.median(_ratios(taken, loop))
            row["speedup"] = round(speedup, 3)
            row["efficiency"] = round(speedup / arm.workers, 3)
        ceiling = samples.get(Arm("ceiling", arm.workers), [])
        if ceiling and arm.kind in PARALLEL:
            row["engine_efficiency"] = round(statistics.median(_ratios(taken, ceiling)), 3)
        if taken[0].parts:
            row["parts"] = {
                part: statistics.median(s.parts[part] for s in taken) for part in taken[0].parts
            }
        rows.append(row)
    return rows


def table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Write the figures as lines of text."""
    yield (
        f"{'arm':<12} {'workers':>7} {'images/s':>9} {'from':>8} {'to':>8} {'speedup':>8}"
        f" {'of ceiling':>10} {'start-up s':>10} {'MiB':>6}"
    )
    for row in rows:
        yield (
            f"{row['kind']:<12} {row['workers']:>7} {row['images_per_second']:>9.1f}"
            f" {row['slowest']:>8.1f} {row['fastest']:>8.1f} {row.get('speedup', ''):>8}"
            f" {row.get('engine_efficiency', ''):>10} {row['startup_seconds']:>10.2f}"
            f" {row['peak_mib']:>6.0f}"
        )
        if parts := row.get("parts"):
            ours = parts["library"] - parts["bare"] - parts["digests"]
            yield (
                f"    bare Pillow calls {parts['bare']:.3f} s, content digests"
                f" {parts['digests']:.3f} s ({parts['digests'] / parts['bare']:.1%}), the rest of"
                f" the library {ours:.3f} s ({ours / parts['bare']:.1%})"
            )


def _ratios(ours: Sequence[Sample], theirs: Sequence[Sample]) -> list[float]:
    return [
        (a.images / a.seconds) / (b.images / b.seconds) for a, b in zip(ours, theirs, strict=True)
    ]


def _measure_apart(
    source: str, target: str, recipe: Recipe, arm: Arm, images: int, table: str | None
) -> Sample:
    """Measure in a fresh process."""
    order = {
        "source": source,
        "target": target,
        "recipe": recipe.as_data(),
        "folder": recipe.folder,
        "arm": asdict(arm),
        "images": images,
        "table": table,
    }
    done = subprocess.run(
        [sys.executable, "-m", "pixelmill.benchmark", json.dumps(order)],
        env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(__file__))},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        log.debug("%s", done.stderr)
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"Measuring '{arm.kind}' failed: {last}")
    return Sample(**json.loads(done.stdout.splitlines()[-1]))


def measure(
    source: str, target: str, recipe: Recipe, arm: Arm, images: int, table: str | None = None
) -> Sample:
    """Measure one arm in this process."""
    entries = select(_entries(source, table), images)
    parts: dict[str, float] = {}
    if arm.kind == "overhead":
        startup, parts = 0.0, overhead(source, target, recipe, entries)
        seconds = parts["library"]
    elif arm.kind in ("loop", "ceiling"):
        startup, seconds = _loops(source, target, recipe, entries, arm.workers)
    else:
        done = process(source, target, recipe, arm.kind, arm.workers, entries)
        startup, seconds = done.startup_seconds, done.seconds - done.startup_seconds
    return Sample(seconds, startup, len(entries), _peak_mib(), parts)


def _loops(
    source: str, target: str, recipe: Recipe, entries: Sequence[Entry], count: int
) -> tuple[float, float]:
    """Time independent loops over parts of the data, started together.

    The work ends when the last loop ends, as it does for an engine.
    """
    started = time.perf_counter()
    renderer = Renderer(source, target, recipe)
    with open_engine("futures", count, preload=("pixelmill.transform",)) as engine:
        startup = time.perf_counter() - started
        jobs = [Job(*job) for job in paths_of_outputs(entries, recipe).items()]
        ends: list[float] = []
        begin = time.time() + _START_DELAY
        loops = [_Loop(renderer, tuple(jobs[k::count]), begin) for k in range(count)]
        engine.run(_call, loops, ends.append)
    return startup, max(ends) - begin


class _Loop:
    """One independent loop: waits for its time, then renders one image after another."""

    def __init__(self, renderer: Renderer, jobs: Sequence[Job], begin: float) -> None:
        self.renderer = renderer
        self.jobs = jobs
        self.begin = begin

    def __call__(self) -> float:
        time.sleep(max(0.0, self.begin - time.time()))
        for job in self.jobs:
            self.renderer.render(job)
        return time.time()


def _call(loop: _Loop) -> float:
    return loop()


def _peak_mib() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _main(order: dict[str, Any]) -> None:
    from pixelmill.recipe import parse

    pin_inner_threads()
    recipe = parse(order["recipe"], folder=order["folder"])
    arm = Arm(**order["arm"])
    folders = order["source"], order["target"]
    sample = measure(*folders, recipe, arm, order["images"], order["table"])
    shutil.rmtree(order["target"], ignore_errors=True)
    print(json.dumps(asdict(sample)))  # noqa: T201


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
