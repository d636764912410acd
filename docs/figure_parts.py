"""Parts of `make figures`: how each of the figures in README and docs is measured.

A part returns what it measured, and rows with the values of each case. Cases take turns, and each
value keeps all its samples.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import compare_tools
import yaml

from pixelmill.app.config import named_recipe
from pixelmill.benchmark import competitors, manager, samples
from pixelmill.benchmark.samples import Case
from pixelmill.benchmark.speedups import interval
from pixelmill.dataset import catalog, catalog_table
from pixelmill.engines.machine import cores
from pixelmill.engines.registry import BASELINE, ENGINES
from pixelmill.imaging.recipe import Recipe
from pixelmill.imaging.recipe_parser import parse
from pixelmill.pipeline.planning import preview
from pixelmill.pipeline.request import ProcessRequest

REPOSITORY = Path(__file__).parents[1]

#: Engines that are compared with other programs; ratios refer to the first of them.
COMPARED = ("processes", "threads")

#: Sides of small and of large photos, in pixels.
SMALL, LARGE = (300, 600), (2000, 4000)

#: Number of copies of each large photo, because it takes long to generate one.
COPIES = 4

#: Sides of the images of which there are a million, in pixels.
TINY = (24, 48)

#: Number of files in a folder of a million files.
IN_A_FOLDER = 1000

#: Number of images whose start-up counts most.
FEW = 20


class Sizes(NamedTuple):
    """How much is measured: numbers of images, and numbers of repeats.

    Attributes
    ----------
    engines, engine_repeats, rivals, rival_repeats, large : int
        Photos and repeats of the comparisons of engines and of programs, and different large
        photos.
    starts : int
        Repeats of a command for a few images.
    chain : int
        Images of the long run of the workflow.
    links, linked : int
        Files of the large dataset, and how many of them are different.
    programs : int
        Photos of the comparison of commands.
    """

    engines: int = 4000
    engine_repeats: int = 9
    rivals: int = 2000
    rival_repeats: int = 5
    large: int = 60
    starts: int = 11
    chain: int = 10_000
    links: int = 1_000_000
    linked: int = 1000
    programs: int = 48


class Place(NamedTuple):
    """Where a part works.

    Attributes
    ----------
    scratch : Path
        Folder for images, with the same path if the part continues.
    kept : Path
        File for measurements that a part which was stopped continues with.
    """

    scratch: Path
    kept: Path


def quantity(values: Sequence[float]) -> dict[str, Any]:
    """Return the median of some values, its 90 % interval, and the values.

    Examples
    --------
    >>> quantity([3.0, 1.0, 2.0])
    {'median': 2.0, 'low': None, 'high': None, 'samples': [3.0, 1.0, 2.0]}
    """
    low, high = interval(values) or (None, None)
    found = {"median": statistics.median(values), "low": low, "high": high}
    rounded = {key: None if value is None else round(value, 4) for key, value in found.items()}
    return {**rounded, "samples": [round(value, 4) for value in values]}


def engines(recipe: str) -> Callable[[Sizes, Place], dict[str, Any]]:
    """Return the part that measures each engine with a recipe."""

    def measure(sizes: Sizes, place: Place) -> dict[str, Any]:
        photos = place.scratch / "photos"
        generate(photos, sizes.engines, SMALL)
        parallel = [engine for engine in ENGINES if ENGINES[engine].pool != "inline"]
        cases = [Case(BASELINE, 1), *(Case(engine, cores()) for engine in parallel)]
        what = f"generated photos of {_sides(SMALL)}, recipe `{recipe}`"
        sampled = _benchmark(
            photos, named_recipe(recipe), cases, sizes.engines, sizes.engine_repeats, place
        )
        return {"what": what, **sampled}

    return measure


def small_rivals(sizes: Sizes, place: Place) -> dict[str, Any]:
    """Compare with other programs on small photos."""
    photos = place.scratch / "photos"
    generate(photos, sizes.rivals, SMALL)
    resize = {"width": 256, "height": 256, "fit": "stretch"}
    what = f"generated photos of {_sides(SMALL)}, to 256x256, JPEG quality 75"
    return {"what": what, **_rivals(photos, resize, sizes.rivals, sizes.rival_repeats, place)}


def large_rivals(sizes: Sizes, place: Place) -> dict[str, Any]:
    """Compare with other programs on large photos."""
    photos = place.scratch / "photos"
    generate(place.scratch / "originals", sizes.large, LARGE)
    photos.mkdir(exist_ok=True)
    for path in sorted((place.scratch / "originals").glob("*.jpg")):
        for copy in range(COPIES):
            link = photos / f"{path.stem}-{copy}.jpg"
            if not link.exists():
                os.link(path, link)
    count = COPIES * sizes.large
    what = f"generated photos of {_sides(LARGE)}, to at most 512 pixels, JPEG quality 75"
    return {"what": what, **_rivals(photos, {"longest": 512}, count, sizes.rival_repeats, place)}


def generate(folder: Path, count: int, sides: tuple[int, int]) -> None:
    """Generate photos; existing ones are kept."""
    low, high = map(str, sides)
    run(["scripts/generate.py", folder, "--count", str(count), "--width", low, high,
         "--height", low, high])  # fmt: skip


def _sides(sides: tuple[int, int]) -> str:
    return f"{sides[0]} to {sides[1]} pixels a side"


def _rivals(
    photos: Path, resize: Mapping[str, Any], count: int, repeats: int, place: Place
) -> dict[str, Any]:
    recipe = parse({"steps": [{"resize": resize}], "output": {"format": "jpeg", "quality": 75}})
    entries = catalog.scan(str(photos))[0].entries
    tools = competitors.willing(str(photos), recipe, entries)
    cases = [Case(engine, cores()) for engine in COMPARED]
    cases += [Case("rival", cores(), tool) for tool in tools]
    return _benchmark(photos, recipe, cases, count, repeats, place, competitors.versions())


def _benchmark(
    photos: Path,
    recipe: Recipe,
    cases: Sequence[Case],
    images: int,
    repeats: int,
    place: Place,
    versions: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Measure cases in turns. The ratios are those to the first case in the same turn."""
    result = manager.run(
        str(photos), recipe, cases, images, repeats,
        scratch=str(place.scratch / "outputs"), log=tell, output=str(place.kept),
        versions=versions or {},
    )  # fmt: skip
    sampled = samples.read(result)
    rows = []
    for (case, taken), found in zip(sampled.items(), result["figures"], strict=True):
        values = {
            "images_per_second": quantity([sample.images_per_second for sample in taken]),
            "ratio": quantity(samples.ratios(taken, sampled[cases[0]])),
        }
        if case.kind != "rival":
            values["startup_seconds"] = quantity([sample.startup_seconds for sample in taken])
            values["peak_mib"] = quantity([found["peak_mib"] or 0.0])
        rows.append({"case": case.tool or case.kind, "workers": case.workers, "values": values})
    software = dict(result["software"])
    return {"images": result["images"], "repeats": repeats, "software": software, "rows": rows}


def start(sizes: Sizes, place: Place) -> dict[str, Any]:
    """Measure whole commands for a few images, and the same commands with nothing to do."""
    photos = place.scratch / "photos"
    generate(photos, FEW, SMALL)
    first: dict[str, list[float]] = {engine: [] for engine in (BASELINE, *COMPARED)}
    again: dict[str, list[float]] = {engine: [] for engine in first}
    for repeat in range(sizes.starts):
        tell(f"{repeat + 1}/{sizes.starts} start")
        for engine, seconds in first.items():
            command = ["scripts/process_parallel.py", photos, place.scratch / engine]
            command += ["--engine", engine]
            seconds.append(run(command).seconds)
            again[engine].append(run(command).seconds)
            shutil.rmtree(place.scratch / engine)
    rows = [
        {
            "case": engine,
            "workers": 1 if engine == BASELINE else cores(),
            "values": {
                "seconds": quantity(seconds),
                "nothing_to_do_seconds": quantity(again[engine]),
            },
        }
        for engine, seconds in first.items()
    ]
    what = "`scripts/process_parallel.py` with the recipe `light`, from its start to its end"
    return {"what": what, "images": FEW, "repeats": sizes.starts, "rows": rows}


def demo(sizes: Sizes, place: Place) -> dict[str, Any]:
    """Run the workflow as `make run` does."""
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    return _workflow(min(sizes.chain, config["datasets"]["demo"]["generate"]["count"]), place)


def chain(sizes: Sizes, place: Place) -> dict[str, Any]:
    """Run the workflow on many images."""
    return _workflow(sizes.chain, place)


def _workflow(count: int, place: Place) -> dict[str, Any]:
    folder = place.scratch / "workflow"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    config["datasets"]["demo"]["generate"]["count"] = count
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = ["-m", "pixelmill", "workflow", "--cores", str(cores()), "all"]
    first, again = run(command, folder), run(command, folder)
    rows = [
        {"case": name, "workers": cores(), "values": {"seconds": quantity([ran.seconds])}}
        for name, ran in (("first run", first), ("nothing to do", again))
    ]
    summary = [line for line in first.text.splitlines() if line.startswith(SUMMARY)]
    what = "`make run`: generate, process with each engine, verify, compare and report"
    return {"what": what, "images": count, "repeats": 1, "rows": rows, "summary": summary}


#: Beginnings of the lines in which a run ends.
SUMMARY = ("Size: ", "Checked: ", "Fastest: ", "Report: ", "Success: ")


def million(sizes: Sizes, place: Place) -> dict[str, Any]:
    """Measure the catalog, the plan and a pass that has nothing to do, on very many files."""
    originals, source = place.scratch / "originals", place.scratch / "files"
    table, out, recipe = (place.scratch / name for name in ("catalog.csv", "out", "tiny.yaml"))
    for leftover in (source, out):
        shutil.rmtree(leftover, ignore_errors=True)
    table.unlink(missing_ok=True)
    generate(originals, sizes.linked, TINY)
    files = sorted(originals.glob("*.jpg"))
    for number in range(sizes.links):
        folder = source / f"{number // IN_A_FOLDER:04}"
        if number % IN_A_FOLDER == 0:
            folder.mkdir(parents=True)
        os.link(files[number % len(files)], folder / f"{number % IN_A_FOLDER:04}.jpg")
    recipe.write_text("steps: [{resize: {width: 8, height: 8}}]\n", encoding="utf-8")
    catalogs = ["scripts/catalog.py", source, table]
    passes = ["scripts/process_parallel.py", source, out, "--recipe", recipe]
    passes += ["--catalog", table, "--engine", "processes"]
    rows = []

    def add(case: str, ran: Ran) -> None:
        tell(f"{case}: {ran.seconds:.1f} s")
        values = {"seconds": quantity([ran.seconds]), "cpu_seconds": quantity([ran.cpu_seconds])}
        if ran.peak_mb:
            values["peak_mb"] = quantity([ran.peak_mb])
        rows.append({"case": case, "workers": cores(), "values": values})

    add("catalog, first", run(catalogs))
    add("catalog, nothing changed", run(catalogs))
    began, spent = time.perf_counter(), time.process_time()
    preview(
        ProcessRequest(str(source), str(out), named_recipe(str(recipe))), catalog_table.read(table)
    )
    add("plan", Ran(time.perf_counter() - began, time.process_time() - spent, 0.0, ""))
    add("pass, first", run(passes))
    add("pass, nothing changed", run(passes))
    what = (
        f"hard links to {sizes.linked:,} images of {_sides(TINY)}, `resize` to 8 pixels; memory of"
    )
    what += " the largest process"
    return {"what": what, "images": sizes.links, "repeats": 1, "rows": rows}


def programs(sizes: Sizes, place: Place) -> dict[str, Any]:
    """Compare whole commands with those of other programs."""
    photos = place.scratch / "photos"
    generate(photos, sizes.programs, compare_tools.SIDES)
    rows = [
        {
            "case": row.program,
            "workers": cores(),
            "values": {
                "first_file_seconds": quantity([row.first]),
                "seconds": quantity([row.seconds]),
                "again_seconds": quantity([row.again]),
            },
            "lines": row.lines,
            "status": row.status,
            "bad_files": row.bad_files,
        }
        for row in compare_tools.measured(sizes.programs, photos)
    ]
    what = f"photos of {_sides(compare_tools.SIDES)} and two bad files, to at most 2048 pixels,"
    what += " JPEG quality 82"
    return {"what": what, "images": sizes.programs, "repeats": 1, "rows": rows}


class Ran(NamedTuple):
    """Time of a command with its children, its largest process, and what it printed."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    text: str


def run(arguments: Sequence[str | Path], folder: Path = REPOSITORY) -> Ran:
    """Run this Python with some arguments, and measure it.

    Raises
    ------
    RuntimeError
        If the command fails.
    """
    import resource  # which Windows lacks

    command = [sys.executable, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        text = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"'{' '.join(command)}' failed:\n{text}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # In bytes; Linux counts from the size of this process, because it was forked from it.
    unit = 1 if sys.platform == "darwin" else 1024
    return Ran(seconds, spent, used.ru_maxrss * unit / 1e6, text)


def tell(line: str) -> None:
    """Print a line about the progress."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


#: All parts in the order in which they are measured.
PARTS: dict[str, Callable[[Sizes, Place], dict[str, Any]]] = {
    "engines-light": engines("light"),
    "engines-intensive": engines("intensive"),
    "rivals-small": small_rivals,
    "rivals-large": large_rivals,
    "start": start,
    "demo": demo,
    "chain": chain,
    "million": million,
    "programs": programs,
}
