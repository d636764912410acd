"""Memory: what a process keeps of it, and how much it and all that it started take."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

#: How often it is looked at, in seconds. A look takes 1.3 ms a process (100 MiB each,
#: measured), 5 % of a core: too much beside a measurement of time.
INTERVAL = 0.1

#: Numbers of glibc's options (malloc.h): memory that is freed at the end of the heap is
#: given back from so many bytes on, and arrays from so many on bypass the heap.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

#: Values of these: room for what a photo's steps take and free, and the most that glibc takes.
_KEPT, _LARGEST = 256 << 20, 32 << 20


def keep_freed() -> None:
    """Let this process keep freed memory for its next image, where the system knows how.

    Else the pages of each picture are given back, asked for again and zeroed: photos
    of 12 megapixels to 1200 pixels with five steps took 75 ms each, and 52 with this.
    """
    if sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(AttributeError):  # only glibc has it
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST)


class Peak:
    """The most that was seen, in MiB."""

    def __init__(self) -> None:
        self.mib = 0.0

    def look(self) -> None:
        """Look once."""
        self.mib = max(self.mib, tree_mib())


@contextlib.contextmanager
def watched() -> Iterator[Peak]:
    """Look at this process and all below it until the block ends."""
    peak = Peak()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(INTERVAL):
            peak.look()

    watcher = threading.Thread(target=watch, daemon=True)
    peak.look()
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()
        peak.look()


def tree_mib() -> float:
    """Memory of this process and all below it, in MiB.

    Proportional set size, so that what processes share counts once; where the system
    does not tell that (macOS, Windows), resident size, which counts it for each.
    """
    import psutil

    this = psutil.Process()  # type: ignore[no-untyped-call]
    total = 0
    for process in (this, *this.children(recursive=True)):  # type: ignore[no-untyped-call]
        with contextlib.suppress(psutil.Error):  # it ended meanwhile
            try:
                total += process.memory_full_info().pss
            except (AttributeError, psutil.AccessDenied):
                total += process.memory_info().rss
    return float(total / 2**20)
