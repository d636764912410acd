"""Trials: an image that may have ended its process is tried alone, in a fresh one."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection, wait

from pixelmill import intake, sandbox, streams
from pixelmill.engines import die_with_parent
from pixelmill.errors import ImageError
from pixelmill.intake import content_digest
from pixelmill.jobs import Job, Outcome, failed
from pixelmill.limits import Limits
from pixelmill.names import escape
from pixelmill.process_state import SpoiledError
from pixelmill.sandbox import Confinement
from pixelmill.transform import Renderer

log = logging.getLogger(__name__)

#: Time that a fresh process is given to start, beyond that of its image, in seconds.
_START_ALLOWANCE = 10.0


def try_alone(
    renderer: Renderer,
    limits: Limits,
    workers: int,
    suspects: Sequence[Job],
    confinement: Confinement | None = None,
) -> list[Outcome]:
    """Try each image once more, alone in a process with limits of time and memory.

    Parameters
    ----------
    renderer : Renderer
    limits : Limits
    workers : int
        How many are tried at a time.
    suspects : sequence of Job
        The images.
    confinement : Confinement, optional
        What the processes may do.
    """
    if not suspects:
        return []
    log.info("trying alone: %s", ", ".join(f"'{escape(job.source)}'" for job in suspects))
    with ThreadPoolExecutor(max(1, workers)) as pool:
        return list(pool.map(partial(_try_one, renderer, limits, confinement), suspects))


def _try_one(
    renderer: Renderer, limits: Limits, confinement: Confinement | None, job: Job
) -> Outcome:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_alone, args=(sender, renderer, limits, confinement, job))
    child.start()
    sender.close()
    outcome: Outcome | None = None
    hung = not wait([receiver], timeout=_START_ALLOWANCE)
    with contextlib.suppress(EOFError, OSError):
        if not hung and receiver.recv() == "ready":
            hung = not wait([receiver], timeout=limits.seconds_per_image)
            if not hung:
                outcome = receiver.recv()
    if hung:
        child.kill()
    child.join()
    receiver.close()
    if outcome is not None:
        return outcome
    if hung:
        seconds = limits.seconds_per_image
        return _culprit(renderer, job, "timed_out", f"not done after {seconds:g} s")
    signal_ = -(child.exitcode or 0)
    if signal_ == getattr(signal, "SIGKILL", 9):
        return _culprit(renderer, job, "out_of_memory", "killed by the system: signal 9")
    how = f"signal {signal_}" if signal_ > 0 else f"exit status {child.exitcode}"
    return _culprit(renderer, job, "crashed", f"its process ended by {how}")


def _alone(
    sender: Connection,
    renderer: Renderer,
    limits: Limits,
    confinement: Confinement | None,
    job: Job,
) -> None:
    """Render one image in this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    streams.secure()
    die_with_parent()
    limits.cap_memory(1)
    sandbox.confine_process(confinement)
    sender.send("ready")
    try:
        outcome = renderer.render(job)
    except SpoiledError as error:
        outcome = _culprit(renderer, job, "step_failed", str(error), "steps")
    sender.send(outcome)


def _culprit(
    renderer: Renderer, job: Job, reason: str, message: str, stage: str = "render"
) -> Outcome:
    """Outcome of an image that ended its process."""
    digest = ""
    with contextlib.suppress(ImageError):
        path = os.path.join(renderer.source_root, job.source)
        digest = content_digest(intake.read(path, job.bytes, renderer.limits))
    return failed(job, stage, reason, message, digest)
