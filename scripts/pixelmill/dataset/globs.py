"""Globs: which files of a folder, or members of archives, belong to a dataset."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Sequence

from pixelmill.storage.archives import is_archive


class Selection:
    """Decides which paths belong to a dataset, with globs in which ``*`` also matches ``/``.

    Case does not matter. Without `include`, all paths belong to it; `exclude` takes precedence.

    Examples
    --------
    >>> chosen = Selection(["*.jpg"], ["private/*"])
    >>> [chosen(path) for path in ("a/b.JPG", "private/c.jpg", "d.png")]
    [True, False, False]
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = _compile(include)
        self._exclude = _compile(exclude)
        # A glob that ends with * and matches a folder matches everything below it.
        self._whole = _compile([one for one in exclude if one.endswith("*")])
        self._heads = [match[0].lower() for match in map(_HEAD.match, include) if match]

    def __call__(self, path: str) -> bool:
        """Return whether the path belongs to the dataset."""
        if self._exclude and self._exclude.match(path):
            return False
        return not self._include or bool(self._include.match(path))

    def may_hold(self, folder: str) -> bool:
        """Return whether a chosen path may begin with a folder, given with ``/`` at its end.

        If not, the folder need not be opened.

        Examples
        --------
        >>> chosen = Selection(["2024/*.jpg", "*.png"], ["*/private/*"])
        >>> [chosen.may_hold(folder) for folder in ("2024/", "2024/private/", "2023/")]
        [True, False, True]
        """
        if self._whole and self._whole.match(folder):
            return False
        return not self._heads or any(
            # Only ASCII letters have exactly one other case.
            not folder.isascii() or head.startswith(folder.lower()[: len(head)])
            for head in self._heads
        )


#: The part of a glob before its first wildcard, or first character with several other cases.
_HEAD = re.compile(r"[^*?\[\x80-\U0010ffff]*")


def _compile(globs: Sequence[str]) -> re.Pattern[str] | None:
    expression = "|".join(fnmatch.translate(glob) for glob in globs)
    return re.compile(expression, re.IGNORECASE) if globs else None


def chosen(path: str, select: Selection | None = None) -> tuple[str, Selection]:
    """Return what a path stands for: the images of a folder or of archives, or a single image.

    Parameters
    ----------
    path : str
    select : Selection, optional
        Which files of a folder or members of archives are chosen; by default all of them.

    Returns
    -------
    folder : str
        Or the archive, or the pattern of archives.
    selection : Selection

    Examples
    --------
    >>> chosen("photos")[0]
    'photos'
    """
    if not os.path.isfile(path) or is_archive(path):
        return path, select or Selection()
    folder, name = os.path.split(path)
    return folder or ".", Selection([glob.escape(name)])
