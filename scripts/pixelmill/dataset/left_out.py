"""Left out: the images that a dataset's `select` and `on_duplicate` leave out, and why."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pixelmill.core.filenames import unescape
from pixelmill.core.tables import iterate_table, write_table
from pixelmill.dataset import catalog
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.layout import Layout

#: Table of the images that are processed, in the form of a catalog, and of those that are not.
SELECTED, LEFT_OUT = "selected.csv", "left_out.csv"


def is_selective(dataset: Mapping[str, Any]) -> bool:
    """Whether a dataset of a config uses only some of its images, depending on what they are.

    Examples
    --------
    >>> is_selective({"folder": "photos"}), is_selective({"folder": "photos", "select": "not dark"})
    (False, True)
    """
    return "select" in dataset or dataset.get("on_duplicate", "keep_all") != "keep_all"


def write(path: str, left_out: Mapping[str, str]) -> None:
    """Write the table of the images that are left out, each with the reason."""
    write_table(path, ("source", "reason"), left_out.items())


def scan(config: Mapping[str, Any], dataset: str) -> tuple[Entries, int]:
    """Return the images of a dataset that were selected last, and the number of the others.

    Parameters
    ----------
    config : mapping
        Complete.
    dataset : str
    """
    found = catalog.scan(*Layout(config).source(dataset))[0].entries
    if not is_selective(config["datasets"][dataset]):
        return found, 0
    entries = without(found, os.path.join(config["results"], dataset))
    return entries, len(found) - len(entries)


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
