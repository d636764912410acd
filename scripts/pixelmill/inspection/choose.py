"""Choose: write which images of a catalog are processed, according to a list and what they are."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

import numpy as np

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape
from pixelmill.dataset import catalog_table, globs, left_out
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.image_list import Found, ImageList
from pixelmill.inspection import findings
from pixelmill.inspection.expressions import Expression
from pixelmill.inspection.measured import table_in
from pixelmill.inspection.metrics_table import MetricsTable
from pixelmill.inspection.selection import OnDuplicate, parse, select

#: Why an image is left out that was not measured.
_NOT_MEASURED = "not measured"

log = logging.getLogger(__name__)


def choose(
    catalog: str,
    target: str,
    expression: str | None,
    on_duplicate: OnDuplicate = "keep_all",
    thresholds: Mapping[str, object] | None = None,
    listed: ImageList | None = None,
    source: str = ".",
) -> tuple[int, int]:
    """Write ``selected.csv``, a catalog of the chosen images, and ``left_out.csv``.

    Parameters
    ----------
    catalog : str
        Table of all images.
    target : str
        Folder in which `pixelmill.inspection.inspect.inspect` wrote its tables. They are not
        needed if only a list decides.
    expression : str, optional
        See `pixelmill.inspection.expressions`.
    on_duplicate : {"keep_all", "first", "best"}
        See `pixelmill.inspection.selection.select`.
    thresholds : mapping, optional
        Of findings by name, in place of the defaults.
    listed : ImageList, optional
        The list that must name an image. It decides first.
    source : str
        Folder or archives of the images, to which the paths of the list are relative.

    Returns
    -------
    chosen, others : int
        Numbers of images.

    Raises
    ------
    UserError
        If the expression, a threshold or the list is wrong, or no image is left.
    """
    limits = findings.thresholds(thresholds or {})
    parsed = None if expression is None else parse(expression)
    entries = catalog_table.read(catalog)
    unnamed: dict[str, str] = {}
    found = None
    if listed is not None:
        found = listed.find(entries, globs.chosen(source)[0])
        unnamed = _unnamed(entries, found, listed)
    others = unnamed
    if listed is None or parsed is not None or on_duplicate != "keep_all":
        others = _others(entries, unnamed, table_in(target), limits, parsed, on_duplicate)
    kept = [
        found.renamed(number, entry) if found else entry
        for number, entry in enumerate(entries)
        if escape(entry.path) not in others
    ]
    left_out.write(os.path.join(target, left_out.LEFT_OUT), others)
    if not kept:
        first, reason = next(iter(others.items()), ("", ""))
        example = f"; '{first}', for example, is {reason}" if first else ""
        raise UserError(
            f"No image is left of {len(others):,}{example}. Change 'list', 'select' or "
            "'on_duplicate'."
        )
    is_named = any(entry.name for entry in kept)
    catalog_table.write(os.path.join(target, left_out.SELECTED), kept, is_named)
    return len(kept), len(others)


def _unnamed(entries: Entries, found: Found, listed: ImageList) -> dict[str, str]:
    """Return why images are left out that the list does not name."""
    if found.missing:
        log.warning("%s", found.missing)
    reason = f"not named in {listed.name}"
    flags = zip(entries, found.flags, strict=True)
    return {escape(entry.path): reason for entry, is_named in flags if not is_named}


def _others(
    entries: Entries,
    unnamed: Mapping[str, str],
    table: MetricsTable,
    limits: Mapping[str, float],
    expression: Expression | None,
    on_duplicate: OnDuplicate,
) -> dict[str, str]:
    """Return why images are left out, those that no list names among them."""
    candidates = np.array([source not in unnamed for source in table.sources], bool)
    made = select(table, findings.find(table, limits), expression, on_duplicate, candidates)
    known = set(table.sources)
    reasons: dict[str, str] = {}
    for source in (escape(entry.path) for entry in entries):
        otherwise = "" if source in known else _NOT_MEASURED
        if reason := unnamed.get(source) or made.left_out.get(source, otherwise):
            reasons[source] = reason
    return reasons
