"""State of this process that an own step may change by accident; restored after each call.

The images that follow are then rendered as if the step had not been called. If something cannot be
restored, the process ends, and a new one continues.
"""

from __future__ import annotations

import builtins
import functools
import gc
import operator
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image, ImageFile

from pixelmill.core import streams

#: Functions and settings that are restored if a step replaced them. Pillow's would make the result
#: for an image depend on the images before it.
_WATCHED: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (builtins, ("open", "print")),
    (os, ("close", "fsync", "lstat", "makedirs", "open", "read", "remove", "rename", "replace",
          "scandir", "stat", "unlink", "utime", "write")),
    (time, ("monotonic", "perf_counter", "time")),
    (Image, ("fromarray", "frombuffer", "frombytes", "merge", "new", "open")),
    (Image.Image, ("convert", "resize", "save", "tobytes")),
    (ImageFile, ("LOAD_TRUNCATED_IMAGES", "MAXBLOCK")),
)  # fmt: skip

#: Limits of the system that are restored.
_LIMITS = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_NOFILE")

_lock = threading.Lock()


class SpoiledError(BaseException):
    """A step changed its process permanently, so that it must not render another image."""


def remembered() -> State:
    """Return the state before the first own step was called in this process."""
    with _lock:
        return _first()


@functools.cache
def _first() -> State:
    return State()


class State:
    """The present state of this process."""

    def __init__(self) -> None:
        self._watched = [_Watched(holder, names) for holder, names in _WATCHED]
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        import numpy as np

        self._set_numpy: Callable[[], object] = functools.partial(np.seterr, **np.geterr())
        self._warnings = list(warnings.filters)
        self._recursion = sys.getrecursionlimit()
        self._collects = gc.isenabled()
        self._folder = -1
        self._limits: list[tuple[str, int, tuple[int, int]]] = []
        if os.name != "nt":
            import resource

            self._resource: Any = resource
            # This descriptor also shows whether a step closed all files.
            self._folder = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))
            kinds = [(name, getattr(resource, name)) for name in _LIMITS if hasattr(resource, name)]
            self._limits = [(name, kind, resource.getrlimit(kind)) for name, kind in kinds]

    def restore(self) -> None:
        """Restore the state.

        Raises
        ------
        SpoiledError
            If that is not possible.
        """
        for watched in self._watched:
            watched.restore()
        if sys.getrecursionlimit() != self._recursion:
            sys.setrecursionlimit(self._recursion)
        if gc.isenabled() is not self._collects:
            (gc.enable if self._collects else gc.disable)()
        if warnings.filters != self._warnings:
            warnings.resetwarnings()
            warnings.filters.extend(self._warnings)  # type: ignore[attr-defined]
        self._set_numpy()
        os.umask(self._umask)
        if os.name != "nt":
            self._restore_system()

    def _restore_system(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for name, kind, limit in self._limits:
            if self._resource.getrlimit(kind) != limit:
                try:
                    self._resource.setrlimit(kind, limit)
                except (ValueError, OSError) as error:
                    raise SpoiledError(f"a step lowered {name} for good") from error
        try:
            os.fchdir(self._folder)
        except OSError as error:
            raise SpoiledError("a step closed files of its process") from error
        try:
            os.fstat(2)
        except OSError:  # a step that closes one standard stream closes all of them
            streams.reopen()


class _Watched:
    """Attributes of a module or class, compared together, in a third of the time."""

    def __init__(self, holder: Any, names: Sequence[str]) -> None:
        self._holder = holder
        self._names = names
        self._get = operator.itemgetter(*names)
        self._values: tuple[Any, ...] = self._get(vars(holder))

    def restore(self) -> None:
        """Restore the attributes."""
        try:
            same = self._get(vars(self._holder)) == self._values
        except KeyError:  # one was removed
            same = False
        if not same:
            for name, value in zip(self._names, self._values, strict=True):
                setattr(self._holder, name, value)
