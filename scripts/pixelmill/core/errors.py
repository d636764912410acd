"""Errors: exceptions whose messages a user can act on, and the failure of one image."""

from __future__ import annotations

import os

from pixelmill.core.filenames import escape, printable

#: What is said when a run is stopped by Ctrl-C or a signal.
STOPPED = "Stopped; finished work is kept. Run the same command again to continue."

#: Environment variable of a workflow that says so itself, once for all its jobs.
SAYS_STOPPED = "PIXELMILL_SAYS_STOPPED"

#: The most characters of a message about one image that are kept.
LONGEST_MESSAGE = 1000

#: The most characters of a wrong value that a message shows.
LONGEST_VALUE = 60


class UserError(Exception):
    """An error whose message says what is wrong, where, and what to do.

    Scripts print it as one sentence without a traceback, and exit with its status.
    """

    #: Exit status of a script that could not run to its end.
    status = 2

    def __str__(self) -> str:
        return printable(super().__str__()).replace("\n", r"\u000a")


class StoppedError(UserError):
    """Ctrl-C stopped work that cannot be continued."""

    #: As shells expect it after SIGINT.
    status = 130


class RemovalsError(UserError):
    """More outputs would be removed than is allowed."""


class TreeError(UserError):
    """The output tree is not as expected, and writing to it could do harm.

    A link is in the place of a folder, a path leads outside, or a folder is gone. The pass
    stops, whichever process notices.
    """

    #: Exit status of a script that found something wrong.
    status = 1


def sentence(error: OSError) -> str:
    """Describe an error of the system about which nothing else is known."""
    why = error.strerror or str(error) or type(error).__name__
    if error.filename is None:
        return f"An operation failed: {why}; correct this, then run the same command again."
    return (
        f"'{escape(os.fsdecode(error.filename))}' cannot be used: {why}; repair it or correct the "
        "path, then run the same command again."
    )


class ImageError(Exception):
    """One image failed; the run continues.

    Parameters
    ----------
    stage : str
        Where it failed: read, decode, steps, encode or write.
    reason : str
        A key of `pixelmill.core.reasons.REASONS`.
    message : str
        The library's own words; a very long message is cut.
    """

    def __init__(self, stage: str, reason: str, message: str) -> None:
        message = shortened(message)
        super().__init__(message)
        self.stage = stage
        self.reason = reason
        self.message = message


def shortened(text: str) -> str:
    """Cut a text to `LONGEST_MESSAGE` characters, and mark that it was cut.

    Examples
    --------
    >>> len(shortened("x" * 200_000)), shortened("x" * 200_000)[-2:]
    (1000, 'x…')
    """
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def shown(value: object) -> str:
    """Format a wrong value for a message; a very long one is cut.

    Examples
    --------
    >>> shown("wide"), len(shown("wide" * 100))
    ("'wide'", 63)
    >>> shown(None)
    'nothing'
    """
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def describe(error: BaseException) -> str:
    """Return the name and the message of an exception, even if reading its message fails.

    Examples
    --------
    >>> describe(ValueError("no such mode"))
    'ValueError: no such mode'
    """
    try:
        message = str(error)
    except Exception as second:  # its class may be that of a user or a library
        message = f"(its message raises {type(second).__name__})"
    return shortened(f"{type(error).__name__}: {message}")


def cannot_write(path: object, why: str | None) -> str:
    """Say that something cannot be written, and that finished work is kept."""
    return (
        f"'{path}' cannot be written: {why}; free some space or correct the permissions, then run "
        "the same command again. Finished work is kept."
    )
