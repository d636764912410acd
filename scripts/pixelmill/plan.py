"""Plan: which images are stale and why, and batches of them for the workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pixelmill.catalog import Entry
from pixelmill.ledger import Row
from pixelmill.names import name_outputs
from pixelmill.transform import Batch, Job

#: Failures that the next pass tries again: their cause lies outside the image.
RETRIED = ("vanished", "unreadable", "write_failed")

#: A batch is this much work, in seconds: long enough that handing it out does not
#: count, short enough that workers end together. Near the end batches shrink.
LARGEST_BATCH_SECONDS = 1.0
SMALLEST_BATCH_SECONDS = 0.03

#: Each batch takes this part of what is left, divided by the workers (guided
#: self-scheduling: Polychronopoulos & Kuck 1987).
SHARE_OF_REST = 3

#: Cost of an image before any was measured, on one core of 2020: a part for each, one
#: by its bytes (entropy decoding) and one by its pixels (the rest of decoding, resizing).
SECONDS_PER_IMAGE = 0.001
SECONDS_PER_BYTE = 40e-9
SECONDS_PER_PIXEL = 10e-9


@dataclass
class Plan:
    """What a pass has to do.

    Attributes
    ----------
    make : list of Entry
        Images to make, sorted by path.
    reasons : Counter
        Why, by number of images.
    remove : list of str
        Sources that are gone; their outputs go too.
    stale : list of str
        Outputs under names that are no longer theirs.
    touched : list of (str, int)
        Sources with a new time (ns) and the old content.
    outputs : dict
        Output path by source, over the whole dataset.
    keep : int
        Images that stay as they are.
    """

    make: list[Entry] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    remove: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    touched: list[tuple[str, int]] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    keep: int = 0

    def __str__(self) -> str:
        """Say the plan in a line.

        Examples
        --------
        >>> print(Plan(reasons=Counter(new=10), make=[None] * 10, keep=9988, remove=["x"]))
        make 10: 10 new; keep 9,988; remove 1
        """
        why = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.most_common())
        make = f"make {len(self.make):,}" + (f": {why}" if why else "")
        return f"{make}; keep {self.keep:,}; remove {len(self.remove):,}"


def draw_up(
    entries: Sequence[Entry],
    rows: Mapping[str, Row],
    present: Mapping[str, int],
    suffix: str,
    recipe: str,
    code: str,
    digest: Callable[[str], str],
    altered: Callable[[str, str], bool],
    retry: Collection[str] = (),
) -> Plan:
    """Decide for each image whether to keep, make or remove it.

    Parameters
    ----------
    entries : sequence of Entry
        The catalog.
    rows : mapping
        What the ledger knows, by source.
    present : mapping
        Size in bytes of each output that exists, by path.
    suffix : str
        Of the outputs.
    recipe, code : str
        Fingerprints of what would make the images now.
    digest : callable
        Content digest of a source by its path; asked only where the time changed
        and nothing else did.
    altered : callable
        Whether an output has other bytes than its sha256 says; asked of those that
        would be kept.
    retry : collection of str
        Reasons whose failures are tried again.
    """
    plan = Plan(outputs=name_outputs((entry.path for entry in entries), suffix))
    for entry in entries:
        row = rows.get(entry.path)
        output = plan.outputs[entry.path]
        reason = _why(entry, row, output, present, recipe, code, retry)
        if reason == "touched" and row is not None:
            same = digest(entry.path) == row.digest
            reason = "" if same else "source changed"
            if same:
                plan.touched.append((entry.path, entry.mtime_ns))
        if not reason and row is not None and row.output and altered(output, row.sha256):
            reason = "output altered"
        if reason:
            plan.make.append(entry)
            plan.reasons[reason] += 1
        else:
            plan.keep += 1
    plan.remove = [source for source in rows if source not in plan.outputs]
    taken = set(plan.outputs.values())
    plan.stale = [
        row.output
        for source, row in rows.items()
        if row.output and row.output not in taken and row.output != plan.outputs.get(source)
    ]
    return plan


def _why(
    entry: Entry,
    row: Row | None,
    output: str,
    present: Mapping[str, int],
    recipe: str,
    code: str,
    retry: Collection[str],
) -> str:
    if row is None:
        return "new"
    if row.recipe != recipe:
        return "recipe changed"
    if row.code != code:
        return "code changed"
    if row.status == "failed" and (row.reason in RETRIED or row.reason in retry):
        return "failed before"
    if row.bytes_in != entry.bytes:
        return "source changed"
    if row.status == "ok":
        if row.output != output:
            return "name changed"
        if output not in present:
            return "output missing"
        if present[output] != row.bytes_out:
            return "output altered"
    return "" if row.mtime_ns == entry.mtime_ns else "touched"


def batches(
    entries: Sequence[Entry],
    outputs: Mapping[str, str],
    workers: int,
    rate: float | None = None,
) -> Iterator[Batch]:
    """Cut the work into batches, the costliest images and the largest batches first.

    Parameters
    ----------
    entries : sequence of Entry
        What to make.
    outputs : mapping
        Output path by source.
    workers : int
    rate : float, optional
        Mean seconds of an image, where some were measured.
    """
    costs = _costs(entries, rate)
    order = sorted(range(len(entries)), key=lambda k: (-costs[k], entries[k].path))
    rest = sum(costs)
    jobs: list[Job] = []
    cost = 0.0
    size = _batch_seconds(rest, workers)
    for k in order:
        source = entries[k].path
        jobs.append(Job(source, outputs[source]))
        cost += costs[k]
        if cost >= size:
            yield Batch(jobs)
            rest -= cost
            jobs, cost = [], 0.0
            size = _batch_seconds(rest, workers)
    if jobs:
        yield Batch(jobs)


def _costs(entries: Sequence[Entry], rate: float | None) -> list[float]:
    """Estimated seconds of each image; their mean is the rate, where that is known."""
    costs = [
        SECONDS_PER_IMAGE
        + SECONDS_PER_BYTE * entry.bytes
        + SECONDS_PER_PIXEL * entry.width * entry.height
        for entry in entries
    ]
    scale = rate * len(costs) / sum(costs) if rate and costs else 1.0
    return [cost * scale for cost in costs]


def _batch_seconds(rest: float, workers: int) -> float:
    share = rest / (SHARE_OF_REST * workers)
    return min(LARGEST_BATCH_SECONDS, max(SMALLEST_BATCH_SECONDS, share))
