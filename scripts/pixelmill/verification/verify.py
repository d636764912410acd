"""Verification: independent checks of what was written, each with its counts.

Nothing here uses the code that makes images. Outputs that passed and did not change
since are not opened again.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from pixelmill.core.filenames import escape, unescape
from pixelmill.core.files import TEMPORARY, modified_ns, walk
from pixelmill.core.fingerprints import digest_of_code
from pixelmill.core.progress import Progress
from pixelmill.core.root import Root
from pixelmill.core.sandbox import Confinement, Sandbox, confine_process
from pixelmill.core.tables import iterate_table
from pixelmill.dataset.entries import Entry
from pixelmill.engines.registry import open_engine
from pixelmill.engines.semaphores import processes_or_threads
from pixelmill.verification import similarity
from pixelmill.verification.cache import Known, Memory
from pixelmill.verification.checks import MOST_NAMED, Check
from pixelmill.verification.expectations import demands
from pixelmill.verification.inspector import Finding, Inspector, Task, Tasks

#: Outputs that a worker opens in one go: about half a second.
BATCH = 200


def verify(
    source: str,
    target: str,
    recipe: Mapping[str, Any],
    entries: Iterable[Entry],
    workers: int,
    scope: str = "changed",
    sample: int = 250,
    min_psnr: float = 30.0,
    confined: bool = True,
) -> dict[str, Any]:
    """Check an output tree.

    Parameters
    ----------
    source, target : str
        Folder of the inputs, and of the output tree.
    recipe : mapping
        As in the config.
    entries : iterable of Entry
        The catalog.
    workers : int
    scope : {"changed", "all"}
        Whether outputs that passed before and did not change are opened again.
    sample : int
        Number of images to compare with a reference.
    min_psnr : float
        Least similarity, in dB.
    confined : bool
        Whether the processes that open images can only read, if the system can do that.

    Returns
    -------
    dict
        ``passed``, ``checks``, and ``summary`` for people.
    """
    images = os.path.join(target, "images")
    made, earlier, noted, failed = _manifest(os.path.join(target, "manifest.csv"))
    Root(target).check("images")
    checks = _checks()
    present = _check_set(checks, images, made, earlier)
    _check_inputs(checks["inputs"], noted, entries)
    comparable = {name for name, demand in demands(recipe).items() if demand.comparable}
    chosen = _sample((o for o, row in made.items() if row.variant in comparable), sample)
    code = digest_of_code("verification")
    rules = _digest([recipe, min_psnr, code])
    with Memory(os.path.join(target, "verification.sqlite")) as memory:
        opened, remembered = Tally(), Tally()
        known = memory.recall(rules) if scope == "changed" else ()
        tasks = _select(made, present, known, chosen, remembered)

        def take(findings: list[Finding]) -> None:
            opened.take(findings)
            memory.learn(rules, findings)

        confinement = Sandbox(on=confined).confine([source, images], [])
        _open(tasks, Inspector(source, images, recipe, min_psnr), workers, take, confinement)
        _count(checks, opened, remembered, made)
        memory.forget(made.keys() - {finding.output for finding in opened.faulty})
    checks["similarity"].not_compared = len(made) - checks["similarity"].compared
    result = [check.as_dict() for check in checks.values()]
    passed = all(check["passed"] for check in result)
    return {
        "passed": passed,
        "summary": _summary(checks, len(made), failed, opened.count),
        "checks": result,
    }


class Promise(NamedTuple):
    """What the manifest says of an output; its source is escaped."""

    source: str
    variant: str
    sha256: str


@dataclass
class Tally:
    """What is counted of outputs that were opened, now or before; those at fault are kept."""

    count: int = 0
    sized: int = 0
    compared: int = 0
    faulty: list[Finding] = field(default_factory=list)

    def take(self, those: Sequence[Finding | Known]) -> None:
        """Count some more."""
        self.count += len(those)
        self.sized += sum(one.sized for one in those)
        self.compared += sum(one.similarity is not None for one in those)
        self.faulty += (one for one in those if isinstance(one, Finding) and one.faults)


def _manifest(path: str) -> tuple[dict[str, Promise], set[str], set[str], int]:
    """Read a manifest.

    Returns
    -------
    made : dict
        Outputs of the images that are ok.
    earlier : set of str
        Outputs of earlier passes, kept because their sources could not be read.
    noted : set of str
        All sources, escaped.
    failed : int
        Number of sources that failed.
    """
    made: dict[str, Promise] = {}
    earlier: set[str] = set()
    noted: set[str] = set()
    failed: set[str] = set()
    for row in iterate_table(path):
        noted.add(row["source"])
        if row["status"] == "ok":
            promise = Promise(row["source"], sys.intern(row["variant"]), row["sha256"])
            made[unescape(row["output"])] = promise
        else:
            failed.add(row["source"])
            if row["output"]:
                earlier.add(unescape(row["output"]))
    return made, earlier, noted, len(failed)


def _checks() -> dict[str, Check]:
    questions = {
        "inputs": "has every input a row in the manifest, and every row an input?",
        "missing": "is every output of the manifest there?",
        "extra": "is every file there in the manifest?",
        "temporaries": "was nothing left half-written?",
        "decodes": "can every output be decoded to its end?",
        "format": "is it in the format that the recipe demands?",
        "size": "has it the size that the recipe demands?",
        "mode": "has it the colours that the recipe demands?",
        "sha256": "has it the bytes that the manifest notes?",
        "similarity": "does it look like its source, as another library renders it?",
    }
    return {name: Check(name, question) for name, question in questions.items()}


def _check_set(
    checks: Mapping[str, Check], images: str, made: Mapping[str, Any], earlier: Set[str]
) -> dict[str, tuple[int, int]]:
    """Compare what is there with the manifest; return size and time of each output."""
    present: dict[str, tuple[int, int]] = {}
    for path, entry in walk(images):
        if TEMPORARY.fullmatch(entry.name):
            checks["temporaries"].fail(escape(path), "left by a run that was killed")
            continue
        state = entry.stat(follow_symlinks=False)
        present[path] = (state.st_size, modified_ns(state))
    for path in sorted((made.keys() | earlier) - present.keys()):
        checks["missing"].fail(escape(path), "is in the manifest and not there")
    for path in sorted(present.keys() - made.keys() - earlier):
        checks["extra"].fail(escape(path), "is there and not in the manifest")
    checks["missing"].compared = len(made) + len(earlier)
    checks["extra"].compared = len(present)
    checks["temporaries"].compared = len(present) + checks["temporaries"].differing
    return present


def _check_inputs(check: Check, noted: set[str], entries: Iterable[Entry]) -> None:
    left = noted.copy()
    new = []
    for path in (escape(entry.path) for entry in entries):
        check.compared += 1
        if path in noted:
            left.discard(path)
        else:
            new.append(path)
    for path in sorted(new):
        check.fail(path, "is an input without a row")
    for path in sorted(left):
        check.fail(path, "has a row and is no input")


def _sample(made: Iterable[str], size: int) -> set[str]:
    """Choose outputs evenly over the tree and always the same ones."""
    return set(heapq.nsmallest(size, made, key=_digest))


def _select(
    made: Mapping[str, Promise],
    present: Mapping[str, tuple[int, int]],
    known: Iterable[Known],
    chosen: set[str],
    remembered: Tally,
) -> list[Task]:
    """Leave out of the outputs to open those that passed and did not change; count these."""
    left_out: set[str] = set()
    for before in known:
        output = before.output
        promise = made.get(output)
        if (
            promise is not None
            and (before.bytes, before.mtime_ns) == present.get(output)
            and before.sha256 == promise.sha256
            and (before.similarity is not None or output not in chosen or before.incomparable)
        ):
            remembered.take([before])
            left_out.add(output)
    return [
        Task(output, unescape(row.source), row.variant, row.sha256, output in chosen)
        for output, row in sorted(made.items())
        if output in present and output not in left_out
    ]


def _open(
    tasks: Sequence[Task],
    inspector: Inspector,
    workers: int,
    take: Callable[[list[Finding]], None],
    confinement: Confinement | None,
) -> None:
    if not tasks:
        return
    batches = [Tasks(tasks[k : k + BATCH]) for k in range(0, len(tasks), BATCH)]
    workers = min(workers, len(batches))
    parallel = processes_or_threads()
    # This process writes what was found, and so cannot be confined itself.
    alone = workers == 1 and (confinement is None or parallel == "threads")
    prepare = partial(confine_process, confinement)
    with (
        open_engine(
            "sequential" if alone else parallel,
            workers,
            ("pixelmill.verification.verify",),
            prepare,
        ) as engine,
        Progress(len(tasks), "verify") as progress,
    ):

        def done(findings: list[Finding]) -> None:
            take(findings)
            progress.advance(len(findings), sum(bool(f.faults) for f in findings))

        engine.run(inspector, batches, done)


def _count(
    checks: Mapping[str, Check], opened: Tally, remembered: Tally, made: Mapping[str, Promise]
) -> None:
    faulty = sorted(opened.faulty, key=lambda finding: finding.output)
    by_sha = {row.sha256: output for output, row in made.items()} if faulty else {}
    pictured = [finding for finding in faulty if finding.pictures is not None]
    for finding in faulty:
        for name, why in finding.faults:
            if name == "sha256" and by_sha.get(finding.sha256, finding.output) != finding.output:
                why = f"exchanged: holds the image of '{escape(by_sha[finding.sha256])}'"
            elif name == "similarity" and (other := _exchanged_with(finding, pictured)):
                why = f"exchanged: looks like the image of '{escape(other)}'"
            checks[name].fail(escape(finding.output), why)
    count = opened.count + remembered.count
    broken = sum(any(name == "decodes" for name, _ in f.faults) for f in faulty)
    for name in ("decodes", "sha256"):
        checks[name].compared = count
    for name in ("format", "mode"):
        checks[name].compared, checks[name].not_compared = count - broken, broken
    sized = opened.sized + remembered.sized
    checks["size"].compared, checks["size"].not_compared = sized, count - sized
    checks["similarity"].compared = opened.compared + remembered.compared


def _exchanged_with(finding: Finding, faulty: Sequence[Finding]) -> str | None:
    """Name of the image that an output looks like, among those that look wrong."""
    if finding.pictures is None or not any("does not look" in why for _, why in finding.faults):
        return None
    output = finding.pictures[0]
    for other in faulty[: 5 * MOST_NAMED]:
        if other.output != finding.output and other.pictures is not None:
            expected = other.pictures[1]
            # 30 dB: as sure as two renderings of one picture.
            if output.shape == expected.shape and similarity.psnr(output, expected) >= 30:
                return other.output
    return None


def _summary(checks: Mapping[str, Check], made: int, failed: int, opened: int) -> str:
    wrong = [check.name for check in checks.values() if check.differing]
    inputs = f" ({failed:,} inputs failed)" if failed else ""
    if wrong:
        return f"NOT verified: {', '.join(wrong)} failed among {made:,} outputs{inputs}."
    fresh = f"{opened:,} opened" if opened else "none changed since they last passed"
    return f"Verified: {made:,} outputs{inputs}, {fresh}."


_ALTERED = (
    "they were altered after they were made: delete them, then"
    " 'snakemake --cores all --forcerun process_seq process_par'"
)

#: What to do about each check that fails.
_REMEDIES = {
    "inputs": "the inputs changed: run 'snakemake --cores all'",
    "missing": "make them again: 'snakemake --cores all --forcerun process_seq process_par'",
    "extra": "pixelmill did not make them: move them away",
    "temporaries": "they are swept away when the images are next processed",
    "decodes": _ALTERED,
    "format": _ALTERED,
    "size": _ALTERED,
    "mode": _ALTERED,
    "sha256": _ALTERED,
    "similarity": "if they were not altered, the recipe's code is wrong: please report it",
}


def remedy(result: Mapping[str, Any]) -> Iterator[str]:
    """Say, for each check that failed, what to do."""
    for check in result["checks"]:
        if not check["passed"]:
            yield f"{check['name']}: {_REMEDIES[check['name']]}"


def _digest(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return hashlib.blake2b(escape(text).encode(), digest_size=16).hexdigest()
