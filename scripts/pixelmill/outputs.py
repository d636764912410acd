"""Outputs: what lies in a tree of images, and how something is taken out of it."""

from __future__ import annotations

import contextlib
import os

from pixelmill.files import TEMPORARY, walk


def present(images: str, sweep: bool = False) -> dict[str, int]:
    """Sizes in bytes of the outputs that exist, by path.

    Parameters
    ----------
    images : str
        Folder of the outputs.
    sweep : bool
        Remove what a killed run left half-written.
    """
    sizes = {}
    for path, entry in walk(images):
        if not TEMPORARY.fullmatch(entry.name):
            sizes[path] = entry.stat(follow_symlinks=False).st_size
        elif sweep:
            os.unlink(entry.path)
    return sizes


def remove(images: str, output: str) -> None:
    """Remove an output and the folders that it leaves empty."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(images, output))
    folder = os.path.dirname(output)
    while folder:
        try:
            os.rmdir(os.path.join(images, folder))
        except OSError:  # others live there
            break
        folder = os.path.dirname(folder)
