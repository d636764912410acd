"""Summary of a run: what was processed, what failed and why, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pixelmill.core.reasons import REASONS
from pixelmill.dataset.passes import Pass

#: A run succeeds although images failed: at most this share of them, or fewer than
#: `FEW` in a set of fewer than `SMALL_SET` images.
MAX_FAILURE_RATE = 0.01
FEW = 5
SMALL_SET = 100


@dataclass(frozen=True)
class Summary:
    """What to print, and the exit status.

    Attributes
    ----------
    lines : tuple of str
    verdict : str
        What comes last.
    status : int
        0 if the run succeeded, 1 if a check failed or too many images did.
    """

    lines: tuple[str, ...]
    verdict: str
    status: int


def summarize(
    done: Pass,
    total: int,
    failures: Mapping[str, int],
    checks: Mapping[str, Any] | None,
    target: str,
) -> Summary:
    """Sum up a run.

    Parameters
    ----------
    done : Pass
        What this run did.
    total : int
        Images of the folder.
    failures : mapping of str to int
        How many images of the folder failed, by reason; those of earlier runs too.
    checks : mapping or None
        What verification found; None if the results were not verified.
    target : str
        Folder of the results.
    """
    failed = sum(failures.values())
    lines = [_processed(done, total, failed)]
    if done.bytes_out:
        lines.append(_bytes(done.bytes_in, done.bytes_out))
    lines += [
        f"  {count:,} {reason}: {REASONS[reason].summary}"
        for reason, count in sorted(failures.items(), key=lambda entry: -entry[1])
    ]
    if failed:
        lines.append(f"Each failed image, with its reason: {target}/failures.csv")
    if checks is not None:
        lines.append(f"Verification: {checks['summary']}")
    lines.append(f"Images: {target}/images")
    if checks is not None and not checks["passed"]:
        return Summary(tuple(lines), "Failed: some results are not right; see above.", 1)
    if not failed:
        return Summary(tuple(lines), "Success.", 0)
    images = "1 image" if failed == 1 else f"{failed:,} images"
    few = failed < FEW and total < SMALL_SET
    if failed <= MAX_FAILURE_RATE * total or few:
        return Summary(tuple(lines), f"Success, but {images} failed; see above.", 0)
    return Summary(tuple(lines), f"Failed: {images} of {total:,} failed; see above.", 1)


def _processed(done: Pass, total: int, failed: int) -> str:
    if not done.images:
        up_to_date = total - failed
        return f"Nothing to do: {up_to_date:,} of {total:,} images are up to date."
    rate = done.images / max(done.seconds, 1e-9)
    unchanged = total - done.images
    parts = [f"{done.images - done.failed:,} of {total:,} images processed"]
    if unchanged:
        parts.append(f"{unchanged:,} unchanged")
    if failed:
        parts.append(f"{failed:,} failed")
    return f"{', '.join(parts)}, in {done.seconds:.1f} s ({rate:,.0f} images/s, {done.engine})."


def _bytes(before: int, after: int) -> str:
    """Tell sizes before and after.

    Examples
    --------
    >>> _bytes(4_100_000, 1_000_000)
    '4.1 MB became 1.0 MB (76 % less).'
    """
    change = (after - before) / max(before, 1)
    word = "less" if change <= 0 else "more"
    return f"{size(before)} became {size(after)} ({abs(change):.0%} {word}).".replace("%", " %")


def size(count: float) -> str:
    """Write a number of bytes with a unit.

    Examples
    --------
    >>> size(512), size(14_200), size(41_200_000)
    ('512 bytes', '14.2 kB', '41.2 MB')
    """
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"
