"""Recorder: take the outcomes of a pass as batches finish, and write them to the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pixelmill.core.disk import Reserve
from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape
from pixelmill.core.jobs import Outcome, OutputFile
from pixelmill.core.progress import Progress
from pixelmill.core.reasons import SOURCE_UNKNOWN
from pixelmill.dataset.passes import Totals
from pixelmill.dataset.plan import Plan
from pixelmill.pipeline.request import PassContext
from pixelmill.pipeline.source_guard import SourceGuard


class OutcomeRecorder:
    """Records outcomes, removes outputs that they replace, and stops the pass if it must.

    Parameters
    ----------
    context : PassContext
    plan : Plan
    progress : Progress
        Is advanced by each batch.
    reserve : Reserve
        Notices that the disk is full.

    Attributes
    ----------
    totals : Totals
        Sums over the recorded outcomes.
    """

    def __init__(
        self, context: PassContext, plan: Plan, progress: Progress, reserve: Reserve
    ) -> None:
        self.totals = Totals()
        self._context = context
        self._plan = plan
        self._progress = progress
        self._reserve = reserve
        self._rows = context.ledger.rows()
        policy = context.request.policy
        self._stop_on_first = policy.stop_on_first
        self._guard = SourceGuard(
            context.request.source, len(context.entries), policy.max_removal_rate, context.listed
        )

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Record the outcomes of a batch.

        Raises
        ------
        UserError
            If the disk is full, if the sources are going away, if too many images would lose
            their outputs, or if the policy stops at the first failure. What was recorded
            before stays.
        """
        self._reserve.check(o.message for o in outcomes if o.reason == "write_failed")
        self._guard.observe(outcomes)
        if self._guard.verdict:  # the sources as a whole are at fault, not these images
            outcomes = [o for o in outcomes if o.reason != "vanished"]
        self._context.ledger.record(self._replace_outputs(outcomes), self._context.fingerprints)
        if self._guard.verdict:
            raise UserError(self._guard.verdict)
        self.totals.add(outcomes)
        self._progress.advance(len(outcomes), sum(o.status == "failed" for o in outcomes))
        if self._stop_on_first:
            _stop_at_failure(outcomes)

    def _replace_outputs(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """Remove the outputs that images had before and no longer have.

        Stops before the first image that must not lose its outputs. An image whose source
        could not be read keeps its outputs, and its outcome then names them.
        """
        replaced = []
        for outcome in outcomes:
            if outcome.status == "ok" and self._plan.outputs.are_partial:
                outcome = self._completed(outcome)
            if outcome.status != "ok" or self._plan.renames:
                earlier = self._earlier_outputs(outcome.source)
                if outcome.reason in SOURCE_UNKNOWN:
                    outcome = outcome._replace(files=tuple(filter(self._is_there, earlier)))
                elif outcome.status != "ok" and earlier and not self._guard.may_lose_one():
                    break
                else:
                    self._remove_others(outcome, earlier)
            replaced.append(outcome)
        return replaced

    def _completed(self, outcome: Outcome) -> Outcome:
        """Return an outcome with the outputs that the image had before and that stay."""
        row = self._rows.get(outcome.source)
        made = {file.variant for file in outcome.files}
        paths = self._plan.paths_of(outcome.source)
        rest = (file for file in (row.files if row else ()) if file.variant not in made)
        stay = tuple(file for file in rest if file.path in paths)
        if row is None or not stay:
            return outcome
        # The time of a part is not that of the image, by which later passes are planned.
        earlier = self._context.ledger.seconds_of(outcome.source)
        seconds = tuple(map(max, outcome.seconds, earlier))
        # If the source has changed since it was cataloged, what stays is of its earlier content;
        # the next pass finds that the source has another digest than this one.
        return outcome._replace(
            files=outcome.files + stay, seconds=seconds, bytes_in=row.bytes_in, digest=row.digest
        )

    def _earlier_outputs(self, source: str) -> list[OutputFile]:
        """Outputs of an image from earlier passes, without names that pass to other images."""
        row = self._rows.get(source)
        current = self._plan.paths_of(source)
        return [
            file
            for file in (row.files if row else ())
            if file.path in current or file.path not in self._plan.passed_on
        ]

    def _is_there(self, file: OutputFile) -> bool:
        return self._context.tree.size_of(file.path) == file.bytes

    def _remove_others(self, outcome: Outcome, earlier: Iterable[OutputFile]) -> None:
        """Remove what an image had, or what a worker wrote for it before it died."""
        paths = {*self._plan.paths_of(outcome.source), *(file.path for file in earlier)}
        for path in paths.difference(file.path for file in outcome.files):
            self._context.tree.remove(path)


def _stop_at_failure(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.status == "failed":
            raise UserError(
                f"'{escape(outcome.source)}' failed ({outcome.reason}: {outcome.message}), and "
                "failures.stop_on_first is set; repair or remove it."
            )
