"""Time whole commands beside bare process pools, from the start of the interpreter to its end.

Each turn runs all programs once on the same photos, in the opposite order of the turn before, so
that a change of the load of the machine meets all of them. The result is a table in Markdown.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import pixelmill
from pixelmill.engines.machine import cores

#: The script that a rule of the workflow calls.
_SCRIPT = Path(__file__).parents[1] / "scripts/process_parallel.py"

_RECIPE = """\
steps:
  - resize: {{width: {side}, height: {side}, fit: {fit}}}
output: {{format: jpeg, quality: {quality}}}
"""


def commands(
    source: Path, place: Path, options: argparse.Namespace
) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Return the command line and the variables of each program, by its name."""
    recipe = place / "recipe.yaml"
    given = {"side": options.side, "fit": options.fit, "quality": options.quality}
    recipe.write_text(_RECIPE.format(**given), encoding="utf-8")
    target, workers = str(place / "out"), str(options.workers)
    ours = [sys.executable, str(_SCRIPT), str(source), target, "--recipe", str(recipe)]
    ours += ["--workers", workers, "--quiet"]
    pool = [sys.executable, str(Path(__file__).with_name("bare_pool.py"))]
    rest = [str(source), target, str(options.side), options.fit, str(options.quality), workers]
    found: dict[str, tuple[list[str], dict[str, str]]] = {
        f"pixelmill, {engine}": ([*ours, "--engine", engine], {}) for engine in options.engines
    }
    found["pool of Pillow"] = [*pool, "pillow", *rest], {}
    found["pool of OpenCV"] = [*pool, "opencv", *rest], {}
    if options.pillow_simd:
        simd = {"PYTHONPATH": str(options.pillow_simd)}
        found["pool of pillow-simd"] = [*pool, "pillow", *rest], simd
    return found


def times(
    programs: dict[str, tuple[list[str], dict[str, str]]], target: Path, count: int, turns: int
) -> dict[str, list[float]]:
    """Run all programs in turns, and return their seconds; the first turn does not count.

    Raises
    ------
    subprocess.CalledProcessError
        If a program fails.
    SystemExit
        If it does not make as many images as it should.
    """
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(turns + 1):
        names = list(programs) if turn % 2 else list(programs)[::-1]
        for name in names:
            words, variables = programs[name]
            shutil.rmtree(target, ignore_errors=True)
            began = time.perf_counter()
            subprocess.run(
                words, env={**os.environ, **variables}, check=True, stdout=subprocess.DEVNULL
            )
            taken = time.perf_counter() - began
            made = sum(1 for path in target.rglob("*.jpg") if path.is_file())
            if made != count:
                raise SystemExit(f"{name} made {made} of {count} images")
            if turn:
                seconds[name].append(taken)
    return seconds


def table(seconds: dict[str, list[float]]) -> str:
    """Return a table in Markdown; the last column is the time of each divided by that of the first.

    Examples
    --------
    >>> print(table({"a": [1.0, 3.0, 2.0], "b": [3.0, 3.0, 4.0]}))
    | program | median, s | shortest | longest | times the first |
    |---|---|---|---|---|
    | a | 2.000 | 1.000 | 3.000 | 1.00 |
    | b | 3.000 | 3.000 | 4.000 | 1.50 |
    """
    lines = [
        "| program | median, s | shortest | longest | times the first |",
        "|---|---|---|---|---|",
    ]
    first = statistics.median(next(iter(seconds.values())))
    for name, found in seconds.items():
        median = statistics.median(found)
        cells = [f"{value:.3f}" for value in (median, min(found), max(found))]
        lines.append(f"| {name} | {' | '.join(cells)} | {median / first:.2f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the load of the machine and the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=2000, help="how many photos are generated")
    parser.add_argument("--photos", type=Path, help="a folder of files *.jpg, not generated ones")
    parser.add_argument("--side", type=int, default=256, help="of the results, in pixels")
    parser.add_argument("--fit", choices=("stretch", "inside"), default="stretch")
    parser.add_argument("--quality", type=int, default=75, help="of the results")
    parser.add_argument("--engines", nargs="+", default=["auto"], help="of pixelmill")
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--pillow-simd", type=Path, help="a folder where pillow-simd is installed")
    parser.add_argument("--scratch", type=Path, help="where to write; best a file system in memory")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        place = Path(name)
        source = options.photos or place / "photos"
        if options.photos is None:
            pixelmill.generate(source, options.count)
        before = os.getloadavg()[0]
        count = len(list(source.glob("*.jpg")))
        programs = commands(source, place, options)
        seconds = times(programs, place / "out", count, options.turns)
    sys.stdout.write(f"load before {before:.2f}, after {os.getloadavg()[0]:.2f}\n\n")
    sys.stdout.write(table(seconds) + "\n")


if __name__ == "__main__":
    main()
