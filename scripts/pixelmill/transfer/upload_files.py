"""Upload files: which files of a folder belong into a bucket, and what is known of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from typing import NamedTuple

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape, unescape
from pixelmill.core.root import Root
from pixelmill.core.tables import iterate_table

#: What says that a folder has the results of a run, or shards.
MANIFEST, PACKED = "manifest.csv", "packed.json"

#: Tables that are uploaded with results and with shards. They are optional.
_FAILURES, _MEMBERS, _PARQUET = "failures.csv", "packed.csv", "packed.parquet"

#: The largest record of shards, in bytes.
_LARGEST = 250_000_000

#: Media types by suffix. Those that Python knows depend on its version and on the system.
_KINDS = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "tar": "application/x-tar",
    "zip": "application/zip",
    "parquet": "application/vnd.apache.parquet",
}


class File(NamedTuple):
    """A file that belongs into a bucket.

    Attributes
    ----------
    path : str
        Below the folder.
    sha256 : str
        Digest of its bytes as they were when it was made.
    is_table : bool
        Whether it says which others there are: then it is uploaded after them.
    """

    path: str
    sha256: str
    is_table: bool = False

    @property
    def key(self) -> str:
        """Key of its object below the prefix: its path, escaped as in all tables."""
        return escape(self.path)

    @property
    def kind(self) -> str:
        """Its media type.

        Examples
        --------
        >>> File("images/a.JPG", "").kind, File("images/a", "").kind
        ('image/jpeg', 'application/octet-stream')
        """
        return _KINDS.get(self.path.rpartition(".")[2].lower(), "application/octet-stream")


def files_of(root: Root) -> dict[str, File]:
    """Return by key the files that belong into a bucket.

    Parameters
    ----------
    root : Root
        Folder of the results of a run, or of shards.

    Raises
    ------
    UserError
        If it is another folder, or is not complete.
    """
    names: tuple[str, ...]
    if root.lstat(MANIFEST) is not None:
        names, rows = (_FAILURES, MANIFEST), _results
    elif root.lstat(PACKED) is not None:
        names, rows = (_PARQUET, _MEMBERS, PACKED), _shards
    else:
        raise UserError(
            f"'{root.folder}' has neither the results of `pixelmill run` nor shards of `pixelmill "
            "pack`; give the folder of one of them, or finish the run first."
        )
    tables = [name for name in names if root.lstat(name) is not None]
    for name in tables:  # none may be a link, before anything is read
        os.close(_opened(root, name))
    found = [*rows(root), *(File(name, sha256(root, name), is_table=True) for name in tables)]
    return {file.key: file for file in found}


def _results(root: Root) -> Iterator[File]:
    path = os.path.join(root.folder, MANIFEST)
    try:
        for row in iterate_table(path):
            if row["status"] == "ok" and row["output"]:
                yield File(f"images/{unescape(row['output'])}", row["sha256"])
    except KeyError as error:
        raise UserError(f"The table '{path}' has no column {error}; run the step again.") from error


def _shards(root: Root) -> Iterator[File]:
    path = os.path.join(root.folder, PACKED)
    try:
        record = json.loads(root.read(PACKED, _LARGEST))
        shards = [File(str(shard["name"]), str(shard["sha256"])) for shard in record["shards"]]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise UserError(f"'{path}' is damaged; restore it, or pack again.") from error
    if not shards or root.lstat(_MEMBERS) is None:
        raise UserError(f"The shards in '{root.folder}' are not complete; pack again first.")
    yield from shards


def sha256(root: Root, path: str) -> str:
    """Return the digest of a file.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    with os.fdopen(_opened(root, path), "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _opened(root: Root, path: str) -> int:
    try:
        return root.open(path)
    except OSError as error:
        raise UserError(
            f"'{os.path.join(root.folder, path)}' cannot be read: {error.strerror}; make it again, "
            "then upload again."
        ) from error
