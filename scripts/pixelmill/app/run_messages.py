"""Run messages: what a run of the workflow says, in place of Snakemake's own lines.

Snakemake's messages are records of Python's logging, with the events of its interface for loggers
(`snakemake_interface_logger_plugins.common.LogEvent`, whose members are texts). Its log file is
not affected; `--verbose` shows its own lines.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Any, TextIO

from pixelmill.core.errors import SAYS_STOPPED, STOPPED
from pixelmill.core.filenames import printable

#: What a signal's number is added to for the exit status, as shells expect it.
_SIGNALLED = 128

#: Name of the handler that writes to the terminal.
_HANDLER = "DefaultStreamHandler"

#: Beginnings of lines that say nothing about the images.
_NOISE = (
    "Assuming unrestricted shared filesystem usage",
    "Building DAG of jobs",
    "Using shell: ",
    "Conda environments: ignored",
    "Select jobs to execute",
    "Complete log(s): ",
    "Elapsed time: ",
    "Shutting down, this might take some time",
    "Exiting because a job execution failed",
)

#: What Snakemake says when Ctrl-C was pressed.
_INTERRUPTED = "Terminating processes on user request"

#: Events that say nothing about the images either.
_SILENT = ("job_started", "job_finished", "progress", "resources_info", "run_info")

#: Errors that only say that a job failed.
_REPEATED = ("CalledProcessError", "At least one job did not complete successfully")

#: Rules whose jobs say themselves, in their last line, how the run ended.
_CONCLUDING = ("verdict", "process", "verify")

#: What Snakemake's reasons for a job mean. Others are told by the job that comes before.
_REASONS = {
    "Forced execution": "it was asked for",
    "Incomplete output files: ": "an earlier run was stopped",
    "Set of input files has changed": "it has other inputs",
    "Code has changed": "the workflow changed",
    "Software environment definition": "the software changed",
}

_UPDATED = re.compile(r"Updated input files: (?P<first>[^,;]+)(?P<others>(?:, [^,;]+)*)")
_PARAMS = re.compile(r"Params have changed since last execution: (?P<change>.*)", re.DOTALL)
_OUTPUTS = re.compile(r"now: .*'(?P<found>[\w, ]*outputs [\w, ]+) \([0-9a-f]+\)'", re.DOTALL)


class RunMessages(logging.Handler):
    """Writes a line for each step of a run, and passes on warnings and errors.

    Parameters
    ----------
    default : logging.Handler
        Snakemake's own handler for the terminal.
    silent_rules : callable
        Returns the names of rules that only name the outputs of others.
    is_local : callable
        Whether jobs write to this terminal.
    """

    def __init__(
        self,
        default: logging.StreamHandler[TextIO],
        silent_rules: Callable[[], Collection[str]],
        is_local: Callable[[], bool],
    ) -> None:
        super().__init__(default.level)
        self._default = default
        self._silent_rules = silent_rules
        self._is_local = is_local
        self._steps: dict[int, str] = {}
        self._total = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write what a record means, or nothing."""
        event = str(getattr(record, "event", None) or "")
        text = record.getMessage() if record.msg else ""
        if event == "run_info":
            silent = {"total", *self._silent_rules()}
            stats: dict[str, int] = getattr(record, "stats", {})
            self._total = sum(count for rule, count in stats.items() if rule not in silent)
        elif event == "job_info":
            if self._default.filter(record) and getattr(record, "rule_msg", None):
                self._tell_step(vars(record))
        elif event == "job_error":
            if self._default.filter(record):
                self._tell_error(vars(record))
        elif not event and text.startswith(_INTERRUPTED):
            self._stop()
        elif event not in _SILENT and not _is_noise(event, text):
            with contextlib.suppress(OSError, ValueError):  # the terminal is gone
                self._default.handle(record)

    def _tell_step(self, job: dict[str, Any]) -> None:
        known = self._steps.setdefault(job["jobid"], job["rule_msg"])
        number = list(self._steps).index(job["jobid"]) + 1
        self._say(f"Step {number} of {max(number, self._total)}: {known}")
        if reason := short_reason(job["reason"] or ""):
            self._say(f"  because {reason}")

    def _tell_error(self, job: dict[str, Any]) -> None:
        if job["rule_name"] in _CONCLUDING or _lines(job["log"], STOPPED):
            return
        name = self._steps.get(job["jobid"], job["rule_name"])
        logs = ", ".join(job["log"])
        errors = [] if self._is_local() else _lines(job["log"], " ERROR ")
        cause = "".join(f" {line.partition(' ERROR ')[2]}" for line in errors[-1:])
        self._say(f"Failed: {name}; its log is {logs}.{cause}")

    def _stop(self) -> None:
        """Say once that the run was stopped, and end at once if Ctrl-C is pressed again."""
        self._say(STOPPED)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, lambda *_: os._exit(_SIGNALLED + signal.SIGINT))

    def exception(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """Say in a sentence that Ctrl-C was pressed before the first job; for `sys.excepthook`."""
        if issubclass(kind, KeyboardInterrupt):
            self._say(STOPPED)
        else:
            sys.__excepthook__(kind, error, trace)

    def _say(self, text: str) -> None:
        if self._default.stream is not None:  # standard error may be closed
            with contextlib.suppress(OSError, ValueError):
                print(printable(text), file=self._default.stream, flush=True)


def install(
    logger: logging.Logger,
    silent_rules: Callable[[], Collection[str]],
    is_local: Callable[[], bool],
) -> None:
    """Put a `RunMessages` in the place of Snakemake's handler for the terminal, if it is there."""
    for handler in list(logger.handlers):
        if handler.name == _HANDLER and isinstance(handler, logging.StreamHandler):
            messages = RunMessages(handler, silent_rules, is_local)
            logger.removeHandler(handler)
            logger.addHandler(messages)
            sys.excepthook = messages.exception
            os.environ[SAYS_STOPPED] = "1"


def short_reason(reason: str) -> str:
    """Say in a few words why a job runs; empty if it was never run, or follows another job.

    Examples
    --------
    >>> short_reason("Updated input files: a.csv, b.py, c.py")
    'a.csv and 2 more changed'
    >>> short_reason("Params have changed since last execution: now: '1 outputs altered (ab12)'")
    '1 outputs altered'
    >>> short_reason("Missing output files: a.csv")
    ''
    """
    told = [words for beginning, words in _REASONS.items() if beginning in reason]
    if updated := _UPDATED.search(reason):
        others = updated["others"].count(", ")
        told.append(f"{updated['first']}{f' and {others} more' if others else ''} changed")
    if (params := _PARAMS.search(reason)) and "Missing output files" not in reason:
        outputs = _OUTPUTS.search(params["change"])
        told.append(outputs["found"] if outputs else "the settings changed")
    return ", ".join(told)


def _is_noise(event: str, text: str) -> bool:
    if event == "error":
        return any(words in text for words in _REPEATED)
    return not event and text.startswith(_NOISE)


def _lines(logs: Collection[str], words: str) -> list[str]:
    """Return the lines of log files that contain some words."""
    found: list[str] = []
    for path in logs:
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            found += [line.rstrip() for line in file if words in line]
    return found
