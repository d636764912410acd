"""Findings: what is unusual about images of a dataset, each with a threshold and its reason."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelmill.core.errors import UserError, shown
from pixelmill.core.filenames import unescape
from pixelmill.core.root import Root
from pixelmill.core.suggestions import allowed
from pixelmill.core.tables import write_table
from pixelmill.dataset.file_names import LISTS
from pixelmill.inspection import detectors
from pixelmill.inspection.columns import Columns, Mask
from pixelmill.inspection.detectors import Detected
from pixelmill.inspection.near_duplicates import LARGEST_DISTANCE, NearDuplicates

#: Severities, the least first.
SEVERITIES = ("info", "warning", "serious")

#: Name of the finding whose threshold decides which pictures are near-duplicates.
NEAR_DUPLICATE = "near_duplicate"


@dataclass(frozen=True)
class Finding:
    """A kind of finding.

    Attributes
    ----------
    name : str
        As ``findings.csv``, the config and `select` have it.
    severity : {"info", "warning", "serious"}
        How likely it is that the image does harm in a set: ``info`` may well be meant so.
    meaning : str
        What is found, as the end of a sentence that begins with "Images".
    value : str
        What the column ``value`` has, with its unit.
    detect : callable
        Takes the columns of all images and the threshold.
    threshold : float, optional
        None if there is nothing to choose.
    limits : tuple of float
        The smallest and the largest threshold that is allowed.
    reason : str
        Why the threshold is what it is.
    source : str
        Where the method or the threshold is from.
    """

    name: str
    severity: str
    meaning: str
    value: str
    detect: Callable[[Columns, float], Detected]
    threshold: float | None = None
    limits: tuple[float, float] = (0.0, math.inf)
    reason: str = ""
    source: str = ""


def _without_threshold(
    detect: Callable[[Columns], Detected],
) -> Callable[[Columns, float], Detected]:
    return lambda columns, threshold: detect(columns)


def _near_duplicate(columns: Columns, threshold: float) -> Detected:
    return detectors.near_duplicate(columns, detectors.similar(columns, threshold))


#: All kinds of findings by name, in the order of the table.
FINDINGS: dict[str, Finding] = {
    finding.name: finding
    for finding in (
        Finding(
            "duplicate",
            "warning",
            "whose files have the same bytes",
            "images in the group",
            _without_threshold(detectors.duplicates),
            source="XXH3 of 128 bits (Collet 2019) of the file",
        ),
        Finding(
            "same_pixels",
            "warning",
            "whose files differ, for example in format or metadata, but have the same pixels",
            "images in the group",
            _without_threshold(detectors.same_pixels),
            source="XXH3 of 128 bits of the decoded pixels",
        ),
        Finding(
            NEAR_DUPLICATE,
            "warning",
            "that look nearly the same: encoded again, resized, or slightly cropped or edited",
            "bits that differ from the representative of the group",
            _near_duplicate,
            threshold=8,
            limits=(0, LARGEST_DISTANCE),
            reason=(
                "It finds 99 % of the planted copies that were encoded again, resized, toned, "
                "marked or cropped by up to 3 %. At 12, it would find all of them, and four "
                "times as many wrong pairs."
            ),
            source=(
                "imagehash and imagededup (distance 10 of one hash); Krawetz, Looks like it, "
                "2011, and Kind of like that, 2013"
            ),
        ),
        Finding(
            "blurred",
            "warning",
            "without sharp edges",
            "sharpness (variance of the Laplacian at 512 pixels)",
            detectors.blurred,
            threshold=detectors.BLURRED,
            reason=(
                "Photos in focus have 82 or more, and those blurred by 1.5 pixels of the 512 "
                "mostly less. In a set of soft pictures, the limit is a quarter of the median."
            ),
            source="Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, 2000",
        ),
        Finding(
            "dark",
            "warning",
            "of which even the lightest parts are dark",
            "luma_p99 (0 to 255)",
            partial(detectors.below, metric="luma_p99"),
            threshold=80,
            limits=(0, 255),
            reason=(
                "A third of full brightness: of the planted dark photos none is lighter than "
                "60, and of the others none is darker than 96."
            ),
            source="cleanvision 0.3.7: 99th percentile of brightness below 0.32",
        ),
        Finding(
            "bright",
            "warning",
            "of which even the darkest parts are light",
            "luma_p5 (0 to 255)",
            partial(detectors.above, metric="luma_p5"),
            threshold=242,
            limits=(0, 255),
            reason=(
                "All but a twentieth of the picture is nearly white; photos exposed well have "
                "160 or less."
            ),
            source="cleanvision 0.3.7: 5th percentile of brightness above 0.95",
        ),
        Finding(
            "low_information",
            "warning",
            "that consist of few levels of brightness",
            "entropy (bits)",
            partial(detectors.below, metric="entropy"),
            threshold=3,
            limits=(0, 8),
            reason=(
                "Photos have 6 bits or more, drawings and pages 1 to 4, and plain areas less "
                "than 2."
            ),
            source="Shannon 1948; cleanvision 0.3.7: entropy below 3 bits",
        ),
        Finding(
            "odd_aspect",
            "info",
            "that are more elongated than the others",
            "robust z-score of the aspect ratio",
            detectors.odd_aspect,
            threshold=3.5,
            reason=("The threshold that the authors recommend; it finds all pictures of 1 to 5."),
            source="Iglewicz and Hoaglin, How to detect and handle outliers, 1993",
        ),
        Finding(
            "odd_size",
            "info",
            "with far more or far fewer pixels than the others",
            "robust z-score of the number of pixels",
            detectors.odd_size,
            threshold=8,
            reason=(
                "Copies reduced to a third of each side score up to 7, and icons of 40 pixels "
                "or pictures of 25 megapixels among photos of 500 pixels score more."
            ),
            source="Iglewicz and Hoaglin, How to detect and handle outliers, 1993",
        ),
        Finding(
            "gray",
            "info",
            "that are gray, if at least half of the set is in color",
            "colorfulness",
            detectors.gray,
            threshold=3,
            reason=(
                "Gray pictures have 0, and noise of coding adds up to 2; the palest photo has 4.6."
            ),
            source=("Hasler and Suesstrunk, Measuring colourfulness in natural images, 2003"),
        ),
        Finding(
            "suspicious_orientation",
            "info",
            "that are also there turned by 90, 180 or 270 degrees",
            "bits that differ from the turned hash of another picture",
            detectors.suspicious_orientation,
            threshold=6,
            limits=(0, LARGEST_DISTANCE),
            reason=(
                "The turned hash is right in all but 2 to 6 bits. Near-duplicates at 8 would "
                "add different pictures, because only one hash can be turned."
            ),
            source="the symmetries of the cosine transform",
        ),
        Finding(
            "upscaled",
            "info",
            "that seem to be enlarged: JPEGs with few bytes for their sharpness and quality",
            "bytes per pixel, divided by what such pictures have",
            detectors.upscaled,
            threshold=0.65,
            reason=(
                "Photos have 0.7 or more, but for some of cameras. Of those enlarged twice, half "
                "have less, and of those enlarged 8 times, all."
            ),
            source="a fit to pictures that were not enlarged (docs/decisions/findings.md)",
        ),
        Finding(
            "truncated_edges",
            "serious",
            "with a uniform border, as of a file that was cut off, or a frame",
            "border (share of the area)",
            detectors.truncated_edges,
            threshold=0.05,
            limits=(0, 1),
            reason=(
                "Files that were cut off have 0.12 or more, and frames of films 0.11; photos "
                "have up to 0.04."
            ),
            source="a decoder fills what is missing with one color",
        ),
        Finding(
            "screenshot",
            "info",
            "that seem to be screenshots",
            "signs, of 5: the size of a screen, a name, a lossless format, no camera, few levels",
            detectors.screenshot,
            threshold=3,
            limits=(1, 5),
            reason=(
                "Photos have at most two: lossless, or without a camera. One of the signs must "
                "be the size or the name."
            ),
            source="StatCounter, Screen resolution stats worldwide, 2024 to 2026",
        ),
        Finding(
            "blank_scan",
            "warning",
            "that are scans of empty pages",
            "luma_std (0 to 128)",
            detectors.blank_scan,
            threshold=8,
            limits=(0, 128),
            reason=(
                "Empty pages with shading and grain have up to 3.2, and pages with a few lines "
                "of text 21 or more."
            ),
            source="luma of paper and ink in planted pages (docs/decisions/findings.md)",
        ),
    )
}


def thresholds(given: Mapping[str, object], where: str = "findings") -> dict[str, float]:
    """Return the threshold of each finding that has one: the given one, or its default.

    Parameters
    ----------
    given : mapping
        Thresholds by the names of findings, as read from YAML.
    where : str
        Name of the mapping for messages.

    Raises
    ------
    UserError
        If a name is unknown, or a threshold is not allowed.

    Examples
    --------
    >>> thresholds({"blurred": 40})["blurred"]
    40.0
    """
    known = {name: finding for name, finding in FINDINGS.items() if finding.threshold is not None}
    for name, value in given.items():
        if name not in known:
            has_none = f"{where}.{name}: has no threshold; leave it out."
            raise UserError(
                has_none
                if name in FINDINGS
                else f"{where}.{name}: unknown finding{allowed(name, known)}"
            )
        low, high = known[name].limits
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not low <= float(str(value)) <= high or math.isinf(float(str(value))):
            span = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
            raise UserError(f"{where}.{name}: found {shown(value)}; give a number {span}.")
    chosen = {name: finding.threshold for name, finding in known.items()} | dict(given)
    return {name: float(str(value)) for name, value in chosen.items()}


class Found(NamedTuple):
    """The findings of one kind."""

    detected: Detected
    threshold: float | None

    @property
    def limit(self) -> float | None:
        """What the values were compared with: the threshold, or what followed from it."""
        return self.threshold if self.detected.limit is None else self.detected.limit


@dataclass(frozen=True)
class Findings:
    """All findings of a dataset.

    Attributes
    ----------
    found : mapping of str to Found
        By the names of findings, in their order.
    near : NearDuplicates
        The pairs behind the near-duplicates.
    """

    found: Mapping[str, Found]
    near: NearDuplicates

    def mask(self, name: str) -> Mask:
        """Return which images have a finding."""
        return self.found[name].detected.mask

    def warning(self) -> str | None:
        """Say that near-duplicates were searched within a smaller distance than was asked for."""
        asked = self.found[NEAR_DUPLICATE].threshold
        if asked is None or self.near.distance >= int(asked):
            return None
        return (
            "So many images are similar that near-duplicates were found only within "
            f"{max(self.near.distance, 0)} bits instead of {asked:g}; set "
            f"findings.{NEAR_DUPLICATE} to that, or look at these images first."
        )

    def counts(self) -> dict[str, int]:
        """Return the number of images with each finding."""
        return {name: int(found.detected.mask.sum()) for name, found in self.found.items()}


def find(columns: Columns, thresholds: Mapping[str, float]) -> Findings:
    """Search all images of a dataset for all findings.

    Parameters
    ----------
    columns : Columns
    thresholds : mapping of str to float
        As `thresholds` returns them.
    """
    near = detectors.similar(columns, thresholds[NEAR_DUPLICATE])
    found = {}
    for name, finding in FINDINGS.items():
        threshold = thresholds.get(name)
        if name == NEAR_DUPLICATE:
            detected = detectors.near_duplicate(columns, near)
        else:
            detected = finding.detect(columns, math.nan if threshold is None else threshold)
        found[name] = Found(detected, threshold)
    return Findings(found, near)


class FindingRow(NamedTuple):
    """A row of ``findings.csv``."""

    source: str
    finding: str
    severity: str
    group: int | str
    value: str
    threshold: str


#: Significant digits of the values in the table.
_DIGITS = 6


def rows(sources: Sequence[str], findings: Findings) -> list[FindingRow]:
    """Return all findings as rows: by kind, then by group, then by source.

    Groups are numbered through all kinds, from 1, in the order of their first images.
    """
    made = []
    groups = 0
    for name, found in findings.found.items():
        detected, severity = found.detected, FINDINGS[name].severity
        shown_limit = "" if found.limit is None else f"{found.limit:.{_DIGITS}g}"
        images = np.flatnonzero(detected.mask)
        numbers: NDArray[np.int64] | None = None
        if detected.group is not None and images.size:
            numbers = _renumbered(detected.group[images]) + groups + 1
            groups = int(numbers.max())
            order = np.argsort(numbers, kind="stable")
            images, numbers = images[order], numbers[order]
        for place, image in enumerate(images.tolist()):
            group = "" if numbers is None else int(numbers[place])
            value = float(detected.value[image])
            text = "" if math.isnan(value) else f"{value:.{_DIGITS}g}"
            made.append(FindingRow(sources[image], name, severity, group, text, shown_limit))
    return made


def _renumbered(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number groups from 0 in the order in which they appear."""
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def write(path: str | os.PathLike[str], sources: Sequence[str], findings: Findings) -> None:
    """Write ``findings.csv``."""
    write_table(path, FindingRow._fields, rows(sources, findings))


#: What a path cannot have in a list.
_LINE_END = re.compile(r"[\r\n]")


def write_lists(folder: str, sources: Sequence[str], findings: Findings) -> None:
    """Write a text for each finding with the paths of its images, one a line.

    A path with a line end is only in the table.

    Parameters
    ----------
    folder : str
        The texts are in `LISTS` below it. Those of findings without an image are removed.
    sources : sequence of str
        Escaped paths of all images.
    findings : Findings
    """
    root = Root(folder)
    root.make_folder(LISTS)
    for name, found in findings.found.items():
        paths = (unescape(sources[image]) for image in np.flatnonzero(found.detected.mask).tolist())
        lines = [os.fsencode(path) + b"\n" for path in paths if not _LINE_END.search(path)]
        text = f"{LISTS}/{name}.txt"
        if lines:
            root.write(text, b"".join(lines))
        else:
            root.unlink(text)
