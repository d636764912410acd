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
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from pixelmill.benchmark import environment, worker
from pixelmill.benchmark.advice import advise
from pixelmill.benchmark.samples import THREADS_TOGETHER, Arm, Sample
from pixelmill.benchmark.scaling_laws import fit_all
from pixelmill.benchmark.speedups import figures
from pixelmill.core.errors import UserError
from pixelmill.core.safe_path import protected
from pixelmill.dataset import catalog
from pixelmill.dataset.entries import Entries
from pixelmill.engines import machine
from pixelmill.imaging.recipe import Recipe

logger = logging.getLogger(__name__)

#: Arms whose memory says nothing of how images are processed.
_WITHOUT_MEMORY = ("overhead", "steps")


def run(
    source: str,
    recipe: Recipe,
    arms: Sequence[Arm],
    images: int,
    repeats: int,
    scratch: str | None = None,
    log: Callable[[str], None] = print,
    table: str | None = None,
) -> dict[str, Any]:
    """Measure all arms, interleaved; then, where it disturbs no clock, their memory.

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
    log : callable
        Called with a line for each measurement.
    table : str, optional
        Catalog of the folder, if made before.

    Returns
    -------
    dict
        All samples by arm, the
        figures that follow from them, fits and advice.
    """
    entries = select(entries_of(source, table), images)
    if scratch:
        os.makedirs(scratch, exist_ok=True)
    for entry in entries:  # every arm finds the files in the page cache
        with open(os.path.join(source, entry.path), "rb") as file:
            file.read()

    def measure(arm: Arm, memory: bool = False) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=scratch, prefix="pixelmill-") as target:
            return _measure_apart(source, target, recipe, arm, entries, memory)

    samples: dict[Arm, list[Sample]] = {arm: [] for arm in arms}
    order = random.Random(0)
    for repeat in range(repeats):
        for arm in order.sample(list(arms), len(arms)):
            sample = Sample(**measure(arm))
            samples[arm].append(sample)
            speed = "" if arm.kind == "steps" else f": {sample.rate:.1f} images/s"
            log(f"{repeat + 1}/{repeats} {arm.name}{speed}")
    peaks = {}
    for arm in arms:
        if arm.kind not in _WITHOUT_MEMORY:
            peaks[arm] = round(measure(arm, memory=True)["peak_mib"], 1)
            log(f"memory {arm.name}: {peaks[arm]:.0f} MiB")
    steps = _steps(samples.pop(Arm("steps", THREADS_TOGETHER), []))
    rows = [
        {**row, "peak_mib": peaks.get(arm)}
        for arm, row in zip(samples, figures(samples), strict=True)
    ]
    result = {
        "schema": 1,
        "images": len(entries),
        "repeats": repeats,
        "recipe": recipe.as_data(),
        "recipe_digest": recipe.fingerprint(),
        "machine": machine.machine(),
        "software": environment.software(),
        "samples": [
            {**arm.as_data(), "samples": [asdict(s) for s in taken]}
            for arm, taken in samples.items()
        ],
        "steps": steps,
        "figures": rows,
        "fits": fit_all(samples),
    }
    return {**result, "advice": advise(result)}


def entries_of(source: str, table: str | None) -> Entries:
    """Images of a folder, from its catalog if there is one."""
    return catalog.scan(source)[0].entries if table is None else catalog.read(table)


def select(entries: Entries, count: int) -> Entries:
    """Choose so many entries, evenly spread over the catalog.

    Raises
    ------
    UserError
        If there are none.
    """
    if not entries:
        raise UserError("The folder holds no image; there is nothing to measure.")
    count = min(count, len(entries))
    return entries.take([k * len(entries) // count for k in range(count)])


def _steps(taken: Sequence[Sample]) -> list[dict[str, Any]]:
    """Median times of each step of the recipe, in its order."""
    names = [part.removesuffix(" alone") for part in (taken[0].parts if taken else {})]
    return [
        {
            "step": name.split(" ", 1)[1],
            **{
                how: round(statistics.median(s.parts[f"{name} {how}"] for s in taken), 6)
                for how in ("alone", "together")
            },
        }
        for name in names
        if not name.endswith(" together")
    ]


def _measure_apart(
    source: str, target: str, recipe: Recipe, arm: Arm, entries: Entries, memory: bool
) -> dict[str, Any]:
    """Measure in a fresh process: a sample as data, or the peak of its memory."""
    order = {
        "source": source,
        "target": target,
        "recipe": recipe.as_data(),
        "folder": recipe.folder,
        "arm": asdict(arm),
        "entries": list(entries),
        "memory": memory,
    }
    done = subprocess.run(
        [sys.executable, "-m", worker.__name__],
        env=protected(),
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        logger.debug("%s", done.stderr)
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"Measuring '{arm.tool or arm.kind}' failed: {last}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
