"""Plan: which images are stale, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from pixelmill.core.jobs import Made
from pixelmill.core.reasons import RETRIED_IN_EVERY_PASS, RETRIED_WITH_NEW_LIMITS
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.ledger_rows import Maker, Row
from pixelmill.dataset.output_names import Outputs
from pixelmill.dataset.shards import WHOLE, Shard


@dataclass
class Plan:
    """What a pass has to do.

    Attributes
    ----------
    make : Entries
        Images to make, sorted by path.
    reasons : Counter
        Why, by number of images.
    remove : list of str
        Sources that are gone; their outputs go too.
    orphans : list of str
        Outputs of sources that are gone.
    renames : bool
        Whether images that are made had outputs under other names. These stay until the
        image is made under the new ones.
    passed_on : set of str
        Names of such outputs, and of orphans, that other images will have.
    touched : list of (str, int, int)
        Sources with new times of modification or change (ns), and the old content.
    outputs : Outputs
        Where they go.
    keep : int
        Images that stay as they are.
    """

    make: Entries = field(default_factory=Entries)
    reasons: Counter[str] = field(default_factory=Counter)
    remove: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    renames: bool = False
    passed_on: set[str] = field(default_factory=set)
    touched: list[tuple[str, int, int]] = field(default_factory=list)
    outputs: Outputs = field(default_factory=Outputs)
    keep: int = 0

    def paths_of(self, source: str) -> tuple[str, ...]:
        """Paths of the outputs of an image that is made; none for any other image."""
        number = self.make.find(source)
        return () if number is None else self.outputs.of(self.make[number])

    def __str__(self) -> str:
        """Say the plan in a line.

        Examples
        --------
        >>> make = Entries([Entry("a.jpg", 9, 1, "jpeg")])
        >>> print(Plan(reasons=Counter(new=1), make=make, keep=9988, remove=["x"]))
        make 1: 1 new; keep 9,988; remove 1
        """
        why = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.most_common())
        make = f"make {len(self.make):,}" + (f": {why}" if why else "")
        return f"{make}; keep {self.keep:,}; remove {len(self.remove):,}"


def draw_up(
    entries: Entries,
    rows: Mapping[str, Row],
    size_of: Callable[[str], int | None],
    outputs: Outputs,
    maker: Maker,
    digest: Callable[[str], str],
    altered: Callable[[Made], bool],
    retry: Collection[str] = (),
    shard: Shard = WHOLE,
) -> Plan:
    """Decide for each image whether to keep, make or remove it.

    Parameters
    ----------
    entries : Entries
        The catalog, sorted by path.
    rows : mapping
        What the ledger knows, by source.
    size_of : callable
        Size in bytes of an output by its path; None where it is not there.
    outputs : Outputs
        Where the outputs of the entries go.
    maker : Maker
        What would make the images now.
    digest : callable
        Content digest of a source by its path; asked only if one of its times changed
        and nothing else did. A file that was replaced may have the size and modification
        time of the old one, as after ``cp -p``, but not its time of change.
    altered : callable
        Whether an output has other bytes than were noted; asked of those that
        would be kept.
    retry : collection of str
        Reasons whose failures are tried again.
    shard : Shard, optional
        The part whose images are made; others are there for their names alone.
    """
    plan = Plan(outputs=outputs)
    settled = bytearray(len(entries))
    if not shard.is_whole:
        settled = bytearray(0 if shard.owns(entry.path) else _OF_OTHERS for entry in entries)
    left: set[str] = set()
    near = 0
    for source, row in rows.items():
        number = entries.find(source, near)
        if number is None:
            plan.remove.append(source)
            plan.orphans += (made.path for made in row.made)
            continue
        near = number + 1
        entry = entries[number]
        paths = outputs.of(entry)
        left.update(made.path for made in row.made if made.path not in paths)
        if settled[number] == _OF_OTHERS:
            continue
        reason = _why(entry, row, paths, size_of, maker, retry)
        if reason == "touched":
            same = digest(source) == row.digest
            reason = "" if same else "source changed"
            if same:
                plan.touched.append((source, entry.mtime_ns, entry.changed_ns))
        if not reason and any(map(altered, row.made)):
            reason = "output altered"
        settled[number] = _TO_MAKE if reason else _KEPT
        if reason:
            plan.reasons[reason] += 1
        else:
            plan.keep += 1
    if new := settled.count(0):
        plan.reasons["new"] = new
    plan.make = entries.where(settled.replace(b"\0", bytes([_TO_MAKE])), _TO_MAKE)
    plan.renames = bool(left)
    plan.passed_on = _claimed(left.union(plan.orphans), entries, outputs)
    plan.orphans = [path for path in plan.orphans if path not in plan.passed_on]
    return plan


#: What is settled of an image, but for new ones.
_TO_MAKE, _KEPT, _OF_OTHERS = 1, 2, 3


def _claimed(paths: set[str], entries: Entries, outputs: Outputs) -> set[str]:
    """Those of some paths that an image's outputs will have."""
    claimed: set[str] = set()
    if paths:
        for entry in entries:
            claimed.update(paths.intersection(outputs.of(entry)))
    return claimed


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
        if row.reason in RETRIED_IN_EVERY_PASS or row.reason in retry:
            return "failed before"
        if row.reason in RETRIED_WITH_NEW_LIMITS and row.maker.limits != maker.limits:
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
    times = row.mtime_ns, row.changed_ns
    return "" if times == (entry.mtime_ns, entry.changed_ns) else "touched"
