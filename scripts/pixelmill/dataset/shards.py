"""Shards: a dataset in parts, each the work of a job of its own, on any node.

An image belongs to a shard by a stable hash of its path, so that a new one touches one
shard. Images that could want one name for their outputs share a shard: so names are
settled over the whole dataset though no job sees all of it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape, identity
from pixelmill.imaging.codecs.formats import IMAGE_SUFFIXES, split_suffix

#: Folder of the shards' states, below a tree or below a dataset's tables.
FOLDER = "shards"


class Shard(NamedTuple):
    """One part of a dataset.

    Attributes
    ----------
    number : int
        From 1.
    of : int
        How many parts there are.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read what `str` wrote.

        Examples
        --------
        >>> Shard.parse("2-of-16")
        Shard(number=2, of=16)

        Raises
        ------
        UserError
            If it is not of that form.
        """
        found = re.fullmatch(r"([0-9]{1,6})-of-([0-9]{1,6})", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise UserError(f"shard: '{text}' is none; give one such as 2-of-16.")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"

    @property
    def is_whole(self) -> bool:
        """Whether there are no other parts."""
        return self.of == 1

    def below(self, folder: str) -> str:
        """Where the shard keeps what is its own, below a tree or a dataset's tables."""
        return folder if self.is_whole else os.path.join(folder, FOLDER, str(self))

    def owns(self, path: str) -> bool:
        """Whether an image belongs to this shard."""
        return self.is_whole or home(path, self.of) == self.number

    def concerns(self, path: str) -> bool:
        """Whether a shard has to know an image: its own, and a few for their folders' names."""
        return self.is_whole or self.number in homes(path, self.of)


#: A dataset that is not divided.
WHOLE = Shard(1, 1)


def all_of(count: int) -> list[Shard]:
    """All shards of so many.

    Examples
    --------
    >>> print(*all_of(3))
    1-of-3 2-of-3 3-of-3
    """
    return [Shard(number, count) for number in range(1, count + 1)]


def home(path: str, count: int) -> int:
    """Number of the shard that an image belongs to.

    Examples
    --------
    >>> home("a/b.png", 1000) == home("A/b.JPG", 1000) == home("a/b.png.webp", 1000)
    True
    >>> home("a/b.png", 1000) == home("a/c.png", 1000)
    False
    """
    root = escape(identity(_root(path)))
    digest = hashlib.blake2b(root.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count + 1


def _root(path: str) -> str:
    """Leave out the suffix, and those of images before it: ``a`` of ``a.png.jpg``."""
    path, _ = split_suffix(path)
    while True:
        stem, suffix = split_suffix(path)
        if f".{suffix.lower()}" not in IMAGE_SUFFIXES:
            return path
        path = stem


def homes(path: str, count: int) -> set[int]:
    """Numbers of the shards that have to know an image.

    A folder keeps its name: that of ``a.jpg/1.png`` concerns the shard of ``a.png`` too.
    """
    found = {home(path, count)}
    folder = path.rpartition("/")[0]
    if "." in folder:  # as few have
        parts = folder.split("/")
        for depth, name in enumerate(parts, 1):
            if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES:
                found.add(home("/".join(parts[:depth]), count))
    return found


def others(folder: str | os.PathLike[str], shard: Shard) -> Iterator[str]:
    """Folders of shards that lie below a tree from when it was divided otherwise."""
    for path in sorted(Path(folder, FOLDER).glob("*-of-*")):
        if shard.is_whole or not path.name.endswith(f"-of-{shard.of}"):
            yield os.fspath(path)
