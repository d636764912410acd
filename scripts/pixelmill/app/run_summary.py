"""Summary of a run: what was made, what it saved, what failed and why, and what it means."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pixelmill.core.reasons import REASONS
from pixelmill.dataset.passes import Pass
from pixelmill.report.conclusion import (
    FEW,
    SMALL_SET,
    Conclusion,
    Images,
    change,
    conclude,
    exceeded,
    kept,
)

#: How many images may fail: the defaults of the section `failures` of a config.
LIMITS = {"max_rate": 0.01, "max_count": None}

#: Number of failed images, and of faults of each check, that are named.
MOST_NAMED = 5


@dataclass(frozen=True)
class Summary:
    """What to print, the conclusion last.

    Attributes
    ----------
    lines : tuple of str
    conclusion : Conclusion
    """

    lines: tuple[str, ...]
    conclusion: Conclusion


def summarize(
    done: Pass,
    total: int,
    failures: Sequence[Mapping[str, str]],
    sizes: tuple[int, int],
    checks: Mapping[str, Any] | None,
    folders: tuple[str, str],
    kept_sources: tuple[int, int] = (0, 0),
) -> Summary:
    """Sum up a run.

    Parameters
    ----------
    done : Pass
        What this run did.
    total : int
        Number of images of the folder.
    failures : sequence of mapping
        Rows of the table of failures; those of earlier runs too.
    sizes : tuple of int
        Bytes of the images that have outputs, and of these outputs.
    checks : mapping or None
        What verification found; None if the results were not verified.
    folders : tuple of str
        Of the images and of the results.
    kept_sources : tuple of int
        Number and bytes of the outputs that hold the pictures of their sources unchanged.
    """
    images, target = Images.of(total, failures), folders[1]
    lines = [_made(done, total)]
    if sizes[1]:
        lines.append(f"Size: {change(*sizes)}.")
    if kept_sources[0]:
        lines.append(f"Kept: {kept(*kept_sources)}.")
    if checks is not None:
        lines.append(checks["summary"])
        lines.extend(_faults(checks, folders))
    lines.append(f"Images: {target}/images")
    if failures:
        lines.append(f"Failed images: {target}/failures.csv")
        lines.extend(_failed(failures))
    faults = ["some results are not right"] if checks and not checks["passed"] else []
    limit = _limit(images) if exceeded(images.failed, total, LIMITS) else ""
    return Summary(tuple(lines), conclude(images, faults, limit))


def _made(done: Pass, total: int) -> str:
    if not done.images:
        return "Nothing to do: no image has changed."
    rest = total - done.images
    others = f"; {rest:,} {'was' if rest == 1 else 'were'} up to date" if rest else ""
    return f"{done.told()}{others}."


def _failed(failures: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Name the first images that failed, with what can be done about each."""
    for row in failures[:MOST_NAMED]:
        reason = REASONS.get(row["reason"])
        words = Images.of(1, [row]).told_causes()
        remedy = reason.remedy.replace("`", "").rstrip(".") if reason else ""
        told = f"{remedy[0].lower()}{remedy[1:]}" if remedy else ""
        has_own = "pip install" in row["message"]
        advice = f"; {told}" if told and not has_own else ""
        yield f"  {row['source']}: {next(iter(words))}{advice}"
    if len(failures) > MOST_NAMED:
        yield f"  and {len(failures) - MOST_NAMED:,} more"


def _faults(checks: Mapping[str, Any], folders: tuple[str, str]) -> Iterator[str]:
    """Name what is wrong, and the command that tells more."""
    for check in checks["checks"]:
        if not check["passed"]:
            for image in check["named"][:MOST_NAMED]:
                yield f"  {image['image']}: {image['why']}"
    if not checks["passed"]:
        yield f"  All checks: {shlex.join(['pixelmill', 'verify', *folders])}"


def _limit(images: Images) -> str:
    """Say which limit the failures exceed."""
    if not images.processed:
        return "which is all of them" if images.failed > 1 else "the only one"
    if images.total < SMALL_SET:
        return f"more than {FEW - 1}"
    return f"more than {LIMITS['max_rate']:.0%}".replace("%", " %")
