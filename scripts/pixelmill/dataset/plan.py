"""Plan: which images are stale, and why."""

from __future__ import annotations

import operator
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pixelmill.core.filenames import collision_key
from pixelmill.core.jobs import OutputFile
from pixelmill.core.reasons import RETRIED_IN_EVERY_PASS, RETRIED_WITH_NEW_LIMITS
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.ledger_rows import Fingerprints, Row, Rows, Run
from pixelmill.dataset.output_names import Outputs
from pixelmill.dataset.shards import WHOLE, Shard


@dataclass
class Plan:
    """What a pass has to do.

    Attributes
    ----------
    to_render : Entries
        Images to render, sorted by path.
    reasons : Counter
        Why they are rendered, with the number of images for each reason.
    remove : list of str
        Sources that are gone, whose outputs are removed.
    orphans : list of str
        Outputs of sources that are gone.
    renames : bool
        Whether images to be rendered have outputs under other names. These stay until the
        image is rendered under the new ones.
    passed_on : set of str
        Names of such outputs, and of orphans, that other images will have.
    in_the_way : list of (str, str)
        Such outputs, each after its source, whose folders have names that new outputs will have,
        or whose names new folders will have.
    touched : list of (str, int, int)
        Sources with new times of modification or change (ns) and the same content.
    outputs : Outputs
        The names of the outputs.
    keep : int
        Number of images that stay as they are.
    """

    to_render: Entries = field(default_factory=Entries)
    reasons: Counter[str] = field(default_factory=Counter)
    remove: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    renames: bool = False
    passed_on: set[str] = field(default_factory=set)
    in_the_way: list[tuple[str, str]] = field(default_factory=list)
    touched: list[tuple[str, int, int]] = field(default_factory=list)
    outputs: Outputs = field(default_factory=Outputs)
    keep: int = 0

    def paths_of(self, source: str) -> tuple[str, ...]:
        """Return the paths of the outputs of an image to be rendered; none for any other image."""
        number = self.to_render.find(source)
        return () if number is None else self.outputs.of(self.to_render[number])

    @property
    def is_whole(self) -> bool:
        """Whether all outputs of all images are made."""
        return not self.keep and not self.outputs.are_partial

    @property
    def is_first(self) -> bool:
        """Whether all images are new, and nothing else is to be done."""
        return set(self.reasons) == {"new"} and not self.keep and not self.remove

    @property
    def is_empty(self) -> bool:
        """Whether no image is to be rendered, and nothing removed."""
        return not self.to_render and not self.remove

    def __str__(self) -> str:
        """Return the plan as a line of text.

        Examples
        --------
        >>> to_render = Entries([Entry("a.jpg", 9, 1, "jpeg")])
        >>> print(Plan(reasons=Counter(new=1), to_render=to_render, keep=9988, remove=["x"]))
        make 1: 1 new; keep 9,988; remove 1
        """
        why = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.most_common())
        work = f"make {len(self.to_render):,}" + (f": {why}" if why else "")
        return f"{work}; keep {self.keep:,}; remove {len(self.remove):,}"


class FileProbes(NamedTuple):
    """Questions about files, which a plan asks only if the ledger does not decide.

    Attributes
    ----------
    sizes_of : callable
        Returns the sizes in bytes of some outputs, by their paths; None for one that is missing.
    digest : callable
        Returns the content digest of a source, by its path. It is asked only if one of the
        source's times changed and nothing else did. A file that replaces another one may have
        its size and modification time, as after ``cp -p``, but not its time of change.
    is_altered : callable or None
        Whether an output has other bytes than were recorded; asked for outputs that would be
        kept. None if their sizes are enough.
    """

    sizes_of: Callable[[Sequence[str]], list[int | None]]
    digest: Callable[[str], str]
    is_altered: Callable[[OutputFile], bool] | None = None


def make_plan(
    entries: Entries,
    rows: Mapping[str, Row],
    outputs: Outputs,
    fingerprints: Fingerprints,
    probes: FileProbes,
    retry: Collection[str] = (),
    shard: Shard = WHOLE,
) -> Plan:
    """Decide for each image whether to keep, render or remove it.

    Parameters
    ----------
    entries : Entries
        The catalog, sorted by path.
    rows : mapping
        What the ledger knows, by source.
    outputs : Outputs
        The names of the outputs of the entries.
    fingerprints : Fingerprints
        Fingerprints of what would render the images now.
    probes : FileProbes
    retry : collection of str
        Reasons whose failures are tried again.
    shard : Shard, optional
        The part whose images are rendered; the others only matter for their names.
    """
    plan = Plan(outputs=outputs)
    decisions = bytearray(len(entries))
    partial: dict[tuple[str, ...], array[int]] = {}
    if not shard.is_whole:
        decisions = bytearray(_UNDECIDED if shard.owns(e.path) else _OF_OTHERS for e in entries)
    left: dict[str, str] = {}
    look_up = entries.reader()
    items: Iterable[tuple[str, Row]] = rows.items()
    is_simple = shard.is_whole and len(outputs.variants) == 1 and probes.is_altered is None
    if isinstance(rows, Rows) and is_simple:
        settled = _Settled(entries, outputs, probes, decisions)
        items = rows.items_but(outputs.variants[0], fingerprints, settled)
    for source, row in items:
        found = look_up(source)
        if found is None:
            plan.remove.append(source)
            plan.orphans += (file.path for file in row.files)
            continue
        number, entry = found
        paths = outputs.of(entry)
        for file in row.files:
            if file.path not in paths:
                left[file.path] = source
        if decisions[number] == _OF_OTHERS:
            continue
        current = _made_as_now(row, fingerprints)
        reason = _why(entry, row, current, paths, fingerprints, probes, retry)
        stays = not reason
        if stays and len(current) < len(row.files):
            reason = "recipe changed"
            variants = tuple(file.variant for file in current)
            partial.setdefault(variants, array("Q")).append(number)
        decisions[number] = _TO_RENDER if reason else _KEPT
        if reason:
            plan.reasons[reason] += 1
        if stays and (row.mtime_ns, row.changed_ns) != (entry.mtime_ns, entry.changed_ns):
            plan.touched.append((source, entry.mtime_ns, entry.changed_ns))
    plan.keep = decisions.count(_KEPT)
    if new := decisions.count(_UNDECIDED):
        plan.reasons["new"] = new
    decisions = decisions.replace(bytes([_UNDECIDED]), bytes([_TO_RENDER]))
    plan.to_render = entries.where(decisions, _TO_RENDER)
    plan.outputs = outputs.without(
        {variants: entries.take(sorted(numbers)) for variants, numbers in partial.items()}
    )
    plan.renames = bool(left)
    plan.passed_on = _claimed({*left, *plan.orphans}, entries, outputs)
    plan.orphans = [path for path in plan.orphans if path not in plan.passed_on]
    plan.in_the_way = _in_the_way(left, entries, outputs)
    return plan


#: What is decided for an image. Those that the ledger does not know stay undecided: they are new.
_UNDECIDED, _TO_RENDER, _KEPT, _OF_OTHERS = range(4)


class _Settled:
    """Finds images that stay as they are, many at a time.

    Nearly all images of most passes are of this kind: their sources and outputs are as they were.
    For these, it says the same as `_why`.

    Parameters
    ----------
    entries, outputs, probes
        As for `make_plan`.
    decisions : bytearray
        Receives what is decided.
    """

    def __init__(
        self, entries: Entries, outputs: Outputs, probes: FileProbes, decisions: bytearray
    ) -> None:
        self._entries, self._outputs, self._probes = entries, outputs, probes
        self._decisions = decisions
        self._next = 0

    def __call__(self, run: Run) -> list[bool]:
        """Return for each image of a run whether it stays."""
        count = len(run.sources)
        begin = self._entries.find(run.sources[0], self._next)
        if begin is not None and self._all_stay(run, begin):
            self._next = begin + count
            self._decisions[begin : self._next] = bytes([_KEPT]) * count
            return [True] * count
        flags = [False] * count
        numbers = self._numbers_of(run.sources)
        unchanged = self._unchanged(run, numbers)
        if unchanged:
            found = self._probes.sizes_of([run.outputs[place] for place in unchanged])
            for place, size in zip(unchanged, found, strict=True):
                if size == run.bytes_out[place]:
                    flags[place] = True
                    self._decisions[numbers[place]] = _KEPT
        return flags

    def _all_stay(self, run: Run, begin: int) -> bool:
        """Return whether the images of a run are those from a number on, and all of them stay."""
        end = min(begin + len(run.sources), len(self._entries))
        paths, sizes, times, _, _, _, changes, *_ = self._entries.columns_between(begin, end)
        recorded = run.sources, run.bytes_in, run.mtimes_ns, run.changes_ns
        return (
            all(map(operator.eq, map(list, recorded), map(list, (paths, sizes, times, changes))))
            and self._outputs.firsts(self._entries, begin, end) == [*run.outputs]
            and self._probes.sizes_of(run.outputs) == [*run.bytes_out]
        )

    def _numbers_of(self, sources: Sequence[str]) -> list[int]:
        """Return the numbers of entries by their sources, -1 for those that are not found.

        They are looked for where they follow one another, with others between them.
        """
        paths, begin = self._entries.paths, None
        for source in sources:
            if (begin := paths.find(source, self._next)) is not None:
                break
        if begin is None:
            return [-1] * len(sources)
        end = min(begin + 2 * len(sources), len(paths))
        known = dict(zip(paths.between(begin, end), range(begin, end), strict=True))
        numbers = [known.get(source, -1) for source in sources]
        self._next = max(numbers) + 1
        return numbers

    def _unchanged(self, run: Run, numbers: Sequence[int]) -> list[int]:
        """Return the places of images in a run whose sources and names are as they were."""
        entries = self._entries
        sizes, times, changes = entries.sizes, entries.times, entries.changes
        states = zip(numbers, run.bytes_in, run.mtimes_ns, run.changes_ns, strict=True)
        same = [
            place
            for place, (number, size, mtime_ns, changed_ns) in enumerate(states)
            if number >= 0
            and sizes[number] == size
            and times[number] == mtime_ns
            and changes[number] == changed_ns
        ]
        if not same:
            return []
        found = [numbers[place] for place in same]
        begin = min(found)
        named = self._outputs.firsts(entries, begin, max(found) + 1)
        return [place for place in same if named[numbers[place] - begin] == run.outputs[place]]


def _claimed(paths: set[str], entries: Entries, outputs: Outputs) -> set[str]:
    """Return those of some paths that outputs of the entries will have."""
    claimed: set[str] = set()
    if paths:
        for entry in entries:
            claimed.update(paths.intersection(outputs.of(entry)))
    return claimed


def _in_the_way(
    left: Mapping[str, str], entries: Entries, outputs: Outputs
) -> list[tuple[str, str]]:
    """Return the earlier outputs that stand where a new folder or a new output will be.

    File systems that ignore case may take two names for one.
    """
    if not left:
        return []
    names = {collision_key(path): path for path in left}
    folders: dict[str, list[str]] = {}
    for path in left:
        for folder in _folders_of(collision_key(path)):
            folders.setdefault(folder, []).append(path)
    found: set[str] = set()
    for entry in entries:
        for path in map(collision_key, outputs.of(entry)):
            found.update(folders.get(path, ()))
            found.update(names[folder] for folder in _folders_of(path) if folder in names)
    return sorted((left[path], path) for path in found)


def _folders_of(path: str) -> Iterator[str]:
    """Yield the folder of a file and those above it.

    Examples
    --------
    >>> list(_folders_of("a/b/c.jpg"))
    ['a/b', 'a']
    """
    folder = path.rpartition("/")[0]
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]


def _made_as_now(row: Row, fingerprints: Fingerprints) -> tuple[OutputFile, ...]:
    """Return the outputs of an image that the recipe would make in the same way now."""
    earlier, whole = row.fingerprints, fingerprints.recipe
    if row.status != "ok":
        return row.files if earlier.recipe == whole else ()
    return tuple(
        [  # a list takes less time than a generator
            file
            for file in row.files
            if earlier.of(file.variant) in (fingerprints.of(file.variant), whole)
        ]
    )


def _why(
    entry: Entry,
    row: Row,
    current: tuple[OutputFile, ...],
    outputs: tuple[str, ...],
    fingerprints: Fingerprints,
    probes: FileProbes,
    retry: Collection[str],
) -> str:
    """Return why an image must be rendered again; empty if these current outputs can stay."""
    if not current and row.fingerprints.recipe != fingerprints.recipe:
        return "recipe changed"
    if row.fingerprints.code != fingerprints.code:
        return "code changed"
    if row.status == "failed":
        if row.reason in RETRIED_IN_EVERY_PASS or row.reason in retry:
            return "failed before"
        if row.reason in RETRIED_WITH_NEW_LIMITS and row.fingerprints.limits != fingerprints.limits:
            return "limits changed"
    if row.bytes_in != entry.bytes:
        return "source changed"
    if row.status == "ok":
        paths = tuple([file.path for file in current])
        if paths != outputs:  # nearly always, they are the same in the same order
            is_complete = len(current) == len(row.files)
            if set(paths) != set(outputs) if is_complete else not {*paths}.issubset(outputs):
                return "name changed"
        sizes = probes.sizes_of([file.path for file in current])
        if None in sizes:
            return "output missing"
        if sizes != [file.bytes for file in current]:
            return "output altered"
    is_touched = (row.mtime_ns, row.changed_ns) != (entry.mtime_ns, entry.changed_ns)
    if is_touched and probes.digest(entry.path) != row.digest:
        return "source changed"
    if probes.is_altered is not None and any(map(probes.is_altered, current)):
        return "output altered"
    return ""
