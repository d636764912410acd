"""Shards: parts of a dataset, each of which is a job of its own, on any node.

An image belongs to a shard according to a stable hash of its path, so that a new image changes one
shard. Images whose outputs may want the same name share a shard. So names are unique in the whole
dataset although no job sees all of it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import collision_key, escape
from pixelmill.dataset.file_names import SHARDS, state_folder
from pixelmill.imaging.codecs.formats import IMAGE_SUFFIXES, split_suffix


class Shard(NamedTuple):
    """One part of a dataset.

    Attributes
    ----------
    number : int
        Counted from 1.
    of : int
        Number of parts.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Parse the text that `str` returns.

        Examples
        --------
        >>> Shard.parse("2-of-16")
        Shard(number=2, of=16)

        Raises
        ------
        UserError
            If the text does not have that form.
        """
        found = re.fullmatch(r"([0-9]{1,6})-of-([0-9]{1,6})", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise UserError(f"shard: '{text}' is not a shard; give one such as 2-of-16.")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"

    @property
    def is_whole(self) -> bool:
        """Whether this is the whole dataset."""
        return self.of == 1

    def below(self, folder: str) -> str:
        """Return the folder of the shard's own files, below a tree or a dataset's tables."""
        return state_folder(folder, str(self))

    def owns(self, path: str) -> bool:
        """Return whether an image belongs to this shard."""
        return self.is_whole or shard_of(path, self.of) == self.number

    def concerns(self, path: str) -> bool:
        """Return whether a shard must know an image: its own images, and a few for folder names."""
        return self.is_whole or self.number in shards_of(path, self.of)


#: A dataset that is not divided.
WHOLE = Shard(1, 1)


def all_of(count: int) -> list[Shard]:
    """Return all shards of a division.

    Examples
    --------
    >>> print(*all_of(3))
    1-of-3 2-of-3 3-of-3
    """
    return [Shard(number, count) for number in range(1, count + 1)]


def shard_of(path: str, count: int) -> int:
    """Return the number of the shard that an image belongs to.

    Examples
    --------
    >>> shard_of("a/b.png", 1000) == shard_of("A/b.JPG", 1000) == shard_of("a/b.png.webp", 1000)
    True
    >>> shard_of("a/b.png", 1000) == shard_of("a/c.png", 1000)
    False
    """
    root = escape(collision_key(_root(path)))
    digest = hashlib.blake2b(root.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count + 1


def _root(path: str) -> str:
    """Remove the suffix, and suffixes of images before it: ``a`` of ``a.png.jpg``."""
    path, _ = split_suffix(path)
    while True:
        stem, suffix = split_suffix(path)
        if f".{suffix.lower()}" not in IMAGE_SUFFIXES:
            return path
        path = stem


def shards_of(path: str, count: int) -> set[int]:
    """Return the numbers of the shards that must know an image.

    Folders keep their names, so the folder of ``a.jpg/1.png`` also concerns the shard of
    ``a.png``.
    """
    found = {shard_of(path, count)}
    folder = path.rpartition("/")[0]
    if "." in folder:  # rare
        parts = folder.split("/")
        for depth, name in enumerate(parts, 1):
            if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES:
                found.add(shard_of("/".join(parts[:depth]), count))
    return found


def others(folder: str | os.PathLike[str], shard: Shard) -> Iterator[str]:
    """Yield the folders of shards below a tree from when it was divided into other shards."""
    for path in sorted(Path(folder, SHARDS).glob("*-of-*")):
        if shard.is_whole or not path.name.endswith(f"-of-{shard.of}"):
            yield os.fspath(path)
