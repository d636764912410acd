"""Planning: compare catalog, ledger and output tree, and bring the tree into line with the catalog.

`plan_pass` decides with `pixelmill.dataset.plan` which images to render; `remove_orphans` then
removes the outputs of images that are gone. Neither renders anything.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

from pixelmill.core.errors import ImageError, RemovalsError, UserError
from pixelmill.core.filenames import escape
from pixelmill.core.jobs import OutputFile
from pixelmill.dataset import catalog, output_tree
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.ledger import Ledger
from pixelmill.dataset.ledger_rows import Fingerprints, Row
from pixelmill.dataset.output_names import Outputs, colliding, refuse_templates
from pixelmill.dataset.output_tree import Workspace
from pixelmill.dataset.places import Places
from pixelmill.dataset.plan import FileProbes, Plan, make_plan
from pixelmill.imaging import fingerprint
from pixelmill.imaging.codecs import reading
from pixelmill.imaging.codecs.reading import content_digest
from pixelmill.imaging.recipe import Recipe
from pixelmill.pipeline.request import PassContext, ProcessRequest

log = logging.getLogger(__name__)


class Preview(NamedTuple):
    """What a pass would do, and what it would cost.

    Attributes
    ----------
    plan : Plan
    seconds : float
        Estimated time of one worker; 0 if no image of the tree has been rendered yet.
    bytes : float
        Estimated size of the outputs; 0 if no image of the tree has been rendered yet.
    refusal : str
        Why the pass would stop before it removes anything; empty if it would not.
    """

    plan: Plan
    seconds: float
    bytes: float
    refusal: str = ""


def fingerprints_of(request: ProcessRequest) -> Fingerprints:
    """Return the fingerprints of what would render the images now."""
    recipe = request.recipe
    return Fingerprints(
        recipe.fingerprint(),
        fingerprint.code_fingerprint(recipe.own_files(), recipe.uses_opencv, request.code),
        request.policy.limits.fingerprint(fingerprint.extra_decoders()),
        recipe.fingerprints(),
    )


def preview(request: ProcessRequest, entries: Entries) -> Preview:
    """Plan a pass without changing anything.

    Parameters
    ----------
    request : ProcessRequest
    entries : Entries
        The catalog of the inputs.

    Raises
    ------
    UserError
        If two inputs have the same output name and the policy forbids it, or if the ledger
        cannot be read.
    """
    tree = Workspace(request.target, request.shard)
    fingerprints = fingerprints_of(request)
    with tree.open_to_read() as ledger:
        rows: Mapping[str, Row] = {} if ledger is None else ledger.rows()
        seconds, size = (0.0, 0.0) if ledger is None else ledger.cost()
        checks_outputs = _checks_outputs(request, ledger, fingerprints)
        plan = _compare(request, entries, tree, rows, fingerprints, checks_outputs)
        refusal = ""
        try:
            _check_removals(request, tree, plan, rows)
        except RemovalsError as error:
            refusal = str(error)
    made = len(plan.to_render)
    return Preview(plan, seconds * made, size * made, refusal)


def plan_pass(context: PassContext) -> Plan:
    """Decide what a pass has to do, log it, and note which libraries render its images."""
    request, ledger = context.request, context.ledger
    if ledger.has_unrecorded(context.fingerprints):
        log.info(
            "outputs are compared with their digests, because an earlier pass with another recipe "
            "or other code was not completed"
        )
        ledger.doubt()
    checks_outputs = _checks_outputs(request, ledger, context.fingerprints)
    with ledger.reading():
        plan = _compare(
            request,
            context.entries,
            context.tree,
            ledger.rows(),
            context.fingerprints,
            checks_outputs,
        )
    # At the end of a first pass, the number of images is told anyway.
    is_told = plan.is_first or (not request.label and plan.is_empty)
    log.log(logging.DEBUG if is_told else logging.INFO, "%s", plan)
    software = fingerprint.rendering_software(request.recipe.uses_opencv)
    if plan.reasons["code changed"]:
        log.info("code changed: %s", _changed_software(ledger, software))
    ledger.note_software(context.fingerprints.code, software)
    return plan


def remove_orphans(context: PassContext, plan: Plan) -> None:
    """Remove the outputs whose sources are gone, and record new times of sources.

    Earlier outputs that are in the way of new ones are set aside: they stay until their images
    have been rendered again.

    Raises
    ------
    UserError
        If too many sources are gone; then nothing is removed.
    """
    request, tree, ledger = context.request, context.tree, context.ledger
    rows = ledger.rows()
    _check_removals(request, tree, plan, rows)
    tree.remove_orphans(plan.orphans)
    ledger.forget(plan.remove)
    ledger.move_outputs([(source, path, tree.set_aside(path)) for source, path in plan.in_the_way])
    ledger.touch(plan.touched)
    if request.recipe.settings["keep_mtime"]:
        for source, mtime_ns, _ in plan.touched:
            for file in rows[source].files:
                if tree.size_of(file.path) is not None:  # else it is to be made again
                    output_tree.set_mtime(tree.images, file.path, mtime_ns)


def _check_removals(
    request: ProcessRequest, tree: Workspace, plan: Plan, rows: Mapping[str, Row]
) -> None:
    tree.check_removals(
        len(plan.remove), rows, request.policy.max_removal_rate, request.source, request.selection
    )


def _compare(
    request: ProcessRequest,
    entries: Entries,
    tree: Workspace,
    rows: Mapping[str, Row],
    fingerprints: Fingerprints,
    checks_outputs: bool,
) -> Plan:
    places = Places(request.source, entries)

    def digest(path: str) -> str:
        try:
            data = reading.read_place(places.of(path), limits=request.policy.limits)
        except (ImageError, FileNotFoundError):
            return ""
        return content_digest(data)

    def is_altered(file: OutputFile) -> bool:
        return not tree.holds(file)

    if not request.shard.is_whole:
        refuse_templates(request.recipe)
    if request.recipe.needs_dates:
        entries = catalog.with_dates(request.source, entries)
    if request.policy.collisions == "error":
        _refuse_collisions(entries, request.recipe)
    outputs = Outputs(entries, request.recipe)
    probes = FileProbes(tree.sizes_of, digest, is_altered if checks_outputs else None)
    return make_plan(
        entries, rows, outputs, fingerprints, probes, request.policy.retry_failed, request.shard
    )


def _checks_outputs(
    request: ProcessRequest, ledger: Ledger | None, fingerprints: Fingerprints
) -> bool:
    """Whether outputs are compared with their digests: if asked, or if the ledger is in doubt."""
    if request.policy.check_outputs or ledger is None:
        return request.policy.check_outputs
    return ledger.in_doubt or ledger.has_unrecorded(fingerprints)


def _refuse_collisions(entries: Entries, recipe: Recipe) -> None:
    pair = colliding(entries, recipe)
    if pair is not None:
        raise UserError(
            f"'{escape(pair[0])}' and '{escape(pair[1])}' have the same output name; rename "
            "one of them, or set 'collisions' to rename."
        )


def _changed_software(ledger: Ledger, software: Mapping[str, str]) -> str:
    """Name the libraries whose versions changed since the images were rendered."""
    earlier = [ledger.software_of(code) for code in ledger.codes()]
    changed = {
        f"{name} {old[name]} is now {version}"
        for old in earlier
        for name, version in software.items()
        if name in old and old[name] != version
    }
    return ", ".join(sorted(changed)) or "pixelmill's or your own steps'"
