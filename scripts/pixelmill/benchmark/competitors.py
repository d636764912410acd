"""Competitors: what people would use instead, over the same files with as many jobs.

Whichever is installed is measured; none is ever needed. Each is called as its own
manual has it for many files, with one thread a job, and may shrink while it decodes
where ours does.
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
from pixelmill.engines.registry import ENGINES
from pixelmill.imaging.recipe import Recipe

log = logging.getLogger(__name__)

#: Calls of a tool for each job: so few that its start does not count, so many that all
#: jobs end together.
CALLS_PER_JOB = 4

#: Longest list of files for one call: command lines have an end.
MOST_FILES = 200

#: What keeps sharp to one thread, beside what all tools are told.
_ONE_THREAD = {"UV_THREADPOOL_SIZE": "1"}

#: Images that a tool is tried on before it is measured.
TRIAL = 3

#: Length of the message of a failed tool that is shown, in characters.
_LONGEST_MESSAGE = 200


def why_not(recipe: Recipe) -> str:
    """Say why a recipe cannot be compared with other tools; empty where it can.

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
        return f"the other tools are not asked for fit: {params['fit']}"
    if params["linear"] or params["upscale"] == "never":
        return "the other tools are not asked for linear light or against enlarging"
    return ""


def task_of(recipe: Recipe) -> Task:
    """Read off a recipe what the tools have to do.

    Raises
    ------
    UserError
        If it cannot be compared.
    """
    if reason := why_not(recipe):
        raise UserError(f"No rival does this recipe: {reason}.")
    (step,) = recipe.all_steps
    side, margin = step.params["longest"], recipe.reading.shrink_margin
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
    """Size that is decoded at least."""
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


#: Command line of each tool, to which files are added.
COMMANDS: dict[str, Callable[[Task, str], list[str]]] = {
    "vipsthumbnail": _vipsthumbnail,
    "gm": _gm,
    "mogrify": _mogrify,
    "sharp": _sharp,
}


def installed() -> list[str]:
    """Rivals that this machine has."""
    return [*(tool for tool in COMMANDS if shutil.which(tool)), *bare_pools.available()]


def versions() -> dict[str, str]:
    """First line that each installed tool says of its version."""
    found = {}
    for tool in installed():
        if tool in COMMANDS:
            flag = "version" if tool == "gm" else "--version"
            done = subprocess.run([tool, flag], capture_output=True, text=True, check=False)
            found[tool] = (done.stdout.strip().splitlines() or ["unknown"])[0]
    return found


def cases(cores: int, tools: Sequence[str]) -> list[Case]:
    """Cases of a comparison: ours and each tool, on all cores."""
    engines = [name for name in PARALLEL if ENGINES[name].automatic]
    ours = [Case(kind, cores) for kind in ("ceiling", *engines)]
    return [Case("loop", 1), *ours, *(Case("rival", cores, tool) for tool in tools)]


def willing(source: str, recipe: Recipe, entries: Sequence[Entry]) -> list[str]:
    """Installed rivals that make something of a few images; what others say is logged.

    Another program may bear a rival's name, and a rival may know other formats.
    """
    found = []
    for tool in installed():
        with tempfile.TemporaryDirectory(prefix="pixelmill-") as target:
            try:
                run_rival(tool, source, target, recipe, entries[:TRIAL], 1)
                found.append(tool)
            except UserError as error:
                log.warning("left out: %s", error)
    return found


def run_rival(
    tool: str, source: str, target: str, recipe: Recipe, entries: Sequence[Entry], jobs: int
) -> tuple[float, int]:
    """Let a tool make all images.

    Files are linked into one folder under numbers before the clock starts, since the
    tools know no tree and no strange names.

    Returns
    -------
    seconds : float
        Wall-clock time, with the start of each of a tool's processes.
    images : int
        How many it made.

    Raises
    ------
    UserError
        If the recipe cannot be compared, or the tool made nothing.
    """
    task = task_of(recipe)
    links, made = Path(target, "links").absolute(), Path(target, "images").absolute()
    for folder in (links, made):
        folder.mkdir(parents=True)
    files = [_link(source, entry, links, number) for number, entry in enumerate(entries)]
    if tool in bare_pools.POOLS:
        seconds, complaints = bare_pools.run(tool, task, links, files, made, jobs)
    else:
        began = time.perf_counter()
        complaints = _calls(COMMANDS[tool](task, str(made)), links, files, jobs)
        seconds = time.perf_counter() - began
    images = sum(1 for _ in made.iterdir())
    if not images:
        raise UserError(
            f"'{tool}' made no image: {' '.join(complaints.split())[:_LONGEST_MESSAGE]}"
        )
    return seconds, images


def _link(source: str, entry: Entry, folder: Path, number: int) -> str:
    path = os.path.abspath(os.path.join(source, entry.path))
    link = folder / f"{number}{Path(entry.path).suffix}"
    try:
        link.symlink_to(path)
    except OSError:  # Windows asks for a privilege
        shutil.copyfile(path, link)
    return link.name


def _calls(command: Sequence[str], folder: Path, files: Sequence[str], jobs: int) -> str:
    """Call a tool on parts of the files, so many at once; return what it complained of."""
    each = min(MOST_FILES, -(-len(files) // (CALLS_PER_JOB * jobs)))

    def call(part: Sequence[str]) -> str:
        # From where the files lie: gm repeats their path below the folder of its outputs.
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
