"""Peak memory: the most that a process and all that it started take."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

#: How often it is looked at, in seconds. A look takes 1.3 ms a process (100 MiB each,
#: measured), 5 % of a core: too much beside a measurement of time.
INTERVAL = 0.1


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
