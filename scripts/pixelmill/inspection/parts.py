"""Parts: write to which part of a dataset each image belongs, such as training or test."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from pixelmill.inspection import findings, split
from pixelmill.inspection.findings import NEAR_DUPLICATE
from pixelmill.inspection.measured import table_in

#: Table of the parts. It is read before it is written, so that no image moves to another part.
SPLITS = "splits.csv"

log = logging.getLogger(__name__)


def split_images(
    target: str,
    ratios: object,
    seed: int = 0,
    thresholds: Mapping[str, object] | None = None,
) -> dict[str, int]:
    """Write ``splits.csv``, and return the number of images in each part.

    Parameters
    ----------
    target : str
        Folder in which `pixelmill.inspection.inspect.inspect` wrote its tables.
    ratios : object
        Shares by the names of parts.
    seed : int
    thresholds : mapping, optional
        Of findings by name; that of near-duplicates says which images must not be parted.

    Raises
    ------
    UserError
        If the ratios or a threshold are wrong, or if the table is damaged.
    """
    shares = split.check_ratios(ratios)
    distance = int(findings.thresholds(thresholds or {})[NEAR_DUPLICATE])
    path = os.path.join(target, SPLITS)
    made = split.assign(table_in(target), split.read(path), shares, seed, distance)
    split.write(path, made)
    if made.crossing:
        log.warning(
            "'%s' and '%s' are near-duplicates in different parts, assigned before; to part them "
            "anew, remove '%s'",
            *made.crossing, path,
        )  # fmt: skip
    return made.counts()
