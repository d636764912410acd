"""List settings: check the list of a dataset of a config."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pixelmill.core.errors import UserError
from pixelmill.core.files import is_inside
from pixelmill.core.user_paths import expanded
from pixelmill.dataset.image_list import ImageList
from pixelmill.dataset.left_out import is_awaited, table_of
from pixelmill.dataset.list_files import STANDARD_INPUT

#: Table of the parts of a dataset.
_SPLITS = "splits.csv"

#: Tables of a dataset that are written before its images are selected.
_BEFORE_SELECTION = ("catalog.csv", "metrics.csv", "findings.csv", _SPLITS)


def checked(name: str, listed: ImageList, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the list of a dataset as a config has it, with its path expanded.

    Parameters
    ----------
    name : str
        Of the dataset.
    listed : ImageList
    config : mapping
        With the defaults.

    Raises
    ------
    UserError
        With the key, if the list cannot be read, or cannot be there before the images are selected.
    """
    key = f"datasets.{name}.list"
    if listed.file == STANDARD_INPUT:
        raise UserError(f"{key}: found '-'; give a file, since a workflow reads no standard input.")
    try:
        path = os.path.normpath(expanded(listed.file))
        if table := table_of(path, config):
            path = "/".join((config["results"], *table))  # as the rules name their outputs
        listed = ImageList(path, listed.where, listed.names)
        if not is_awaited(listed, config):
            listed.check()
        _check_order(path, table, name, config)
    except UserError as error:
        raise UserError(f"{key}: {error}") from error
    names = {"names": listed.names} if listed.names else {}
    return {"file": path, "where": dict(listed.where), **names}


def _check_order(path: str, table: tuple[str, ...], name: str, config: Mapping[str, Any]) -> None:
    """Check that a table of the results can be written before the images are selected."""
    inside = is_inside(path, os.path.join(config["results"], name))
    if inside and (not table or table[1] not in _BEFORE_SELECTION):
        raise UserError(
            f"'{path}' is written after the images of '{name}' are selected; give a copy in "
            "another folder."
        )
    if table and table[1] == _SPLITS and "split" not in config["datasets"][table[0]]:
        raise UserError(
            f"'{path}' is a table of datasets with 'split'; add this key to '{table[0]}', or give "
            "a copy in another folder."
        )
