"""Left out: images that a dataset's `list`, `select` and `on_duplicate` leave out, and why."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixelmill.core.filenames import unescape
from pixelmill.core.files import is_inside
from pixelmill.core.tables import iterate_table, write_table
from pixelmill.dataset import catalog
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.image_list import ImageList
from pixelmill.dataset.layout import Layout

#: Table of the images that are processed, in the form of a catalog, and of those that are not.
SELECTED, LEFT_OUT = "selected.csv", "left_out.csv"

#: Tables of sources that a run writes beside the output trees of a dataset.
_TABLES = ("catalog.csv", "metrics.csv", "findings.csv", "splits.csv", SELECTED, LEFT_OUT)


def is_selective(dataset: Mapping[str, Any]) -> bool:
    """Whether a dataset of a config uses only some of its images.

    Examples
    --------
    >>> is_selective({"folder": "photos"}), is_selective({"folder": "photos", "list": "a.txt"})
    (False, True)
    """
    return "list" in dataset or needs_metrics(dataset)


def needs_metrics(dataset: Mapping[str, Any]) -> bool:
    """Whether a dataset of a config uses only some of its images, depending on what they are.

    Examples
    --------
    >>> needs_metrics({"list": "a.txt"}), needs_metrics({"list": "a.txt", "select": "not dark"})
    (False, True)
    """
    return "select" in dataset or dataset.get("on_duplicate", "keep_all") != "keep_all"


def write(path: str, left_out: Mapping[str, str]) -> None:
    """Write the table of the images that are left out, each with the reason."""
    write_table(path, ("source", "reason"), left_out.items())


def scan(config: Mapping[str, Any], dataset: str) -> tuple[Entries, str]:
    """Return the images of a dataset that are processed, and why others are not, in a sentence.

    The list of the dataset is read as it is now. What else decides is known from when images were
    last selected.

    Parameters
    ----------
    config : mapping
        Complete.
    dataset : str
    """
    given = config["datasets"][dataset]
    source, selection = Layout(config).source(dataset)
    found = catalog.scan(source, selection)[0].entries
    entries, told = found, ""
    listed = ImageList.of(given)
    if listed is not None and not is_awaited(listed, config):
        entries = listed.find(found, source).chosen(found)
        told = f", because {listed.name} does not name them"
    if needs_metrics(given):
        folder = os.path.join(config["results"], dataset)
        entries = without(entries, folder)
        told = f", see '{folder}/{LEFT_OUT}'; the next run selects again"
    others = len(found) - len(entries)
    left = "1 image is" if others == 1 else f"{others:,} images are"
    return entries, f"{left} left out{told}" if others else ""


def is_awaited(listed: ImageList, config: Mapping[str, Any]) -> bool:
    """Whether a list is a table that a run has yet to write."""
    return not os.path.exists(listed.file) and bool(table_of(listed.file, config))


def table_of(path: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the dataset and the name of a table that a run writes; nothing for another file."""
    results = config["results"]
    if not is_inside(path, results):
        return ()
    place = Path(os.path.relpath(os.path.realpath(path), os.path.realpath(results))).parts
    is_table = len(place) == 2 and place[0] in config["datasets"] and place[1] in _TABLES
    return place if is_table else ()


def without(entries: Entries, folder: str) -> Entries:
    """Return the entries without those that were left out when they were last selected.

    Parameters
    ----------
    entries : Entries
    folder : str
        Folder of the results of the dataset.
    """
    path = os.path.join(folder, LEFT_OUT)
    if not os.path.exists(path):
        return entries
    left_out = {unescape(row["source"]) for row in iterate_table(path)}
    return Entries(entry for entry in entries if entry.path not in left_out)
