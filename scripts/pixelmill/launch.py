"""Launch: the first moments of the child that hosts an engine.

Little is imported here, so that the server of the workers is under way before this
process imports what it needs itself: each takes a quarter of a second.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection

from pixelmill.engines import APART, die_with_parent, start_server


def begin(
    sender: Connection, lifeline: Connection, engine: str, modules: Sequence[str], packed: bytes
) -> None:
    """Run an engine in this process; see `pixelmill.hosting.host`.

    First of all ``("scratch", path)`` is sent, where the workers' server has a folder for
    temporary files of its own: this process may be killed before it removes it.

    Parameters
    ----------
    sender, lifeline : Connection
    engine : str
    modules : sequence of str
        What its workers need.
    packed : bytes
        The work and its entries, pickled: to read them imports most of the library.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    die_with_parent()
    if engine in APART:
        callers = _scratch()
        start_server(engine, modules)
        if (folder := _scratch()) != callers:
            sender.send(("scratch", folder))
    from pixelmill.hosting import host

    host(sender, lifeline, *pickle.loads(packed))


def _scratch() -> str:
    """Folder for temporary files that multiprocessing has, made or inherited; or none."""
    return str(getattr(multiprocessing.current_process(), "_config", {}).get("tempdir") or "")
