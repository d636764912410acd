"""Write the tables of README and docs from the newest file of `make figures`: `make docs`.

A page has an empty place for each table, between two comments. Ratios are those of the numbers
shown, so that readers can compute them.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from pixelmill.benchmark import samples
from pixelmill.benchmark.samples import Case
from pixelmill.benchmark.speedups import serial_share
from pixelmill.engines.registry import ENGINES
from pixelmill.report.headline import OTHERS_CORES, OTHERS_SHARE, STEAL

REPOSITORY = Path(__file__).parents[1]

#: Where the files are.
FOLDER = REPOSITORY / "docs/benchmarks"

#: Pages with tables.
PAGES = (
    "README.md",
    "docs/performance.md",
    "docs/comparison.md",
    "docs/scaling.md",
    "docs/benchmarks/README.md",
)

#: Files of ``scaling.py`` on a machine with sixteen cores.
SIXTEEN_CORES = ("light", "light-16", "intensive-2-of-16", "intensive-16")

#: A table of a page, with its name.
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)

#: Names of cases in tables; all others have their own.
NAMES = {
    "opencv-pool": "process pool, OpenCV `INTER_LINEAR` (aliased)",
    "opencv-area-pool": "process pool, OpenCV `INTER_AREA`",
    "codec-floor": "decoding and encoding alone",
    "gm": "GraphicsMagick",
    "sharp": "sharp-cli",
}

#: Content of a file of figures.
Figures = Mapping[str, Any]


def newest(folder: Path = FOLDER) -> Path:
    """Return the newest file of figures, by the date in its name."""
    return max(folder.glob("20??-??-??-*.json"))


def update(repository: Path, figures: Figures) -> None:
    """Write all tables to their pages."""
    for name in PAGES:
        page = repository / name
        page.write_text(filled(page.read_text(encoding="utf-8"), figures), encoding="utf-8")


def filled(text: str, figures: Figures) -> str:
    """Return the text of a page with its tables."""
    return BLOCK.sub(lambda block: f"{block[1]}{TABLES[block[2]](figures)}\n{block[3]}", text)


def outside(text: str) -> str:
    """Return the text of a page without its tables."""
    return BLOCK.sub("", text)


def number(value: float) -> str:
    """Write a number with three digits, or as an integer.

    Examples
    --------
    >>> [number(value) for value in (1409.4, 246, 50.46, 4.561, 0.63)]
    ['1,409', '246', '50.5', '4.56', '0.63']
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def shown(value: float) -> float:
    """Return a number as it is shown, to compute with."""
    return float(number(value).replace(",", ""))


def span(quantity: Mapping[str, Any] | None, written: Callable[[float], str] = number) -> str:
    r"""Write the interval of a quantity; it is empty if there are fewer than five samples.

    Examples
    --------
    >>> span({"low": 1286.2, "high": 1360.0}) == "1,286\N{EN DASH}1,360"
    True
    >>> span({"low": None, "high": None}), span(None)
    ('', '')
    """
    if not quantity or quantity["low"] is None:
        return ""
    return f"{written(quantity['low'])}\N{EN DASH}{written(quantity['high'])}"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """Write a table in Markdown, with numbers on the right, without empty columns.

    Examples
    --------
    >>> print(table(["engine", "images/s", "interval"], [["threads", "697", ""]]))
    |engine|images/s|
    |---|--:|
    |threads|697|
    """
    rows = list(rows)
    below = ["---"] * text_columns + ["--:"] * (len(titles) - text_columns)
    filled_columns = [number for number in range(len(titles)) if any(row[number] for row in rows)]
    kept = ([line[number] for number in filled_columns] for line in (titles, below, *rows))
    return "\n".join(f"|{'|'.join(line)}|" for line in kept)


def told_case(row: Mapping[str, Any]) -> str:
    """Name a case; an engine with its workers."""
    name = row["case"]
    if name in ENGINES and row["workers"] > 1:
        return f"{name}, {row['workers']} workers"
    return NAMES.get(name, name)


def about(figures: Figures, *names: str) -> str:
    """Tell when, with what and where parts were measured, and whether the machine was idle."""
    parts = [figures["parts"][name] for name in names]
    days = sorted({date.fromisoformat(part["date"]) for part in parts})
    when = " and ".join(f"{day.day} {day:%B %Y}" for day in days)
    code = sorted({f"{part['version']} ({part['commit'][:7]})" for part in parts})
    machine = figures["machine"]
    cores = machine["cores"]
    files = "".join(sorted({f", files on {part['files']}" for part in parts if part["files"]}))
    where = f"{machine['processor']}, {cores} cores{files}"
    return f"{when}, pixelmill {' and '.join(code)}, {where}. {told_load(parts, cores)}"


def told_load(parts: Sequence[Mapping[str, Any]], cores: int) -> str:
    """Tell what else the machine did.

    Examples
    --------
    >>> told_load([{"conditions": {"other_cores": 0.02, "steal": 0.001}}], 2)
    'Other processes used 0.02 of 2 cores, and other virtual machines 0.1 % of the time.'
    >>> told_load([{"conditions": {"other_cores": 1.3}}], 2)
    '**The machine was busy:** other processes used 1.30 of 2 cores.'
    >>> told_load([{"conditions": {}}], 2)
    'The load was not recorded.'
    """
    others = [
        found["other_cores"] for part in parts if "other_cores" in (found := part["conditions"])
    ]
    stolen = max((part["conditions"].get("steal", 0.0) for part in parts), default=0.0)
    if not others:
        return "The load was not recorded."
    text = f"ther processes used {max(others):.2f} of {cores} cores"
    if stolen:
        text += f", and other virtual machines {100 * stolen:.1f} % of the time"
    busy = max(others) > max(OTHERS_CORES, OTHERS_SHARE * cores) or stolen > STEAL
    return f"**The machine was busy:** o{text}." if busy else f"O{text}."


def told_input(part: Mapping[str, Any]) -> str:
    """Tell what was measured, and how often."""
    count = f"{part['images']:,} files, " if part["images"] else ""
    repeats = f"median of {part['repeats']} turns" if part["repeats"] > 1 else "measured once"
    return f"{part['what'][0].upper()}{part['what'][1:]}; {count}{repeats}."


def speed(figures: Figures) -> str:
    """Write the throughput of each engine with both recipes."""
    titles = ["recipe", "engine", "images/s", "interval", "speedup", "interval", "efficiency"]
    rows = []
    for recipe in ("light", "intensive"):
        part = figures["parts"][f"engines-{recipe}"]
        base, *others = part["rows"]
        plain = base["values"]["images_per_second"]
        rows.append([recipe, told_case(base), number(plain["median"]), span(plain), "", "", ""])
        for row in others:
            found = row["values"]["images_per_second"]
            speedup = shown(found["median"]) / shown(plain["median"])
            efficiency = 100 * round(speedup, 2) / row["workers"]
            ratio = span(row["values"].get("ratio"), "{:.2f}".format)
            rows.append(
                [recipe, told_case(row), number(found["median"]), span(found), f"{speedup:.2f}",
                 ratio, f"{efficiency:.0f} %"]
            )  # fmt: skip
    return table(titles, rows, 2)


def speed_details(figures: Figures) -> str:
    """Write the same table, with what was measured."""
    names = [f"engines-{recipe}" for recipe in ("light", "intensive")]
    inputs = [told_input(figures["parts"][name]) for name in names]
    return f"{speed(figures)}\n\n{' '.join(inputs)} {about(figures, *names)}"


def rivals(figures: Figures) -> str:
    """Write the throughput of other programs, and their ratio to the first of ours."""
    parts = [figures["parts"][f"rivals-{name}"] for name in ("small", "large")]
    first = parts[0]["rows"][0]["case"]
    group = ["images/s", "interval", f"ratio to {first}"]
    titles = ["program", *(f"{size}: {title}" for size in ("small", "large") for title in group)]
    cells: dict[str, list[str]] = {}
    for place, part in enumerate(parts):
        base = shown(part["rows"][0]["values"]["images_per_second"]["median"])
        for row in part["rows"]:
            name = f"pixelmill, {row['case']}" if row["case"] in ENGINES else told_case(row)
            found = row["values"]["images_per_second"]
            ratio = f"{shown(found['median']) / base:.2f}"
            line = cells.setdefault(name, [""] * 2 * len(group))
            line[place * len(group) : (place + 1) * len(group)] = [
                number(found["median"]), span(found), ratio,
            ]  # fmt: skip
    rows = [[name, *line] for name, line in cells.items()]
    return table(titles, rows)


def rivals_details(figures: Figures) -> str:
    """Write the same table, with what was measured."""
    names = ["rivals-small", "rivals-large"]
    small, large = (_lower(told_input(figures["parts"][name])) for name in names)
    inputs = f"Small: {small} Large: {large} {about(figures, *names)}"
    return f"{rivals(figures)}\n\n{inputs}"


def comparison(figures: Figures) -> str:
    """Write both tables, as README shows them."""
    names = [f"engines-{recipe}" for recipe in ("light", "intensive")]
    note = about(figures, *names, "rivals-small", "rivals-large")
    return f"{speed(figures)}\n\n{rivals(figures)}\n\n{note}"


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def start(figures: Figures) -> str:
    """Write start-up and memory of each engine, and the times of a command for a few images."""
    titles = [
        "engine", "start-up, s", "memory, MiB", "20 images, s", "interval", "nothing to do, s",
        "interval",
    ]  # fmt: skip
    names = [name for name in ("engines-light", "start") if name in figures["parts"]]
    engines: dict[str, dict[str, Any]] = {}
    for name in names:
        for row in figures["parts"][name]["rows"]:
            engines.setdefault(row["case"], {}).update(row["values"])
    rows = []
    for engine, values in engines.items():
        if "startup_seconds" not in values:
            continue
        cells = [
            engine,
            *(number(values[key]["median"]) for key in ("startup_seconds", "peak_mib")),
        ]
        for found in map(values.get, ("seconds", "nothing_to_do_seconds")):
            cells += [number(found["median"]) if found else "", span(found)]
        rows.append(cells)
    inputs = " ".join(told_input(figures["parts"][name]) for name in names)
    return f"{table(titles, rows)}\n\n{inputs} {about(figures, *names)}"


def chain(figures: Figures) -> str:
    """Write the times of whole runs of the workflow."""
    titles = ["images", "first run, s", "nothing to do, s"]
    rows = []
    for part in (figures["parts"]["demo"], figures["parts"]["chain"]):
        seconds = {row["case"]: number(row["values"]["seconds"]["median"]) for row in part["rows"]}
        if seconds:
            again = seconds.get("nothing to do", "")
            rows.append([f"{part['images']:,}", seconds["first run"], again])
    what = figures["parts"]["chain"]["what"]
    return f"{table(titles, rows)}\n\n{what}; each run once. {about(figures, 'chain')}"


def summary(figures: Figures) -> str:
    """Write the lines in which a run ends."""
    return "\n".join(["```", *figures["parts"]["demo"]["summary"], "```"])


def million(figures: Figures) -> str:
    """Write the times of the jobs of a large dataset."""
    part = figures["parts"]["million"]
    keys = ("cpu_seconds", "seconds", "peak_mb")
    rows = [
        [
            row["case"],
            *(number(v["median"]) if (v := row["values"].get(key)) else "" for key in keys),
        ]
        for row in part["rows"]
    ]
    titles = ["job", "CPU seconds", "elapsed seconds", "peak MB"]
    return f"{table(titles, rows)}\n\n{told_input(part)} {about(figures, 'million')}"


def programs(figures: Figures) -> str:
    """Write the times of whole commands, and what they did with bad files."""
    part = figures["parts"]["programs"]
    titles = [
        "program",
        "bad files",
        "first file, s",
        "all files, s",
        "again, s",
        "lines",
        "status",
    ]
    keys = ("first_file_seconds", "seconds", "again_seconds")
    rows = [
        [row["case"], row["bad_files"], *(number(row["values"][key]["median"]) for key in keys),
         str(row["lines"]), str(row["status"])]
        for row in part["rows"]
    ]  # fmt: skip
    return f"{table(titles, rows, 2)}\n\n{told_input(part)} {about(figures, 'programs')}"


def cores(_: Figures) -> str:
    """Write the throughput on sixteen cores, from the files of ``scaling.py``."""
    titles = [
        "recipe", "engine", "workers", "images/s", "independent loops", "evenly divided", "ratio",
        "serial share",
    ]  # fmt: skip
    rows = []
    for name in SIXTEEN_CORES:
        found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        sampled = samples.read(found)
        for case, taken in sampled.items():
            loops = sampled.get(Case("ceiling", case.workers))
            if case.kind not in ENGINES or not loops:
                continue
            busy = [1 - statistics.mean(loop.idle) for loop in loops]
            even = [loop.images_per_second / part for loop, part in zip(loops, busy, strict=True)]
            rates = [[one.images_per_second for one in some] for some in (taken, loops)]
            cells = [number(statistics.median(values)) for values in (*rates, even)]
            ratio = shown(statistics.median(rates[0])) / shown(statistics.median(even))
            serial = f"{100 * serial_share(ratio, case.workers):.2g} %"
            recipe = name.partition("-")[0]
            rows.append([recipe, case.kind, str(case.workers), *cells, f"{ratio:.2f}", serial])
    return table(titles, rows, 2)


#: What writes each table, by its name.
TABLES: dict[str, Callable[[Figures], str]] = {
    "comparison": comparison,
    "speed": speed_details,
    "rivals": rivals_details,
    "start": start,
    "chain": chain,
    "summary": summary,
    "million": million,
    "programs": programs,
    "cores": cores,
}

if __name__ == "__main__":
    update(REPOSITORY, json.loads(newest().read_text(encoding="utf-8")))
