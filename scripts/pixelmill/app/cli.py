"""What all scripts share: arguments, logging, error messages, exit status."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from pixelmill.app.argument_parser import Parser, number, path
from pixelmill.core import captured_output, streams
from pixelmill.core.errors import SAYS_STOPPED, STOPPED, UserError, describe, sentence
from pixelmill.core.filenames import printable
from pixelmill.core.files import is_inside
from pixelmill.core.progress import QUIET, VARIABLE
from pixelmill.core.reasons import REASONS
from pixelmill.core.safe_path import protect_children
from pixelmill.core.sandbox import Sandbox
from pixelmill.engines.base import pin_inner_threads
from pixelmill.pipeline.policy import Policy

#: Exit status after Ctrl-C, as shells expect it, and what a signal's number is added to.
INTERRUPTED = 130
SIGNALLED = 128

#: Exit status where the script ran and the answer is no (a check failed).
CHECK_FAILED = 1
#: Exit status where the script could not run: wrong arguments, missing files.
CANNOT_RUN = 2

#: Files that a process and its workers may open, if the system allows it: enough for
#: hundreds of workers.
MOST_FILES = 4096


class Terminated(BaseException):
    """SIGTERM arrived, or SIGHUP because the terminal was closed.

    Parameters
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def parser(description: str, example: str) -> argparse.ArgumentParser:
    """Build a parser with the options of all scripts: log, quiet, debug."""
    made = Parser(description=description, example=example)
    add_messages(made)
    return made


def add_messages(made: argparse.ArgumentParser) -> None:
    """Add the options for the amount and the destination of messages."""
    made.add_argument("--log", type=path, metavar="FILE", help="also write messages to this file")
    made.add_argument("--quiet", action="store_true", help="print only warnings and errors")
    made.add_argument(
        "--progress",
        choices=("line", "json"),
        help="show progress as text (default) or as JSON lines",
    )
    made.add_argument("--debug", action="store_true", help="show tracebacks of errors")


def add_workers(made: argparse.ArgumentParser) -> None:
    """Add the option for the number of workers."""
    made.add_argument(
        "--workers", type=positive, metavar="N", help="number of workers (default: one per core)"
    )
    made.add_argument(
        "--cap-workers", action="store_true", help="use no more workers than there are cores"
    )


def add_pass(made: argparse.ArgumentParser) -> None:
    """Add the arguments of a pass: folders, recipe, catalog."""
    made.add_argument(
        "source", type=path, metavar="SRC", help="folder of images, or one image; never written to"
    )
    made.add_argument("target", type=path, metavar="DST", help="folder of the results")
    made.add_argument(
        "--recipe", default="light", help="light, intensive, or FILE.yaml (default: light)"
    )
    made.add_argument(
        "--steps-folder", default=".", help="folder that is searched first for your own steps"
    )
    made.add_argument("--catalog", metavar="CSV", help="existing table of the inputs")
    made.add_argument("--label", default="images", help="name of the images in messages")


def add_token(made: argparse.ArgumentParser) -> None:
    """Add the option by which the workflow recognises the outputs that it asked for."""
    made.add_argument("--token", default="", help="identifies the outputs to the workflow")


def add_benchmark(made: argparse.ArgumentParser, recipes: str) -> None:
    """Add the arguments of a benchmark; `recipes` describes the allowed recipes."""
    made.add_argument(
        "source", type=path, metavar="SRC", help="folder of images, or one image; never written to"
    )
    made.add_argument("--recipe", default="light", help=recipes)
    made.add_argument(
        "--steps-folder", default=".", help="folder that is searched first for your own steps"
    )
    made.add_argument(
        "--images", type=positive, default=1000, help="number of images to measure (default: 1000)"
    )
    made.add_argument(
        "--repeats",
        type=positive,
        default=5,
        help="measurements of each case; the median is used (default: 5)",
    )
    made.add_argument("--catalog", metavar="CSV", help="existing table of the inputs")
    add_settings(made, "benchmark")
    made.add_argument("--scratch", metavar="DIR", help="folder for temporary outputs")
    made.add_argument("--output", metavar="JSON", help="file for all measurements")
    add_workers(made)


def add_policy(made: argparse.ArgumentParser) -> None:
    """Add the options of the policy of a pass."""
    made.add_argument(
        "--check-outputs", action="store_true", help="hash outputs too, to find altered ones"
    )
    made.add_argument(
        "--retry-failed",
        nargs="+",
        default=[],
        metavar="REASON",
        help="try images with these failures again",
    )
    add_sandbox(made)
    made.add_argument(
        "--policy", metavar="JSON", help="all policies of a config, in place of single options"
    )


def add_sandbox(made: argparse.ArgumentParser) -> None:
    """Add the option for the sandbox."""
    made.add_argument(
        "--sandbox",
        choices=("auto", "off"),
        default="auto",
        help="auto confines the workers if the system supports it (default: auto)",
    )


def policy(
    options: argparse.Namespace, complete: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> Policy:
    """Return the policy: the workflow passes all of it, a user single options.

    Parameters
    ----------
    options : argparse.Namespace
    complete : callable
        `pixelmill.app.config.complete`. It is not imported here: the rules take what this module
        imports for the code of every script, and the config's includes all steps.
    """
    if options.policy:
        from pixelmill.core.documents import from_json

        given = from_json(options.policy, "--policy")
        try:
            made = Policy.from_config(given)
        except (LookupError, TypeError, ValueError, AttributeError):  # not as the workflow does
            made = Policy.from_config(complete(given))
        made.sandbox.check()
        return made
    unknown = [reason for reason in options.retry_failed if reason not in REASONS]
    if unknown:
        raise UserError(
            f"--retry-failed: '{unknown[0]}' is not a reason; allowed are {', '.join(REASONS)}."
        )
    return Policy(
        check_outputs=options.check_outputs,
        retry_failed=tuple(options.retry_failed),
        sandbox=Sandbox.from_config(options.sandbox),
    )


def add_settings(made: argparse.ArgumentParser, section: str) -> None:
    """Add an option for a whole section of the config, which the workflow passes."""
    made.add_argument(
        "--settings",
        metavar="JSON",
        help=f"section '{section}' of a config, in place of single options",
    )


def settings(options: argparse.Namespace, section: str, *names: str) -> dict[str, Any]:
    """Return a section of the config, as a whole or from single options.

    Parameters
    ----------
    options : argparse.Namespace
    section : str
        Name of the section.
    *names : str
        Keys that have their own option. Options that were not given are omitted.

    Raises
    ------
    UserError
        If the section does not conform to its schema.
    """
    if options.settings:
        from pixelmill.core.documents import from_json
        from pixelmill.core.schemas import complete_section

        return complete_section(section, from_json(options.settings, "--settings"), "--settings")
    given = {name: getattr(options, name) for name in names}
    return {name: value for name, value in given.items() if value is not None}


#: Parses an integer of at least one.
positive = number(1)


def count_workers(options: argparse.Namespace) -> int:
    """Return the number of workers to use, and log if it differs from the requested number."""
    from pixelmill.engines.machine import cores

    available = cores()
    if options.workers is None:
        return available
    wanted: int = options.workers
    if wanted > available and options.cap_workers:
        logging.info(
            "%d workers, not %d, because only %d cores may be used", available, wanted, available
        )
        return available
    if wanted > available:
        logging.warning(
            "%d workers share %d cores; one per core would be as fast", wanted, available
        )
    return wanted


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


def run(
    main: Callable[[argparse.Namespace], int | None], arguments: Callable[[], argparse.Namespace]
) -> None:
    """Run the main function of a script and exit: 0 success, 1 check failed, 2 could not run.

    Parameters
    ----------
    main : callable
    arguments : callable
        Reads the command line; it is called once the standard streams can be written to.
    """
    streams.secure()
    pin_inner_threads()
    protect_children()
    options = arguments()
    if options.quiet or options.progress:
        os.environ[VARIABLE] = QUIET if options.quiet else options.progress
    quiet = os.environ.get(VARIABLE) == QUIET
    _set_up_logging(logging.WARNING if quiet else logging.INFO)
    drain = None
    try:
        _spare_files(options)
        drain = captured_output.set_apart(options.log)
        if drain is not None:
            _log_to(drain.another_end())
        _require_folder()
        _allow_files()
        _listen_to_signals()
        threading.Thread(target=_end_with_runner, daemon=True).start()
        status = main(options) or 0
    except UserError as error:
        if options.debug:
            traceback.print_exc()
        logging.error("%s", error)
        status = error.status
    except (KeyboardInterrupt, Terminated) as error:
        status = SIGNALLED + error.number if isinstance(error, Terminated) else INTERRUPTED
        is_shown = isinstance(error, KeyboardInterrupt) and SAYS_STOPPED in os.environ
        logging.log(logging.DEBUG if is_shown else logging.ERROR, "%s", STOPPED)
        _leave_at_once(status, drain)
    except Exception as error:
        unexpected = f"Unexpected {describe(error)}"
        text = sentence(error) if isinstance(error, OSError) else unexpected
        logging.getLogger("pixelmill.traceback").debug("%s", traceback.format_exc())
        if options.debug:
            traceback.print_exc()
        logging.error("%s (--debug shows where)", text)
        status = CANNOT_RUN
    if drain is not None:
        drain.finish()
    sys.exit(status)


#: Options that name a file or a folder to write, by the name of their value.
_WRITTEN = {
    "log": "--log",
    "done": "--done",
    "output": "--output",
    "json": "--json",
    "scratch": "--scratch",
    "save_recipe": "--save-recipe",
}

#: Bytes at the beginning of a file that tell whether it is a text.
_BEGINNING = 4096


def _spare_files(options: argparse.Namespace) -> None:
    """Refuse to write to the folder of the images, or over a file that is no text.

    Raises
    ------
    UserError
        With the option.
    """
    source = getattr(options, "source", None)
    for name, option in _WRITTEN.items():
        place = getattr(options, name, None)
        if not isinstance(place, str):
            continue
        if source and os.path.isdir(source) and is_inside(place, source):
            raise UserError(
                f"{option}: '{place}' is in the folder of the images, which is never written to; "
                "choose another place."
            )
    for name, option in {**_WRITTEN, "table": "CSV"}.items():
        place = getattr(options, name, None)
        if isinstance(place, str) and os.path.isfile(place) and b"\0" in _beginning(place):
            raise UserError(
                f"{option}: '{place}' exists, and is no text that pixelmill wrote; choose another "
                "name."
            )


def _beginning(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_BEGINNING)
    except OSError:
        return b""


def _end_with_runner() -> None:
    """End this process when the Snakemake process that runs it is killed.

    The shell between the two would continue, and so would this process.
    """
    runner = os.environ.get("PIXELMILL_RUNNER")
    if not runner:
        return
    if hasattr(os, "pidfd_open"):
        import select

        try:
            select.select([os.pidfd_open(int(runner))], [], [])
        except OSError:  # it is gone already, or runs on another machine
            return
    else:
        import psutil

        try:
            psutil.Process(int(runner)).wait()  # type: ignore[no-untyped-call]
        except psutil.Error:
            return
    os._exit(SIGNALLED + signal.SIGTERM)


def _leave_at_once(status: int, drain: captured_output.Drain | None) -> None:
    """Exit without waiting for threads that are busy with an image."""
    if drain is not None:
        drain.finish()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _listen_to_signals() -> None:
    """Stop as after Ctrl-C on SIGTERM, and when the terminal is closed."""
    signal.signal(signal.SIGTERM, _raise_terminated)
    hang_up = getattr(signal, "SIGHUP", None)  # not on Windows
    if hang_up is not None and signal.getsignal(hang_up) != signal.SIG_IGN:  # as by nohup
        signal.signal(hang_up, _raise_terminated)


def _raise_terminated(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # what stops must not be stopped by a second one
    raise Terminated(number)


def _set_up_logging(level: int) -> None:
    logging.raiseExceptions = False  # a message that cannot be written costs nothing else
    root = logging.getLogger()
    root.setLevel(logging.DEBUG)
    people = logging.StreamHandler(_people())
    people.setLevel(level)
    people.setFormatter(_Plain(_has_colors(people.stream)))
    root.addHandler(people)
    for noisy in ("matplotlib", "PIL", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _people() -> TextIO:
    """Make standard error a stream to which only Python writes, but not C libraries."""
    sys.stderr = streams.tolerant(os.dup(2), sys.stderr)
    return sys.stderr


def _has_colors(stream: TextIO) -> bool:
    """Whether a stream is a terminal that shows colours (https://no-color.org)."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def _log_to(file: TextIO) -> None:
    """Also write messages to a file, after the output of workers and libraries."""
    handler = logging.StreamHandler(file)
    handler.setFormatter(_Printable("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)


def _require_folder() -> None:
    """Refuse to run in a working folder that was removed.

    Raises
    ------
    UserError
        If relative paths cannot be resolved.
    """
    try:
        os.getcwd()
    except OSError as error:
        raise UserError(
            "The current folder no longer exists; change to one that does, and run the same "
            "command again."
        ) from error


def _allow_files() -> None:
    """Raise the limit on open files of this process and its workers as far as allowed.

    Every worker needs several, and the default limit of macOS is 256.
    """
    if os.name == "nt":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # macOS allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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
