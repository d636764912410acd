"""Verdict: whether a run passed, what is wrong if it did not, and a summary in five lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pixelmill.engines.registry import BASELINE

#: What people read if a run passed, and if it did not.
PASSED = "Everything passed."
FAILED = "Failed: see above."

#: Output trees that the sentence names.
_MOST_NAMED = 3


def judge(report: Mapping[str, Any], failures: Mapping[str, Any]) -> tuple[bool, list[str]]:
    """Decide whether a run passed.

    Parameters
    ----------
    report : mapping
        As in ``benchmark.json``.
    failures : mapping
        The section `failures` of the config: how many images may fail. Missing keys have the
        defaults of the schema.

    Returns
    -------
    passed : bool
    wrong : list of str
        What is wrong, each line followed by the images that it concerns.
    """
    limits = _limits(failures)
    wrong = []
    for entry in [*report["verifications"], *report["comparisons"]]:
        if not entry["passed"]:
            wrong += [f"{_name(entry)}: {entry['summary']}", *_named(entry)]
    for entry in report["failures"]:
        if too_many := _too_many(entry, limits):
            wrong.append(f"{_name(entry)}: {_failed(entry)}: {too_many}.")
    return not wrong, wrong


def summary(report: Mapping[str, Any], passed: bool, place: str = "") -> list[str]:
    """Say in at most five lines what was done, what failed, how fast it was, and where to look.

    Parameters
    ----------
    report : mapping
        As in ``benchmark.json``.
    passed : bool
        What `judge` decided.
    place : str
        Where to look, such as "Report: report.html"; empty if there is nothing to look at.
    """
    lines = []
    trees = report["verifications"]
    if trees:
        images = max(_inputs(tree) for tree in trees)
        recipes = _and(dict.fromkeys(tree["recipe"] for tree in trees))
        engines = _and(dict.fromkeys(tree["engine"] for tree in trees))
        datasets = _and(dict.fromkeys(tree["dataset"] for tree in trees))
        lines.append(f"Done: {images:,} images of {datasets} with {recipes}, on {engines}.")
        correct = sum(entry["passed"] for entry in trees)
        same = [entry["passed"] for entry in report["comparisons"]]
        agreement = "" if not same else "; engines agree" if all(same) else "; engines DISAGREE"
        lines.append(f"Checked: {correct} of {len(trees)} output trees passed{agreement}.")
    if report["failures"]:
        worst = max(report["failures"], key=lambda entry: entry["failed"])
        lines.append(f"Failed: {_failed(worst)} in {_name(worst)}; see its failures.csv.")
    else:
        lines.append("Failed: no image.")
    fastest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in report["rows"]:
        key = (row["dataset"], row["recipe"])
        best = fastest[key]["images_per_second"] if key in fastest else 0
        if (row["images_per_second"] or 0) > best:
            fastest[key] = row
    if fastest:
        lines.append(f"Fast: {'; '.join(map(_speed, fastest.values()))}.")
    end = PASSED if passed else FAILED
    lines.append(f"{place}. {end}" if place else end)
    return lines


def sentence(report: Mapping[str, Any], failures: Mapping[str, Any]) -> tuple[bool, str]:
    """Decide as `judge` does, and say it in one sentence."""
    passed, _ = judge(report, failures)
    limits = _limits(failures)
    checked = [*report["verifications"], *report["comparisons"]]
    wrong = [entry for entry in checked if not entry["passed"]]
    too_many = [entry for entry in report["failures"] if _too_many(entry, limits)]
    faults = []
    if wrong:
        names = ", ".join(map(_name, wrong[:_MOST_NAMED]))
        more = f" and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        faults.append(f"checks failed for {names}{more}")
    if too_many:
        worst = max(too_many, key=lambda entry: entry["failed"] / max(1, entry["images"]))
        faults.append(
            f"{worst['failed']:,} of {worst['images']:,} images failed in {_name(worst)}, "
            f"{_too_many(worst, limits)}"
        )
    if not passed:
        return False, f"Failed: {'; '.join(faults)}."
    same = " and is the same with every engine" if report["comparisons"] else ""
    failed = max((entry["failed"] for entry in report["failures"]), default=0)
    but = ""
    if failed:
        images = "image" if failed == 1 else "images"
        but = f"; {failed:,} {images} failed, which the limits allow"
    return True, f"Everything passed: every output is as its recipe asks{same}{but}."


def _limits(failures: Mapping[str, Any]) -> Mapping[str, Any]:
    """Fill in the defaults of the section `failures`."""
    if {"max_rate", "max_count"} <= failures.keys():
        return failures
    from pixelmill.core.schemas import complete_section

    return complete_section("failures", failures, "failures")


def _too_many(entry: Mapping[str, Any], limits: Mapping[str, Any]) -> str:
    """Say which limit the failures of an output tree exceed; empty if none."""
    rate, count = limits["max_rate"], limits["max_count"]
    if entry["failed"] / max(1, entry["images"]) > rate:
        return f"more than failures.max_rate = {rate:g} allows"
    if count is not None and entry["failed"] > count:
        return f"more than failures.max_count = {count:,} allows"
    return ""


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
    compared = isinstance(gain, float) and row["engine"] != BASELINE
    times = f", {gain:.2f}x {BASELINE}" if compared else ""
    return f"{_name(row)} {row['images_per_second']:,.0f} images/s{times}"


def _name(entry: Mapping[str, Any]) -> str:
    parts = [entry["dataset"], entry["recipe"], entry.get("engine", "")]
    return "/".join(part for part in parts if part)


def _named(entry: Mapping[str, Any]) -> list[str]:
    return [
        f"  {check['name']}: {image['image']}: {image['why']}"
        for check in entry["checks"]
        for image in check["named"]
    ]
