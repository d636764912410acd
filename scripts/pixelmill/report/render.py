"""Rendering: the report as people and machines read it: HTML, Markdown, CSV, JSON, figures."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from markupsafe import Markup

from pixelmill.benchmark.samples import NAMES
from pixelmill.core.files import atomic, sweep
from pixelmill.core.root import Root
from pixelmill.core.tables import write_json, write_table
from pixelmill.report import charts, templating
from pixelmill.report.collect import COLUMNS
from pixelmill.report.contact_sheet import Pair

#: Colours of a figure that stands alone, with no page to take them from.
_ALONE = 'style="color: #1c2128; background: #ffffff"'

Sheets = Mapping[tuple[str, str], Sequence[Pair]]


def write(report: Mapping[str, Any], folder: str, sheets: Sheets | None = None) -> None:
    """Write all files of the report.

    Parameters
    ----------
    report : mapping
        Of `pixelmill.report.collect.collect`, and `pixelmill.report.collect.describe` where wanted.
    folder : str
        Where ``report.html``, ``report.md``, ``benchmark.csv``, ``benchmark.json`` and
        the folder ``figures`` go.
    sheets : mapping, optional
        Contact sheets by dataset and recipe.
    """
    os.makedirs(folder, exist_ok=True)
    sweep(folder)
    rows = report["rows"]
    write_table(
        os.path.join(folder, "benchmark.csv"),
        COLUMNS,
        (["" if row[column] is None else row[column] for column in COLUMNS] for row in rows),
    )
    write_json(os.path.join(folder, "benchmark.json"), report)
    with atomic(os.path.join(folder, "report.md")) as file:
        file.write(markdown(report))
    sections = [*_sections(report, sheets or {})]
    with atomic(os.path.join(folder, "report.html")) as file:
        file.write(_html(report, sections))
    root = Root(folder)
    root.remove_tree("figures")  # of what is no longer run, none may stay
    root.make_folder("figures")
    for section in sections:
        for kind, draw in section["drawings"].items():
            if drawn := draw(charts.WIDE):
                name = f"{section['dataset']}.{section['recipe']}.{kind}.svg"
                root.write(f"figures/{name}", _alone(str(drawn)).encode())


def _alone(drawn: str) -> str:
    """Give a figure the colours and the size that it else takes from the page."""
    size = rf'<svg width="\1pt" height="\2pt" {_ALONE}'
    return re.sub(r'<svg(?=[^>]*viewBox="0 0 ([\d.]+) ([\d.]+)")', size, drawn, count=1)


def html(report: Mapping[str, Any], sheets: Sheets | None = None) -> str:
    """Render the page; it needs no network and no other file."""
    return _html(report, [*_sections(report, sheets or {})])


def _html(report: Mapping[str, Any], sections: Sequence[Mapping[str, Any]]) -> str:
    page = templating.environment(autoescape=True).get_template("report.html")
    config = json.dumps(report["config"], indent=1)
    return page.render(
        **{**report, "failures": _together(report["failures"])}
        | {"sections": sections, "config": config, "names": NAMES}
    )


def markdown(report: Mapping[str, Any]) -> str:
    """Render what stands in a pull request: verdict, tables, failures, machine."""
    page = templating.environment(autoescape=False).get_template("report.md")
    together = {"failures": _together(report["failures"]), "names": NAMES}
    return page.render(**{**report, **together})


def _sections(report: Mapping[str, Any], sheets: Sheets) -> Iterator[dict[str, Any]]:
    """One a dataset and recipe, with all that is told of it."""
    for dataset, recipe in dict.fromkeys((r["dataset"], r["recipe"]) for r in report["rows"]):

        def ours(part: str, names: tuple[str, str] = (dataset, recipe)) -> list[Any]:
            return [e for e in report.get(part, []) if (e["dataset"], e["recipe"]) == names]

        rows, times = ours("rows"), ours("times")
        benchmark = next(iter(ours("scaling")), None)
        contest = next(iter(ours("rivals")), None)
        drawings: dict[str, Callable[[float], Markup]] = {
            "throughput": partial(charts.throughput, rows, benchmark),
            "scaling": partial(charts.scaling, benchmark),
            "rivals": partial(charts.rivals, contest),
            "stages": partial(charts.stages, times),
            "latencies": partial(charts.latencies, times),
            "workers": partial(charts.workers, times),
        }
        yield {
            "dataset": dataset,
            "recipe": recipe,
            "rows": rows,
            "times": times,
            "benchmark": benchmark,
            "contest": contest,
            # The page and the files of the figures share what is drawn.
            "drawings": {kind: functools.cache(draw) for kind, draw in drawings.items()},
            "pairs": sheets.get((dataset, recipe)),
            "widths": (charts.WIDE, charts.NARROW),
        }


def _together(failures: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tell once what failed alike on several engines."""
    found: dict[str, dict[str, Any]] = {}
    for entry in failures:
        rest = {key: value for key, value in entry.items() if key != "engine"}
        same = found.setdefault(json.dumps(rest, sort_keys=True), {**rest, "engines": []})
        same["engines"].append(entry["engine"])
    return list(found.values())
