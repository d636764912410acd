"""Conclusion: whether a run succeeded, and the sentence that says so.

The targets of the workflow and the command `pixelmill run` both decide and speak through this
module, so that they agree.
"""

from __future__ import annotations

import enum
import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pixelmill.core.reasons import REASONS

#: Fewer than `FEW` failures in a set of fewer than `SMALL_SET` images are no failure of the run:
#: one bad file of 50 is more than a percent.
FEW = 5
SMALL_SET = 100

#: How the message about an image names a package that would read it.
_MISSING_PACKAGE = re.compile(r"needs the package (\S+): (.+)")


class State(enum.StrEnum):
    """How a run ended."""

    SUCCESS = "success"
    PARTIAL = "success with failures"
    FAILURE = "failure"


#: The level of the message that each state is told by.
LEVELS = {
    State.SUCCESS: logging.INFO,
    State.PARTIAL: logging.WARNING,
    State.FAILURE: logging.ERROR,
}

#: How the sentence of each state begins.
BEGINNINGS = {
    State.SUCCESS: "Success",
    State.PARTIAL: "Success with failures",
    State.FAILURE: "Failed",
}


@dataclass(frozen=True)
class Conclusion:
    """How a run ended, and the sentence that says so."""

    state: State
    sentence: str

    @property
    def status(self) -> int:
        """The exit status: 0 if the run succeeded, 1 if not."""
        return 1 if self.state is State.FAILURE else 0


@dataclass(frozen=True)
class Images:
    """How many images there are, and why some of them failed.

    Attributes
    ----------
    total : int
    causes : mapping
        Number of failed images by what is said of one image, and of several.
    """

    total: int
    causes: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, total: int, failures: Iterable[Mapping[str, str]]) -> Images:
        """Count the rows of a table of failures, which has a row for each image that failed."""
        return cls(total, Counter(_cause(row["reason"], row["message"]) for row in failures))

    @property
    def failed(self) -> int:
        """Number of images that failed."""
        return sum(self.causes.values())

    @property
    def processed(self) -> int:
        """Number of images that have their outputs."""
        return self.total - self.failed

    def told_causes(self) -> dict[str, int]:
        """Return the number of failed images by what is said of them, the most frequent first."""
        ordered = sorted(self.causes.items(), key=lambda entry: -entry[1])
        return {words[count != 1]: count for words, count in ordered}

    def told(self, limit: str = "") -> str:
        """Say how many images were processed, how many failed, and why.

        Parameters
        ----------
        limit : str
            What is said of too many failures.

        Examples
        --------
        >>> rows = [{"reason": "not_an_image", "message": ""}] * 3
        >>> rows += [{"reason": "truncated", "message": ""}]
        >>> print(Images.of(50, rows).told())
        46 of 50 images processed; 4 failed: 3 are not images, 1 truncated
        """
        told = f"{self.processed:,} of {self.total:,} {_images(self.total)} processed"
        if self.failed:
            causes = ", ".join(f"{count:,} {words}" for words, count in self.told_causes().items())
            told += f"; {self.failed:,} failed{limit and f', {limit}'}: {causes}"
        return told


def exceeded(failed: int, total: int, limits: Mapping[str, Any]) -> str:
    """Return the limit on failures that was exceeded: "max_rate", "max_count", or none.

    Parameters
    ----------
    failed, total : int
        Number of images.
    limits : mapping
        `max_rate`, the largest share that may fail, and `max_count`, the largest number or None.
        A few failures in a small set are not too many, unless nothing may fail or nothing
        succeeded.

    Examples
    --------
    >>> limits = {"max_rate": 0.01, "max_count": None}
    >>> exceeded(4, 50, limits), exceeded(5, 50, limits)
    ('', 'max_rate')
    """
    rate, count = limits["max_rate"], limits["max_count"]
    if count is not None and failed > count:
        return "max_count"
    few = rate > 0 and failed < min(FEW, total) and total < SMALL_SET
    return "max_rate" if failed > rate * total and not few else ""


def conclude(images: Images, faults: Sequence[str] = (), limit: str = "") -> Conclusion:
    """Decide how a run ended.

    Parameters
    ----------
    images : Images
    faults : sequence of str
        What is wrong with the results, each in a few words.
    limit : str
        What is said of too many failures; empty if there are not too many.
    """
    state = State.PARTIAL if images.failed else State.SUCCESS
    if faults or limit:
        state = State.FAILURE
    told = [*faults, images.told(limit)] if images.total or not faults else faults
    return Conclusion(state, f"{BEGINNINGS[state]}: {'; '.join(told)}.")


def change(before: int, after: int) -> str:
    """Tell the sizes of images before and after, and the share saved.

    Examples
    --------
    >>> change(4_100_000, 1_000_000)
    '4.1 MB became 1.0 MB (76 % less)'
    >>> change(2_500_000, 7300)
    '2.5 MB became 7.3 kB (99.7 % less)'
    """
    share = 100 * abs(after - before) / max(before, 1)
    word = "less" if after <= before else "more"
    rounded = f"{share:.1f}" if 99.5 <= share < 100 else f"{share:,.0f}"
    return f"{size(before)} became {size(after)} ({rounded} % {word})"


def kept(count: int, total: int) -> str:
    """Tell how many outputs hold the pictures of their sources, and their bytes.

    Examples
    --------
    >>> kept(1200, 41_200_000)
    '1,200 pictures as their sources have them (41.2 MB), because encoding saves too little'
    """
    one = "picture as its source has it"
    pictures = one if count == 1 else "pictures as their sources have them"
    return f"{count:,} {pictures} ({size(total)}), because encoding saves too little"


def size(count: float) -> str:
    """Write a number of bytes with a unit.

    Examples
    --------
    >>> size(512), size(14_200), size(41_200_000)
    ('512 bytes', '14.2 kB', '41.2 MB')
    """
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"


def _cause(reason: str, message: str) -> tuple[str, str]:
    """Return what is said of one image that failed, and of several."""
    if found := _MISSING_PACKAGE.search(message):
        package, remedy = found.groups()
        return f"needs {package} ({remedy})", f"need {package} ({remedy})"
    return REASONS[reason].predicates if reason in REASONS else (reason, reason)


def _images(count: int) -> str:
    return "image" if count == 1 else "images"
