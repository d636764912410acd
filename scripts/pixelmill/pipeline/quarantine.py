"""Quarantine: images that may have ended their process are tried alone, one by one.

A few children try one image at a time. On Linux, a child forks a copy of itself while it has only
one thread, and the copy tries the images: if the copy dies, another one takes some milliseconds.
Elsewhere, the child tries the images itself, and is started again if it dies. An image is held
responsible only if it fails in a process that had no other image before.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import os
import pickle
import queue
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from pixelmill.core.errors import ImageError, UserError
from pixelmill.core.jobs import BusyInterval, Job, Outcome, failed
from pixelmill.core.reasons import DOUBTFUL
from pixelmill.core.sandbox import Confinement, confine_process
from pixelmill.engines.malloc import keep_freed
from pixelmill.engines.processes import ask_to_die_with_parent
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.codecs.reading import content_digest
from pixelmill.imaging.renderer import Renderer
from pixelmill.imaging.steps.process_state import SpoiledError
from pixelmill.pipeline import messages
from pixelmill.pipeline.child_processes import ChildProcess, ChildProcesses, Message
from pixelmill.pipeline.messages import Channel, MalformedError

log = logging.getLogger(__name__)

#: How long a child may take to be ready for an image, in seconds.
_START_ALLOWANCE = 60.0

#: The most children that may die in a row without an image that explains it. After that, the
#: machine is at fault.
MOST_DEATHS = 20

#: Time of a trial, which is not recorded.
_NO_INTERVAL = BusyInterval("trial", 0.0, 0.0, 1)


class DeathCounter:
    """Counts deaths of processes.

    Attributes
    ----------
    explained : int
        Deaths that an image caused.
    """

    def __init__(self) -> None:
        self.explained = 0
        self._unexplained = 0

    def explain(self) -> None:
        """Count a death that an image caused."""
        self.explained += 1
        self._unexplained = 0

    def count(self) -> None:
        """Count a death that no image explains.

        Raises
        ------
        UserError
            If there were too many of them in a row.
        """
        self._unexplained += 1
        if self._unexplained > MOST_DEATHS:
            raise UserError(
                f"More than {MOST_DEATHS} worker processes died in a row, for a reason that no "
                "image explains. Check the machine's memory and disk, and the steps of the recipe, "
                "then run the same command again. Finished images are kept."
            )


class Quarantine:
    """Tries images alone; the children that it starts are kept until all child processes end.

    Parameters
    ----------
    children : ChildProcesses
        Starts the children.
    renderer : Renderer
    limits : Limits
    workers : int
        How many images are tried at the same time.
    deaths : DeathCounter
        Counts the deaths.
    confinement : Confinement, optional
        What the processes that try an image are allowed to do.
    """

    def __init__(
        self,
        children: ChildProcesses,
        renderer: Renderer,
        limits: Limits,
        workers: int,
        deaths: DeathCounter,
        confinement: Confinement | None = None,
    ) -> None:
        self._children = children
        self._renderer = renderer
        self._limits = limits
        self._workers = max(1, workers)
        self._deaths = deaths
        self._confinement = confinement
        self._variants = renderer.recipe.variants
        self._inbox: queue.Queue[Message] = queue.Queue(1)
        self._slots: list[_Slot] = []
        self._fragile: deque[Job] = deque()  # need a process that had no other image

    def run(self, jobs: Iterable[Job], on_result: Callable[[Outcome], None]) -> None:
        """Try images one by one, and report the outcome of each.

        Parameters
        ----------
        jobs : iterable of Job
            The next job is taken when a child is free.
        on_result : callable
            Called with each outcome.

        Raises
        ------
        UserError
            If children keep dying, or if one meets an error that only a user can correct.
        """
        rest = iter(jobs)
        self._fragile.clear()
        while True:
            self._hand_out(rest)
            if not self._fragile and not any(slot.job for slot in self._slots):
                return
            for slot, message in self._receive():
                try:
                    outcome = self._take_in(slot, message)
                except MalformedError as error:
                    log.debug("malformed message from a child: %s", error)
                    outcome = self._end(slot, "crashed", "its process sent a malformed message")
                if outcome is not None:
                    on_result(outcome)

    def _hand_out(self, rest: Iterator[Job]) -> None:
        """Give an image to each idle child, and start as many children as there are images for."""
        fragile = self._fragile
        for slot in self._slots:
            if slot.state == "idle":
                if fragile and not slot.served:
                    slot.take(fragile.popleft(), self._limits.seconds_per_image)
                elif (job := next(rest, None)) is not None:
                    slot.take(job, self._limits.seconds_per_image)
                elif fragile:
                    slot.renew()
        starting = sum(slot.state == "starting" for slot in self._slots)
        room = self._workers - len(self._slots)
        fragile.extend(islice(rest, max(0, starting + room - len(fragile))))
        orders = {
            "renderer": self._renderer,
            "limits": self._limits,
            "confinement": self._confinement,
        }
        for _ in range(min(room, len(fragile) - starting)):
            self._slots.append(_Slot(self._children.start("try", self._inbox, **orders)))

    def _receive(self) -> Iterator[tuple[_Slot, Message | None]]:
        """Yield the next message with its child, or each child that is overdue."""
        due = min(slot.due for slot in self._slots)
        try:
            # Python refuses an infinite timeout.
            message = self._inbox.get(timeout=min(max(0.0, due - time.monotonic()), 3600.0))
        except queue.Empty:
            now = time.monotonic()
            yield from [(slot, None) for slot in self._slots if slot.due <= now]
        else:
            yield from [(slot, message) for slot in self._slots if slot.child is message.child]

    def _take_in(self, slot: _Slot, message: Message | None) -> Outcome | None:
        """Handle a message of a child; return the outcome of its image if it is known now."""
        kind = message.kind if message else "overdue"
        content = message.content if message else b""
        job = slot.job
        if kind == "overdue":
            seconds = self._limits.seconds_per_image
            return self._end(slot, "timed_out", f"not done after {seconds:g} s")
        if kind == "gone":
            return self._end(slot, *_how_it_ended(slot.child.wait()))
        if kind == "ended":
            status = messages.number(content)
            outcome = None
            if not slot.is_renewing:
                outcome = self._judge(slot, *_how_it_ended(int(status)))
            slot.start()
            return outcome
        if kind == "ready" and slot.state == "starting":
            slot.wait_for_work(messages.whole_number(content))
        elif kind == "begun" and job is not None:
            slot.has_begun = True
        elif kind in ("made", "spoiled") and job is not None:
            return self._made(slot, job, content, spoiled=kind == "spoiled")
        elif kind == "refused" and job is not None:
            raise messages.refused(content)
        else:
            raise MalformedError(f"{kind[:20]!r} out of turn")
        return None

    def _made(self, slot: _Slot, job: Job, content: bytes, spoiled: bool) -> Outcome | None:
        """Return an outcome, unless an earlier image may have caused it: then try again."""
        outcomes, _ = messages.unpack(content, {job.source: job}.get, self._variants)
        if len(outcomes) != 1:
            raise MalformedError("not one outcome")
        doubtful = outcomes[0].reason in DOUBTFUL
        if doubtful and slot.served == 1:
            self._deaths.explain()
        again = doubtful and slot.served > 1
        if again:
            self._fragile.append(job)
        slot.finish(doubtful or spoiled)
        return None if again else outcomes[0]

    def _end(self, slot: _Slot, reason: str, text: str) -> Outcome | None:
        """End a child that hangs, is gone, or sends malformed messages."""
        self._slots.remove(slot)
        slot.child.end()
        return None if slot.is_renewing else self._judge(slot, reason, text)

    def _judge(self, slot: _Slot, reason: str, text: str) -> Outcome | None:
        """Hold the image responsible that a dead process was working on, or try it again."""
        if slot.job is not None and slot.has_begun and slot.served == 1:
            self._deaths.explain()
            return _failure_of(self._renderer, slot.job, reason, text)
        self._deaths.count()
        if slot.job is not None:
            self._fragile.append(slot.job)
        return None


class _Slot:
    """A child that tries images, and the state of the process that does it at the moment.

    Attributes
    ----------
    child : ChildProcess
    state : {"starting", "idle", "busy"}
    job : Job or None
        The image in progress.
    has_begun : bool
        Whether the process reported that it has begun the image.
    served : int
        Number of images that the process was given.
    is_renewing : bool
        Whether the process was asked to end, or ends by itself.
    due : float
        When the next message must have arrived, in monotonic seconds.
    """

    def __init__(self, child: ChildProcess) -> None:
        self.child = child
        self.start()

    def start(self) -> None:
        """Expect a new process."""
        self.state = "starting"
        self.job: Job | None = None
        self.has_begun = self.is_renewing = False
        self.served = self._process = 0
        self.due = time.monotonic() + _START_ALLOWANCE

    def wait_for_work(self, process: int) -> None:
        """Note that the process with this number is ready for an image."""
        self.state, self._process, self.due = "idle", process, math.inf

    def take(self, job: Job, seconds: float) -> None:
        """Give an image to the process."""
        self.state, self.job, self.has_begun = "busy", job, False
        self.served += 1
        self.due = time.monotonic() + seconds
        self.child.give((self._process, job))

    def finish(self, doubtful: bool) -> None:
        """Note that the image is done; a process that may be damaged ends by itself."""
        self.job = None
        if doubtful:
            self._expect_the_end()
        else:
            self.state, self.due = "idle", math.inf

    def renew(self) -> None:
        """Ask for a new process."""
        self.child.give((self._process, None))
        self._expect_the_end()

    def _expect_the_end(self) -> None:
        self.state, self.is_renewing = "starting", True
        self.due = time.monotonic() + _START_ALLOWANCE


def try_images(
    channel: Channel,
    orders: Iterator[bytes],
    renderer: Renderer,
    limits: Limits,
    confinement: Confinement | None,
) -> None:
    """Try images in this process, or on Linux in copies of it.

    Messages are: ``ready`` with the number of the process, ``begun`` and ``made`` with the
    outcome for each image, ``spoiled`` instead of ``made`` if the process cannot be used any
    more, and ``ended`` with the status of a copy that ended.

    Parameters
    ----------
    channel : Channel
    orders : iterator
        Yields, pickled, the number of the process that is meant with each job; the job None
        asks the process to end.
    renderer : Renderer
    limits : Limits
    confinement : Confinement or None
    """
    keep_freed()
    renderer.warm_up()
    gc.freeze()
    while sys.platform == "linux":
        this = os.getpid()
        copy = os.fork()
        if copy == 0:
            ask_to_die_with_parent()
            if os.getppid() == this:
                with contextlib.suppress(BaseException):
                    _serve(channel, orders, renderer, limits, confinement)
                    os._exit(0)
            os._exit(1)
        _, status = os.waitpid(copy, 0)
        channel.send("ended", os.waitstatus_to_exitcode(status))
    _serve(channel, orders, renderer, limits, confinement)


def _serve(
    channel: Channel,
    orders: Iterator[bytes],
    renderer: Renderer,
    limits: Limits,
    confinement: Confinement | None,
) -> None:
    """Try images until one may have damaged this process."""
    limits.cap_memory(1)
    confine_process(confinement)
    channel.send("ready", os.getpid())
    for process, job in map(pickle.loads, orders):
        if process != os.getpid():  # the one that was meant died before it read this
            continue
        if job is None:
            return
        channel.send("begun")
        kind = "made"
        try:
            outcome = renderer.render(job)
        except UserError as error:
            channel.send("refused", messages.refusal(error))
            return
        except SpoiledError as error:
            kind = "spoiled"
            outcome = _failure_of(renderer, job, "step_failed", str(error), "steps")
        channel.forward(kind, messages.pack([outcome], _NO_INTERVAL))
        if outcome.reason in DOUBTFUL or kind == "spoiled":
            return


def _how_it_ended(status: int | None) -> tuple[str, str]:
    """Return reason and message for an exit status, which is negative for a signal."""
    if status is None:
        return "crashed", "its process stopped answering"
    signal_ = -status
    if signal_ == getattr(signal, "SIGKILL", 9):
        return "out_of_memory", "killed by the system: signal 9"
    how = f"signal {signal_}" if signal_ > 0 else f"exit status {status}"
    return "crashed", f"its process ended by {how}"


def _failure_of(
    renderer: Renderer, job: Job, reason: str, message: str, stage: str = "render"
) -> Outcome:
    """Return the outcome of an image that ended its process."""
    digest = ""
    with contextlib.suppress(ImageError):
        digest = content_digest(renderer.read(job))
    return failed(job, stage, reason, message, digest)
