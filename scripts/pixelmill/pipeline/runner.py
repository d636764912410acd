"""One pass over a dataset: plan, render, record, export."""

from __future__ import annotations

import functools
import logging
import operator
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pixelmill.core import sandbox
from pixelmill.core.disk import Reserve
from pixelmill.core.errors import ImageError, UserError
from pixelmill.core.filenames import escape
from pixelmill.core.files import lies_in
from pixelmill.core.jobs import Made, Outcome
from pixelmill.core.progress import Progress
from pixelmill.core.reasons import SOURCE_UNKNOWN
from pixelmill.dataset import catalog as catalogs
from pixelmill.dataset import output_tree
from pixelmill.dataset.catalog import Selection
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.exports import write_failures, write_tables
from pixelmill.dataset.ledger import Ledger
from pixelmill.dataset.ledger_rows import Maker, Row
from pixelmill.dataset.output_names import Outputs, colliding
from pixelmill.dataset.output_tree import Workplace
from pixelmill.dataset.passes import Pass, Totals
from pixelmill.dataset.plan import Plan, draw_up
from pixelmill.dataset.shards import WHOLE, Shard
from pixelmill.engines import machine
from pixelmill.engines.distributed import Cluster
from pixelmill.engines.semaphores import processes_or_threads
from pixelmill.imaging import fingerprint
from pixelmill.imaging.codecs import reading
from pixelmill.imaging.codecs.limits import Limits, workers_for_memory
from pixelmill.imaging.codecs.reading import content_digest
from pixelmill.imaging.recipe import Recipe
from pixelmill.imaging.renderer import Renderer
from pixelmill.pipeline import breadcrumbs
from pixelmill.pipeline.batching import costs
from pixelmill.pipeline.child_processes import Offspring, end_remains
from pixelmill.pipeline.engine_choice import choose
from pixelmill.pipeline.host import Work, confinement
from pixelmill.pipeline.host_process import early_child
from pixelmill.pipeline.policy import Policy
from pixelmill.pipeline.source_guard import SourceGuard
from pixelmill.pipeline.supervisor import render

log = logging.getLogger(__name__)


def process(
    source: str,
    target: str,
    recipe: Recipe,
    engine: str,
    workers: int,
    entries: Entries,
    label: str = "images",
    policy: Policy = Policy(),  # noqa: B008 - frozen
    cluster: Cluster = Cluster(),  # noqa: B008 - frozen
    shard: Shard = WHOLE,
    select: Selection | None = None,
) -> Pass:
    """Bring an output tree up to date, or one shard of it.

    Parameters
    ----------
    source : str
        Folder of the inputs; only read.
    target : str
        Folder of the output tree: images, ledger and tables.
    recipe : Recipe
    engine : str
        One of `pixelmill.engines.base.ENGINES`, or ``auto``.
    workers : int
    entries : Entries
        The catalog of `source`.
    label : str
        What the progress line calls them.
    policy : Policy
    cluster : Cluster
        Where the workers of the engine ``distributed`` are.
    shard : Shard, optional
        The part of the dataset to work on; then `entries` are those that concern it.
    select : Selection, optional
        Which files belong to the dataset: asked before a shard removes much.

    Returns
    -------
    Pass
        What was done and how long it took.

    Raises
    ------
    UserError
        If another run holds the tree, if it cannot be written, if too much would be
        removed, or if there is nothing to process.
    """
    began = time.perf_counter()
    place = Workplace(target, shard)
    if not entries and shard.is_whole:
        raise UserError(f"'{source}' holds no image; correct the path, or mount the disk.")
    with (
        place.open(policy.durable) as ledger,
        _offspring_in(place.state, policy) as offspring,
        early_child(offspring, engine, recipe, certain=not ledger.rows()) as early,
    ):
        maker = _maker(recipe, policy)
        place.tidy()
        rows = ledger.rows()
        with ledger.reading():
            plan = _plan(source, place, recipe, maker, entries, rows, _checking(policy, ledger))
        log.info("%s", plan)
        _explain_code(plan, ledger, recipe)
        ledger.note_maker(maker.code, fingerprint.rendering_software(recipe.uses_opencv))
        place.check_removals(len(plan.remove), rows, policy.max_removal_rate, source, select)
        _remove(plan, place, ledger)
        if recipe.settings["keep_mtime"]:
            _follow_times(plan, place, rows)
        rate = ledger.rate(maker.recipe)
        fitting = _workers_for(workers, plan, policy.limits)
        chosen = _engine_for(engine, fitting, plan, rate, recipe)
        crumbs = os.path.abspath(place.crumbs)
        work = Work(
            renderer=_renderer(source, place.images.folder, recipe, policy),
            outputs=plan.outputs,
            engine=chosen,
            workers=fitting,
            limits=policy.limits,
            crumbs=crumbs,
            rate=rate,
            cluster=cluster,
            confinement=confinement(
                policy.sandbox, recipe, source, [place.images.folder, crumbs], chosen
            ),
        )
        digest = functools.cache(lambda: _digest_of(entries, shard))
        totals = Totals()
        guard = SourceGuard(source, len(entries), policy.max_removal_rate)
        with (
            Progress(len(plan.make), f"{label} {work.engine}") as progress,
            Reserve(place.state) as reserve,
        ):

            def done(outcomes: list[Outcome]) -> None:
                reserve.check(o.message for o in outcomes if o.reason == "write_failed")
                guard.look(outcomes)
                if guard.verdict:  # what is known of the others is kept
                    outcomes = [o for o in outcomes if o.reason != "vanished"]
                ledger.record(_settle(outcomes, rows, plan, place, guard), maker)
                if guard.verdict:
                    raise UserError(guard.verdict)
                totals.add(outcomes)
                progress.advance(len(outcomes), sum(o.status == "failed" for o in outcomes))
                if policy.stop_on_first:
                    _stop_at_failure(outcomes)

            def meanwhile() -> None:
                digest()
                machine.machine_fingerprint()

            litter = True
            try:
                started = render(work, plan.make, done, meanwhile, early, offspring)
                litter = started.troubled or totals.failed > 0 or plan.renames or bool(plan.orphans)
            finally:
                reserve.release()
                place.check_unmoved()
                breadcrumbs.remove(place.crumbs)
                if litter:
                    place.tidy()
                write_failures(ledger, place.state)
        finished = Pass(
            whole=plan.keep == 0,
            engine=work.engine,
            workers=started.workers or work.workers,
            seconds=time.perf_counter() - began,
            startup_seconds=started.seconds,
            images=totals.images,
            failed=totals.failed,
            bytes_in=totals.bytes_in,
            bytes_out=totals.bytes_out,
            megapixels_in=totals.pixels_in / 1e6,
            catalog=digest(),
            recipe=maker.recipe,
            code=maker.code,
            machine=cluster.machine if chosen == "distributed" else machine.machine_fingerprint(),
        )
        ledger.add_pass(finished, started.stretches)
        place.settle(ledger)
        write_tables(ledger, place.state)
    if totals.refused and work.confinement is not None:
        log.warning("%s", sandbox.REFUSED)
    if totals.reasons:
        why = ", ".join(f"{count:,} {reason}" for reason, count in totals.reasons.most_common())
        log.warning(
            "%s of %s images failed (%s); see '%s/failures.csv'",
            f"{finished.failed:,}", f"{finished.images:,}", why, place.state,
        )  # fmt: skip
    return finished


def _offspring_in(state: str, policy: Policy) -> Offspring:
    """Offspring of this run, once that of an earlier one that was killed has ended."""
    end_remains(state)
    # A step that may use the network may need a key for it.
    return Offspring(state, withhold=policy.sandbox.on and not policy.sandbox.network)


def _digest_of(entries: Entries, shard: Shard) -> str:
    return catalogs.digest(entry for entry in entries if shard.owns(entry.path))


def _maker(recipe: Recipe, policy: Policy) -> Maker:
    return Maker(
        recipe.fingerprint(),
        fingerprint.code_fingerprint(recipe.own_files(), recipe.uses_opencv),
        policy.limits.fingerprint(fingerprint.extra_decoders()),
    )


def _explain_code(plan: Plan, ledger: Ledger, recipe: Recipe) -> None:
    """Say which library it was, where images are made again for their code."""
    if not plan.reasons["code changed"]:
        return
    now = fingerprint.rendering_software(recipe.uses_opencv)
    before = [ledger.software_of(code) for code in ledger.codes()]
    changed = {
        f"{name} {old[name]} is now {version}"
        for old in before
        for name, version in now.items()
        if name in old and old[name] != version
    }
    log.info("code changed: %s", ", ".join(sorted(changed)) or "pixelmill's or your own steps'")


def _engine_for(engine: str, workers: int, plan: Plan, rate: float | None, recipe: Recipe) -> str:
    """Choose the engine by how much there is to do."""
    work = float(costs(plan.make, rate).sum())
    chosen = choose(engine, workers, recipe.scales_on_threads, work, known=rate is not None)
    return processes_or_threads() if (engine, chosen) == ("auto", "processes") else chosen


def _renderer(source: str, images: str, recipe: Recipe, policy: Policy) -> Renderer:
    # Workers may stand elsewhere, and an own step may change their folder.
    source, images = os.path.abspath(source), os.path.abspath(images)
    places = map(os.path.abspath, recipe.folder.split(os.pathsep))
    recipe = replace(recipe, folder=os.pathsep.join(places))
    return Renderer(source, images, recipe, policy.limits, policy.durable)


def _workers_for(workers: int, plan: Plan, limits: Limits) -> int:
    """Give fewer workers where memory would not hold their largest images at once."""
    pixels = map(operator.mul, plan.make.widths, plan.make.heights)
    largest = min(max(pixels, default=0), limits.max_pixels)
    fitting = workers_for_memory(workers, largest, machine.available_memory())
    if fitting < workers:
        log.warning(
            "%d workers, not %d: images of %d megapixels need the memory",
            fitting, workers, largest // 10**6,
        )  # fmt: skip
    return fitting


def _stop_at_failure(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.status == "failed":
            raise UserError(
                f"'{escape(outcome.source)}' failed ({outcome.reason}: {outcome.message}), and "
                "failures.stop_on_first is set; mend or remove it."
            )


def preview(
    source: str,
    target: str,
    recipe: Recipe,
    entries: Entries,
    policy: Policy = Policy(),  # noqa: B008 - frozen
) -> tuple[Plan, float, float]:
    """Draw up the plan of a pass without doing it.

    Returns
    -------
    plan : Plan
    seconds, bytes : float
        What it would cost one worker and the disk, by past rates; 0 where unknown.
    """
    place = Workplace(target)
    with place.look() as ledger:
        rows = ledger.rows() if ledger else {}
        seconds, size = ledger.cost() if ledger else (0.0, 0.0)
        checking = _checking(policy, ledger) if ledger else policy
        plan = _plan(source, place, recipe, _maker(recipe, policy), entries, rows, checking)
    return plan, seconds * len(plan.make), size * len(plan.make)


def _checking(policy: Policy, ledger: Ledger) -> Policy:
    """Have outputs compared with their digests if the ledger may be wrong about them."""
    return replace(policy, check_outputs=policy.check_outputs or ledger.in_doubt)


def _plan(
    source: str,
    place: Workplace,
    recipe: Recipe,
    maker: Maker,
    entries: Entries,
    rows: Mapping[str, Row],
    policy: Policy,
) -> Plan:
    def digest(path: str) -> str:
        try:
            return content_digest(reading.read(os.path.join(source, path), limits=policy.limits))
        except ImageError:
            return ""

    def altered(made: Made) -> bool:
        return policy.check_outputs and not place.holds(made)

    if policy.collisions == "error":
        pair = colliding(entries, recipe)
        if pair is not None:
            raise UserError(
                f"'{escape(pair[0])}' and '{escape(pair[1])}' would give the same output; rename "
                "one, or set 'collisions' to rename."
            )
    return draw_up(
        entries,
        rows,
        place.size_of,
        Outputs(entries, recipe),
        maker,
        digest,
        altered,
        policy.retry_failed,
        place.shard,
    )


def _remove(plan: Plan, place: Workplace, ledger: Ledger) -> None:
    """Remove the outputs of sources that are gone."""
    for output in plan.orphans:
        place.remove(output)
    ledger.forget(plan.remove)
    ledger.touch(plan.touched)


def _follow_times(plan: Plan, place: Workplace, rows: Mapping[str, Row]) -> None:
    """Give the outputs of sources that were touched their new times."""
    for source, mtime_ns, _ in plan.touched:
        for made in rows[source].made:
            output_tree.set_mtime(place.images, made.path, mtime_ns)


def _settle(
    outcomes: list[Outcome],
    rows: Mapping[str, Row],
    plan: Plan,
    place: Workplace,
    guard: SourceGuard,
) -> list[Outcome]:
    """Remove what images had before and do not have any more, as far as the guard lets it be.

    Images of which nothing is known keep their earlier outputs, and their outcomes say so.
    """
    settled = []
    for outcome in outcomes:
        if outcome.status != "ok" or plan.renames:
            before = rows.get(outcome.source)
            current = plan.paths_of(outcome.source)
            earlier = [
                made
                for made in (before.made if before else ())
                # A name that passes to another image is not this one's any more.
                if made.path in current or made.path not in plan.passed_on
            ]
            if outcome.reason in SOURCE_UNKNOWN:
                kept = tuple(m for m in earlier if place.size_of(m.path) == m.bytes)
                outcome = outcome._replace(made=kept)
            else:
                if outcome.status != "ok" and earlier and not guard.may_lose_one():
                    break
                # A worker may have died after it wrote what does not count now.
                written = {*current, *(made.path for made in earlier)}
                for path in written.difference(made.path for made in outcome.made):
                    place.remove(path)
        settled.append(outcome)
    return settled


def process_folder(
    source: str,
    target: str,
    recipe: Recipe,
    engine: str,
    workers: int,
    catalog: str | None = None,
    label: str = "images",
    policy: Policy = Policy(),  # noqa: B008 - frozen
    cluster: Cluster = Cluster(),  # noqa: B008 - frozen
    shard: Shard = WHOLE,
    select: Selection | None = None,
) -> Pass:
    """Do what the scripts do: catalog the folder where that was not done, then process.

    Parameters
    ----------
    catalog : str, optional
        Table of the inputs that was made before; without it `source` is scanned.
    shard, select : optional
        As of `process`.

    Raises
    ------
    UserError
        If one folder lies in the other, or `source` is missing.
    """
    if lies_in(source, target) or lies_in(target, source):
        raise UserError(
            f"The images in '{source}' and the results in '{target}' lie in one another; "
            "choose folders side by side."
        )
    if os.path.isdir(target):
        Workplace(target, shard).check_folders()
    if catalog is None:
        table = os.path.join(shard.below(target), "catalog.csv")
        entries = catalogs.refresh(table, source, select, shard).entries
    else:
        entries = catalogs.read(catalog)
    finished = process(
        source, target, recipe, engine, workers, entries, label, policy, cluster, shard, select
    )
    if finished.images:
        rate = finished.images / max(finished.seconds, 1e-9)
        hands = "1 worker" if finished.workers == 1 else f"{finished.workers} workers"
        log.info(
            "%s %s: %s images in %.1f s (%.0f/s, %s)",
            label, finished.engine, f"{finished.images:,}", finished.seconds, rate, hands,
        )  # fmt: skip
    return finished
