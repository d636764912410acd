"""Manager of the benchmark: decides what is measured and in which order.

Every measurement runs in a new process and writes to a new folder; the files are in the page
cache. Cases take turns in random order, and the median of several repeats counts. The ceiling is
the throughput of independent loops: no engine can be faster.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, cast

from pixelmill.benchmark import environment, speedups, worker
from pixelmill.benchmark.advice import advise
from pixelmill.benchmark.samples import THREADS_TOGETHER, Case, Sample
from pixelmill.benchmark.scaling_file import CaseSamples, Figures, ScalingFile, StepTimeData
from pixelmill.benchmark.scaling_laws import fit_all
from pixelmill.benchmark.unfinished import Measure, Unfinished, beside
from pixelmill.core.errors import StoppedError, UserError
from pixelmill.core.fingerprints import digest_of_code
from pixelmill.core.safe_path import protected
from pixelmill.core.tables import write_json
from pixelmill.dataset import catalog, catalog_table, globs
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.places import Places
from pixelmill.engines import machine
from pixelmill.imaging.recipe import Recipe
from pixelmill.storage.archives import opened

logger = logging.getLogger(__name__)

#: Kinds of cases whose memory is not measured, because they do not process images as a pass does.
_WITHOUT_MEMORY = ("overhead", "steps")


def run(
    source: str,
    recipe: Recipe,
    cases: Sequence[Case],
    images: int,
    repeats: int,
    scratch: str | None = None,
    log: Callable[[str], None] = print,
    table: str | None = None,
    output: str | None = None,
    versions: Mapping[str, str] = MappingProxyType({}),
) -> ScalingFile:
    """Measure all cases in turns, and then their memory, which would disturb the clocks.

    Parameters
    ----------
    source : str
        Folder of images, or their archives.
    recipe : Recipe
    cases : sequence of Case
    images : int
        Number of images, evenly spread over the catalog.
    repeats : int
        Number of measurements of each case.
    scratch : str, optional
        Folder for outputs while measuring; a temporary folder by default.
    log : callable
        Called with a line for each measurement.
    table : str, optional
        Catalog of the folder, if there is one.
    output : str, optional
        File for the result. The measurements are kept beside it while the benchmark runs, and
        one that was stopped continues after the last of them.
    versions : mapping, optional
        Versions of other tools, by name.

    Returns
    -------
    dict
        The content of ``scaling.json``: all samples by case, the figures that follow from them,
        fits and advice.
    """
    entries = select(entries_of(source, table), images)
    source, _ = globs.chosen(source)
    if scratch:
        os.makedirs(scratch, exist_ok=True)
    places = Places(source)
    for entry in entries:  # into the page cache
        with opened(places.at(entry)) as file:
            file.read()

    def measure_now(case: Case, memory: bool) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=scratch, prefix="pixelmill-") as target:
            try:
                return _measure_apart(source, target, recipe, case, entries, memory)
            except KeyboardInterrupt as error:
                if output:
                    raise
                raise StoppedError(
                    "Stopped; no measurement was kept, because no file for them was named."
                ) from error

    kept = None
    if output:  # it can be continued after Ctrl-C
        conditions = _conditions(source, recipe, cases, entries, repeats)
        kept = Unfinished(beside(output), conditions, measure_now)
        if kept.count:
            log(f"continuing after {kept.count} measurements of a run that was stopped")
    measure: Measure = kept or measure_now
    samples: dict[Case, list[Sample]] = {case: [] for case in cases}
    order = random.Random(0)
    for repeat in range(repeats):
        for case in order.sample(list(cases), len(cases)):
            sample = Sample(**measure(case, False))
            samples[case].append(sample)
            speed = "" if case.kind == "steps" else f": {sample.images_per_second:.1f} images/s"
            log(f"{repeat + 1}/{repeats} {case.name}{speed}")
    peaks = {}
    for case in cases:
        if case.kind not in _WITHOUT_MEMORY:
            peaks[case] = round(measure(case, True)["peak_mib"], 1)
            log(f"memory {case.name}: {peaks[case]:.0f} MiB")
    steps = _steps(samples.pop(Case("steps", THREADS_TOGETHER), []))
    rows = [
        {**row, "peak_mib": peaks.get(case)}
        for case, row in zip(samples, speedups.figures(samples), strict=True)
    ]
    taken = [
        {**case.as_data(), "samples": [asdict(sample) for sample in measured]}
        for case, measured in samples.items()
    ]
    result: ScalingFile = {
        "schema": 1,
        "images": len(entries),
        "repeats": repeats,
        "recipe": recipe.as_data(),
        "recipe_digest": recipe.fingerprint(),
        "machine": machine.machine(),
        "software": {**environment.software(), **versions},
        "samples": cast(list[CaseSamples], taken),
        "steps": steps,
        "figures": cast(list[Figures], rows),
        "fits": fit_all(samples),
        "advice": [],
    }
    result["advice"] = advise(result)
    if output and kept:
        write_json(output, result)
        kept.remove()
    return result


def _conditions(
    source: str, recipe: Recipe, cases: Sequence[Case], entries: Entries, repeats: int
) -> str:
    """Return a digest of all that measurements depend on."""
    parts = [
        os.path.abspath(source), recipe.fingerprint(), repr(cases),
        catalog.digest(entries.columns()), str(repeats), digest_of_code("."),
        repr(environment.software()), machine.machine_fingerprint(),
    ]  # fmt: skip
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def told(result: ScalingFile) -> Iterator[str]:
    """Tell the figures of a benchmark as a table, and what follows from them."""
    yield from speedups.table(result["figures"])
    for advice in result["advice"]:
        yield f"{advice['text']} ({advice['evidence']})"


def entries_of(source: str, table: str | None) -> Entries:
    """Return the images of a folder, from its catalog if there is one."""
    if table is not None:
        return catalog_table.read(table)
    return catalog.scan(*globs.chosen(source))[0].entries


def select(entries: Entries, count: int) -> Entries:
    """Choose a number of entries, evenly spread over the catalog.

    Raises
    ------
    UserError
        If there are none.
    """
    if not entries:
        raise UserError("The folder contains no image; there is nothing to measure.")
    count = min(count, len(entries))
    return entries.take([k * len(entries) // count for k in range(count)])


def _steps(taken: Sequence[Sample]) -> list[StepTimeData]:
    """Return the median times of the steps of the recipe, in their order."""
    names = [part.removesuffix(" alone") for part in (taken[0].parts if taken else {})]
    return [
        {
            "step": name.split(" ", 1)[1],
            "alone": _median_of(taken, f"{name} alone"),
            "together": _median_of(taken, f"{name} together"),
        }
        for name in names
        if not name.endswith(" together")
    ]


def _median_of(taken: Sequence[Sample], part: str) -> float:
    return round(statistics.median(sample.parts[part] for sample in taken), 6)


def _measure_apart(
    source: str, target: str, recipe: Recipe, case: Case, entries: Entries, memory: bool
) -> dict[str, Any]:
    """Measure in a new process; return a sample as plain data, or the peak of its memory."""
    order = {
        "source": source,
        "target": target,
        "recipe": recipe.as_data(),
        "folder": recipe.folder,
        "case": asdict(case),
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
        raise UserError(f"Measuring '{case.tool or case.kind}' failed: {last}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
