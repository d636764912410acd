"""Results of checks: how many images a check compared, and which ones differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

#: Number of differing images that a result names; all of them are counted.
MOST_NAMED = 20


class NamedImage(TypedDict):
    """An image that differs, and why."""

    image: str
    why: str


class CheckData(TypedDict):
    """A result as it is written to JSON."""

    name: str
    passed: bool
    compared: int
    not_compared: int
    differing: int
    question: str
    named: list[NamedImage]


class ChecksData(TypedDict):
    """The content of ``verification.json`` and ``comparison.json``."""

    passed: bool
    summary: str
    checks: list[CheckData]


@dataclass
class CheckResult:
    """What one check found.

    Attributes
    ----------
    name, question : str
        Of the check.
    compared, not_compared : int
        Number of images that the check examined, and of those that it could not examine.
    differing : int
        Number of images that differ from what was expected.
    named : list of dict
        The first of these images.
    """

    name: str
    question: str
    compared: int = 0
    not_compared: int = 0
    differing: int = 0
    named: list[NamedImage] = field(default_factory=list)

    def fail(self, image: str, why: str) -> None:
        """Record an image that differs."""
        self.differing += 1
        if len(self.named) < MOST_NAMED:
            self.named.append({"image": image, "why": why})

    def as_dict(self) -> CheckData:
        """Return the result as it is written to JSON."""
        return {
            "name": self.name,
            "passed": self.differing == 0,
            "compared": self.compared,
            "not_compared": self.not_compared,
            "differing": self.differing,
            "question": self.question,
            "named": self.named,
        }


def as_data(results: list[CheckResult], summary: str) -> ChecksData:
    """Return the results of all checks as they are written to JSON."""
    checks = [result.as_dict() for result in results]
    return {
        "passed": all(check["passed"] for check in checks),
        "summary": summary,
        "checks": checks,
    }
