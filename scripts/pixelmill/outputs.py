"""Outputs: what lies in a tree of images, and how something is taken out of it."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterable

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape, identity
from pixelmill.core.files import TEMPORARY, free_name
from pixelmill.core.root import Root

log = logging.getLogger(__name__)


def size_of(images: Root, path: str) -> int | None:
    """Size of an output in bytes; None if it is not there.

    Raises
    ------
    UserError
        If its folder cannot be read: to go on would take it for removed.
    """
    try:
        state = images.lstat(path)
    except OSError as error:
        raise UserError(
            f"The output '{escape(path)}' cannot be looked at: {error.strerror}; correct the "
            "permissions of its folder, then run the same again."
        ) from error
    return None if state is None or stat.S_ISDIR(state.st_mode) else state.st_size


def tidy(images: Root) -> None:
    """Remove what killed runs left half-written, and folders that are empty."""
    for folder, names in images.walk():
        for name in filter(TEMPORARY.fullmatch, names):
            images.unlink(f"{folder}/{name}" if folder else name)
        if folder:
            images.remove_empty(folder)


def set_unclaimed_aside(tree: Root, claimed: Iterable[str]) -> None:
    """Move files that are nobody's output to a folder beside that of the images.

    They may be outputs of images that are gone, or a user's own files: nothing tells.

    Parameters
    ----------
    tree : Root
        The output tree; no run may be writing to its images.
    claimed : iterable of str
        Paths of the outputs, below the folder of the images.
    """
    known = set(map(identity, claimed))
    images = Root(os.path.join(tree.folder, "images"), follow=False)
    aside = ""
    for folder, names in images.walk():
        for path in (f"{folder}/{name}" if folder else name for name in names):
            if identity(path) not in known and not TEMPORARY.fullmatch(os.path.basename(path)):
                aside = aside or free_name(os.path.join(tree.folder, "unclaimed"))
                target = f"{os.path.basename(aside)}/{path}"
                tree.make_folder(os.path.dirname(target))
                tree.replace(f"images/{path}", target)
    if aside:
        log.warning(
            "Files in '%s' that are no image's output were moved to '%s'.", images.folder, aside
        )


def set_mtime(images: Root, output: str, mtime_ns: int) -> None:
    """Set when an output was modified, in ns since 1970.

    A file that has another name too, as in a backup by hard links, is replaced by a copy
    first: its time is that of all its names.
    """
    state = images.lstat(output)
    if state is not None and state.st_nlink > 1:
        images.write(output, images.read(output))
    images.set_mtime(output, mtime_ns)
