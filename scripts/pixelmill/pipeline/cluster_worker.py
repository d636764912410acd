"""Cluster worker: what a worker of a cluster does with a batch.

It leaves a crumb of the image in hand. When a worker dies, Dask gives its batch to another
one, which finds the crumb, and tries the images of that batch one by one.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from pixelmill.core.errors import UserError
from pixelmill.core.jobs import Batch, Job, Outcome, Stretch
from pixelmill.imaging import fingerprint
from pixelmill.imaging.renderer import Renderer
from pixelmill.imaging.steps import custom
from pixelmill.imaging.steps.process_state import SpoiledError
from pixelmill.pipeline import breadcrumbs
from pixelmill.pipeline.child_processes import Offspring, adopt_orphans
from pixelmill.pipeline.messages import pack, refusal
from pixelmill.pipeline.quarantine import Deaths, Trials

#: How much later than asked a worker may end that hangs, in seconds: setting its alarm
#: for each image would cost more than a percent.
_SLACK = 1.0


class Remote:
    """The work of a cluster's worker: a batch in, its outcomes out as bytes.

    Parameters
    ----------
    renderer : Renderer
        With absolute paths.
    folder : str
        Where crumbs go; it is there as long as the run goes on.
    """

    def __init__(self, renderer: Renderer, folder: str) -> None:
        self._renderer = renderer
        self._folder = folder
        self._software = _software(renderer)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        custom.load.cache_clear()  # of an earlier run: they may have changed since

    def trouble(self) -> str:
        """Why this worker must not do the work, in words; empty where it may."""
        for name, version in _software(self._renderer).items():
            if version != self._software[name]:
                return (
                    f"has {name} {version} where this machine has {self._software[name]}: "
                    "give both the same environment"
                )
        for folder in (self._renderer.source_root, self._renderer.output_root):
            if not os.path.isdir(folder):
                return f"does not see '{folder}': all workers must share the file system"
        return ""

    def __call__(self, batch: Batch) -> bytes:
        """Make a batch's images; one by one, if a worker died at one of them before.

        Raises
        ------
        FileNotFoundError
            If the run is over.
        """
        self._go_on()
        adopt_orphans()
        began = time.time()
        first = os.fsencode(batch.jobs[0].source)
        name = hashlib.blake2b(first, digest_size=16).hexdigest()
        try:
            if breadcrumbs.read(self._folder, name):
                outcomes = self._try_alone(batch)
            else:
                outcomes = self._make(batch, f"{name}-{secrets.token_hex(8)}")
        except UserError as error:
            return b"refused " + json.dumps(refusal(error)).encode("ascii")
        breadcrumbs.forget(self._folder, name)
        worker = f"{socket.gethostname()}-{os.getpid()}-{threading.get_ident()}"
        return b"batch " + pack(outcomes, Stretch(worker, began, time.time(), len(outcomes)))

    def _make(self, batch: Batch, name: str) -> list[Outcome]:
        """Make a batch's images, and leave crumbs under this name meanwhile."""

        def begin(number: int) -> None:
            self._go_on()
            leave(number)
            _ALARM.wind(self._renderer.limits.seconds_per_image)

        with breadcrumbs.trail(self._folder, [job.source for job in batch.jobs], name) as leave:
            try:
                return self._renderer(batch, begin)
            except SpoiledError:
                os._exit(1)  # another worker finds the crumb, and goes on
            finally:
                _ALARM.stop()

    def _try_alone(self, batch: Batch) -> list[Outcome]:
        """Try a batch's images one by one, in processes of their own."""
        outcomes: list[Outcome] = []

        def jobs() -> Iterator[Job]:
            for job in batch.jobs:
                self._go_on()
                yield job

        with Offspring() as offspring:
            limits = self._renderer.limits
            Trials(offspring, self._renderer, limits, 1, Deaths()).run(jobs(), outcomes.append)
        return outcomes

    def _go_on(self) -> None:
        if not os.path.isdir(self._folder):
            raise FileNotFoundError("the run is over")


def _software(renderer: Renderer) -> dict[str, str]:
    """Versions that decide an image's pixels, or whether it can be read."""
    decoder, version = fingerprint.extra_decoders().split(" ", 1)
    return {**fingerprint.rendering_software(renderer.recipe.uses_opencv), decoder: version}


class _Alarm:
    """Ends this process when one of its threads has had an image for too long.

    The timer acts also where C code holds the GIL; there is one for all threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[int, float] = {}
        self._set = 0.0

    def wind(self, seconds: float) -> None:
        """Give this thread's image so many seconds from now."""
        with self._lock:
            self._due[threading.get_ident()] = time.monotonic() + seconds
            self._adjust()

    def stop(self) -> None:
        """Note that this thread has no image in hand."""
        with self._lock:
            self._due.pop(threading.get_ident(), None)
            self._adjust()

    def _adjust(self) -> None:
        first = min(self._due.values(), default=0.0)
        if not first:
            faulthandler.cancel_dump_traceback_later()
            self._set = 0.0
        elif first - self._set >= _SLACK:
            left = max(0.0, first - time.monotonic())
            faulthandler.dump_traceback_later(left + _SLACK, exit=True)
            self._set = first


_ALARM = _Alarm()
