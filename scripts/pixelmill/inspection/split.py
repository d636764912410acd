"""Split: training, validation and test sets that stay as they are, and share no near-duplicates."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelmill.core.errors import UserError, shown
from pixelmill.core.tables import iterate_table, write_table
from pixelmill.inspection import near_duplicates
from pixelmill.inspection.columns import Columns, same
from pixelmill.inspection.detectors import DHASH_MARGIN, FLAT

#: The part of an image that belongs to none, because it would link two of them.
NONE = "none"

#: How far the sum of the ratios may be from 1: so much is lost by writing thirds as 0.333.
_MOST_ROUNDING = 0.002

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class SplitRow(NamedTuple):
    """A row of ``splits.csv``.

    It has the hashes of the image, so that near-duplicates of an image that was removed still go
    to the part in which it was.
    """

    source: str
    split: str
    reason: str
    content_digest: str
    phash: str
    dhash: str


@dataclass(frozen=True)
class Split:
    """The part of each image.

    Attributes
    ----------
    rows : list of SplitRow
        One for each image, in the order of the table, then those of images that are gone.
    images : int
        The number of images that are there.
    crossing : tuple of (str, str), optional
        Two images in different parts that are near-duplicates of each other, both of which had
        been assigned before: the threshold was changed since. None if there are no such images.
    """

    rows: list[SplitRow]
    images: int
    crossing: tuple[str, str] | None

    def counts(self) -> dict[str, int]:
        """Return the number of images in each part."""
        counts: dict[str, int] = {}
        for row in self.rows[: self.images]:
            counts[row.split] = counts.get(row.split, 0) + 1
        return dict(sorted(counts.items()))


def check_ratios(given: object, where: str = "split.ratios") -> dict[str, float]:
    """Return the ratios of the parts.

    Raises
    ------
    UserError
        If it is no mapping of names to shares whose sum is 1.

    Examples
    --------
    >>> check_ratios({"train": 0.8, "val": 0.1, "test": 0.1})
    {'train': 0.8, 'val': 0.1, 'test': 0.1}
    """
    example = "such as {train: 0.8, val: 0.1, test: 0.1}"
    if not isinstance(given, Mapping) or not given:
        raise UserError(f"{where}: found {shown(given)}; give shares of the parts, {example}.")
    for name, share in given.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name == NONE:
            raise UserError(
                f"{where}: the name {shown(name)} is not allowed; use letters, digits, '_' and "
                f"'-', and any word but '{NONE}'."
            )
        is_number = isinstance(share, int | float) and not isinstance(share, bool)
        if not is_number or not 0 <= share <= 1:
            raise UserError(f"{where}.{name}: found {shown(share)}; give a number from 0 to 1.")
    total = math.fsum(given.values())
    if abs(total - 1) > _MOST_ROUNDING:
        raise UserError(f"{where}: the sum is {total:g}; give shares whose sum is 1, {example}.")
    return {name: share / total for name, share in given.items()}


def read(path: str | os.PathLike[str]) -> list[SplitRow]:
    """Read the parts that were assigned before; none if there is no such file.

    Raises
    ------
    UserError
        If the file is not as `write` makes it.
    """
    if not os.path.lexists(path):
        return []
    rows: list[SplitRow] = []
    assigned: dict[str, str] = {}
    for number, row in enumerate(iterate_table(path), start=2):
        wrong = [name for name in SplitRow._fields if row.get(name) is None]
        if not wrong:
            wrong = [name for name in ("phash", "dhash") if not _HASH.fullmatch(row[name])]
        if not wrong and not _NAME.fullmatch(row["split"]):
            wrong = ["split"]
        if not wrong and (digest := row["content_digest"]):  # copies of a file are in one part
            wrong = ["split"] * (assigned.setdefault(digest, row["split"]) != row["split"])
        if wrong:
            raise UserError(
                f"'{os.fspath(path)}', row {number}: found {shown(row.get(wrong[0]))} in the "
                f"column '{wrong[0]}'; restore the file, or delete it to split the dataset anew."
            )
        rows.append(SplitRow(**{name: row[name] for name in SplitRow._fields}))
    if not rows:
        raise UserError(
            f"'{os.fspath(path)}' lists no image, as if it had been cut off; restore the file, or "
            "delete it to split the dataset anew."
        )
    return rows


#: A hash of 64 bits as text; empty if there is none.
_HASH = re.compile(r"(?:[0-9a-f]{16})?")


def write(path: str | os.PathLike[str], split: Split) -> None:
    """Write ``splits.csv``."""
    write_table(path, SplitRow._fields, split.rows)


def assign(
    columns: Columns,
    before: list[SplitRow],
    ratios: Mapping[str, float],
    seed: int,
    distance: int,
) -> Split:
    """Assign each image to a part.

    Images that are connected by near-duplicates, directly or through others, go to the same part.
    Which one follows from the smallest of their content digests and the seed, and so not from names
    or from the order of files. Images that were assigned before stay where they are, and those
    connected with them follow. A new image that is near images of several parts would put
    near-duplicates on both sides: it goes to `NONE`.

    Parameters
    ----------
    columns : Columns
        With the columns ``content_digest``, ``pixel_digest`` and ``luma_std``, and both hashes.
        Images without a content digest could not be read: they go to `NONE`.
    before : list of SplitRow
        As `read` returns them.
    ratios : mapping of str to float
        As `check_ratios` returns them.
    seed : int
    distance : int
        Largest distance of near-duplicates.
    """
    members = _Members(columns, before)
    unit, first, second = members.linked(distance)
    sides: dict[int, dict[str, int]] = {}
    is_none = np.zeros(len(unit), bool)
    for image, part in enumerate(members.split):
        if part == NONE:
            is_none[unit[image]] = True
        elif part:
            sides.setdefault(int(unit[image]), {}).setdefault(part, image)
    is_none[list(sides)] = False
    inside = ~is_none[first] & ~is_none[second]
    first, second = first[inside], second[inside]

    linking = _linking(sides, first, second)
    outside = np.isin(first, list(linking)) | np.isin(second, list(linking))
    root = near_duplicates.components(len(unit), first[~outside], second[~outside])
    there: dict[int, dict[str, int]] = {}
    for one, parts in sides.items():
        there[int(root[one])] = {**parts, **there.get(int(root[one]), {})}
    smallest: dict[int, str] = {}
    for image, digest in enumerate(members.digests):
        component = int(root[unit[image]])
        smallest[component] = min(digest, smallest.get(component, digest))

    split, reason = list(members.split), list(members.reason)
    for image in [image for image, part in enumerate(split) if not part]:
        component = int(root[unit[image]])
        parts = linking.get(int(unit[image])) or there.get(component, {})
        if not members.digests[image]:
            split[image], reason[image] = NONE, "it could not be read"
        elif is_none[unit[image]]:
            split[image], reason[image] = NONE, "it is the same as an image of none"
        elif len(parts) > 1:
            names = sorted(f"'{members.sources[image]}' ({part})" for part, image in parts.items())
            split[image] = NONE
            reason[image] = f"linked by near-duplicates to {' and '.join(names)}"
        elif parts:
            (split[image],) = parts
        else:
            split[image] = _part(smallest[component], ratios, seed)
    return members.as_split(split, reason, _crossing(members, sides, first, second))


def _part(digest: str, ratios: Mapping[str, float], seed: int) -> str:
    """Return the part into whose share of 0 to 1 the hash of a digest and a seed falls."""
    hashed = hashlib.blake2b(f"{seed} {digest}".encode(), digest_size=8).digest()
    place = int.from_bytes(hashed, "big") / 2**64
    bound = 0.0
    for name, share in ratios.items():
        bound += share
        if place < bound:
            return name
    return [name for name, share in ratios.items() if share][-1]  # the sum was rounded


def _linking(
    sides: dict[int, dict[str, int]], first: NDArray[np.int32], second: NDArray[np.int32]
) -> dict[int, dict[str, int]]:
    """Return the new units that are near several parts, with an image of each part."""
    near: dict[int, dict[str, int]] = {}
    left, right = np.concatenate((first, second)), np.concatenate((second, first))
    assigned = np.array(sorted(sides), np.int32)
    counts = np.isin(right, assigned) & ~np.isin(left, assigned)
    for new, old in zip(left[counts].tolist(), right[counts].tolist(), strict=True):
        near[new] = {**sides[old], **near.get(new, {})}
    return {new: parts for new, parts in near.items() if len(parts) > 1}


def _crossing(
    members: _Members,
    sides: dict[int, dict[str, int]],
    first: NDArray[np.int32],
    second: NDArray[np.int32],
) -> tuple[str, str] | None:
    """Return two images that were assigned to different parts before, and are near."""
    pairs = [*zip(first.tolist(), second.tolist(), strict=True), *((one, one) for one in sides)]
    for left, right in pairs:
        parts = {**sides.get(right, {}), **sides.get(left, {})}
        if left in sides and right in sides and len(parts) > 1:
            one, other, *_ = sorted(members.sources[image] for image in parts.values())
            return one, other
    return None


class _Members:
    """The images of a dataset, and behind them those that were assigned and are gone."""

    def __init__(self, columns: Columns, before: list[SplitRow]) -> None:
        digests = columns.texts("content_digest").tolist()
        known = {row.content_digest: row for row in before}
        there = set(digests)
        gone = [row for digest, row in known.items() if digest and digest not in there]
        assigned = [known.get(digest) if digest else None for digest in digests]
        self._images = len(columns)
        self.sources = [*columns.sources, *(row.source for row in gone)]
        self.digests = [*digests, *(row.content_digest for row in gone)]
        self.split = [row.split if row else "" for row in [*assigned, *gone]]
        self.reason = [row.reason if row else "" for row in [*assigned, *gone]]
        usable = ~(columns.numbers("luma_std") < FLAT)
        self._hashes = {}
        for name in ("phash", "dhash"):
            values, valid = columns.hashes(name)
            old = np.array([int(getattr(row, name) or "0", 16) for row in gone], np.uint64)
            has_old = np.array([bool(getattr(row, name)) for row in gone], bool)
            self._hashes[name] = (
                np.concatenate((values, old)),
                np.concatenate((valid & usable, has_old)),
            )
        self._pixels = np.concatenate(
            (columns.texts("pixel_digest"), np.full(len(gone), "", object))
        )

    def linked(
        self, distance: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """Return the unit of each image, and the pairs of units that are near each other.

        The images of a unit have the same bytes, the same pixels or the same hashes: there is no
        sense in which only some of them could be near another image.
        """
        phash, has_phash = self._hashes["phash"]
        dhash, has_dhash = self._hashes["dhash"]
        near = near_duplicates.find(
            phash, dhash, has_phash & has_dhash, distance, distance + DHASH_MARGIN
        )
        left, right = [], []
        for number in (near.node, same(np.array(self.digests, object)), same(self._pixels)):
            images = np.flatnonzero(number >= 0)
            _, first, inverse = np.unique(number[images], return_index=True, return_inverse=True)
            left.append(images[first][inverse].astype(np.int32))
            right.append(images.astype(np.int32))
        unit = near_duplicates.components(
            len(self.digests), np.concatenate(left), np.concatenate(right)
        )
        of_node = np.zeros(len(near.phash), np.int32)
        compared = near.node >= 0
        of_node[near.node[compared]] = unit[compared]
        return unit, of_node[near.first], of_node[near.second]

    def as_split(
        self, split: list[str], reason: list[str], crossing: tuple[str, str] | None
    ) -> Split:
        """Return the rows of all images that could be read."""
        texts = {}
        for name, (values, valid) in self._hashes.items():
            pairs = zip(values.tolist(), valid.tolist(), strict=True)
            texts[name] = [f"{value:016x}" if is_valid else "" for value, is_valid in pairs]
        columns = (self.sources, split, reason, self.digests, texts["phash"], texts["dhash"])
        rows = [SplitRow(*row) for row in zip(*columns, strict=True)]
        return Split(rows, self._images, crossing)
