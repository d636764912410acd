"""Choose: write which images of a catalog are processed, according to what they are."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape
from pixelmill.dataset import catalog as catalogs
from pixelmill.dataset import left_out
from pixelmill.inspection import findings
from pixelmill.inspection.measured import table_in
from pixelmill.inspection.selection import OnDuplicate, parse, select

#: Why an image is left out that was not measured.
_NOT_MEASURED = "not measured"


def choose(
    catalog: str,
    target: str,
    expression: str | None,
    on_duplicate: OnDuplicate = "keep_all",
    thresholds: Mapping[str, object] | None = None,
) -> tuple[int, int]:
    """Write ``selected.csv``, a catalog of the chosen images, and ``left_out.csv``.

    Parameters
    ----------
    catalog : str
        Table of all images.
    target : str
        Folder in which `pixelmill.inspection.inspect.inspect` wrote its tables.
    expression : str, optional
        See `pixelmill.inspection.expressions`.
    on_duplicate : {"keep_all", "first", "best"}
        See `pixelmill.inspection.selection.select`.
    thresholds : mapping, optional
        Of findings by name, in place of the defaults.

    Returns
    -------
    chosen, others : int
        Numbers of images.

    Raises
    ------
    UserError
        If the expression or a threshold is wrong, or no image is left.
    """
    limits = findings.thresholds(thresholds or {})
    parsed = None if expression is None else parse(expression)
    table = table_in(target)
    made = select(table, findings.find(table, limits), parsed, on_duplicate)
    known = set(table.sources)
    reasons: dict[str, str] = {}
    kept = []
    for entry in catalogs.iterate(catalog):
        source = escape(entry.path)
        reason = made.left_out.get(source, "" if source in known else _NOT_MEASURED)
        if reason:
            reasons[source] = reason
        else:
            kept.append(entry)
    left_out.write(os.path.join(target, left_out.LEFT_OUT), reasons)
    if not kept:
        source, reason = next(iter(reasons.items()), ("", ""))
        example = f"; '{source}', for example, is {reason}" if source else ""
        raise UserError(
            f"No image is left of {len(reasons):,}{example}. Change 'select' or 'on_duplicate'."
        )
    catalogs.write(os.path.join(target, left_out.SELECTED), kept)
    return len(kept), len(reasons)
