"""Captured output: what libraries and steps print, kept apart from messages, and bounded.

libtiff alone can print hundreds of lines about a folder of scans, and an own step may print any
amount for each image.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import threading
from typing import TextIO

from pixelmill.core.filenames import printable
from pixelmill.core.files import open_log

#: The most bytes of captured output in the log file of a run.
MOST_BYTES = 2**20

_PART = 2**16


class Drain:
    """Copies what is written to a pipe into a file, up to `MOST_BYTES`; the rest is dropped.

    Parameters
    ----------
    path : str
        The file, which is emptied first.

    Raises
    ------
    UserError
        If it cannot be written, or is a link.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = open_log(path)
        self._file = self.another_end()
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
        self._left = MOST_BYTES
        self._lock = threading.Lock()
        self._reading, self.writing = os.pipe()
        threading.Thread(target=self._read, daemon=True).start()

    def another_end(self) -> TextIO:
        """Open the file again, to append to it."""
        return os.fdopen(os.dup(self._descriptor), "a", encoding="utf-8", errors="backslashreplace")

    def finish(self) -> None:
        """Copy what is in the pipe now; other processes may keep its end open."""
        with contextlib.suppress(OSError):  # not supported by some systems
            os.set_blocking(self._reading, False)
            with contextlib.suppress(BlockingIOError):  # it is empty
                while data := os.read(self._reading, _PART):
                    self._take(data)
            os.set_blocking(self._reading, True)

    def _read(self) -> None:
        """Copy everything until this process ends: no process that prints must wait."""
        while True:
            try:
                data = os.read(self._reading, _PART)
            except BlockingIOError:  # `finish` is reading
                continue
            if not data:
                return
            self._take(data)

    def _take(self, data: bytes) -> None:
        with self._lock:
            if not self._left:
                return
            text = self._decode(data[: self._left]).replace("\r\n", "\n")
            self._left -= min(len(data), self._left)
            if not self._left:
                text += f"\n... cut: more than {MOST_BYTES:,} bytes were printed\n"
            with contextlib.suppress(OSError):  # a full disk must not block processes that print
                self._file.write(printable(text))
                self._file.flush()


def set_apart(path: str | None) -> Drain | None:
    """Redirect what libraries and children print to a file, and keep the terminal for messages.

    pixelmill itself writes nothing to standard output, and `sys.stderr` no longer uses
    descriptor 2.

    Parameters
    ----------
    path : str or None
        The log file; None drops what is printed.

    Raises
    ------
    UserError
        If it cannot be written, or is a link.
    """
    # Else what a step prints would be lost if its process is killed or crashes.
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    drain = None
    if path is None:
        writing = os.open(os.devnull, os.O_WRONLY)
    else:
        drain = Drain(path)
        writing = drain.writing
    for stream in (1, 2):
        os.dup2(writing, stream)
    os.close(writing)
    return drain
