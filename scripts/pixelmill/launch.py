"""Launch: the first moments of the child that hosts an engine.

Little is imported here, so that the server of the workers is under way before this
process imports what it needs itself: each takes a quarter of a second.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

from pixelmill import streams
from pixelmill.engines import APART, die_with_parent, start_server


def begin(
    sender: Connection,
    lifeline: Connection,
    inbox: Connection,
    engine: str,
    modules: Sequence[str],
) -> None:
    """Run an engine in this process; see `pixelmill.hosting.host`.

    First of all ``("scratch", path)`` is sent, where the workers' server has a folder for
    temporary files of its own: this process may be killed before it removes it. Then
    ``("waited", seconds)``: for its work, when it was ready to take it.

    Parameters
    ----------
    sender, lifeline : Connection
    inbox : Connection
        Gives the work and its entries, pickled.
    engine : str
    modules : sequence of str
        What its workers need.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    streams.secure()
    die_with_parent()
    if engine in APART:
        callers = _scratch()
        start_server(engine, modules)
        if (folder := _scratch()) != callers:
            sender.send(("scratch", folder))
    from pixelmill.hosting import host

    ready = time.perf_counter()
    packed = inbox.recv_bytes()
    sender.send(("waited", time.perf_counter() - ready))
    host(sender, lifeline, *pickle.loads(packed))
    if engine in APART:
        # The parent removes the folder for temporary files; a confined process cannot.
        os._exit(0)


def _scratch() -> str:
    """Folder for temporary files that multiprocessing has, made or inherited; or none."""
    return str(getattr(multiprocessing.current_process(), "_config", {}).get("tempdir") or "")
