"""Outputs of a run: which there are, and their bytes, compared with the digests of the manifest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape, unescape
from pixelmill.core.root import Root
from pixelmill.core.tables import iterate_table
from pixelmill.packing.names import key_of, suffix_of

#: What the name of a variant ends with that describes another one: a sidecar.
_SIDECAR = ".json"

#: Bytes of an output that are read at once.
_BLOCK = 2**20


class Output(NamedTuple):
    """An output of a run.

    Attributes
    ----------
    path : str
        Below the folder of images.
    key : str
        Key of its sample; a sidecar has that of the image that it describes.
    is_image : bool
        Whether it is an image, and not a sidecar.
    sha256 : str
        Digest of its bytes in the manifest.
    source : str
        Path of its source, escaped as in the manifest.
    member : str
        Name of the member that it becomes.
    """

    path: str
    key: str
    is_image: bool
    sha256: str
    source: str
    member: str


def read(tree: str) -> list[Output]:
    """Read from the manifest which outputs a tree has.

    Raises
    ------
    UserError
        If there is no manifest or no output, or if two images would become one sample.
    """
    path = os.path.join(tree, "manifest.csv")
    try:
        found = list(_outputs(iterate_table(path)))
    except KeyError as error:
        raise UserError(f"The table '{path}' has no column {error}; run the step again.") from error
    if not found:
        raise UserError(f"'{path}' lists no output; run `pixelmill run` first.")
    _check_keys(found)
    return found


def _outputs(rows: Iterable[dict[str, str]]) -> Iterator[Output]:
    for source, group in groupby(rows, itemgetter("source")):
        made = {row["variant"]: row for row in group if row["status"] == "ok" and row["output"]}
        for variant, row in made.items():
            image = variant.removesuffix(_SIDECAR)
            is_image = image == variant or image not in made
            path = unescape(row["output"])
            key = key_of(path if is_image else unescape(made[image]["output"]))
            member = f"{key}.{suffix_of(path)}"
            yield Output(path, key, is_image, row["sha256"], source, member)


def _check_keys(outputs: Iterable[Output]) -> None:
    known: dict[str, Output] = {}
    for output in outputs:
        if output.is_image:
            other = known.setdefault(output.key, output)
            if other is not output:
                raise UserError(
                    f"'{escape(other.path)}' and '{escape(output.path)}' would become one sample "
                    f"'{output.key}'; rename one of their sources, or give the recipe an output "
                    "format other than 'same'."
                )


class Images:
    """The images of an output tree, read without following links.

    Parameters
    ----------
    tree : str
    """

    def __init__(self, tree: str) -> None:
        self._folder = os.path.join(tree, "images")
        self._root = Root(self._folder, follow=False)

    def size(self, output: Output) -> int:
        """Return the size of an output in bytes.

        Raises
        ------
        UserError
            If it is missing.
        """
        state = self._root.lstat(output.path)
        if state is None:
            raise self._unreadable(output, FileNotFoundError(2, os.strerror(2)))
        return state.st_size

    def read(self, output: Output) -> tuple[int, Iterable[bytes]]:
        """Open an output.

        Returns
        -------
        size : int
            In bytes.
        parts : iterable of bytes
            Its content. After the last part, it is compared with its digest.

        Raises
        ------
        UserError
            If it is missing, cannot be read, or was altered; also from the iterable.
        """
        try:
            descriptor = self._root.open(output.path)
            size = os.fstat(descriptor).st_size
            if size <= _BLOCK:
                data = os.read(descriptor, size + 1)
                if len(data) == size and hashlib.sha256(data).hexdigest() == output.sha256:
                    os.close(descriptor)
                    return size, (data,)
                os.lseek(descriptor, 0, os.SEEK_SET)
        except OSError as error:
            raise self._unreadable(output, error) from error
        return size, self._parts(descriptor, size, output)

    def _parts(self, descriptor: int, size: int, output: Output) -> Iterator[bytes]:
        digest = hashlib.sha256()
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            while size > 0:
                try:
                    part = file.read(min(size, _BLOCK))
                except OSError as error:
                    raise self._unreadable(output, error) from error
                if not part:
                    break
                digest.update(part)
                size -= len(part)
                yield part
            if size or file.read(1) or digest.hexdigest() != output.sha256:
                raise UserError(
                    f"'{self._path(output)}' was altered after the run; verify the outputs, "
                    "have the next run make it again, then pack again."
                )

    def _path(self, output: Output) -> str:
        return escape(os.path.join(self._folder, output.path))

    def _unreadable(self, output: Output, error: OSError) -> UserError:
        return UserError(
            f"'{self._path(output)}' cannot be read: {error.strerror}; run the command that made "
            "it again, then pack again."
        )
