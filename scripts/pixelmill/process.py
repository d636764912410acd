"""One pass over a dataset: plan, render, record, export."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pixelmill import catalog as catalogs
from pixelmill import provenance
from pixelmill.catalog import Entry
from pixelmill.engines import open_engine
from pixelmill.errors import UserError
from pixelmill.files import TEMPORARY, exclusive, lies_in, walk, write_json, write_table
from pixelmill.ledger import Ledger, Pass, Row
from pixelmill.plan import Plan, batches, draw_up
from pixelmill.progress import Progress
from pixelmill.recipe import Recipe
from pixelmill.transform import Outcome, Renderer, content_digest

log = logging.getLogger(__name__)

MANIFEST = ("source", "variant", "output", "status", "reason", "width", "height", "sha256")
FAILURES = ("source", "stage", "reason", "message")


def process(
    source: str,
    target: str,
    recipe: Recipe,
    engine: str,
    workers: int,
    entries: Sequence[Entry],
    label: str = "images",
) -> Pass:
    """Bring an output tree up to date.

    Parameters
    ----------
    source : str
        Folder of the inputs; only read.
    target : str
        Folder of the output tree: images, ledger and tables.
    recipe : Recipe
    engine : str
        One of `pixelmill.engines.ENGINES`.
    workers : int
    entries : sequence of Entry
        The catalog of `source`.
    label : str
        What the progress line calls them.

    Returns
    -------
    Pass
        What was done and how long it took.

    Raises
    ------
    UserError
        If another run holds the tree.
    """
    started = time.perf_counter()
    images = os.path.join(target, "images")
    code = provenance.code_fingerprint(recipe.own_files())
    fingerprint = recipe.fingerprint()
    with exclusive(target), Ledger(os.path.join(target, "ledger.sqlite")) as ledger:
        os.makedirs(images, exist_ok=True)
        rows = ledger.rows()
        present = _outputs(images, sweep=True)
        plan = _plan(source, present, recipe, code, entries, rows)
        log.info("%s", plan)
        _remove(plan, images, ledger)
        totals = _Totals()
        startup = 0.0
        if plan.make:
            with (
                open_engine(engine, workers, preload=("pixelmill.transform",)) as running,
                Progress(len(plan.make), f"{label} {engine}") as progress,
            ):
                workers, startup = running.workers, running.startup_seconds

                def done(outcomes: list[Outcome]) -> None:
                    _drop_failed(outcomes, rows, images)
                    ledger.record(outcomes, fingerprint, code)
                    totals.add(outcomes)
                    progress.advance(len(outcomes), sum(o.status == "failed" for o in outcomes))

                rate = ledger.rate(fingerprint, code)
                running.run(
                    Renderer(source, images, recipe),
                    batches(plan.make, plan.outputs, workers, rate),
                    done,
                )
        finished = Pass(
            whole=bool(entries) and len(plan.make) == len(entries),
            engine=engine,
            workers=workers,
            seconds=time.perf_counter() - started,
            startup_seconds=startup,
            images=totals.images,
            failed=totals.failed,
            bytes_in=totals.bytes_in,
            bytes_out=totals.bytes_out,
            megapixels_in=totals.pixels_in / 1e6,
            catalog=catalogs.digest(entries),
            recipe=fingerprint,
            code=code,
            machine=provenance.machine_fingerprint(),
        )
        ledger.add_pass(finished)
        _export(ledger, target)
    return finished


def preview(source: str, target: str, recipe: Recipe, entries: Sequence[Entry]) -> Plan:
    """Draw up the plan of a pass without doing it."""
    path = os.path.join(target, "ledger.sqlite")
    code = provenance.code_fingerprint(recipe.own_files())
    rows = {}
    if os.path.exists(path):
        with Ledger(path) as ledger:
            rows = ledger.rows()
    present = _outputs(os.path.join(target, "images"))
    return _plan(source, present, recipe, code, entries, rows)


def _outputs(images: str, sweep: bool = False) -> dict[str, int]:
    """Sizes of the outputs that exist, by path; what a killed run left is swept away."""
    present = {}
    for path, entry in walk(images):
        if not TEMPORARY.fullmatch(entry.name):
            present[path] = entry.stat(follow_symlinks=False).st_size
        elif sweep:
            os.unlink(entry.path)
    return present


def _plan(
    source: str,
    present: Mapping[str, int],
    recipe: Recipe,
    code: str,
    entries: Sequence[Entry],
    rows: Mapping[str, Row],
) -> Plan:
    def digest(path: str) -> str:
        try:
            return content_digest(Path(source, path).read_bytes())
        except OSError:
            return ""

    return draw_up(entries, rows, present, recipe.suffix, recipe.fingerprint(), code, digest)


def _remove(plan: Plan, images: str, ledger: Ledger) -> None:
    """Take away outputs whose sources are gone or whose names changed."""
    for output in plan.stale:
        _unlink(images, output)
    ledger.forget(plan.remove)
    ledger.touch(plan.touched)


def _drop_failed(outcomes: list[Outcome], rows: Mapping[str, Row], images: str) -> None:
    """Take away what an image that now failed had given before."""
    for outcome in outcomes:
        before = rows.get(outcome.source)
        if outcome.status == "failed" and before is not None and before.output:
            _unlink(images, before.output)


def _unlink(images: str, output: str) -> None:
    """Remove an output and the folders that it leaves empty."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(images, output))
    folder = os.path.dirname(output)
    while folder:
        try:
            os.rmdir(os.path.join(images, folder))
        except OSError:  # others live there
            break
        folder = os.path.dirname(folder)


class _Totals:
    """Sums over the outcomes of a pass."""

    def __init__(self) -> None:
        self.images = self.failed = self.bytes_in = self.bytes_out = self.pixels_in = 0

    def add(self, outcomes: list[Outcome]) -> None:
        self.images += len(outcomes)
        for outcome in outcomes:
            self.failed += outcome.status == "failed"
            self.bytes_in += outcome.bytes_in
            self.bytes_out += outcome.bytes_out
            self.pixels_in += outcome.pixels_in


def _export(ledger: Ledger, target: str) -> None:
    """Write the tables that others read, the manifest last."""
    write_table(os.path.join(target, "failures.csv"), FAILURES, ledger.failures())
    last, full = ledger.last_pass(), ledger.last_pass(whole=True)
    timing = {
        "last_pass": None if last is None else last._asdict(),
        "last_full_pass": None if full is None else full._asdict(),
    }
    write_json(os.path.join(target, "timing.json"), timing)
    write_table(os.path.join(target, "manifest.csv"), MANIFEST, ledger.manifest())


def process_folder(
    source: str,
    target: str,
    recipe: Recipe,
    engine: str,
    workers: int,
    catalog: str | None = None,
    label: str = "images",
) -> Pass:
    """Do what the scripts do: catalog the folder where that was not done, then process.

    Parameters
    ----------
    catalog : str, optional
        Table of the inputs that was made before; without it `source` is scanned.

    Raises
    ------
    UserError
        If one folder lies in the other, or `source` is missing.
    """
    check_apart(source, target)
    if catalog is None:
        entries = catalogs.refresh(os.path.join(target, "catalog.csv"), source).entries
    else:
        entries = catalogs.read(catalog)
    finished = process(source, target, recipe, engine, workers, entries, label)
    if finished.images:
        rate = finished.images / max(finished.seconds - finished.startup_seconds, 1e-9)
        log.info(
            "%s %s: %s images in %.1f s (%.0f/s, %d workers)",
            label, engine, f"{finished.images:,}", finished.seconds, rate, finished.workers,
        )  # fmt: skip
    if finished.failed:
        log.warning("%s failed; see '%s/failures.csv'", f"{finished.failed:,} images", target)
    return finished


def check_apart(source: str, target: str) -> None:
    """Refuse a source inside the target or the other way round.

    Raises
    ------
    UserError
        As inputs are never written to.
    """
    if lies_in(source, target) or lies_in(target, source):
        raise UserError(
            f"The images in '{source}' and the results in '{target}' lie in one another; "
            "choose folders side by side."
        )
