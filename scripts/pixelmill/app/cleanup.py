"""Cleaning: remove the files that pixelmill made for a config, and nothing else.

Outputs are listed in the ledgers and the manifest of their tree, generated images in their record,
and everything else has a fixed name. All other files are kept.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from pixelmill.core.filenames import unescape
from pixelmill.core.files import TEMPORARY
from pixelmill.core.locks import exclusive
from pixelmill.core.root import Root
from pixelmill.core.tables import iterate_table
from pixelmill.dataset.file_names import INSPECTION, LEDGER
from pixelmill.dataset.layout import mirror_of
from pixelmill.dataset.ledger import open_to_read
from pixelmill.dataset.shards import WHOLE, others
from pixelmill.dataset.synthetic import made_in
from pixelmill.engines.registry import CHOICES
from pixelmill.packing.record import SHARD
from pixelmill.transfer.mirror import mirrored_in

_TREE = "|".join(CHOICES)
_SHARD = r"[0-9]+-of-[0-9]+"

#: What an upload holds in the folder that it uploads.
_UPLOAD = r"\.upload/(\.lock|record\.sqlite(-journal|-wal|-shm)?)"

#: What a tree, or a shard of it, holds beside its images.
_STATE = (
    r"manifest\.csv|timing\.json|failures\.(csv|txt)|verification\.json|performance\.html"
    r"|catalog(\.known)?\.csv|\.(lock|reserve|offspring|outputs\.json)|\.crumbs/.+|ledger\.check\.json"
    rf"|{_UPLOAD}"
    r"|(ledger|ledger\.backup|verification)\.sqlite(-journal|-wal|-shm)?"
    r"(\.(damaged|version-[0-9]+)(-[0-9]+)?)?"
)

#: Tables of a dataset, and of a recipe.
_TABLES = (
    rf"(generated|mirrored)\.json|(shards/{_SHARD}/)?catalog(\.known)?\.csv"
    rf"|(metrics|findings|selected|left_out|splits)\.csv|metrics\.parquet|statistics\.json|inspection\.html|{INSPECTION}/({_STATE})"
)
_TABLES_OF_RECIPES = (
    r"(comparison|scaling|rivals)(\.unfinished)?\.json|uploaded\.json"
    rf"|packed/({SHARD.pattern}|packed\.(csv|json|parquet)|\.(shards|packing)\.jsonl|\.lock"
    rf"|{_UPLOAD})"
)

#: Of the whole run. Snakemake leaves a timestamp in each folder that a rule declares.
_REPORT = (
    r"(report|steps)\.html|report\.md|benchmark\.(csv|json)"
    r"|figures/([^/]+\.svg|\.snakemake_timestamp)"
)
_VERDICTS = (
    *("verdict.txt", "verdict.json", ".verdict-ok", ".verdict-process-ok"),
    "verdict-process.txt",  # of earlier versions
)

#: Jobs that write a log and a benchmark: of the run, a dataset, a recipe.
_JOBS = ("plan", "process", "report", "steps", "verdict", "verify")
_JOBS_OF_DATASETS = rf"catalog|generate|mirror|inspect|select|split|shards/{_SHARD}\.catalog"
_JOBS_OF_RECIPES = rf"compare|scaling|rivals|pack|upload|({_TREE})(\.verify|/{_SHARD})?"


def clean(config: Mapping[str, Any]) -> tuple[int, list[str]]:
    """Remove results, generated and mirrored images, logs and benchmarks.

    Parameters
    ----------
    config : mapping
        Complete.

    Returns
    -------
    removed : int
        Number of removed files.
    left : list of str
        Paths of other files in the same folders, which are kept.

    Raises
    ------
    TreeError
        If a folder is a link.
    UserError
        If a run is writing there.
    """
    # Scratch disks lie behind links; the other folders are the project's own.
    results = _Broom(config["results"], follow=True)
    resources, mirrors, logs, benchmarks = map(
        _Broom, ("resources", "mirrors", "logs", "benchmarks")
    )
    recipe = "|".join(map(re.escape, config["recipes"]))
    tables = rf"{_TABLES}|({recipe})/({_TABLES_OF_RECIPES}|({_TREE})/(shards/{_SHARD}/)?({_STATE}))"
    jobs = rf"{_JOBS_OF_DATASETS}|({recipe})/({_JOBS_OF_RECIPES})"
    for dataset, given in config["datasets"].items():
        # Images go before the ledgers that know them, in case this is interrupted.
        for parts in product([dataset], config["recipes"], CHOICES):
            _clean_images(results, "/".join(parts))
        results.sweep(dataset, _pattern(tables))
        logs.sweep(dataset, _pattern(rf"({jobs})\.log"))
        benchmarks.sweep(dataset, _pattern(rf"({jobs})\.tsv"))
        if "generate" in given and (is_made := made_in(f"resources/{dataset}")):
            resources.sweep(dataset, is_made)
        if is_copy := mirrored_in(mirror_of(dataset)):
            mirrors.sweep(dataset, is_copy)
    results.sweep("report", _pattern(_REPORT))
    for name in _VERDICTS:
        results.remove(name)
    for job in _JOBS:
        logs.remove(f"{job}.log")
        benchmarks.remove(f"{job}.tsv")
    brooms = (results, resources, mirrors, logs, benchmarks)
    for broom in brooms:
        broom.end()
    return sum(broom.removed for broom in brooms), [path for broom in brooms for path in broom.left]


def _pattern(expression: str) -> Callable[[str], object]:
    return re.compile(rf"{expression}|(.*/)?{TEMPORARY.pattern}").fullmatch


def _clean_images(results: _Broom, tree: str) -> None:
    """Remove the outputs of a tree to which no run is writing."""
    if results.has_folder(tree):
        folder = os.path.join(results.folder, tree)
        with exclusive(folder):
            results.sweep(f"{tree}/images", _outputs(folder).__contains__, tell=False)


def _outputs(tree: str) -> set[str]:
    """Return the paths of the outputs of a tree, from its ledgers or its manifest."""
    known: set[str] = set()
    for folder in (tree, *others(tree, WHOLE)):
        with open_to_read(os.path.join(folder, LEDGER)) as ledger:
            known.update(ledger.outputs() if ledger else ())
    manifest = os.path.join(tree, "manifest.csv")
    if os.path.isfile(manifest):
        known.update(unescape(row["output"] or "") for row in iterate_table(manifest))
    return known


class _Broom:
    """Removes files below a folder, counts them, and records those that it keeps."""

    def __init__(self, folder: str, follow: bool = False) -> None:
        self.folder = folder
        self.removed = 0
        self.left: list[str] = []
        self._root = Root(folder, follow) if os.path.isdir(folder) else None

    def has_folder(self, path: str) -> bool:
        """Whether there is a folder that is not a link."""
        state = self._root.lstat(path) if self._root else None
        return state is not None and stat.S_ISDIR(state.st_mode)

    def sweep(self, path: str, is_ours: Callable[[str], object], tell: bool = True) -> None:
        """Remove pixelmill's files below a folder, and folders that become empty.

        Parameters
        ----------
        path : str
        is_ours : callable
            Says for a path below that folder whether the file is pixelmill's.
        tell : bool
            Whether to record the other files.
        """
        if self._root is None or not self.has_folder(path):
            return
        for folder, names in self._root.walk(path):
            for name in sorted(names):
                file = f"{folder}/{name}"
                if is_ours(file.removeprefix(f"{path}/")):
                    self.remove(file)
                elif tell:
                    self.left.append(os.path.join(self.folder, file))
            while folder and self._root.remove_empty(folder):
                folder = os.path.dirname(folder)

    def remove(self, path: str) -> None:
        """Remove a file; a missing one is not an error."""
        if self._root is not None and self._root.lstat(path) is not None:
            self._root.unlink(path)
            self.removed += 1

    def end(self) -> None:
        """Remove the folder itself if it is empty."""
        if self.removed and not os.path.islink(self.folder):
            with contextlib.suppress(OSError):  # not empty, or where we stand
                os.rmdir(self.folder)
