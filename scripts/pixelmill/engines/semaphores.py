"""Semaphores: whether processes can share them on this system, as a pool of processes must.

Linux keeps them in /dev/shm. Some containers lack it, or mount it read-only or without space.
"""

from __future__ import annotations

import os

from pixelmill.core.errors import UserError


def why_none() -> str:
    """Return why no semaphore can be created; empty if one can."""
    if os.name == "nt":  # Windows does not keep them in files
        return ""
    import multiprocessing  # not before it is needed: it takes 5 ms

    try:
        # Semaphores of this context have no name that would have to be removed.
        multiprocessing.get_context("fork").Lock()
    except (OSError, ImportError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def require(engine: str) -> None:
    """Refuse an engine that needs worker processes if there are no semaphores.

    Raises
    ------
    UserError
    """
    if why := why_none():
        raise UserError(
            f"engine: '{engine}' needs semaphores, which the system refuses ({why}); mount "
            "/dev/shm so that it can be written to and has room, or use the engine 'threads'."
        )


def processes_or_threads() -> str:
    """Return the name of the engine ``processes``, or of ``threads`` if it cannot start."""
    return "threads" if why_none() else "processes"
