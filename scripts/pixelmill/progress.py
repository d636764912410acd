"""Progress: one live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, TextIO

from tqdm import tqdm

#: Seconds between plain lines, where there is no terminal.
PLAIN_INTERVAL = 5.0


class Progress:
    """Shows how far a pass is: done, rate, time left, failures.

    Parameters
    ----------
    total : int
        Images in all.
    label : str
        What is being done, in a few words.
    stream : text file, optional
        Where to; standard error by default.
    """

    def __init__(self, total: int, label: str, stream: TextIO | None = None) -> None:
        self.total = total
        self.label = label
        self.done = 0
        self.failed = 0
        self._stream = stream or sys.stderr
        self._started = self._spoken = time.monotonic()
        self._bar: tqdm[Any] | None = None
        if self._stream.isatty() and total:
            self._bar = tqdm(
                total=total,
                desc=label,
                unit=" images",
                file=self._stream,
                dynamic_ncols=True,
                leave=False,
                smoothing=0.1,
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, done: int, failed: int = 0) -> None:
        """Note that so many more images are done, of which so many failed."""
        self.done += done
        self.failed += failed
        if self._bar is not None:
            if self.failed:
                self._bar.set_postfix_str(f"{self.failed:,} failed", refresh=False)
            self._bar.update(done)
        elif time.monotonic() - self._spoken >= PLAIN_INTERVAL:
            self._spoken = time.monotonic()
            print(self.line(self._spoken - self._started), file=self._stream, flush=True)

    def line(self, seconds: float) -> str:
        """Say the state in a line, after so many seconds.

        Examples
        --------
        >>> progress = Progress(1000, "light", stream=sys.stdout)
        >>> progress.done, progress.failed = 250, 2
        >>> print(progress.line(10.0))
        light: 250/1,000 images, 25.0/s, 30 s left, 2 failed
        """
        rate = self.done / seconds if seconds > 0 else 0.0
        left = f"{(self.total - self.done) / rate:.0f} s left" if rate else "time left unknown"
        failed = f", {self.failed:,} failed" if self.failed else ""
        return f"{self.label}: {self.done:,}/{self.total:,} images, {rate:.1f}/s, {left}{failed}"
