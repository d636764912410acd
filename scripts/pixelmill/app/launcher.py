"""Launcher: runs the main function of a script, from its arguments to its exit status."""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable

from pixelmill.app import console
from pixelmill.core import captured_output, credentials, streams
from pixelmill.core.errors import SAYS_STOPPED, STOPPED, UserError, describe, sentence
from pixelmill.core.files import is_inside
from pixelmill.core.progress import JSON, QUIET, VARIABLE
from pixelmill.core.safe_path import protect_children
from pixelmill.engines.base import pin_inner_threads

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


def run(
    main: Callable[[argparse.Namespace], int | None],
    arguments: Callable[[], argparse.Namespace],
    keeps_credentials: bool = False,
) -> None:
    """Run the main function of a script and exit: 0 success, 1 check failed, 2 could not run.

    Parameters
    ----------
    main : callable
    arguments : callable
        Reads the command line; it is called once the standard streams can be written to.
    keeps_credentials : bool
        Whether the script needs what the environment says about object stores and agents of keys.
        It is kept from all scripts that decode images.
    """
    streams.secure()
    pin_inner_threads()
    protect_children()
    if not keeps_credentials:
        credentials.forget()
    options = arguments()
    if options.quiet or options.progress:
        os.environ[VARIABLE] = QUIET if options.quiet else options.progress
    quiet = os.environ.get(VARIABLE) == QUIET
    console.set_up(logging.WARNING if quiet else logging.INFO)
    drain = None
    try:
        _spare_files(options)
        if os.environ.get(VARIABLE) == JSON:
            sys.stdout = streams.tolerant(os.dup(1), sys.stdout)  # what others print goes elsewhere
        drain = captured_output.set_apart(options.log)
        if drain is not None:
            console.log_to(drain.another_end())
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
    gc.freeze()  # else the interpreter would look for garbage in all modules as it ends, for 13 ms
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

#: Options that name a file to read, which none of these may be.
_READ = ("list", "recipe")

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
        if source and os.path.isdir(source):
            refuse_images(option, place, source)
        for other in _READ:
            given = getattr(options, other, None)
            if isinstance(given, str) and _is_same_file(place, given):
                raise UserError(
                    f"{option}: '{place}' is the file that --{other} reads; choose another name."
                )
    for name, option in {**_WRITTEN, "table": "CSV"}.items():
        place = getattr(options, name, None)
        if isinstance(place, str) and os.path.isfile(place) and b"\0" in _beginning(place):
            raise UserError(
                f"{option}: '{place}' exists, and is no text that pixelmill wrote; choose another "
                "name."
            )


def refuse_images(option: str, place: str, source: str) -> None:
    """Refuse to write to the folder of the images.

    Raises
    ------
    UserError
        With the option.
    """
    if is_inside(place, source):
        raise UserError(
            f"{option}: '{place}' is in the folder of the images, which is never written to; "
            "choose another place."
        )


def _is_same_file(place: str, other: str) -> bool:
    try:
        return os.path.samefile(place, other)
    except OSError:  # one of them does not exist
        return False


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
