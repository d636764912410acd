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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape, unescape
from pixelmill.core.fingerprints import digest_of_code
from pixelmill.core.locks import exclusive
from pixelmill.core.progress import Progress
from pixelmill.core.sandbox import Confinement, Sandbox, confine_process
from pixelmill.dataset import ledger_backup
from pixelmill.dataset.entries import Entry
from pixelmill.dataset.layout import LEDGER
from pixelmill.dataset.places import Places
from pixelmill.dataset.shards import WHOLE, others
from pixelmill.engines.lifecycle import open_engine
from pixelmill.engines.semaphores import processes_or_threads
from pixelmill.storage.archives import files_of
from pixelmill.verification import similarity
from pixelmill.verification.check_results import MOST_NAMED, CheckResult, ChecksData, as_data
from pixelmill.verification.checks import CHECKS, TREE_CHECKS, Totals
from pixelmill.verification.expectations import expectations_of
from pixelmill.verification.inspector import Finding, Inspector, Task, Tasks
from pixelmill.verification.passed_cache import PassedCache, PassedOutput
from pixelmill.verification.sidecar_check import SUFFIX
from pixelmill.verification.tree_contents import TreeContents, read_tree

#: Largest number of outputs that a worker opens in one go, and number of batches for each worker
#: in a smaller tree, so that all workers end together.
BATCH, SHARES = 200, 4

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

    Returns
    -------
    dict
        ``passed``, ``checks``, and ``summary`` for people.

    Raises
    ------
    UserError
        If the tree has no manifest, or outputs that the recipe does not name.
    """
    places = Places(source, entries)
    tree = read_tree(target, entries)
    images = os.path.join(target, "images")
    expectations = expectations_of(recipe)
    _check_variants(target, tree, expectations)
    comparable = {name for name, expected in expectations.items() if expected.comparable}
    sampled = _sample((o for o, row in tree.outputs.items() if row.variant in comparable), sample)
    rules = _digest([recipe, min_psnr, digest_of_code("verification")])
    opened, unchanged = Tally(), Tally()
    with PassedCache(os.path.join(target, "verification.sqlite")) as cache:
        passed = cache.load(rules) if scope == "changed" else ()
        tasks = _tasks(tree, passed, sampled, unchanged, places)

        def on_findings(findings: list[Finding]) -> None:
            opened.add(findings)
            cache.store(rules, findings)

        confinement = Sandbox(on=confined).confine([*files_of(source), images], [])
        _inspect(
            tasks, Inspector(source, images, recipe, min_psnr), workers, on_findings, confinement
        )
        cache.keep_only(tree.outputs.keys() - {finding.output for finding in opened.faulty})
    results = _results(tree, opened, unchanged)
    if any(name == "sha256" for finding in opened.faulty for name, _ in finding.faults):
        _suspect_outputs(target)
    return as_data(results, _summary(results, tree, opened))


def _check_variants(target: str, tree: TreeContents, known: Iterable[str]) -> None:
    """Refuse a recipe that does not name the outputs of a tree."""
    variants = {row.variant.removesuffix(SUFFIX) for row in tree.outputs.values()}
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
    """Counts of outputs that were opened, now or before; those with faults are kept."""

    count: int = 0
    sized: int = 0
    pictures: int = 0
    faulty: list[Finding] = field(default_factory=list)

    def add(self, outputs: Sequence[Finding | PassedOutput]) -> None:
        """Count more outputs."""
        self.count += len(outputs)
        self.sized += sum(output.sized for output in outputs)
        self.pictures += sum(output.similarity_db is not None for output in outputs)
        self.faulty += (one for one in outputs if isinstance(one, Finding) and one.faults)


def _sample(outputs: Iterable[str], size: int) -> set[str]:
    """Choose outputs evenly over the tree; the same ones each time."""
    return set(heapq.nsmallest(size, outputs, key=_digest))


def _tasks(
    tree: TreeContents,
    passed: Iterable[PassedOutput],
    sampled: set[str],
    unchanged: Tally,
    places: Places,
) -> list[Task]:
    """Return the outputs to open; count those that passed before and have not changed."""
    left_out: set[str] = set()
    for before in passed:
        output = before.output
        row = tree.outputs.get(output)
        if (
            row is not None
            and (before.bytes, before.mtime_ns) == tree.files.get(output)
            and before.sha256 == row.sha256
            and (before.similarity_db is not None or output not in sampled or before.incomparable)
        ):
            unchanged.add([before])
            left_out.add(output)
    return [
        Task(output, source, row.variant, row.sha256, output in sampled, places.member(source))
        for output, row in sorted(tree.outputs.items())
        if output in tree.files and output not in left_out
        for source in (unescape(row.source),)
    ]


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
    batches = [Tasks(tasks[k : k + size]) for k in range(0, len(tasks), size)]
    workers = min(workers, len(batches))
    parallel = processes_or_threads()
    # This process writes the results, so it cannot be confined itself.
    alone = workers == 1 and (confinement is None or parallel == "threads")
    prepare = partial(confine_process, confinement)
    with (
        open_engine(
            "sequential" if alone else parallel,
            workers,
            (__spec__.name,),
            prepare,
        ) as engine,
        Progress(len(tasks), "verify") as progress,
    ):

        def on_result(findings: list[Finding]) -> None:
            on_findings(findings)
            progress.advance(len(findings), sum(bool(f.faults) for f in findings))

        engine.run(inspector, batches, on_result)


def _results(tree: TreeContents, opened: Tally, unchanged: Tally) -> list[CheckResult]:
    """Count what each check compared, and record what is wrong."""
    faulty = sorted(opened.faulty, key=lambda finding: finding.output)
    undecodable = [f for f in faulty if any(name == "decodes" for name, _ in f.faults)]
    totals = Totals(
        inputs=tree.inputs,
        outputs=len(tree.outputs),
        kept=len(tree.kept),
        files=len(tree.files),
        temporaries=len(tree.temporaries),
        opened=opened.count + unchanged.count,
        undecodable=len(undecodable),
        sidecars=sum(row.variant.endswith(SUFFIX) for row in tree.outputs.values()),
        sized=opened.sized + unchanged.sized,
        pictures=opened.pictures + unchanged.pictures,
    )
    results = {
        check.name: CheckResult(check.name, check.question, *check.counts(totals))
        for check in CHECKS
    }
    for check in TREE_CHECKS:
        for image, why in check.find(tree):
            results[check.name].fail(image, why)
    for finding, name, why in _explained(faulty, tree):
        results[name].fail(escape(finding.output), why)
    return list(results.values())


def _explained(faulty: Sequence[Finding], tree: TreeContents) -> Iterator[tuple[Finding, str, str]]:
    """Yield each fault; outputs that were exchanged with each other are named as such."""
    by_digest = {row.sha256: output for output, row in tree.outputs.items()} if faulty else {}
    pictured = [finding for finding in faulty if finding.pictures is not None]
    for finding in faulty:
        for name, why in finding.faults:
            if name == "sha256" and by_digest.get(finding.sha256, finding.output) != finding.output:
                other = escape(by_digest[finding.sha256])
                yield finding, name, f"exchanged: holds the image of '{other}'"
            elif name == "similarity" and (same := _exchanged_with(finding, pictured)):
                yield finding, name, f"exchanged: looks like the image of '{escape(same)}'"
            else:
                yield finding, name, why


def _exchanged_with(finding: Finding, faulty: Sequence[Finding]) -> str | None:
    """Return the output that a wrong picture looks like, among those that are wrong too."""
    if finding.pictures is None or not any("does not look" in why for _, why in finding.faults):
        return None
    output = finding.pictures[0]
    for other in faulty[: 5 * MOST_NAMED]:
        if other.output != finding.output and other.pictures is not None:
            expected = other.pictures[1]
            # 30 dB: as similar as two renderings of one picture.
            if output.shape == expected.shape and similarity.psnr(output, expected) >= 30:
                return other.output
    return None


def _summary(results: Sequence[CheckResult], tree: TreeContents, opened: Tally) -> str:
    failed = [result.name for result in results if result.differing]
    count = len(tree.outputs)
    if failed:
        return f"NOT verified: {', '.join(failed)} failed among {count:,} outputs."
    fresh = f"{opened.count:,} opened, {opened.pictures:,} of them compared with their sources"
    if opened.count and not opened.pictures:
        fresh = f"{opened.count:,} opened"
    if not opened.count:
        fresh = "none changed since they last passed"
    if not count:
        return "Verified: there are no outputs."
    return f"Verified: {count:,} output{'s' * (count != 1)}, {fresh}."


def _digest(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return hashlib.blake2b(escape(text).encode(), digest_size=16).hexdigest()
