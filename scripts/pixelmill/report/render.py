"""Render the report for people and machines: HTML, Markdown, CSV, JSON and charts."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from markupsafe import Markup

from pixelmill.benchmark.samples import NAMES
from pixelmill.core.errors import UserError
from pixelmill.core.files import atomic, sweep
from pixelmill.core.root import Root
from pixelmill.core.tables import write_json, write_table
from pixelmill.engines.registry import BASELINE
from pixelmill.report import charts, templating
from pixelmill.report.collect import COLUMNS
from pixelmill.report.comparison import compare
from pixelmill.report.failure_groups import failed_images
from pixelmill.report.headline import headline
from pixelmill.report.sections import Section, Sheets, sections

#: Name of the folder of the report.
_NAME = "report"

#: What the folder holds; the data are written first, and tell that a report wrote the others.
_DATA, _FIGURES = "benchmark.json", "figures"
_WRITTEN = (_DATA, "benchmark.csv", "report.md", "report.html", _FIGURES)

#: Colours of a chart in a file of its own, which has no page to take them from.
_STANDALONE = 'style="color: #1c2128; background: #ffffff" font-family="sans-serif"'


def folder_in(results: str) -> str:
    """Return the folder of the report in a folder of results.

    Raises
    ------
    TreeError
        If it is a link, through which files elsewhere would be replaced.
    """
    Root(results).check(_NAME)
    return os.path.join(results, _NAME)


def write(report: Mapping[str, Any], folder: str, sheets: Sheets | None = None) -> None:
    """Write all files of the report.

    Parameters
    ----------
    report : mapping
        Of `pixelmill.report.collect.collect` and, optionally, `pixelmill.report.collect.describe`.
    folder : str
        Folder of ``report.html``, ``report.md``, ``benchmark.csv``, ``benchmark.json`` and the
        folder ``figures``.
    sheets : mapping, optional
        Contact sheets by dataset and recipe.

    Raises
    ------
    UserError
        If the folder has files of such names that no report wrote.
    """
    require_own(folder)
    os.makedirs(folder, exist_ok=True)
    sweep(folder)
    rows = report["rows"]
    write_json(os.path.join(folder, _DATA), report)
    write_table(
        os.path.join(folder, "benchmark.csv"),
        COLUMNS,
        (["" if row[column] is None else row[column] for column in COLUMNS] for row in rows),
    )
    with atomic(os.path.join(folder, "report.md")) as file:
        file.write(markdown(report))
    page = _Page(report, sheets or {})
    with atomic(os.path.join(folder, "report.html")) as file:
        file.write(page.html())
    root = Root(folder)
    _remove_charts(root)  # so that none of a dataset or recipe stays that is not run now
    root.make_folder(_FIGURES)
    for part in page.parts:
        for chart in part.charts:
            if svg := chart.draw(charts.WIDE):
                name = f"{part.section.dataset}.{part.section.recipe}.{chart.name}.svg"
                root.write(f"{_FIGURES}/{name}", _standalone(str(svg)).encode())


def require_own(folder: str) -> None:
    """Refuse a folder that has files of the names of a report, but not by one.

    Raises
    ------
    UserError
    """
    found = next((name for name in _WRITTEN if os.path.lexists(os.path.join(folder, name))), None)
    if found is None:
        return
    with contextlib.suppress(OSError, ValueError, RecursionError):
        data = json.loads(Root(folder).read(_DATA))
        if isinstance(data, dict) and "rows" in data:
            return
    raise UserError(
        f"'{os.path.join(folder, found)}' exists, but no report wrote it; name another folder for "
        "the report, or move it away."
    )


def _remove_charts(root: Root) -> None:
    """Remove the charts of an earlier report, and no other file beside them."""
    endings = tuple(f".{chart.name}.svg" for chart in charts.CHARTS)
    if root.lstat(_FIGURES) is None:
        return
    root.check(_FIGURES)
    for folder, names in root.walk(_FIGURES):
        for name in names:
            if folder == _FIGURES and name.endswith(endings):
                root.unlink(f"{folder}/{name}")


def html(report: Mapping[str, Any], sheets: Sheets | None = None) -> str:
    """Render the page; it needs no network and no other file."""
    return _Page(report, sheets or {}).html()


def markdown(report: Mapping[str, Any]) -> str:
    """Render a summary for a pull request: verdict, tables, failures, machine."""
    comparison = compare(report)
    page = templating.environment(autoescape=False).get_template("report.md")
    return page.render(
        **{
            **report,
            "failures": failed_images(report["failures"], report.get("commands", {})),
            "names": NAMES,
            "head": headline(report, comparison),
            "comparison": comparison,
        }
    )


@dataclass(frozen=True)
class _DrawnChart:
    """A chart of one section; the page and the file of the chart share what is drawn."""

    name: str
    title: str
    caption: Callable[[], str]
    draw: Callable[[float], Markup]


class _Part:
    """A section of the page with its charts."""

    def __init__(self, section: Section) -> None:
        self.section = section
        self.charts = [
            _DrawnChart(
                chart.name,
                chart.title,
                partial(chart.caption, section),
                functools.cache(partial(chart.draw, section)),
            )
            for chart in charts.CHARTS
        ]


class _Page:
    """The page while it is rendered; its charts are drawn once for it and for their files."""

    def __init__(self, report: Mapping[str, Any], sheets: Sheets) -> None:
        self.report = report
        self.comparison = compare(report)
        self.parts = [_Part(section) for section in sections(report, sheets, self.comparison)]

    def html(self) -> str:
        """Render the page."""
        report = self.report
        script = templating.source("report.js")
        page = templating.environment(autoescape=True).get_template("report.html")
        return page.render(
            **{
                **report,
                "failures": failed_images(report["failures"], report.get("commands", {})),
                "parts": self.parts,
                "comparison": self.comparison,
                "head": headline(report, self.comparison),
                "config": json.dumps(report["config"], indent=1),
                "baseline": BASELINE,
                "names": NAMES,
                "widths": (charts.WIDE, charts.NARROW),
                "style": Markup(templating.source("report.css")),
                "script": Markup(script),
                "script_digest": _digest(script),
            }
        )


def _digest(script: str) -> str:
    """Return the digest by which the page allows its own script, and no other."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _standalone(svg: str) -> str:
    """Set the colours, the font and the size that a chart otherwise takes from the page."""
    size = rf'<svg xmlns="http://www.w3.org/2000/svg" width="\1" height="\2" {_STANDALONE}'
    return re.sub(r'<svg(?=[^>]*viewBox="0 0 ([\d.]+) ([\d.]+)")', size, svg, count=1)
