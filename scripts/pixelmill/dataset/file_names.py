"""File names: what the files and folders are called that several modules look for."""

from __future__ import annotations

import os

#: Name of the ledger of a tree, or of a shard of it.
LEDGER = "ledger.sqlite"

#: Folder with the ledger of the metrics, beside their tables.
INSPECTION = "inspection"

#: Folder with the lists of images by finding, beside them too.
LISTS = "findings"

#: Name of the database of outputs that passed the verification, in a tree.
PASSED = "verification.sqlite"

#: Folder of the shards' states, below a tree or below a dataset's tables.
SHARDS = "shards"


def has_verification(tree: str) -> bool:
    """Return whether a tree has been verified before."""
    return os.path.lexists(os.path.join(tree, PASSED))


def verified_beside(tree: str) -> list[str]:
    """Return the other trees in the same folder that have been verified before, sorted.

    Links are left out.

    Raises
    ------
    OSError
        If the folder cannot be listed.
    """
    parent, own = os.path.split(os.path.abspath(tree))
    with os.scandir(parent) as entries:
        folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
        others = [entry.path for entry in folders if entry.name != own]
    return sorted(filter(has_verification, others))


def state_folder(folder: str, shard: str) -> str:
    """Return the folder of a shard's own files, below a tree or a dataset's tables.

    Examples
    --------
    >>> state_folder("out", "1-of-1"), state_folder("out", "2-of-16").replace(os.sep, "/")
    ('out', 'out/shards/2-of-16')
    """
    return folder if shard.endswith("-of-1") else os.path.join(folder, SHARDS, shard)
