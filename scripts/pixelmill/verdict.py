"""Verdict: one page of text that says whether all is well, and what to do if not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
    lines : list of str
        What a person needs to know, the decision last.
    """
    lines = []
    wrong = 0
    for entry in report["verifications"]:
        wrong += not entry["passed"]
        lines.append(f"{_name(entry)}: {entry['summary']}")
        lines += _named(entry)
    for entry in report["comparisons"]:
        wrong += not entry["passed"]
        lines.append(f"{_name(entry)}: {entry['summary']}")
        lines += _named(entry)
    for entry in report["failures"]:
        rate = entry["failed"] / max(1, entry["images"])
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in entry["reasons"].items())
        too_many = ""
        if rate > max_failure_rate:
            too_many = f"; more than failures.max_rate = {max_failure_rate:g} allows"
        elif max_failures is not None and entry["failed"] > max_failures:
            too_many = f"; more than failures.max_count = {max_failures:,} allows"
        wrong += bool(too_many)
        lines.append(
            f"{_name(entry)}: {entry['failed']:,} of {entry['images']:,} images failed "
            f"({reasons}){too_many}."
        )
    for row in report["rows"]:
        if row["images_per_second"]:
            speedup = row["speedup"]
            gain = f", {speedup:.2f}x sequential" if isinstance(speedup, float) else ""
            lines.append(f"{_name(row)}: {row['images_per_second']:,.0f} images/s{gain}")
    lines.append("All is well." if not wrong else f"NOT well: {wrong} of the above failed.")
    return not wrong, lines


def _name(entry: Mapping[str, Any]) -> str:
    parts = [entry["dataset"], entry["recipe"], entry.get("engine", "")]
    return "/".join(part for part in parts if part)


def _named(entry: Mapping[str, Any]) -> list[str]:
    return [
        f"  {check['name']}: {image['image']}: {image['why']}"
        for check in entry["checks"]
        for image in check["named"]
    ]
