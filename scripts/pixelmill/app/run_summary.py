"""Summary of a run: what was made, what it saved, what failed and why, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pixelmill.dataset.passes import Pass
from pixelmill.report.conclusion import Conclusion, Images, change, conclude, exceeded

#: How many images may fail: the defaults of the section `failures` of a config.
LIMITS = {"max_rate": 0.01, "max_count": None}


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
    images: Images,
    sizes: tuple[int, int],
    checks: Mapping[str, Any] | None,
    target: str,
) -> Summary:
    """Sum up a run.

    Parameters
    ----------
    done : Pass
        What this run did.
    images : Images
        Of the folder; those of earlier runs too.
    sizes : tuple of int
        Bytes of the images that have outputs, and of these outputs.
    checks : mapping or None
        What verification found; None if the results were not verified.
    target : str
        Folder of the results.
    """
    lines = [_made(done, images.total)]
    if sizes[1]:
        lines.append(f"Size: {change(*sizes)}.")
    if checks is not None:
        lines.append(checks["summary"])
    lines.append(f"Images: {target}/images")
    if images.failed:
        lines.append(f"Failed images: {target}/failures.csv")
    faults = ["some results are not right"] if checks and not checks["passed"] else []
    name = exceeded(images.failed, images.total, LIMITS)
    limit = f"more than {LIMITS['max_rate']:.0%}".replace("%", " %") if name else ""
    return Summary(tuple(lines), conclude(images, faults, limit))


def _made(done: Pass, total: int) -> str:
    if not done.images:
        return "Nothing to do: all images are up to date."
    rest = total - done.images
    return f"{done.told()}{f'; {rest:,} were up to date' if rest else ''}."
