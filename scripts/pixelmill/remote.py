"""Remote: what a worker of a cluster does with a batch.

It leaves a crumb of the image in hand. Where a worker dies, Dask gives its batch to
another one, which finds the crumb, leaves that image out, and sends it back to be tried
alone.
"""

from __future__ import annotations

import faulthandler
import hashlib
import os
import secrets
import socket
import threading
import time
from typing import Any

from pixelmill import breadcrumbs, own_steps, provenance
from pixelmill.jobs import Batch, Outcome, Stretch, failed, pack
from pixelmill.process_state import SpoiledError
from pixelmill.transform import Renderer

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
        own_steps.load.cache_clear()  # of an earlier run: they may have changed since

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
        """Make a batch's images, without those at which a worker died before.

        Raises
        ------
        FileNotFoundError
            If the run is over.
        """
        began = time.time()
        first = os.fsencode(batch.jobs[0].source)
        name = hashlib.blake2b(first, digest_size=16).hexdigest()
        suspects = {crumb.source for crumb in breadcrumbs.read(self._folder, name)}
        outcomes = [
            failed(job, "render", "crashed", "its worker died", "")
            for job in batch.jobs
            if job.source in suspects
        ]
        rest = Batch([job for job in batch.jobs if job.source not in suspects])
        outcomes += self._make(rest, f"{name}-{secrets.token_hex(8)}")
        breadcrumbs.forget(self._folder, name)
        worker = f"{socket.gethostname()}-{os.getpid()}-{threading.get_ident()}"
        return pack(outcomes, Stretch(worker, began, time.time(), len(outcomes)))

    def _make(self, batch: Batch, name: str) -> list[Outcome]:
        """Make a batch's images, and leave crumbs under this name meanwhile."""

        def begin(number: int) -> None:
            if not os.path.isdir(self._folder):
                raise FileNotFoundError("the run is over")
            leave(number)
            _ALARM.wind(self._renderer.limits.seconds_per_image)

        with breadcrumbs.trail(self._folder, [job.source for job in batch.jobs], name) as leave:
            try:
                return self._renderer(batch, begin)
            except SpoiledError:
                os._exit(1)  # another worker finds the crumb, and goes on
            finally:
                _ALARM.stop()


def _software(renderer: Renderer) -> dict[str, str]:
    """Versions that decide an image's pixels, or whether it can be read."""
    decoder, version = provenance.extra_decoders().split(" ", 1)
    return {**provenance.rendering_software(renderer.recipe.uses_opencv), decoder: version}


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
