"""Verdict: how a run of the workflow ended, what is wrong, and a summary in a few lines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

from pixelmill.dataset.layout import Tree
from pixelmill.engines.registry import BASELINE
from pixelmill.report.comparison import digits_of, shown
from pixelmill.report.conclusion import Images, change, conclude, exceeded, kept

#: How many output trees a line names, and how many faults a summary has; the report has all.
_MOST_NAMED = 3
_MOST_FAULTS = 5


class Verdict(TypedDict):
    """How a run of the workflow ended, as ``benchmark.json`` and ``verdict.json`` have it.

    Attributes
    ----------
    state : str
    sentence : str
        What a person reads.
    images, processed, failed : int
        Number of images of all datasets; one that failed with several engines counts once.
    causes : dict
        Number of failed images by what is said of them.
    wrong : list of str
        What is wrong with outputs, in a line for each check that failed.
    """

    state: str
    sentence: str
    images: int
    processed: int
    failed: int
    causes: dict[str, int]
    wrong: list[str]


def judge(report: Mapping[str, Any], images: Images, failures: Mapping[str, Any]) -> Verdict:
    """Decide how a run ended.

    Parameters
    ----------
    report : mapping
        As in ``benchmark.json``, without the verdict.
    images : Images
        Of all datasets.
    failures : mapping
        The section `failures` of the config: how many images may fail. Missing keys have the
        defaults of the schema.
    """
    checked = [*report["verifications"], *report["comparisons"]]
    wrong = [entry for entry in checked if not entry["passed"]]
    faults = [f"checks failed for {_names(map(_name, wrong))}"] if wrong else []
    conclusion = conclude(images, faults, _limit(report, failures))
    return {
        "state": str(conclusion.state),
        "sentence": conclusion.sentence,
        "images": images.total,
        "processed": images.processed,
        "failed": images.failed,
        "causes": images.told_causes(),
        "wrong": [line for entry in wrong for line in _faults(entry)],
    }


def summary(report: Mapping[str, Any], places: Iterable[str] = ()) -> list[str]:
    """Say in a few lines what was done, what is wrong and where to look, the conclusion last.

    Parameters
    ----------
    report : mapping
        As in ``benchmark.json``.
    places : iterable of str
        Where to look, such as "Report: report.html".
    """
    lines = []
    trees = report["verifications"]
    if sizes := [_change(entry) for entry in report["sizes"]]:
        lines.append(f"Size: {_names(sizes, '; ')}.")
    if copies := [_kept(entry) for entry in report["sizes"] if "sources_kept" in entry]:
        lines.append(f"Kept: {_names(copies, '; ')}.")
    if trees:
        correct = sum(entry["passed"] for entry in trees)
        same = [entry["passed"] for entry in report["comparisons"]]
        agreement = "" if not same else "; engines agree" if all(same) else "; engines DISAGREE"
        lines.append(f"Checked: {correct} of {len(trees)} output trees passed{agreement}.")
    fastest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in report["rows"]:
        key = (row["dataset"], row["recipe"])
        best = fastest[key]["images_per_second"] if key in fastest else 0
        if (row["images_per_second"] or 0) > best:
            fastest[key] = row
    if fastest:
        loops = {_key(row)[:2]: row for row in report["rows"] if row["engine"] == BASELINE}
        speeds = (_speed(row, loops.get(key)) for key, row in fastest.items())
        lines.append(f"Fastest: {_names(speeds, '; ')}.")
    wrong = report["verdict"]["wrong"]
    lines += wrong[:_MOST_FAULTS]
    if len(wrong) > _MOST_FAULTS:
        lines.append(f"and {len(wrong) - _MOST_FAULTS} more checks")
    return [*lines, *places, report["verdict"]["sentence"]]


def places(trees: Sequence[Tree], report: Mapping[str, Any], page: str | None) -> list[str]:
    """Say where the failures are, and the report or, without one, the images.

    Parameters
    ----------
    trees : sequence of Tree
        Those that the report describes.
    report : mapping
        As in ``benchmark.json``.
    page : str or None
        The report for people.
    """
    failed = {_key(entry) for entry in report["failures"]}
    found = [
        f"Failed images: {os.path.join(tree.path, 'failures.csv')}"
        for tree in trees
        if (tree.dataset, tree.recipe, tree.engine) in failed
    ]
    first, *others = trees
    more = f" and {len(others):,} more" if others else ""
    images = f"Images: {os.path.join(first.path, 'images')}{more}"
    return [*found[:1], f"Report: {page}" if page else images]


def as_data(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of ``verdict.json``."""
    reasons = {_key(entry): entry["reasons"] for entry in report["failures"]}
    trees = [
        {
            **{key: tree[key] for key in ("dataset", "recipe", "engine")},
            "verified": tree["passed"],
            "reasons": reasons.get(_key(tree), {}),
        }
        for tree in report["verifications"]
    ]
    return {**report["verdict"], "sizes": report["sizes"], "trees": trees}


def _limit(report: Mapping[str, Any], failures: Mapping[str, Any]) -> str:
    """Say which limit the failures of an output tree exceed, and where they are worst."""
    limits = _complete(failures)
    over = [e for e in report["failures"] if exceeded(e["failed"], e["images"], limits)]
    if not over:
        return ""
    worst = max(over, key=lambda entry: entry["failed"] / max(1, entry["images"]))
    name = exceeded(worst["failed"], worst["images"], limits)
    several = len({(tree["dataset"], tree["recipe"]) for tree in report["verifications"]}) > 1
    where = f" in {worst['dataset']}/{worst['recipe']}" * several
    most = f"{limits[name]:g}" if name == "max_rate" else f"{limits[name]:,}"
    return f"more than failures.{name} = {most} allows{where}"


def _complete(failures: Mapping[str, Any]) -> Mapping[str, Any]:
    """Fill in the defaults of the section `failures`."""
    if {"max_rate", "max_count"} <= failures.keys():
        return failures
    from pixelmill.core.schemas import complete_section

    return complete_section("failures", failures, "failures")


def _faults(entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each check that failed, with one of its images."""
    failed = [check for check in entry["checks"] if check["named"]]
    for check in failed:
        first = check["named"][0]
        count = check["differing"] - 1
        more = f" (and {count:,} more)" if count else ""
        yield f"{_name(entry)}: {check['name']}: {first['image']}: {first['why']}{more}"
    if not failed:
        yield f"{_name(entry)}: {entry['summary']}"


def _names(names: Iterable[str], separator: str = ", ") -> str:
    """Join the first few names, and count the others."""
    every = list(names)
    more = len(every) - _MOST_NAMED
    return separator.join(every[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _kept(entry: Mapping[str, Any]) -> str:
    return f"{_name(entry)} {kept(entry['sources_kept'], entry['bytes_kept'])}"


def _change(entry: Mapping[str, Any]) -> str:
    return f"{_name(entry)} {change(entry['bytes_in'], entry['bytes_out'])}"


def _speed(row: Mapping[str, Any], loop: Mapping[str, Any] | None) -> str:
    """Say how fast an engine was, and its speedup as the report shows it."""
    speed = shown(row["images_per_second"])
    times = ""
    if loop and row is not loop and isinstance(row["speedup"], float):
        times = f", {speed / shown(loop['images_per_second']):.2f}x {BASELINE}"
    return f"{_name(row)} {speed:,.{digits_of(speed)}f} images/s{times}"


def _key(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return entry["dataset"], entry["recipe"], entry["engine"]


def _name(entry: Mapping[str, Any]) -> str:
    parts = [entry["dataset"], entry["recipe"], entry.get("engine", "")]
    return "/".join(part for part in parts if part)
