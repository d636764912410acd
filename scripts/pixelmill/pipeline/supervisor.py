"""Supervisor: render images in a child process, and find out which ones crash or hang it.

The child hosts the engine. If it or one of its workers dies (for example, of a segmentation fault)
or hangs, breadcrumbs name the images in progress. Each of these is tried once more, alone in a
fresh process with limits on time and memory; if it fails again, that is recorded. The rest of its
batch is tried one by one as well, and so are the images after it until `CALM` in a row have ended
no process, because images that end their process often occur together. Then a new child continues.
One bad image therefore costs only itself with every engine, including those that share one process.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pixelmill.core.errors import UserError
from pixelmill.core.jobs import BusyInterval, Job, Outcome
from pixelmill.core.reasons import DOUBTFUL, TRIED_ALONE
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.output_names import Outputs
from pixelmill.engines.distributed import open_cluster
from pixelmill.engines.registry import on_cluster
from pixelmill.pipeline import breadcrumbs, messages
from pixelmill.pipeline.batching import MOST_IMAGES, batches
from pixelmill.pipeline.breadcrumbs import Breadcrumb
from pixelmill.pipeline.child_processes import ChildProcesses
from pixelmill.pipeline.cluster_worker import ClusterWorker
from pixelmill.pipeline.host import Work, modules
from pixelmill.pipeline.host_process import HostProcess
from pixelmill.pipeline.messages import MalformedError
from pixelmill.pipeline.quarantine import DeathCounter, Quarantine

log = logging.getLogger(__name__)

#: Images that must succeed one after another before a new child hosts the engine. To start one
#: takes as long as some hundred images.
CALM = 32

#: Name of Dask's page about the workers of a cluster, beside the tables.
PERFORMANCE = "performance.html"


@dataclass
class RenderStats:
    """How the engine started, and what it did.

    Attributes
    ----------
    workers : int
    seconds : float
        Time until all workers were ready, and until all had ended, summed over all children.
    busy : list of BusyInterval
        When each worker was busy.
    had_trouble : bool
        Whether a child died, or images had to be tried alone.
    """

    workers: int = 0
    seconds: float = 0.0
    busy: list[BusyInterval] = field(default_factory=list)
    had_trouble: bool = False


class _Pending:
    """Images whose outcome is not known yet."""

    def __init__(self, entries: Entries, outputs: Outputs) -> None:
        self._entries = entries
        self._outputs = outputs
        self._flags = bytearray(b"\1" * len(entries))
        self._count = len(entries)

    def __len__(self) -> int:
        return self._count

    def job(self, source: str) -> Job | None:
        """Return the job of a source; None if its outcome is known."""
        number = self._number(source)
        return None if number is None else self._outputs.job(self._entries[number])

    def remove(self, source: str) -> None:
        """Note that the outcome of a source is known."""
        number = self._number(source)
        if number is None:
            raise KeyError(source)
        self._flags[number] = 0
        self._count -= 1

    def rest(self) -> Entries:
        """Return the entries of all images that are left."""
        return self._entries.where(self._flags, 1)

    def _number(self, source: str) -> int | None:
        number = self._entries.find(source)
        return number if number is not None and self._flags[number] else None


def _nothing() -> None:
    pass


def render(
    work: Work,
    entries: Entries,
    outputs: Outputs,
    on_result: Callable[[list[Outcome]], None],
    while_starting: Callable[[], None] = _nothing,
    early: HostProcess | None = None,
    children: ChildProcesses | None = None,
) -> RenderStats:
    """Render images in a supervised child process; isolate those that crash or hang it.

    Parameters
    ----------
    work : Work
    entries : Entries
        The images to render, sorted by path.
    outputs : Outputs
        Names of their outputs.
    on_result : callable
        Called in this process with the outcomes of each batch.
    while_starting : callable, optional
        Called once in this process while the first child starts.
    early : HostProcess, optional
        The first child, if it was started before.
    children : ChildProcesses, optional
        Starts the children; by default, they end with this call.

    Raises
    ------
    UserError
        If children keep dying, if a cluster cannot do the work, or if a worker meets an error
        that only a user can correct.
    """
    if children is None:
        with ChildProcesses() as children:
            return render(work, entries, outputs, on_result, while_starting, early, children)
    supervisor = _Supervisor(work, entries, outputs, on_result, children)
    if on_cluster(work.engine) and supervisor.pending:
        supervisor.run_cluster()
    else:
        supervisor.run(while_starting, early)
    return supervisor.stats


class _Supervisor:
    """The state of a pass that is being rendered."""

    def __init__(
        self,
        work: Work,
        entries: Entries,
        outputs: Outputs,
        on_result: Callable[[list[Outcome]], None],
        children: ChildProcesses,
    ) -> None:
        self.pending = _Pending(entries, outputs)
        self.stats = RenderStats()
        self._work = work
        self._outputs = outputs
        self._on_result = on_result
        self._children = children
        self._deaths = DeathCounter()
        self._variants = work.renderer.recipe.variants
        self._quarantine = Quarantine(
            children, work.renderer, work.limits, work.workers, self._deaths, work.confinement
        )

    def run(self, while_starting: Callable[[], None], early: HostProcess | None) -> None:
        """Have children render the images, one child after another."""
        work = self._work
        needed = modules(work.renderer.recipe, type(work.renderer))
        while self.pending:
            with early or HostProcess(self._children, needed) as child:
                early = None
                child.give(work, self.pending.rest(), self._outputs)
                while_starting()
                while_starting = _nothing
                try:
                    self._follow(child)
                except MalformedError as error:
                    log.debug("malformed message from a child: %s", error)
            if self.pending:
                self.stats.had_trouble = True
                self._find_culprits(child.overdue)

    def _follow(self, child: HostProcess) -> None:
        """Handle the messages of a child until it ends, dies or hangs."""
        last = time.perf_counter()
        for kind, content in child.messages(self._work, lambda: not self.pending):
            if kind == "ready":
                self.stats.workers = min(messages.whole_number(content), self._work.workers)
            elif kind == "refused":
                raise messages.refused(content)
            elif kind == "error":
                sentence, trace = messages.texts(content)
                log.debug("%s", trace)
                raise RuntimeError(sentence)
            else:
                self._settle(self._take(content))
                last = time.perf_counter()
        child.end()
        self.stats.seconds += child.startup_seconds
        if not self.pending:  # after the last batch, the workers ended
            self.stats.seconds += time.perf_counter() - last

    def _find_culprits(self, overdue: Sequence[Breadcrumb]) -> None:
        """Find the images that ended or blocked a child, and those that would follow."""
        found = breadcrumbs.read(self._work.breadcrumb_dir)
        left = len(self.pending)
        before = self._deaths.explained
        self._settle(breadcrumb.source for breadcrumb in overdue or found)
        if self._deaths.explained == before:
            self._deaths.count()
        named = (source for breadcrumb in found for source in (breadcrumb.source, *breadcrumb.rest))
        self._settle(named)
        # Without a breadcrumb, it may have been any image that was handed out.
        self._go_on_until_calm(CALM if found else 2 * self._work.workers * MOST_IMAGES)
        log.info("tried alone: %d images", left - len(self.pending))

    def _go_on_until_calm(self, enough: int) -> None:
        """Try the next images one by one, until enough of them in a row end no process."""
        work = self._work
        calm = 0

        def next_jobs() -> Iterator[Job]:
            for batch in batches(
                self.pending.rest(), self._outputs, work.workers, work.seconds_per_image
            ):
                for job in batch.jobs:
                    if calm >= enough:
                        return
                    yield job

        def on_result(outcome: Outcome) -> None:
            nonlocal calm
            calm = 0 if outcome.reason in TRIED_ALONE else calm + 1
            self._record(outcome)

        self._quarantine.run(next_jobs(), on_result)

    def run_cluster(self) -> None:
        """Have a cluster render the images; its workers isolate those that crash them."""
        work = self._work
        # A new folder, so that workers of a killed run see that their run is over.
        folder = os.path.abspath(os.path.join(work.breadcrumb_dir, os.urandom(8).hex()))
        breadcrumbs.clear(work.breadcrumb_dir)
        os.mkdir(folder, 0o700)  # workers unpickle files in it
        report = os.path.join(os.path.dirname(work.breadcrumb_dir), PERFORMANCE)
        doubtful: list[str] = []
        try:
            with open_cluster(
                work.cluster,
                work.workers,
                folder,
                report,
                work.limits.seconds_per_image,
                self._children.mark(),
            ) as engine:
                self.stats.workers = engine.workers
                self.stats.seconds = engine.startup_seconds
                try:
                    engine.run(
                        ClusterWorker(work.renderer, folder),
                        batches(
                            self.pending.rest(),
                            self._outputs,
                            engine.workers,
                            work.seconds_per_image,
                        ),
                        lambda content: doubtful.extend(self._take_remote(content)),
                    )
                finally:
                    self._children.note_others()
        finally:
            self._children.end_others()
        self._settle(doubtful)
        if self.pending:
            raise UserError(
                "Workers of the cluster did not report the outcomes of all images; check their "
                "logs, then run the same command again. Finished images are kept."
            )

    def _take_remote(self, content: bytes) -> list[str]:
        """Handle what a cluster worker returned for a batch."""
        kind, content = messages.split(content)
        if kind == "refused":
            raise messages.refused(content)
        try:
            return self._take(content)
        except MalformedError as error:
            log.debug("malformed message from a worker: %s", error)
            return []  # its images are reported at the end

    def _take(self, content: bytes) -> list[str]:
        """Record the outcomes of a batch; return the sources that must be tried alone."""
        outcomes, stretch = messages.unpack(content, self.pending.job, self._variants)
        self.stats.busy.append(stretch)
        certain = [outcome for outcome in outcomes if outcome.reason not in DOUBTFUL]
        for outcome in certain:
            self.pending.remove(outcome.source)
        self._on_result(certain)
        return [outcome.source for outcome in outcomes if outcome.reason in DOUBTFUL]

    def _settle(self, sources: Iterable[str]) -> None:
        """Try images alone, and record their outcomes."""
        jobs = [job for job in map(self.pending.job, dict.fromkeys(sources)) if job is not None]
        if jobs:
            self.stats.had_trouble = True
            self._quarantine.run(jobs, self._record)

    def _record(self, outcome: Outcome) -> None:
        self.pending.remove(outcome.source)
        self._on_result([outcome])
