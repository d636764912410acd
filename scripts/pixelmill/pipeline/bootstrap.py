"""Bootstrap: the first moments of a child process.

Little is imported here, so that the server of the workers is under way before this
process imports what it needs itself: each takes a quarter of a second.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from pixelmill.core import streams
from pixelmill.engines.base import APART
from pixelmill.engines.processes import end_with, start_server
from pixelmill.pipeline.messages import Channel, bodies


def main() -> None:
    """Do what the first orders on standard input say.

    Orders are pickles, from the process that started this one. Those that come first are
    the task (``host`` or ``try``), what all children need, and what the task needs; see
    `host` and `pixelmill.pipeline.quarantine.attend`. Messages go where standard output went: what
    is printed goes to standard error from now on.
    """
    streams.secure()
    inbox, channel = _pipes()
    orders = bodies(inbox, most=sys.maxsize)
    task, common, packed = pickle.loads(next(orders))
    sys.path[:] = common["path"]
    particular = pickle.loads(packed)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    end_with(common["parent"])
    _name_leftovers(common["token"], common["scratch"])
    if task == "host":
        _host(channel, orders, **particular)
    else:
        from pixelmill.pipeline.quarantine import attend

        attend(channel, orders, **particular)
    _stay(orders)


def _host(channel: Channel, orders: Iterator[bytes], engine: str, modules: Sequence[str]) -> None:
    """Run an engine in this process; see `pixelmill.pipeline.host.host`.

    ``("waited", seconds)`` is sent first: for its work, when it was ready to take it.

    Parameters
    ----------
    channel : Channel
    orders : iterator
        Gives the work and its entries, pickled.
    engine : str
    modules : sequence of str
        What its workers need.
    """
    if engine in APART:
        start_server(engine, ("pixelmill.engines.fork_server", *modules))
    from pixelmill.pipeline.host import host

    ready = time.perf_counter()
    packed = next(orders)
    channel.send("waited", time.perf_counter() - ready)
    work, entries = pickle.loads(packed)
    host(channel, work, entries, partial(_stay, orders))


def _stay(orders: Iterator[bytes]) -> None:
    """Wait to be killed: as long as this process lives, all that it started is below it."""
    for _ in orders:
        pass


def _pipes() -> tuple[int, Channel]:
    """Keep the pipes to the parent from all that reads or writes the standard streams."""
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
    """Let what a kill would leave of `multiprocessing` have names that the parent knows."""
    with contextlib.suppress(AttributeError):
        config: dict[str, Any] = multiprocessing.current_process()._config  # type: ignore[attr-defined]
        if scratch:
            config["tempdir"] = scratch
        if sys.platform == "linux":  # macOS allows no longer names
            config["semprefix"] = f"/pixelmill-{token}"
