"""Checks: one question each, asked of many images, with its counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: Images that differ are named up to this number; all are counted.
MOST_NAMED = 20


@dataclass
class Check:
    """One question asked of many images."""

    name: str
    question: str
    compared: int = 0
    not_compared: int = 0
    differing: int = 0
    named: list[dict[str, str]] = field(default_factory=list)

    def fail(self, image: str, why: str) -> None:
        """Note an image that differs."""
        self.differing += 1
        if len(self.named) < MOST_NAMED:
            self.named.append({"image": image, "why": why})

    def as_dict(self) -> dict[str, Any]:
        """Return the check as it is written to JSON."""
        return {
            "name": self.name,
            "passed": self.differing == 0,
            "compared": self.compared,
            "not_compared": self.not_compared,
            "differing": self.differing,
            "question": self.question,
            "named": self.named,
        }
