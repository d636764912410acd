"""Cluster worker: what a worker of a cluster does with a batch.

It leaves a breadcrumb of the image in progress. If a worker dies, Dask gives its batch to another
worker, which finds the breadcrumb and tries the images of the batch one by one.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from pixelmill.core.errors import UserError
from pixelmill.core.jobs import Batch, BusyInterval, Job, Outcome
from pixelmill.imaging import fingerprint
from pixelmill.imaging.renderer import Renderer
from pixelmill.imaging.steps import custom
from pixelmill.imaging.steps.process_state import SpoiledError
from pixelmill.pipeline import breadcrumbs
from pixelmill.pipeline.child_processes import ChildProcesses
from pixelmill.pipeline.messages import pack, refusal
from pixelmill.pipeline.process_trees import adopt_orphans
from pixelmill.pipeline.quarantine import DeathCounter, Quarantine

#: How much later than the limit a hanging worker may end, in seconds: to set the alarm for each
#: image would cost more than one percent.
_SLACK = 1.0


class ClusterWorker:
    """The work of a cluster worker: takes a batch, and returns its outcomes as bytes.

    Parameters
    ----------
    renderer : Renderer
        With absolute paths.
    folder : str
        Folder of the breadcrumbs, which exists while the run continues.
    """

    def __init__(self, renderer: Renderer, folder: str) -> None:
        self._renderer = renderer
        self._folder = folder
        self._software = _software(renderer)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        custom.load.cache_clear()  # own steps may have changed since an earlier run

    def trouble(self) -> str:
        """Return why this worker must not do the work, in words; empty if it may."""
        for name, version in _software(self._renderer).items():
            if version != self._software[name]:
                return (
                    f"has {name} {version}, but this machine has {self._software[name]}; "
                    "install the same versions on both"
                )
        if missing := self._renderer.missing_folder():
            return f"does not see '{missing}': all workers must share the file system"
        return ""

    def __call__(self, batch: Batch) -> bytes:
        """Render the images of a batch; one by one if a worker died at one of them before.

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
                outcomes = self._make(batch, f"{name}-{os.urandom(8).hex()}")
        except UserError as error:
            return b"refused " + json.dumps(refusal(error)).encode("ascii")
        breadcrumbs.forget(self._folder, name)
        worker = f"{socket.gethostname()}-{os.getpid()}-{threading.get_ident()}"
        return b"batch " + pack(outcomes, BusyInterval(worker, began, time.time(), len(outcomes)))

    def _make(self, batch: Batch, name: str) -> list[Outcome]:
        """Render the images of a batch, and record breadcrumbs under this name."""

        def on_start(number: int) -> None:
            self._go_on()
            mark(number)
            _ALARM.wind(self._renderer.limits.seconds_per_image)

        with breadcrumbs.record(self._folder, [job.source for job in batch.jobs], name) as mark:
            try:
                return self._renderer(batch, on_start)
            except SpoiledError:
                os._exit(1)  # another worker finds the breadcrumb, and continues
            finally:
                _ALARM.stop()

    def _try_alone(self, batch: Batch) -> list[Outcome]:
        """Try the images of a batch one by one, in processes of their own."""
        outcomes: list[Outcome] = []

        def jobs() -> Iterator[Job]:
            for job in batch.jobs:
                self._go_on()
                yield job

        with ChildProcesses() as children:
            limits = self._renderer.limits
            Quarantine(children, self._renderer, limits, 1, DeathCounter()).run(
                jobs(), outcomes.append
            )
        return outcomes

    def _go_on(self) -> None:
        if not os.path.isdir(self._folder):
            raise FileNotFoundError("the run is over")


def _software(renderer: Renderer) -> dict[str, str]:
    """Return the versions of what decides an image's pixels, or whether it can be decoded."""
    decoder, version = fingerprint.extra_decoders().split(" ", 1)
    return {**fingerprint.rendering_software(renderer.recipe.uses_opencv), decoder: version}


class _Alarm:
    """Ends this process if one of its threads has worked on an image for too long.

    The timer fires even while C code holds the GIL. One timer serves all threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[int, float] = {}
        self._set = 0.0

    def wind(self, seconds: float) -> None:
        """Set the alarm of this thread to so many seconds from now."""
        with self._lock:
            self._due[threading.get_ident()] = time.monotonic() + seconds
            self._adjust()

    def stop(self) -> None:
        """Cancel the alarm of this thread."""
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
