"""Selection: which images of a dataset to use, by an expression and without duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pixelmill.inspection import expressions, near_duplicates
from pixelmill.inspection.columns import Columns, Mask
from pixelmill.inspection.expressions import Expression
from pixelmill.inspection.findings import FINDINGS, NEAR_DUPLICATE, Findings
from pixelmill.inspection.metrics import METRICS, Kind

#: What to do with images that are the same or nearly the same.
OnDuplicate: TypeAlias = Literal["keep_all", "first", "best"]

#: Findings whose groups are sets of duplicates.
DUPLICATES = ("duplicate", "same_pixels", NEAR_DUPLICATE)


def parse(text: object, where: str = "select") -> Expression:
    """Parse an expression over all metrics and findings.

    Raises
    ------
    UserError
        With the position of the mistake, and the nearest right name.

    Examples
    --------
    >>> sorted(parse("sharpness > 80 and format == 'jpeg' and not duplicate").names)
    ['duplicate', 'format', 'sharpness']
    """
    numbers = [name for name, metric in METRICS.items() if metric.kind in _NUMBERS]
    return expressions.parse(text, numbers, METRICS.keys() - numbers, FINDINGS, where)


_NUMBERS = (Kind.INTEGER, Kind.NUMBER)


@dataclass(frozen=True)
class Selection:
    """Which images are used.

    Attributes
    ----------
    is_kept : ndarray of shape (images,), bool
    left_out : dict of str to str
        Why each of the other candidates is left out, in the order of the table.
    """

    is_kept: Mask
    left_out: dict[str, str]


def select(
    columns: Columns,
    findings: Findings,
    expression: Expression | None,
    on_duplicate: OnDuplicate,
    candidates: Mask | None = None,
) -> Selection:
    """Select the images for which an expression is true, and one of each set of duplicates.

    The expression decides first: an image that it leaves out does not stand for its duplicates.

    Parameters
    ----------
    columns : Columns
    findings : Findings
    expression : Expression, optional
        Without one, all images are selected.
    on_duplicate : {"keep_all", "first", "best"}
        Of images that are the same or nearly the same, keep all, the one with the first path, or
        the one with most pixels (of those, the one with most bytes; of those, the first path).
    candidates : ndarray of shape (images,), bool, optional
        Which images may be selected; by default all. The others do not stand for their duplicates.
    """
    count = len(columns)
    is_candidate = np.ones(count, bool) if candidates is None else candidates
    is_kept = is_candidate
    left_out: dict[int, str] = {}
    if expression is not None:
        masks = {name: findings.mask(name) for name in findings.found}
        is_kept = is_candidate & expression.mask(columns, masks)
        why = f"not selected by {expression.text!r}"
        left_out = dict.fromkeys(np.flatnonzero(is_candidate & ~is_kept).tolist(), why)
    if on_duplicate != "keep_all":
        for image, kept in _replaced(columns, findings, is_kept, on_duplicate).items():
            left_out[image] = _why(columns, image, kept, on_duplicate)
    is_kept = is_candidate.copy()
    is_kept[list(left_out)] = False
    return Selection(
        is_kept, {columns.sources[image]: left_out[image] for image in sorted(left_out)}
    )


def _replaced(
    columns: Columns, findings: Findings, is_kept: Mask, on_duplicate: OnDuplicate
) -> dict[int, int]:
    """Return which image is kept instead of each duplicate."""
    group = duplicate_sets(findings, len(columns))
    order = np.arange(len(columns))
    if on_duplicate == "best":
        pixels = np.nan_to_num(columns.numbers("width") * columns.numbers("height"))
        order = np.lexsort((order, -np.nan_to_num(columns.numbers("bytes")), -pixels))
    best: dict[int, int] = {}
    replaced = {}
    for image in order[is_kept[order]].tolist():
        kept = best.setdefault(int(group[image]), image)
        if kept != image:
            replaced[image] = kept
    return replaced


def duplicate_sets(findings: Findings, count: int) -> NDArray[np.int32]:
    """Join the groups of all kinds of duplicates: the smallest image of the set of each image.

    Members of a set have equal bytes, equal pixels, or hashes that are near the same
    representative, so that no chain of near-duplicates makes a set.
    """
    left, right = [], []
    for name in DUPLICATES:
        group = findings.found[name].detected.group
        assert group is not None  # as all three have groups
        members = np.flatnonzero(group >= 0)
        _, first, inverse = np.unique(group[members], return_index=True, return_inverse=True)
        left.append(members[first][inverse].astype(np.int32))
        right.append(members.astype(np.int32))
    return near_duplicates.components(count, np.concatenate(left), np.concatenate(right))


def _why(columns: Columns, image: int, kept: int, on_duplicate: OnDuplicate) -> str:
    text = f"a duplicate of '{columns.sources[kept]}', which "
    if on_duplicate == "first":
        return text + "comes first"
    pixels = columns.numbers("width") * columns.numbers("height")
    if pixels[kept] > pixels[image]:
        return text + "has more pixels"
    if columns.numbers("bytes")[kept] > columns.numbers("bytes")[image]:
        return text + "has more bytes"
    return text + "comes first"
