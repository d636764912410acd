"""Bootstrap: the entry point of a child process.

This module imports little, so that a child reads its first order, and can end with its parent,
before it imports what its task needs.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from pixelmill.core import streams
from pixelmill.engines.processes import end_with, import_all
from pixelmill.pipeline.messages import Channel, ChildSettings, bodies

#: Seconds that the host waits for its work before it imports what only much work needs: about as
#: long as that import takes, so that it delays no work that is about to arrive.
_SOON = 0.03


def main() -> None:
    """Run the task that the first order on standard input names.

    Orders are pickles from the process that started this one. The first order holds the name
    of the task (``host`` or ``try``), the settings that all children need, and the arguments
    of the task; see `_run_host` and `pixelmill.pipeline.quarantine.try_images`. Messages are
    written to the pipe that was standard output; what is printed goes to standard error.
    """
    streams.secure()
    inbox, channel = _pipes()
    orders = bodies(inbox, most=sys.maxsize)
    settings: ChildSettings
    task, settings, packed = pickle.loads(next(orders))
    sys.path[:] = settings["path"]
    arguments = pickle.loads(packed)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    end_with(settings["parent"])
    _name_leftovers(settings["token"], settings["scratch"])
    if task == "host":
        _close_in_copies(inbox, channel.descriptor)
        _run_host(channel, orders, partial(_is_readable, inbox), **arguments)
    else:
        from pixelmill.pipeline.quarantine import try_images

        try_images(channel, orders, **arguments)
    _stay(orders)


def _run_host(
    channel: Channel,
    orders: Iterator[bytes],
    has_order: Callable[[float], bool],
    modules: Sequence[str],
    if_idle: Sequence[str] = (),
) -> None:
    """Run an engine in this process; see `pixelmill.pipeline.host.run_host`.

    The first message is ``("waited", seconds)``: how long this process waited for its work
    after it was ready.

    Parameters
    ----------
    channel : Channel
    orders : iterator
        Yields the work, and then its images with the names of their outputs, pickled.
    has_order : callable
        Whether the work begins to arrive within some seconds.
    modules : sequence of str
        Modules to import before the work is read.
    if_idle : sequence of str
        Modules to import if the work does not arrive soon after.
    """
    from pixelmill.pipeline.host import libraries, run_host

    import_all([*libraries(), *modules])
    began = time.perf_counter()
    is_soon = has_order(_SOON)
    waited = time.perf_counter() - began
    if not is_soon:
        import_all(if_idle)
    ready = time.perf_counter()
    packed = next(orders)
    channel.send("waited", waited + time.perf_counter() - ready)
    work = pickle.loads(packed)
    run_host(channel, work, lambda: pickle.loads(next(orders)), partial(_stay, orders))


def _is_readable(descriptor: int, seconds: float) -> bool:
    """Return whether a pipe has something to read soon; always on Windows, which cannot tell."""
    if os.name == "nt":
        return True
    return bool(select.select([descriptor], [], [], seconds)[0])


def _close_in_copies(*descriptors: int) -> None:
    """Keep the pipes to the parent from workers that are forked, and from what a step forks."""
    still_open = list(descriptors)

    def close() -> None:
        while still_open:  # a copy of a copy has none of them
            os.close(still_open.pop())

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=close)


def _stay(orders: Iterator[bytes]) -> None:
    """Wait to be killed: while this process lives, everything that it started is below it."""
    for _ in orders:
        pass


def _pipes() -> tuple[int, Channel]:
    """Move the pipes to the parent away from the standard streams, which any code may use."""
    inbox, outbox = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # it is closed
        os.dup2(nothing, 1)
    os.close(nothing)
    return inbox, Channel(outbox)


def _name_leftovers(token: str, scratch: str) -> None:
    """Give files and semaphores of `multiprocessing` names by which the parent can remove them."""
    with contextlib.suppress(AttributeError):
        config: dict[str, Any] = multiprocessing.current_process()._config  # type: ignore[attr-defined]
        if scratch:
            config["tempdir"] = scratch
        if sys.platform == "linux":  # macOS allows no longer names
            config["semprefix"] = f"/pixelmill-{token}"
