"""Verdict: whether all is well, what is not, and a run in five lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: Largest part of a tree's images that may fail where nobody says otherwise.
MAX_FAILURE_RATE = 0.01


def judge(
    report: Mapping[str, Any], max_failure_rate: float, max_failures: int | None = None
) -> tuple[bool, list[str]]:
    """Decide from the report's data.

    Parameters
    ----------
    report : mapping
        As in benchmark.json.
    max_failure_rate : float
        Largest part of a tree's images that may fail, 0..1.
    max_failures : int, optional
        Largest number of a tree's images that may fail.

    Returns
    -------
    well : bool
    wrong : list of str
        What is not well, each with the images that show it.
    """
    wrong = []
    for entry in [*report["verifications"], *report["comparisons"]]:
        if not entry["passed"]:
            wrong += [f"{_name(entry)}: {entry['summary']}", *_named(entry)]
    for entry in report["failures"]:
        if too_many := _too_many(entry, max_failure_rate, max_failures):
            wrong.append(f"{_name(entry)}: {_failed(entry)}: {too_many}.")
    return not wrong, wrong


def summary(report: Mapping[str, Any], well: bool, place: str = "") -> list[str]:
    """Say in five lines at most what was done, what failed, how fast, and where to look.

    Parameters
    ----------
    report : mapping
        As in benchmark.json.
    well : bool
        What `judge` decided.
    place : str
        What to look at, such as "Report: report.html"; empty where nothing is.
    """
    lines = []
    trees = report["verifications"]
    if trees:
        images = max(_inputs(tree) for tree in trees)
        recipes = _and(dict.fromkeys(tree["recipe"] for tree in trees))
        engines = _and(dict.fromkeys(tree["engine"] for tree in trees))
        datasets = _and(dict.fromkeys(tree["dataset"] for tree in trees))
        lines.append(f"Done: {images:,} images of {datasets} by {recipes}, on {engines}.")
        passed = sum(entry["passed"] for entry in trees)
        same = [entry["passed"] for entry in report["comparisons"]]
        bytes_ = "" if not same else "; engines agree" if all(same) else "; engines DISAGREE"
        lines.append(f"Checked: {passed} of {len(trees)} trees of outputs passed{bytes_}.")
    if report["failures"]:
        worst = max(report["failures"], key=lambda entry: entry["failed"])
        lines.append(f"Failed: {_failed(worst)} in {_name(worst)}; see its failures.csv.")
    else:
        lines.append("Failed: no image.")
    fastest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in report["rows"]:
        key = (row["dataset"], row["recipe"])
        rate = row["images_per_second"] or 0
        if rate > (fastest[key]["images_per_second"] if key in fastest else 0):
            fastest[key] = row
    if fastest:
        lines.append(f"Fast: {'; '.join(map(_speed, fastest.values()))}.")
    end = "All is well." if well else "NOT well: see above."
    lines.append(f"{place}. {end}" if place else end)
    return lines


def _inputs(tree: Mapping[str, Any]) -> int:
    return next((c["compared"] for c in tree["checks"] if c["name"] == "inputs"), 0)


def _and(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _failed(entry: Mapping[str, Any]) -> str:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in entry["reasons"].items())
    return f"{entry['failed']:,} of {entry['images']:,} images ({reasons})"


def _speed(row: Mapping[str, Any]) -> str:
    gain = row["speedup"]
    compared = isinstance(gain, float) and row["engine"] != "sequential"
    times = f", {gain:.2f}x sequential" if compared else ""
    return f"{_name(row)} {row['images_per_second']:,.0f} images/s{times}"


def sentence(
    report: Mapping[str, Any],
    max_failure_rate: float = MAX_FAILURE_RATE,
    max_failures: int | None = None,
) -> tuple[bool, str]:
    """Decide as `judge` does, and say it in one sentence."""
    well, _ = judge(report, max_failure_rate, max_failures)
    checked = [*report["verifications"], *report["comparisons"]]
    wrong = [entry for entry in checked if not entry["passed"]]
    bounds = max_failure_rate, max_failures
    too_many = [entry for entry in report["failures"] if _too_many(entry, *bounds)]
    faults = []
    if wrong:
        names = ", ".join(map(_name, wrong[:_NAMED]))
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        faults.append(f"checks failed for {names}{more}")
    if too_many:
        worst = max(too_many, key=lambda entry: entry["failed"] / max(1, entry["images"]))
        faults.append(
            f"{worst['failed']:,} of {worst['images']:,} images failed in {_name(worst)}, "
            f"{_too_many(worst, *bounds)}"
        )
    if not well:
        return False, f"NOT well: {'; '.join(faults)}."
    same = ", and the same on every engine" if report["comparisons"] else ""
    failed = max((entry["failed"] for entry in report["failures"]), default=0)
    but = ""
    if failed:
        images = "image was" if failed == 1 else "images were"
        but = f"; {failed:,} {images} not made, which is within bounds"
    return True, f"All is well: every output is whole and as its recipe demands{same}{but}."


#: Trees that the sentence names.
_NAMED = 3


def _too_many(entry: Mapping[str, Any], rate: float, count: int | None) -> str:
    """Say which bound a tree's failures exceed; nothing where none."""
    if entry["failed"] / max(1, entry["images"]) > rate:
        return f"more than failures.max_rate = {rate:g} allows"
    if count is not None and entry["failed"] > count:
        return f"more than failures.max_count = {count:,} allows"
    return ""


def _name(entry: Mapping[str, Any]) -> str:
    parts = [entry["dataset"], entry["recipe"], entry.get("engine", "")]
    return "/".join(part for part in parts if part)


def _named(entry: Mapping[str, Any]) -> list[str]:
    return [
        f"  {check['name']}: {image['image']}: {image['why']}"
        for check in entry["checks"]
        for image in check["named"]
    ]
