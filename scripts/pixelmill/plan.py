"""Plan: which images are stale and why, and batches of them for the workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from pixelmill.catalog import Entry
from pixelmill.encoding import suffix_for
from pixelmill.names import first_collision, name_outputs
from pixelmill.recipe import Recipe
from pixelmill.rows import Maker, Row
from pixelmill.transform import Batch, Job, Made

#: Failures that the next pass tries again: their cause lies outside the image.
RETRIED = ("vanished", "unreadable", "write_failed")

#: Failures that are tried again under other limits.
LIMITED = ("too_large", "unsupported", "timed_out", "out_of_memory")

#: A batch is this much work, in seconds: long enough that handing it out does not
#: count, short enough that workers end together. Near the end batches shrink.
LARGEST_BATCH_SECONDS = 1.0
SMALLEST_BATCH_SECONDS = 0.01

#: Each batch takes this part of what is left, divided by the workers (guided
#: self-scheduling: Polychronopoulos & Kuck 1987).
SHARE_OF_REST = 1.5

#: Cost of an image before any was measured, between `light` and `intensive`: a part for each, one
#: by its bytes (entropy decoding) and one by its pixels (the rest of decoding, resizing).
SECONDS_PER_IMAGE = 0.0005
SECONDS_PER_BYTE = 20e-9
SECONDS_PER_PIXEL = 5e-9


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
    outputs : mapping
        Paths of the outputs by source, over the whole dataset.
    keep : int
        Images that stay as they are.
    """

    make: list[Entry] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    remove: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    touched: list[tuple[str, int]] = field(default_factory=list)
    outputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
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


def paths_of_outputs(entries: Sequence[Entry], recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """Paths of each source's outputs, in the order of the recipe's; they never collide."""
    kinds = {entry.path: entry.format for entry in entries}
    columns = []
    for output in recipe.outputs:
        suffix = partial(_suffix, output.format, kinds)
        named = name_outputs(kinds, suffix)
        folder = f"{output.name}/" if output.name else ""
        columns.append([folder + named[source] for source in kinds])
    return dict(zip(kinds, zip(*columns, strict=True), strict=True))


def colliding(entries: Sequence[Entry], recipe: Recipe) -> tuple[str, str] | None:
    """Two sources whose outputs would bear one name; None where all differ."""
    kinds = {entry.path: entry.format for entry in entries}
    found = (first_collision(kinds, partial(_suffix, o.format, kinds)) for o in recipe.outputs)
    return next(filter(None, found), None)


def _suffix(format: str, kinds: Mapping[str, str], source: str) -> str:
    return suffix_for(format, kinds[source], source)


def draw_up(
    entries: Sequence[Entry],
    rows: Mapping[str, Row],
    size_of: Callable[[str], int | None],
    outputs: Mapping[str, tuple[str, ...]],
    maker: Maker,
    digest: Callable[[str], str],
    altered: Callable[[Made], bool],
    retry: Collection[str] = (),
) -> Plan:
    """Decide for each image whether to keep, make or remove it.

    Parameters
    ----------
    entries : sequence of Entry
        The catalog.
    rows : mapping
        What the ledger knows, by source.
    size_of : callable
        Size in bytes of an output by its path; None where it is not there.
    outputs : mapping
        Paths of the outputs by source, over the whole dataset.
    maker : Maker
        What would make the images now.
    digest : callable
        Content digest of a source by its path; asked only where the time changed
        and nothing else did.
    altered : callable
        Whether an output has other bytes than were noted; asked of those that
        would be kept.
    retry : collection of str
        Reasons whose failures are tried again.
    """
    plan = Plan(outputs=outputs)
    make = {entry.path: entry for entry in entries}
    reasons: dict[str, str] = {}
    left: list[str] = []
    for source, row in rows.items():
        left += [made.path for made in row.made if made.path not in outputs.get(source, ())]
        entry = make.get(source)
        if entry is None:
            if source not in outputs:
                plan.remove.append(source)
            continue
        reason = _why(entry, row, outputs[source], size_of, maker, retry)
        if reason == "touched":
            same = digest(source) == row.digest
            reason = "" if same else "source changed"
            if same:
                plan.touched.append((source, entry.mtime_ns))
        if not reason and any(map(altered, row.made)):
            reason = "output altered"
        if reason:
            reasons[source] = reason
        else:
            del make[source]
            plan.keep += 1
    plan.make = list(make.values())
    plan.reasons = Counter(reasons.get(source, "new") for source in make)
    taken = {path for paths in outputs.values() for path in paths} if left else set()
    plan.stale = [path for path in left if path not in taken]
    return plan


def _why(
    entry: Entry,
    row: Row,
    outputs: tuple[str, ...],
    size_of: Callable[[str], int | None],
    maker: Maker,
    retry: Collection[str],
) -> str:
    if row.maker.recipe != maker.recipe:
        return "recipe changed"
    if row.maker.code != maker.code:
        return "code changed"
    if row.status == "failed":
        if row.reason in RETRIED or row.reason in retry:
            return "failed before"
        if row.reason in LIMITED and row.maker.limits != maker.limits:
            return "limits changed"
    if row.bytes_in != entry.bytes:
        return "source changed"
    if row.status == "ok":
        if sorted(made.path for made in row.made) != sorted(outputs):
            return "name changed"
        sizes = [size_of(made.path) for made in row.made]
        if None in sizes:
            return "output missing"
        if sizes != [made.bytes for made in row.made]:
            return "output altered"
    return "" if row.mtime_ns == entry.mtime_ns else "touched"


def batches(
    entries: Sequence[Entry],
    outputs: Mapping[str, tuple[str, ...]],
    workers: int,
    rate: float | None = None,
) -> Iterator[Batch]:
    """Cut the work into batches, the costliest images and the largest batches first.

    Parameters
    ----------
    entries : sequence of Entry
        What to make.
    outputs : mapping
        Paths of the outputs by source.
    workers : int
    rate : float, optional
        Mean seconds of an image, where some were measured.
    """
    seconds = costs(entries, rate)
    order = sorted(range(len(entries)), key=seconds.__getitem__, reverse=True)
    rest = sum(seconds)
    jobs: list[Job] = []
    cost = 0.0
    size = _batch_seconds(rest, workers)
    number = 0
    for k in order:
        source = entries[k].path
        jobs.append(Job(source, outputs[source]))
        cost += seconds[k]
        # An estimate may be wrong a hundredfold: without a rate, batches begin small and
        # grow, so that a run that is killed early has got somewhere.
        most = 8 ** (number // workers) if rate is None else len(entries)
        if cost >= size or len(jobs) >= most:
            yield Batch(jobs)
            number += 1
            rest -= cost
            jobs, cost = [], 0.0
            size = _batch_seconds(rest, workers)
    if jobs:
        yield Batch(jobs)


def costs(entries: Sequence[Entry], rate: float | None = None) -> list[float]:
    """Estimate the seconds of each image; their mean is the rate, where that is known."""
    estimates = [
        SECONDS_PER_IMAGE
        + SECONDS_PER_BYTE * entry.bytes
        + SECONDS_PER_PIXEL * entry.width * entry.height
        for entry in entries
    ]
    scale = rate * len(estimates) / sum(estimates) if rate and estimates else 1.0
    return [estimate * scale for estimate in estimates]


def _batch_seconds(rest: float, workers: int) -> float:
    share = rest / (SHARE_OF_REST * workers)
    return min(LARGEST_BATCH_SECONDS, max(SMALLEST_BATCH_SECONDS, share))
