"""Outputs: what lies in a tree of images, and how something is taken out of it."""

from __future__ import annotations

import contextlib
import os
import stat

from pixelmill.errors import UserError
from pixelmill.files import TEMPORARY
from pixelmill.names import escape


def size_of(images: str, path: str) -> int | None:
    """Size of an output in bytes; None where it is not there.

    Raises
    ------
    UserError
        If its folder cannot be read: to go on would take it for removed.
    """
    try:
        state = os.lstat(os.path.join(images, path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(
            f"The output '{escape(path)}' cannot be looked at: {error.strerror}; mend its folder."
        ) from error
    return None if stat.S_ISDIR(state.st_mode) else state.st_size


def tidy(images: str) -> None:
    """Remove what killed runs left half-written, and folders that are empty."""
    for folder, _, names in os.walk(images, topdown=False):
        for name in filter(TEMPORARY.fullmatch, names):
            os.unlink(os.path.join(folder, name))
        if folder != images:
            with contextlib.suppress(OSError):  # others live there
                os.rmdir(folder)


def remove(images: str, output: str, tidy: bool = True) -> None:
    """Remove an output and, where it is to be tidy, the folders that it leaves empty."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(images, output))
    folder = os.path.dirname(output) if tidy else ""
    while folder:
        try:
            os.rmdir(os.path.join(images, folder))
        except OSError:  # others live there
            break
        folder = os.path.dirname(folder)
