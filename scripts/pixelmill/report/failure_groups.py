"""Failure groups: the images that failed, by reason in words, with what to do about them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pixelmill.core.reasons import REASONS, Retry

#: How the message about an image names a package that would read it.
_MISSING_PACKAGE = re.compile(r"needs the package (\S+): (pip install \S+)")

#: When an image is tried again, in sentences.
_RETRIES = {
    Retry.EVERY_PASS: "The next run tries it again.",
    Retry.NEW_LIMITS: "It is tried again when the file or the limits change.",
    Retry.NEW_SOURCE: "It is tried again when the file changes.",
}


@dataclass(frozen=True)
class FailureGroup:
    """Images that failed for the same reason.

    Attributes
    ----------
    reason : str
        As tables have it.
    title, meaning, remedy : str
        What happened, and what to do; `meaning` and `remedy` are Markdown.
    count : int
        Number of images.
    message : str
        What is said of most of them.
    rows : tuple of tuple
        Path of each listed image, and its message if it differs from `message`, numbers aside.
    commands : tuple of tuple
        Label and text of each command to copy.
    """

    reason: str
    title: str
    meaning: str
    remedy: str
    count: int
    message: str
    rows: tuple[tuple[str, str], ...]
    commands: tuple[tuple[str, str], ...]


@dataclass
class FailedImages:
    """The images of one dataset that failed, in all output trees where they are the same.

    Attributes
    ----------
    dataset : str
    places : list of str
        Recipe and engine of each of these output trees.
    failed, images : int
    groups : tuple of FailureGroup
        The most frequent reason first.
    """

    dataset: str
    places: list[str]
    failed: int
    images: int
    groups: tuple[FailureGroup, ...]
    _recipes: dict[str, list[str]] = field(default_factory=dict)

    @property
    def told_places(self) -> str:
        """Recipes, each with its engines."""
        return "; ".join(f"{name}: {', '.join(found)}" for name, found in self._recipes.items())


def failed_images(
    failures: Sequence[Mapping[str, Any]], commands: Mapping[str, str]
) -> list[FailedImages]:
    """Merge the failures of output trees in which the same images failed, and group them.

    Parameters
    ----------
    failures : sequence of mapping
        As in ``benchmark.json``.
    commands : mapping
        What to run, see `pixelmill.report.collect.collect`.
    """
    found: dict[str, FailedImages] = {}
    for entry in failures:
        parts = ("dataset", "failed", "images", "reasons", "listed")
        key = json.dumps([entry[part] for part in parts], sort_keys=True)
        if key not in found:
            groups = tuple(_groups(entry, commands))
            found[key] = FailedImages(
                entry["dataset"], [], entry["failed"], entry["images"], groups
            )
        merged = found[key]
        merged.places.append(f"{entry['recipe']}/{entry['engine']}")
        merged._recipes.setdefault(entry["recipe"], []).append(entry["engine"])
    return list(found.values())


def _groups(entry: Mapping[str, Any], commands: Mapping[str, str]) -> Iterator[FailureGroup]:
    rows: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for row in entry["listed"]:
        missing = _MISSING_PACKAGE.search(row["message"])
        rows.setdefault((row["reason"], missing[2] if missing else ""), []).append(row)
    reasons = entry["reasons"]
    for (reason, install), listed in sorted(
        rows.items(), key=lambda group: (-reasons.get(group[0][0], 0), -len(group[1]))
    ):
        alone = sum(name == reason for name, _ in rows) == 1
        count = reasons.get(reason, len(listed)) if alone else len(listed)
        yield _group(reason, install, count, listed, commands)


def _group(
    reason: str,
    install: str,
    count: int,
    listed: Sequence[Mapping[str, str]],
    commands: Mapping[str, str],
) -> FailureGroup:
    known = REASONS.get(reason)
    message = _most_frequent(row["message"] for row in listed)
    again = commands.get("process") or commands.get("all", "")
    to_copy = [("Process again", again)] if again else []
    if install:
        remedy, title = "Install the package that reads this format.", "A package is missing"
        to_copy.insert(0, ("Install it", install))
    else:
        title = _capital(known.summary) if known else reason
        remedy = (known.remedy if known else "") or "There is nothing to do about it."
    retry = _RETRIES[known.retry] if known else ""
    return FailureGroup(
        reason,
        title,
        "" if install or not known or known.meaning.startswith(title) else known.meaning,
        f"{remedy} {retry}".strip(),
        count,
        message,
        tuple(
            (row["source"], "" if _alike(row["message"], message) else row["message"])
            for row in listed
        ),
        tuple(to_copy),
    )


def _most_frequent(messages: Iterable[str]) -> str:
    """Return a message that stands for most, numbers aside; empty if each has its own."""
    listed = list(messages)
    counted = Counter(re.sub(r"\d+", "0", message) for message in listed)
    pattern, count = counted.most_common(1)[0]
    if count == 1 and len(counted) > 1:
        return ""
    return next(message for message in listed if _alike(message, pattern))


def _alike(one: str, other: str) -> bool:
    """Whether two messages are the same, numbers aside."""
    return re.sub(r"\d+", "0", one) == re.sub(r"\d+", "0", other)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
