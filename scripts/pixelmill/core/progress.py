"""Progress: one live line on a terminal, and occasional plain lines elsewhere.

The environment variable ``PIXELMILL_PROGRESS`` changes this: ``json`` writes a line of JSON each
second to standard output, ``none`` writes nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

#: Seconds until the first plain line, if there is no terminal; until the next, twice as many, and
#: so on, so that the log of a long run stays short.
PLAIN_INTERVAL = 15.0

#: Seconds between lines of JSON.
JSON_INTERVAL = 1.0

#: Environment variable that chooses the style, and its values for no progress and for JSON.
VARIABLE = "PIXELMILL_PROGRESS"
QUIET, JSON = "none", "json"


class Progress:
    """Shows the progress of a pass: images done, throughput, time left, failures.

    Parameters
    ----------
    total : int
        Number of images.
    label : str
        What is being done, in a few words.
    stream : text file, optional
        Where to write; by default standard error, or standard output for JSON.
    notify : callable, optional
        Called with the number of images done and the total, instead of writing anything.
    """

    def __init__(
        self,
        total: int,
        label: str,
        stream: TextIO | None = None,
        notify: Callable[[int, int], None] | None = None,
    ) -> None:
        self.total = total
        self.label = label
        self.done = 0
        self.failed = 0
        self._started = self._spoken = time.monotonic()
        self._interval = PLAIN_INTERVAL
        self._bar: tqdm[Any] | None = None
        self._notify = notify
        self._style = QUIET if notify else os.environ.get(VARIABLE, "line")
        # Programs read the lines of JSON, and nothing else is on standard output.
        self._stream = stream or (sys.stdout if self._style == JSON else sys.stderr)
        lively = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        if self._style == "line" and lively and total:
            from tqdm import tqdm

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
        if self._style == JSON:
            self._say(self.as_json(time.monotonic() - self._started))

    def advance(self, done: int, failed: int = 0) -> None:
        """Count images that are done, and those of them that failed."""
        self.done += done
        self.failed += failed
        if self._notify is not None:
            self._notify(self.done, self.total)
        if self._bar is not None:
            if self.failed:
                self._bar.set_postfix_str(f"{self.failed:,} failed", refresh=False)
            self._bar.update(done)
            return
        now = time.monotonic()
        if self._style == JSON and now - self._spoken >= JSON_INTERVAL:
            self._spoken = now
            self._say(self.as_json(now - self._started))
        elif self._style == "line" and now - self._spoken >= self._interval:
            self._spoken = now
            self._interval *= 2
            self._say(self.line(now - self._started))

    def _say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def as_json(self, seconds: float) -> str:
        """Return the progress after so many seconds as JSON.

        Examples
        --------
        >>> progress = Progress(1000, "light", stream=sys.stdout)
        >>> progress.done = 250
        >>> print(progress.as_json(10.0))
        {"stage": "light", "done": 250, "total": 1000, "failed": 0, "seconds": 10.0}
        """
        state = {"stage": self.label, "done": self.done, "total": self.total}
        return json.dumps({**state, "failed": self.failed, "seconds": round(seconds, 3)})

    def line(self, seconds: float) -> str:
        """Return the progress after so many seconds as a line of text.

        Examples
        --------
        >>> progress = Progress(1000, "light", stream=sys.stdout)
        >>> progress.done, progress.failed = 250, 2
        >>> print(progress.line(10.0))
        light: 250/1,000 images, 25.0/s, 30 s left, 2 failed
        """
        speed = self.done / seconds if seconds > 0 else 0.0
        left = f"{(self.total - self.done) / speed:.0f} s left" if speed else "time left unknown"
        failed = f", {self.failed:,} failed" if self.failed else ""
        return f"{self.label}: {self.done:,}/{self.total:,} images, {speed:.1f}/s, {left}{failed}"
