"""Competitors: other tools, run on the same files with as many jobs.

The tools that are installed are measured; none is required. Each is called as its manual
recommends for many files, with one thread for each job, and may reduce pictures while decoding
if pixelmill does.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pixelmill.benchmark import bare_pools
from pixelmill.benchmark.bare_pools import Task
from pixelmill.benchmark.samples import PARALLEL, Case
from pixelmill.core.errors import UserError
from pixelmill.dataset.entries import Entry
from pixelmill.dataset.places import Places
from pixelmill.engines.registry import ENGINES
from pixelmill.imaging.recipe import Recipe
from pixelmill.storage.archives import Member, Place

log = logging.getLogger(__name__)

#: Number of calls of a tool for each job: few enough for its start not to matter, and enough for
#: all jobs to end at about the same time.
CALLS_PER_JOB = 4

#: Largest number of files for one call, because the length of command lines is limited.
MOST_FILES = 200

#: Limits sharp to one thread, in addition to what limits all tools.
_ONE_THREAD = {"UV_THREADPOOL_SIZE": "1"}

#: Number of images on which a tool is tried before it is measured.
TRIAL = 3

#: Length of the message of a failed tool that is shown, in characters.
_LONGEST_MESSAGE = 200


def why_not(recipe: Recipe) -> str:
    """Say why a recipe cannot be compared with other tools; empty if it can.

    Examples
    --------
    >>> from pixelmill.imaging.recipe_parser import parse
    >>> why_not(parse({"steps": [{"resize": {"longest": 64}}]}))
    ''
    >>> why_not(parse({"steps": ["grayscale"]}))
    'only one resize to a frame or a longest side, written as one JPEG, is comparable'
    """
    only = "only one resize to a frame or a longest side, written as one JPEG, is comparable"
    steps = list(recipe.all_steps)
    if len(steps) != 1 or steps[0].name != "resize" or len(recipe.outputs) != 1:
        return only
    params = steps[0].params
    framed = params["width"] and params["height"]
    if recipe.outputs[0].format != "jpeg" or not (framed or params["longest"]):
        return only
    if framed and params["fit"] not in ("stretch", "contain", "inside"):
        return f"other tools are not measured with fit: {params['fit']}"
    if params["linear"] or params["upscale"] == "never":
        return "other tools are not measured with linear light or upscale: never"
    return ""


def task_of(recipe: Recipe) -> Task:
    """Derive from a recipe what the tools have to do.

    Raises
    ------
    UserError
        If the recipe cannot be compared.
    """
    if reason := why_not(recipe):
        raise UserError(f"Other tools cannot apply this recipe: {reason}.")
    (step,) = recipe.all_steps
    side, margin = step.params["longest"], recipe.decode_options.shrink_margin
    width, height = (side, side) if side else (step.params["width"], step.params["height"])
    exact = not side and step.params["fit"] == "stretch"
    return Task(width, height, exact, recipe.outputs[0].options["quality"], margin)


def _vipsthumbnail(task: Task, target: str) -> list[str]:
    bang = "!" if task.exact else ""
    return [
        "vipsthumbnail", "--size", f"{task.width}x{task.height}{bang}",
        "--output", os.path.join(target, f"%s.jpg[Q={task.quality},strip]"),
    ]  # fmt: skip


def _gm(task: Task, target: str) -> list[str]:
    hint = ["-size", _least(task)] if task.margin else []
    into = ["-output-directory", target, "-format", "jpg"]
    return ["gm", "mogrify", *hint, *into, *_magick_options(task)]


def _mogrify(task: Task, target: str) -> list[str]:
    hint = ["-define", f"jpeg:size={_least(task)}"] if task.margin else []
    return ["mogrify", *hint, "-path", target, "-format", "jpg", *_magick_options(task)]


def _least(task: Task) -> str:
    """Return the smallest size to decode."""
    return f"{round(task.margin * task.width)}x{round(task.margin * task.height)}"


def _magick_options(task: Task) -> list[str]:
    bang = "!" if task.exact else ""
    return [
        "-auto-orient", "-filter", "Lanczos",
        "-resize", f"{task.width}x{task.height}{bang}",
        "-strip", "-sampling-factor", "2x2", "-quality", str(task.quality),
    ]  # fmt: skip


def _sharp(task: Task, target: str) -> list[str]:
    fit = "fill" if task.exact else "inside"
    return [
        "sharp", "resize", str(task.width), str(task.height), "--fit", fit,
        "--autoOrient", "--quality", str(task.quality), "--format", "jpeg",
        "--output", target, "--input",
    ]  # fmt: skip


#: Command line of each tool, without the files.
COMMANDS: dict[str, Callable[[Task, str], list[str]]] = {
    "vipsthumbnail": _vipsthumbnail,
    "gm": _gm,
    "mogrify": _mogrify,
    "sharp": _sharp,
}


def installed() -> list[str]:
    """Return the tools that are installed."""
    return [*(tool for tool in COMMANDS if shutil.which(tool)), *bare_pools.available()]


def versions() -> dict[str, str]:
    """Return the first line of the version message of each installed tool."""
    found = {}
    for tool in installed():
        if tool in COMMANDS:
            flag = "version" if tool == "gm" else "--version"
            done = subprocess.run([tool, flag], capture_output=True, text=True, check=False)
            found[tool] = (done.stdout.strip().splitlines() or ["unknown"])[0]
    return found


def cases(cores: int, tools: Sequence[str]) -> list[Case]:
    """Return the cases of a comparison: pixelmill's and each tool, on all cores."""
    engines = [name for name in PARALLEL if ENGINES[name].automatic]
    ours = [Case(kind, cores) for kind in ("ceiling", *engines)]
    return [Case("loop", 1), *ours, *(Case("rival", cores, tool) for tool in tools)]


def willing(source: str, recipe: Recipe, entries: Sequence[Entry]) -> list[str]:
    """Return the installed tools that succeed with a few images; the others are logged.

    Another program may have the name of a tool, and a tool may lack a format.
    """
    found = []
    for tool in installed():
        with tempfile.TemporaryDirectory(prefix="pixelmill-") as target:
            try:
                run_rival(tool, source, target, recipe, entries[:TRIAL], 1)
                found.append(tool)
            except UserError as error:
                log.warning("not measured: %s", error)
    return found


def run_rival(
    tool: str, source: str, target: str, recipe: Recipe, entries: Sequence[Entry], jobs: int
) -> tuple[float, int]:
    """Process all images with a tool.

    Before the clock starts, the files are linked into one folder with numbers for names, because
    the tools do not handle folders and unusual names; members of archives are written there.

    Returns
    -------
    seconds : float
        Wall-clock time, including the start of each process of the tool.
    images : int
        Number of images that it made.

    Raises
    ------
    UserError
        If the recipe cannot be compared, or the tool made nothing.
    """
    task = task_of(recipe)
    links, made = Path(target, "links").absolute(), Path(target, "images").absolute()
    for folder in (links, made):
        folder.mkdir(parents=True)
    places = Places(source)
    files = [
        _link(places.at(entry), links / f"{number}{Path(entry.path).suffix}")
        for number, entry in enumerate(entries)
    ]
    if tool in bare_pools.POOLS:
        seconds, complaints = bare_pools.run(tool, task, links, files, made, jobs)
    else:
        began = time.perf_counter()
        complaints = _calls(COMMANDS[tool](task, str(made)), links, files, jobs)
        seconds = time.perf_counter() - began
    images = sum(1 for _ in made.iterdir())
    if not images:
        raise UserError(
            f"'{tool}' wrote no image: {' '.join(complaints.split())[:_LONGEST_MESSAGE]}"
        )
    return seconds, images


def _link(place: Place, link: Path) -> str:
    if isinstance(place, Member):
        link.write_bytes(place.read())
        return link.name
    try:
        link.symlink_to(os.path.abspath(place))
    except OSError:  # Windows requires a privilege
        shutil.copyfile(place, link)
    return link.name


def _calls(command: Sequence[str], folder: Path, files: Sequence[str], jobs: int) -> str:
    """Call a tool on parts of the files, several at once; return its error messages."""
    each = min(MOST_FILES, -(-len(files) // (CALLS_PER_JOB * jobs)))

    def call(part: Sequence[str]) -> str:
        # In the folder of the files: gm repeats their path below the folder of its outputs.
        done = subprocess.run(
            [*command, *part],
            cwd=folder,
            env={**os.environ, **_ONE_THREAD},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stderr

    with ThreadPoolExecutor(jobs) as pool:
        return "".join(pool.map(call, (files[k : k + each] for k in range(0, len(files), each))))
