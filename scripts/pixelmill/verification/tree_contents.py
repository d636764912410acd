"""Contents of an output tree: its manifest, its files, and the inputs that it was made from."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from pixelmill.core.files import TEMPORARY, modified_ns, walk_unordered
from pixelmill.core.root import Root
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.paths import finder
from pixelmill.verification.manifest import Named, Outputs, read_manifest


@dataclass(frozen=True)
class TreeContents:
    """What an output tree holds, and what it should hold.

    Attributes
    ----------
    outputs, kept
        As in the manifest.
    files : int
        Number of files.
    extra : list of str
        Paths of files that the manifest does not name, sorted.
    temporaries : list of str
        Sorted paths of unfinished files, which are not counted as files.
    inputs : int
        Number of inputs.
    inputs_without_row, rows_without_input : iterable of str
        Escaped paths, sorted.
    """

    outputs: Outputs
    kept: Named
    files: int
    extra: list[str]
    temporaries: list[str]
    inputs: int
    inputs_without_row: Iterable[str]
    rows_without_input: Iterable[str]

    def missing(self) -> Iterator[str]:
        """Yield the paths of files that the manifest names and that do not exist, sorted."""
        absent = heapq.merge(self.outputs.missing(), self.kept.missing())
        return (path for path, _ in groupby(absent))


def read_tree(target: str, entries: Entries) -> TreeContents:
    """Read the manifest of an output tree and list its files.

    Parameters
    ----------
    target : str
        Folder of the output tree.
    entries : Entries
        The catalog, sorted.

    Raises
    ------
    UserError
        If there is no manifest.
    TreeError
        If the folder of the images is a link.
    """
    outputs, kept, sources = read_manifest(os.path.join(target, "manifest.csv"), entries)
    Root(target).check("images")
    output_at, kept_at = finder(outputs.paths), finder(kept.paths)
    files, extra, temporaries = 0, [], []
    for path, entry in walk_unordered(os.path.join(target, "images")):
        if entry.name[:1] == "." and TEMPORARY.fullmatch(entry.name):
            temporaries.append(path)
            continue
        files += 1
        number, before = output_at(path), kept_at(path) if len(kept) else None
        state = entry.stat(follow_symlinks=False)
        if number is not None:
            outputs.exists[number] = 1
            outputs.sizes[number], outputs.times[number] = state.st_size, modified_ns(state)
        if before is not None:
            kept.exists[before] = 1
        if number is None and before is None:
            extra.append(path)
    return TreeContents(
        outputs,
        kept,
        files,
        sorted(extra),
        sorted(temporaries),
        len(entries),
        sources.not_named(),
        sources.others(),
    )
