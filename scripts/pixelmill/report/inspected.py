"""Inspected: what was found about the images of datasets, for the report of their results."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from pixelmill.core.errors import UserError
from pixelmill.core.tables import iterate_table, read_json
from pixelmill.report.contact_sheet import link_to

#: Names of the page and of the tables of an inspection.
PAGE, FINDINGS, STATISTICS = "inspection.html", "findings.csv", "statistics.json"


def inspected(folders: Mapping[str, str], page: str) -> list[dict[str, Any]]:
    """Read what was found about the images of each dataset that was inspected.

    Parameters
    ----------
    folders : mapping of str to str
        Folders of the tables, by the names of the datasets.
    page : str
        Folder of the report, for links.

    Returns
    -------
    list of dict
        For each dataset, ``images`` and ``failed``, the numbers of images and of those that
        could not be read; ``findings``, each with its ``name``, ``severity`` and the numbers of
        ``images`` and ``groups``, in the order of ``findings.csv``; and ``link``, the address of
        the page about its images, empty if the report does not lie beside it.

    Raises
    ------
    UserError
        If a table is damaged.
    """
    return [
        {"dataset": dataset, **_read(folder), "link": _link(folder, page)}
        for dataset, folder in folders.items()
        if os.path.exists(os.path.join(folder, STATISTICS))
    ]


def _read(folder: str) -> dict[str, Any]:
    images: dict[tuple[str, str], set[str]] = defaultdict(set)
    groups: dict[str, set[str]] = defaultdict(set)
    path = os.path.join(folder, STATISTICS)
    try:
        statistics = read_json(path)
        counts = {name: int(statistics[name]) for name in ("images", "failed")}
        path = os.path.join(folder, FINDINGS)
        for row in iterate_table(path):
            images[row["finding"], row["severity"]].add(row["source"])
            groups[row["finding"]].add(row["group"])
    except (ValueError, TypeError, LookupError) as error:
        raise UserError(f"'{path}' is damaged; inspect the images again.") from error
    found = [
        {
            "name": name,
            "severity": severity,
            "images": len(sources),
            "groups": len(groups[name] - {""}),
        }
        for (name, severity), sources in images.items()
    ]
    return {**counts, "findings": found}


def _link(folder: str, page: str) -> str:
    path = os.path.join(folder, PAGE)
    return link_to(path, page) if os.path.exists(path) else ""
