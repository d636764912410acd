"""Verify an output tree: run all checks, and count what each of them compared.

Nothing here uses the code that renders images. Outputs that passed and have not changed since
are not opened again.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import json
import math
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, TypeAlias, overload

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape
from pixelmill.core.fingerprints import digest_of_code
from pixelmill.core.locks import exclusive
from pixelmill.core.progress import Progress
from pixelmill.core.sandbox import Confinement, Sandbox, confine_process
from pixelmill.dataset import ledger_backup
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.file_names import LEDGER, PASSED
from pixelmill.dataset.paths import finder
from pixelmill.dataset.places import Places
from pixelmill.dataset.shards import WHOLE, others
from pixelmill.engines.lifecycle import open_engine
from pixelmill.engines.semaphores import processes_or_threads
from pixelmill.storage.archives import files_of
from pixelmill.verification.check_results import MOST_NAMED, CheckResult, ChecksData, as_data
from pixelmill.verification.checks import CHECKS, TREE_CHECKS, Totals
from pixelmill.verification.expectations import expectations_of
from pixelmill.verification.inspector import Finding, Inspector, Task, Tasks
from pixelmill.verification.known_outputs import KnownOutputs, still_holds
from pixelmill.verification.manifest import Outputs
from pixelmill.verification.passed_cache import PassedCache, PassedOutput
from pixelmill.verification.sidecar_check import SUFFIX
from pixelmill.verification.tree_contents import TreeContents, read_tree

#: Largest number of outputs that a worker opens in one go, and number of batches for each worker
#: in a smaller tree, so that all workers end together.
BATCH, SHARES = 200, 4

#: Number of outputs that differ from their sources and are compared with one another, because
#: they may have been exchanged. Fewer are named, and a million pictures would fill the memory.
MOST_COMPARED = 5 * MOST_NAMED

#: What the processes that open outputs import; NumPy is not needed if none is opened.
WORKER_MODULES = ("pixelmill.verification.inspector", "pixelmill.verification.picture_check")

#: Output and reference, reduced.
Pictures: TypeAlias = tuple[Any, Any]

#: Number of images that are compared with a reference, if nothing else is said.
SAMPLE = 250


def verify(
    source: str,
    target: str,
    recipe: Mapping[str, Any],
    entries: Iterable[Entry],
    workers: int,
    scope: str = "changed",
    sample: int = SAMPLE,
    min_psnr: float = 30.0,
    confined: bool = True,
    beside: Sequence[str] = (),
) -> ChecksData:
    """Verify an output tree.

    Parameters
    ----------
    source, target : str
        Folder of the inputs, or their archives, and folder of the output tree.
    recipe : mapping
        As in the config.
    entries : iterable of Entry
        The catalog.
    workers : int
        Number of processes that open outputs.
    scope : {"changed", "all"}
        Whether outputs that passed before and have not changed are opened again.
    sample : int
        Number of images that are compared with a reference.
    min_psnr : float
        Least similarity, in dB.
    confined : bool
        Whether the processes that open images may only read, if the system can enforce it.
    beside : sequence of str
        Other trees of the same images and recipe: if ``scope`` is ``changed``, outputs whose bytes
        passed there are only compared with their digests.

    Returns
    -------
    dict
        ``passed``, ``checks``, and ``summary`` for people.

    Raises
    ------
    UserError
        If the tree has no manifest, or outputs that the recipe does not name.
    """
    known = entries if isinstance(entries, Entries) else Entries(entries).sorted()
    places = Places(source, known)
    tree = read_tree(target, known)
    images = os.path.join(target, "images")
    expectations = expectations_of(recipe)
    _check_variants(target, tree, expectations)
    comparable = {name for name, expected in expectations.items() if expected.comparable}
    sampled = _sample(tree.outputs, comparable, sample)
    rules = _digest([recipe, min_psnr, digest_of_code("verification")])
    opened, equal, unchanged = Tally(), Tally(), Tally()
    with PassedCache(os.path.join(target, PASSED)) as cache:
        passed = cache.load(rules) if scope == "changed" else ()
        left_out = _unchanged(tree.outputs, passed, sampled, unchanged, _sidecars(tree.outputs))
        if scope == "changed" and beside:
            elsewhere = KnownOutputs(tree.outputs, sampled, left_out)
            for other in beside:
                elsewhere.learn(other, rules)
            rest = elsewhere.confirm(images)
            while some := list(islice(rest, BATCH)):
                numbers, findings = zip(*some, strict=True)
                for number in numbers:
                    left_out[number] = 1
                equal.add(findings)
                cache.store(rules, findings)
        tasks = ToOpen(tree.outputs, left_out, sampled, places)

        def on_findings(findings: list[Finding]) -> None:
            opened.add(findings)
            cache.store(rules, findings)

        confinement = Sandbox(on=confined).confine([*files_of(source), images], [])
        _inspect(
            tasks, Inspector(source, images, recipe, min_psnr), workers, on_findings, confinement
        )
        faulty = {finding.output for finding in opened.faulty}
        number_of = finder(tree.outputs.paths)
        cache.keep_only(
            lambda output: number_of(output) is not None and output not in faulty,
            unchanged.count + equal.count + opened.count - len(opened.faulty),
        )
    results = _results(tree, opened, equal, unchanged)
    if any(name == "sha256" for finding in opened.faulty for name, _ in finding.faults):
        _suspect_outputs(target)
    return as_data(results, _summary(results, tree, opened, equal))


def _check_variants(target: str, tree: TreeContents, known: Iterable[str]) -> None:
    """Refuse a recipe that does not name the outputs of a tree."""
    variants = {variant.removesuffix(SUFFIX) for variant in tree.outputs.variants}
    if unknown := sorted(variants.difference(known)):
        name = f"an output '{unknown[0]}'" if unknown[0] else "a single output without a name"
        raise UserError(
            f"'{target}' has {name}, which the recipe lacks; give the recipe of the last run, or "
            "process the images with this recipe first."
        )


def _suspect_outputs(target: str) -> None:
    """Have the next pass compare outputs with their digests: their sizes may not have changed."""
    with contextlib.suppress(UserError), exclusive(target):  # a run may be writing there
        for state in (target, *others(target, WHOLE)):
            ledger_backup.suspect(os.path.join(state, LEDGER))


@dataclass
class Tally:
    """Counts of outputs that were opened, now or before; those with faults are kept.

    Attributes
    ----------
    count, sized, pictures : int
        Outputs, those whose expected size is known, and those whose pictures were compared.
    faulty : list of Finding
        Without their pictures.
    differing : dict
        Pictures of the first outputs that differ from their sources, by path.
    """

    count: int = 0
    sized: int = 0
    pictures: int = 0
    faulty: list[Finding] = field(default_factory=list)
    differing: dict[str, Pictures] = field(default_factory=dict)

    def add(self, outputs: Sequence[Finding | PassedOutput]) -> None:
        """Count more outputs."""
        self.count += len(outputs)
        self.sized += sum(output.sized for output in outputs)
        self.pictures += sum(output.similarity_db is not None for output in outputs)
        for one in outputs:
            if isinstance(one, Finding) and one.faults:
                self.faulty.append(one._replace(pictures=None))
                if one.pictures is not None:
                    self.differing[one.output] = one.pictures
        if len(self.differing) > MOST_COMPARED:
            first = heapq.nsmallest(MOST_COMPARED, self.differing)
            self.differing = {output: self.differing[output] for output in first}


def _sample(outputs: Outputs, variants: Set[str], size: int) -> set[int]:
    """Choose outputs of some variants evenly over the tree, by their numbers.

    They are the same ones each time.
    """
    paths = outputs.paths
    return set(heapq.nsmallest(size, outputs.of(variants), key=lambda one: _digest(paths[one])))


def _sidecars(outputs: Outputs) -> bytearray:
    """Return a flag for each output that describes another one."""
    flags = bytearray(len(outputs))
    for number in outputs.of({name for name in outputs.variants if name.endswith(SUFFIX)}):
        flags[number] = 1
    return flags


def _unchanged(
    outputs: Outputs,
    passed: Iterable[PassedOutput],
    sampled: Set[int],
    tally: Tally,
    sidecars: bytearray,
) -> bytearray:
    """Return a flag for each output that passed before and has not changed; count them.

    Nor has its source. Sidecars are opened each time: what they describe may have changed.
    """
    flags = bytearray(len(outputs))
    number_of = finder(outputs.paths)

    def same() -> Iterator[PassedOutput]:
        for before in passed:
            number = number_of(before.output)
            if (
                number is not None
                and outputs.exists[number]
                and not sidecars[number]
                and (before.bytes, before.mtime_ns)
                == (outputs.sizes[number], outputs.times[number])
                and still_holds(before, outputs, number, sampled)
            ):
                flags[number] = 1
                yield before

    rest = same()
    while some := list(islice(rest, BATCH)):
        tally.add(some)
    return flags


class ToOpen(Sequence[Task]):
    """The outputs to open, in the order of their paths; a million tasks would not fit into memory.

    Parameters
    ----------
    outputs : Outputs
    left_out : bytearray
        Flags of those that are not opened, though they exist.
    sampled : set of int
        Those whose pictures are compared.
    places : Places
        Of the sources.
    """

    def __init__(
        self, outputs: Outputs, left_out: bytearray, sampled: Set[int], places: Places
    ) -> None:
        self._outputs, self._sampled, self._places = outputs, sampled, places
        flags = zip(outputs.exists, left_out, strict=True)
        opened = (number for number, (exists, out) in enumerate(flags) if exists and not out)
        self._numbers = array("Q", opened)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> Task: ...
    @overload
    def __getitem__(self, place: slice) -> list[Task]: ...
    def __getitem__(self, place: int | slice) -> Task | list[Task]:
        numbers = self._numbers[place]
        return self._task(numbers) if isinstance(numbers, int) else [*map(self._task, numbers)]

    def _task(self, number: int) -> Task:
        path, source, variant, sha256, source_state = self._outputs[number]
        member = self._places.member(source)
        is_sampled = number in self._sampled
        return Task(path, source, variant, sha256, is_sampled, source_state, member)


def _inspect(
    tasks: Sequence[Task],
    inspector: Inspector,
    workers: int,
    on_findings: Callable[[list[Finding]], None],
    confinement: Confinement | None,
) -> None:
    if not tasks:
        return
    size = min(BATCH, math.ceil(len(tasks) / (SHARES * workers)))
    starts = range(0, len(tasks), size)
    batches = (Tasks(tasks, slice(start, start + size)) for start in starts)
    workers = min(workers, len(starts))
    parallel = processes_or_threads()
    # This process writes the results, so it cannot be confined itself.
    alone = workers == 1 and (confinement is None or parallel == "threads")
    prepare = partial(confine_process, confinement)
    with (
        open_engine(
            "sequential" if alone else parallel,
            workers,
            WORKER_MODULES,
            prepare,
        ) as engine,
        Progress(len(tasks), "verify") as progress,
    ):

        def on_result(findings: list[Finding]) -> None:
            on_findings(findings)
            progress.advance(len(findings), sum(bool(f.faults) for f in findings))

        engine.run(inspector, batches, on_result)


def _results(tree: TreeContents, opened: Tally, *others: Tally) -> list[CheckResult]:
    """Count what each check compared, and record what is wrong."""
    tallies = (opened, *others)
    faulty = sorted(opened.faulty, key=lambda finding: finding.output)
    undecodable = [f for f in faulty if any(name == "decodes" for name, _ in f.faults)]
    totals = Totals(
        inputs=tree.inputs,
        outputs=len(tree.outputs),
        kept=len(tree.kept),
        files=tree.files,
        temporaries=len(tree.temporaries),
        opened=sum(tally.count for tally in tallies),
        undecodable=len(undecodable),
        sidecars=sum(n for name, n in tree.outputs.variants.items() if name.endswith(SUFFIX)),
        sized=sum(tally.sized for tally in tallies),
        pictures=sum(tally.pictures for tally in tallies),
    )
    results = {
        check.name: CheckResult(check.name, check.question, *check.counts(totals))
        for check in CHECKS
    }
    for check in TREE_CHECKS:
        for image, why in check.find(tree):
            results[check.name].fail(image, why)
    for finding, name, why in _explained(faulty, opened.differing, tree):
        results[name].fail(escape(finding.output), why)
    return list(results.values())


def _explained(
    faulty: Sequence[Finding], differing: Mapping[str, Pictures], tree: TreeContents
) -> Iterator[tuple[Finding, str, str]]:
    """Yield each fault; outputs that were exchanged with each other are named as such."""
    by_digest = tree.outputs.by_digest({finding.sha256 for finding in faulty})
    for finding in faulty:
        for name, why in finding.faults:
            if name == "sha256" and by_digest.get(finding.sha256, finding.output) != finding.output:
                other = escape(by_digest[finding.sha256])
                yield finding, name, f"exchanged: holds the image of '{other}'"
            elif name == "similarity" and (same := _exchanged_with(finding, differing)):
                yield finding, name, f"exchanged: looks like the image of '{escape(same)}'"
            else:
                yield finding, name, why


def _exchanged_with(finding: Finding, differing: Mapping[str, Pictures]) -> str | None:
    """Return the output that a wrong picture looks like, among those that are wrong too.

    Only the first outputs that differ are named, and they are among those with pictures.
    """
    shown = differing.get(finding.output)
    if shown is None or not any("does not look" in why for _, why in finding.faults):
        return None
    from pixelmill.verification.similarity import psnr

    output, _ = shown
    for other in sorted(differing):
        if other != finding.output:
            _, expected = differing[other]
            # 30 dB: as similar as two renderings of one picture.
            if output.shape == expected.shape and psnr(output, expected) >= 30:
                return other
    return None


def _summary(
    results: Sequence[CheckResult], tree: TreeContents, opened: Tally, equal: Tally
) -> str:
    failed = [result.name for result in results if result.differing]
    count = len(tree.outputs)
    if failed:
        return f"NOT verified: {', '.join(failed)} failed among {count:,} outputs."
    fresh = f"{opened.count:,} opened, {opened.pictures:,} of them compared with their sources"
    if opened.count and not opened.pictures:
        fresh = f"{opened.count:,} opened"
    if not opened.count:
        fresh = "none changed since they last passed"
    if equal.count:
        others = f"; {fresh}" if opened.count else ""
        fresh = f"{equal.count:,} equal to outputs that passed beside them{others}"
    if not count:
        return "Verified: there are no outputs."
    return f"Verified: {count:,} output{'s' * (count != 1)}, {fresh}."


def _digest(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return hashlib.blake2b(escape(text).encode(), digest_size=16).hexdigest()
