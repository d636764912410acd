"""Contents of an output tree: its manifest, its files, and the inputs that it was made from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import NamedTuple

from pixelmill.core.filenames import escape, unescape
from pixelmill.core.files import TEMPORARY, modified_ns, walk
from pixelmill.core.root import Root
from pixelmill.core.tables import iterate_table
from pixelmill.dataset.entries import Entry


class ManifestRow(NamedTuple):
    """What the manifest records of an output; its source is escaped."""

    source: str
    variant: str
    sha256: str


class Manifest(NamedTuple):
    """A manifest.

    Attributes
    ----------
    outputs : dict
        Row of each output of an image that succeeded.
    kept : set of str
        Outputs of earlier passes, kept because their sources could not be read.
    sources : set of str
        All sources, escaped.
    """

    outputs: dict[str, ManifestRow]
    kept: set[str]
    sources: set[str]


@dataclass(frozen=True)
class TreeContents:
    """What an output tree holds, and what it should hold.

    Attributes
    ----------
    outputs, kept
        As in the manifest.
    files : mapping
        Size in bytes and time of modification in ns of each file, by its path.
    temporaries : sequence of str
        Paths of unfinished files.
    inputs : int
        Number of inputs.
    inputs_without_row, rows_without_input : sequence of str
        Escaped paths.
    """

    outputs: Mapping[str, ManifestRow]
    kept: Set[str]
    files: Mapping[str, tuple[int, int]]
    temporaries: list[str]
    inputs: int
    inputs_without_row: list[str]
    rows_without_input: list[str]


def read_tree(target: str, entries: Iterable[Entry]) -> TreeContents:
    """Read the manifest of an output tree and list its files.

    Parameters
    ----------
    target : str
        Folder of the output tree.
    entries : iterable of Entry
        The catalog.

    Raises
    ------
    UserError
        If there is no manifest.
    TreeError
        If the folder of the images is a link.
    """
    manifest = read_manifest(os.path.join(target, "manifest.csv"))
    Root(target).check("images")
    files: dict[str, tuple[int, int]] = {}
    temporaries = []
    for path, entry in walk(os.path.join(target, "images")):
        if TEMPORARY.fullmatch(entry.name):
            temporaries.append(path)
        else:
            state = entry.stat(follow_symlinks=False)
            files[path] = (state.st_size, modified_ns(state))
    inputs, without_row, without_input = 0, [], manifest.sources.copy()
    for path in (escape(entry.path) for entry in entries):
        inputs += 1
        if path in manifest.sources:
            without_input.discard(path)
        else:
            without_row.append(path)
    return TreeContents(
        manifest.outputs,
        manifest.kept,
        files,
        temporaries,
        inputs,
        sorted(without_row),
        sorted(without_input),
    )


def read_manifest(path: str) -> Manifest:
    """Read a manifest.

    Raises
    ------
    UserError
        If it is missing.
    """
    outputs: dict[str, ManifestRow] = {}
    kept: set[str] = set()
    sources: set[str] = set()
    for row in iterate_table(path):
        sources.add(row["source"])
        if row["status"] == "ok":
            # Variants are few: keep one text of each.
            variant = sys.intern(row["variant"])
            outputs[unescape(row["output"])] = ManifestRow(row["source"], variant, row["sha256"])
        elif row["output"]:
            kept.add(unescape(row["output"]))
    return Manifest(outputs, kept, sources)
