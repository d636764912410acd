"""Outputs of a run: which there are, and their bytes, compared with the digests of the manifest.

There may be millions of outputs, so that each is kept as a line of text until it is packed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape, unescape
from pixelmill.core.root import Root
from pixelmill.core.tables import iterate_cells
from pixelmill.packing.names import is_plain, key_of, suffix_of

#: What the name of a variant ends with that describes another one: a sidecar.
_SIDECAR = ".json"

#: Columns of the manifest that are read.
_COLUMNS = ("source", "variant", "status", "output", "sha256")

#: Bytes of a large output that are read at once, and bytes below which all are read with one call.
_BLOCK, _SMALL = 2**20, 2**16


class Output(NamedTuple):
    """An output of a run.

    Attributes
    ----------
    key : str
        Key of its sample; a sidecar has that of the image that it describes.
    suffix : str
        Of the member that it becomes.
    sha256 : str
        Digest of its bytes in the manifest.
    source : str
        Path of its source, escaped as in the manifest.
    path : str
        Below the folder of images.
    """

    key: str
    suffix: str
    sha256: str
    source: str
    path: str

    @property
    def member(self) -> str:
        """Name of the member that it becomes."""
        return f"{self.key}.{self.suffix}"

    @property
    def is_image(self) -> bool:
        """Whether it is an image, and not a sidecar."""
        return self.suffix != "json"


def of_line(line: str) -> Output:
    """Return the output that a line of `Outputs` stands for."""
    key, suffix, sha256, source, path = line.split("\t")
    return Output(key, suffix, sha256, source, unescape(path) if path else f"{key}.{suffix}")


class Outputs(NamedTuple):
    """The outputs of a tree: a line for each, whose fields are separated by tabs.

    A line begins with the key, so that lines in alphabetical order are in the order of keys.

    Attributes
    ----------
    images, sidecars : list of str
    """

    images: list[str]
    sidecars: list[str]


def read(tree: str) -> Outputs:
    """Read from the manifest which outputs a tree has.

    Raises
    ------
    UserError
        If there is no manifest or no output, or if two images would become one sample.
    """
    path = os.path.join(tree, "manifest.csv")
    found = Outputs([], [])
    try:
        for is_sidecar, line in _lines(path):
            found[is_sidecar].append(line)
    except KeyError as error:
        raise UserError(f"The table '{path}' has no column {error}; run the step again.") from error
    if not found.images:
        raise UserError(f"'{path}' lists no output; run `pixelmill run` first.")
    found.images.sort()
    _check_keys(found.images)
    return found


def _lines(manifest: str) -> Iterator[tuple[bool, str]]:
    """Yield whether an output is a sidecar, and its line."""
    for source, group in groupby(iterate_cells(manifest, _COLUMNS), itemgetter(0)):
        made = [row for row in group if row[2] == "ok" and row[3]]
        # Most images have one output.
        paths = {variant: path for _, variant, _, path, _ in made} if len(made) > 1 else {}
        for _, variant, _, path, sha256 in made:
            image = variant.removesuffix(_SIDECAR) if paths else variant
            is_sidecar = image != variant and image in paths
            if is_sidecar or not is_plain(path):
                key = key_of(unescape(paths[image] if is_sidecar else path))
                suffix = suffix_of(unescape(path))
                place = "" if path == escape(f"{key}.{suffix}") else path
            else:
                key, _, suffix = path.rpartition(".")
                place = ""
            line = f"{key}\t{suffix}\t{sha256}\t{source}\t{place}"
            if line.count("\t") != 4 or "\n" in line:
                raise UserError(
                    f"The table '{manifest}' was not written by pixelmill: it has line ends or "
                    "tabs in its names; run the step again."
                )
            yield is_sidecar, line


def _check_keys(images: Sequence[str]) -> None:
    for line, following in pairwise(images):
        if following.startswith(line[: line.index("\t") + 1]):
            one, other = of_line(line), of_line(following)
            raise UserError(
                f"'{escape(one.path)}' and '{escape(other.path)}' would become one sample "
                f"'{one.key}'; rename one of their sources, or give the recipe an output "
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
            data = os.read(descriptor, _SMALL)
            if len(data) < _SMALL and hashlib.sha256(data).hexdigest() == output.sha256:
                os.close(descriptor)
                return len(data), (data,)
            os.lseek(descriptor, 0, os.SEEK_SET)
            size = os.fstat(descriptor).st_size
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
