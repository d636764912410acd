"""Console: what people see of a run, in the terminal and in the log file."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from pixelmill.core import streams
from pixelmill.core.filenames import printable


def print_checks(label: str, result: Mapping[str, Any], brief: bool = False) -> None:
    """Print each check with its counts, the images that differ, and the verdict.

    If all checks passed, the brief form writes only to the log file.
    """
    level = logging.DEBUG if brief and result["passed"] else logging.INFO
    for check in result["checks"]:
        mark = "passed" if check["passed"] else "FAILED"
        text = f"  {mark}  {check['name']:<12} {check['compared']:,} compared"
        if check["not_compared"]:
            text += f", {check['not_compared']:,} not compared"
        if check["differing"]:
            text += f", {check['differing']:,} differ"
        logging.log(level, "%s  (%s)", text, check["question"])
        for image in check["named"]:
            logging.info("            %s: %s", image["image"], image["why"])
    logging.log(level if result["passed"] else logging.ERROR, "%s: %s", label, result["summary"])


def conclude(sentence: str, level: int) -> None:
    """Say how a run ended, in the colour of the level on a terminal, and with no prefix.

    Parameters
    ----------
    sentence : str
    level : int
        Of the module `logging`: INFO for a success, WARNING, or ERROR.
    """
    logging.log(level, "%s", sentence, extra={_CONCLUDES: True})


#: Marks the record of the sentence with which a run ends.
_CONCLUDES = "concludes_run"

#: Colours of a terminal by level: green, yellow, red (ECMA-48).
_COLORS = {logging.INFO: 32, logging.WARNING: 33, logging.ERROR: 31}


def set_up(level: int) -> None:
    """Write messages of at least a level to standard error."""
    logging.raiseExceptions = False  # a message that cannot be written costs nothing else
    root = logging.getLogger()
    root.setLevel(logging.DEBUG)
    people = logging.StreamHandler(_people())
    people.setLevel(level)
    people.setFormatter(_Plain(_has_colors(people.stream)))
    root.addHandler(people)
    for noisy in ("PIL", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _people() -> TextIO:
    """Make standard error a stream to which only Python writes, but not C libraries."""
    sys.stderr = streams.tolerant(os.dup(2), sys.stderr)
    return sys.stderr


def _has_colors(stream: TextIO) -> bool:
    """Whether a stream is a terminal that shows colours (https://no-color.org)."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def log_to(file: TextIO) -> None:
    """Also write messages to a file, after the output of workers and libraries."""
    handler = logging.StreamHandler(file)
    handler.setFormatter(_Printable("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)


class _Printable(logging.Formatter):
    """Escapes control characters in messages, which contain file names and texts of libraries."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _Plain(_Printable):
    """Plain messages; only warnings and errors have a prefix, and how a run ended a colour."""

    def __init__(self, colored: bool = False) -> None:
        super().__init__()
        self._colored = colored

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if hasattr(record, _CONCLUDES):
            color = _COLORS[record.levelno]
            return f"\033[{color}m{text}\033[0m" if self._colored else text
        return text if record.levelno < logging.WARNING else f"{record.levelname}: {text}"
