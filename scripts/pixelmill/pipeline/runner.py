"""Runner: one pass over a dataset, from the catalog to the tables.

`process` reads from top to bottom as a pass runs: plan, remove what has no source any more,
render, record. Each step takes what the earlier ones returned.
"""

from __future__ import annotations

import importlib
import logging
import operator
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from pixelmill.core import machine_load, sandbox
from pixelmill.core.disk import Reserve
from pixelmill.core.errors import UserError
from pixelmill.core.progress import Progress
from pixelmill.dataset import catalog_table, outputs_state
from pixelmill.dataset.catalog import told_left_out
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.exports import write_failures, write_tables
from pixelmill.dataset.output_tree import Workspace
from pixelmill.dataset.passes import Pass, Totals
from pixelmill.dataset.plan import Plan
from pixelmill.engines import machine
from pixelmill.engines.registry import AUTO, on_cluster
from pixelmill.engines.semaphores import processes_or_threads
from pixelmill.imaging.codecs.limits import Limits, workers_for_memory
from pixelmill.imaging.renderer import Renderer
from pixelmill.pipeline import breadcrumbs
from pixelmill.pipeline.batching import total_cost
from pixelmill.pipeline.child_processes import ChildProcesses, end_leftovers
from pixelmill.pipeline.engine_choice import choose
from pixelmill.pipeline.host import Work, confinement, modules
from pixelmill.pipeline.host_process import HostProcess, start_early
from pixelmill.pipeline.planning import fingerprints_of, plan_pass, remove_orphans
from pixelmill.pipeline.recorder import OutcomeRecorder
from pixelmill.pipeline.request import PassContext, ProcessRequest
from pixelmill.pipeline.supervisor import RenderStats, render
from pixelmill.storage.archives import identity

log = logging.getLogger(__name__)


def process_folder(
    request: ProcessRequest,
    catalog: str | None = None,
    keep: Callable[[Entries], Entries] | None = None,
    host: HostProcess | None = None,
    later: Sequence[str] = (),
) -> Pass:
    """Catalog a folder, archives or a single image, unless that was done before, and process it.

    Parameters
    ----------
    request : ProcessRequest
    catalog : str, optional
        Table of the inputs that was made before; without it, the source folder is scanned.
    keep : callable, optional
        Chooses the images to process of those that were found.
    host : HostProcess, optional
    later : sequence of str
        As for `process`.

    Returns
    -------
    Pass
        What was done and how long it took.

    Raises
    ------
    UserError
        If one folder contains the other, if the source is missing, or if `process` cannot
        finish the pass.
    """
    request = request.of_folder()
    source, target, shard = request.source, request.target, request.shard
    if os.path.isdir(target):
        Workspace(target, shard).check_folders()
    listed = identity(source)
    if catalog is None:
        table = os.path.join(shard.below(target), "catalog.csv")
        Workspace(target, shard).check_catalogs("catalog.csv", "catalog.known.csv")
        dated = request.recipe.needs_dates
        found = catalog_table.refresh(table, source, request.selection, shard, dated, keep)
        entries = found.entries
        if found.left_out:
            log.info("Left out: %s", told_left_out(found.left_out))
    else:
        entries = catalog_table.read(catalog)
    finished = process(request, entries, listed, host, later)
    if finished.images and request.label:
        log.info("%s: %s", request.label, finished.told())
    return finished


def process(
    request: ProcessRequest,
    entries: Entries,
    listed: object = None,
    host: HostProcess | None = None,
    later: Sequence[str] = (),
) -> Pass:
    """Bring an output tree up to date, or one shard of it.

    Parameters
    ----------
    request : ProcessRequest
    entries : Entries
        The catalog of the source folder; for a shard, the entries that concern it.
    listed : object, optional
        What `pixelmill.storage.archives.identity` returned before the entries were listed.
    host : HostProcess, optional
        A host that `pixelmill.pipeline.host_process.early_host` started.
    later : sequence of str
        Modules that the caller needs afterwards. They are imported while the workers start.

    Returns
    -------
    Pass
        What was done and how long it took.

    Raises
    ------
    UserError
        If there is nothing to process, if another run holds the tree, if the tree cannot be
        written, if too many outputs would be removed, or if the rendering cannot continue.
    """
    began = machine_load.snapshot()
    tree = Workspace(request.target, request.shard)
    if not entries and request.shard.is_whole:
        raise UserError(
            f"'{request.source}' contains no image; correct the path, or mount the disk."
        )
    with (
        tree.open(request.policy.durable) as ledger,
        _child_processes_of(request, tree, host) as children,
    ):
        early = _early(request, children, host, certain=not ledger.rows())
        fingerprints = fingerprints_of(request)
        context = PassContext(request, entries, tree, ledger, fingerprints, listed)
        tree.clean_up()
        plan = plan_pass(context)
        if not plan.is_empty:
            ledger.begin(fingerprints)
        remove_orphans(context, plan)
        work = _work_of(context, plan)
        stats, totals = _render(context, plan, work, children, early, later)
        finished = _summary(context, plan, work, stats, totals, began)
        ledger.add_pass(finished, stats.busy)
        tree.settle(ledger)
        write_tables(ledger, tree.state)
        if request.shard.is_whole:
            outputs_state.record(request.target, ledger.output_sizes(), request.token)
    _warn_of_failures(request, tree, work, totals)
    return finished


def _child_processes_of(
    request: ProcessRequest, tree: Workspace, host: HostProcess | None
) -> ChildProcesses:
    """Prepare to start child processes, after those of a killed run have been ended."""
    end_leftovers(tree.state)
    allowed = request.policy.sandbox
    # A step that may use the network may need a key for it.
    withhold = allowed.on and not allowed.network
    if host is None or (host.children.has_withheld and not withhold):
        return ChildProcesses(tree.state, withhold)
    host.children.belong_to(tree.state)
    return host.children


def _early(
    request: ProcessRequest, children: ChildProcesses, host: HostProcess | None, certain: bool
) -> HostProcess | None:
    """Return a host that starts while the plan is made, if it is certain that there is work."""
    if host is not None and host.children is children:
        return host
    if certain and not on_cluster(request.engine):
        return start_early(children, request.engine, modules(request.recipe, request.renderer))
    return None


def _work_of(context: PassContext, plan: Plan) -> Work:
    """Describe for the child processes what to render, and how."""
    request, tree = context.request, context.tree
    seconds_per_image = context.ledger.seconds_per_image(context.fingerprints)
    workers = _workers_for(request.workers, plan, request.policy.limits)
    engine = _engine_for(request, workers, plan, seconds_per_image)
    breadcrumb_dir = os.path.abspath(tree.breadcrumb_dir)
    written = [tree.images.folder, breadcrumb_dir]
    return Work(
        renderer=_renderer(request, tree),
        engine=engine,
        workers=workers,
        limits=request.policy.limits,
        breadcrumb_dir=breadcrumb_dir,
        seconds_per_image=seconds_per_image,
        cluster=request.cluster,
        confinement=confinement(
            request.policy.sandbox, request.recipe, request.source, written, engine
        ),
        images=len(plan.to_render),
    )


def _workers_for(workers: int, plan: Plan, limits: Limits) -> int:
    """Reduce the number of workers if the largest images would not fit into memory together."""
    pixels = map(operator.mul, plan.to_render.widths, plan.to_render.heights)
    largest = min(max(pixels, default=0), limits.max_pixels)
    fitting = workers_for_memory(workers, largest, machine.available_memory())
    if fitting < workers:
        log.warning(
            "%d workers, not %d, because images of %d megapixels need much memory",
            fitting, workers, largest // 10**6,
        )  # fmt: skip
    return fitting


def _engine_for(
    request: ProcessRequest, workers: int, plan: Plan, seconds_per_image: float | None
) -> str:
    """Choose the engine according to the estimated amount of work."""
    work = total_cost(plan.to_render, seconds_per_image)
    chosen = choose(
        request.engine,
        workers,
        request.recipe.scales_on_threads,
        work,
        known=seconds_per_image is not None,
    )
    automatic = (request.engine, chosen) == (AUTO, "processes")
    return processes_or_threads() if automatic else chosen


def _renderer(request: ProcessRequest, tree: Workspace) -> Renderer:
    """Make paths absolute: workers may run elsewhere, and an own step may change their folder."""
    recipe, policy = request.recipe, request.policy
    folders = map(os.path.abspath, recipe.folder.split(os.pathsep))
    recipe = replace(recipe, folder=os.pathsep.join(folders))
    source, images = os.path.abspath(request.source), os.path.abspath(tree.images.folder)
    return request.renderer(source, images, recipe, policy.limits, policy.durable)


def _render(
    context: PassContext,
    plan: Plan,
    work: Work,
    children: ChildProcesses,
    early: HostProcess | None,
    later: Sequence[str],
) -> tuple[RenderStats, Totals]:
    """Render what the plan asks for, record every outcome, and clean up."""
    tree, ledger, request = context.tree, context.ledger, context.request
    label = f"{request.label} {work.engine}".lstrip()
    with (
        Progress(len(plan.to_render), label, notify=request.notify) as progress,
        Reserve(tree.state) as reserve,
    ):
        recorder = OutcomeRecorder(context, plan, progress, reserve)
        needs_cleanup = True
        try:
            stats = render(
                work,
                plan.to_render,
                plan.outputs,
                recorder.record,
                partial(_prepare_end, context, later),
                early,
                children,
            )
            failed = stats.had_trouble or recorder.totals.failed > 0
            needs_cleanup = failed or plan.renames or bool(plan.orphans)
            # A worker of a cluster that was lost, or a copy of a process that an own step made, may
            # have left a file that it was writing.
            copies = any(request.recipe.own_files())
            needs_cleanup = needs_cleanup or on_cluster(work.engine) or copies
        finally:
            reserve.release()
            tree.check_unmoved()
            breadcrumbs.remove(tree.breadcrumb_dir)
            if needs_cleanup:
                tree.clean_up()
            write_failures(ledger, tree.state)
    return stats, recorder.totals


def _prepare_end(context: PassContext, later: Sequence[str]) -> None:
    """Prepare what comes after the images, and what the record of the pass needs."""
    for module in later:
        importlib.import_module(module)
    _ = context.catalog_digest
    machine.machine_fingerprint()


def _summary(
    context: PassContext,
    plan: Plan,
    work: Work,
    stats: RenderStats,
    totals: Totals,
    began: machine_load.Snapshot,
) -> Pass:
    """Summarize a pass that was completed."""
    cluster = context.request.cluster
    ended = machine_load.snapshot()
    return Pass(
        is_full=plan.is_whole,
        engine=work.engine,
        workers=stats.workers or work.workers,
        seconds=ended.now - began.now,
        startup_seconds=stats.seconds,
        images=totals.images,
        failed=totals.failed,
        bytes_in=totals.bytes_in,
        bytes_out=totals.bytes_out,
        megapixels_in=totals.pixels_in / 1e6,
        catalog=context.catalog_digest,
        recipe=context.fingerprints.recipe,
        code=context.fingerprints.code,
        machine=cluster.machine if on_cluster(work.engine) else machine.machine_fingerprint(),
        conditions=_conditions(began, ended, work.engine),
    )


def _conditions(
    began: machine_load.Snapshot, ended: machine_load.Snapshot, engine: str
) -> machine_load.Conditions:
    """Return the conditions of a pass; those of other machines are not known here."""
    found = machine_load.conditions(began, ended)
    return {"started": found["started"]} if on_cluster(engine) else found


def _warn_of_failures(request: ProcessRequest, tree: Workspace, work: Work, totals: Totals) -> None:
    if totals.refused and work.confinement is not None:
        log.warning("%s", sandbox.REFUSED)
    if totals.reasons and request.label:
        reasons = ", ".join(f"{count:,} {name}" for name, count in totals.reasons.most_common())
        log.warning(
            "%s of %s images failed (%s); see '%s/failures.csv'",
            f"{totals.failed:,}", f"{totals.images:,}", reasons, tree.state,
        )  # fmt: skip
