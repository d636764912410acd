"""Semaphores: whether processes can share them here, which a pool of processes needs.

Linux keeps them in /dev/shm. Some containers lack it, or mount it read-only or of no size.
"""

from __future__ import annotations

import multiprocessing
import os

from pixelmill.core.errors import UserError


def why_none() -> str:
    """Why no semaphore can be made; empty if one can."""
    if os.name == "nt":  # there they are no files
        return ""
    try:
        # Of this context, as its semaphores have no name that would have to be cleaned up.
        multiprocessing.get_context("fork").Lock()
    except (OSError, ImportError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def require(engine: str) -> None:
    """Refuse an engine of processes where there are no semaphores.

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
    """Name of the engine of processes, or of the one that stands in where there can be none."""
    return "threads" if why_none() else "processes"
