"""Reasons why an image failed: one entry for each, from which everything else follows.

These names are the only words that the column ``reason`` of a table holds. `docs/failures.md`,
the config schema and the checks of messages and ledgers are derived from the entries.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple


class Retry(enum.Enum):
    """When an image that failed is processed again, besides after a change of recipe or code."""

    EVERY_PASS = "in every pass"
    NEW_LIMITS = "when it or the limits change"
    NEW_SOURCE = "when it changes"


class Reason(NamedTuple):
    """A reason for which an image can fail.

    Attributes
    ----------
    name : str
        As tables and configs have it.
    summary : str
        What happened, in a few words for a terminal.
    meaning : str
        What happened, in sentences of Markdown for the documentation.
    remedy : str
        What a user can do about it, in sentences of Markdown; empty if there is nothing.
    predicates : tuple of str
        What is said of one image, and of several: "is not an image", "are not images".
    retry : Retry
    tried_alone : bool
        The image can end or block its process. It is tried in a process of its own before the
        failure is recorded, and so are the images after it until there is no more trouble.
    doubtful : bool
        Another image in the same process can be the cause. The failure counts only if the
        process had no other image.
    source_unknown : bool
        The source could not be read, so nothing is known about it, and an earlier output is
        kept.
    """

    name: str
    summary: str
    meaning: str
    remedy: str = ""
    predicates: tuple[str, str] = ("failed", "failed")
    retry: Retry = Retry.NEW_SOURCE
    tried_alone: bool = False
    doubtful: bool = False
    source_unknown: bool = False


#: All reasons by name.
REASONS = {
    reason.name: reason
    for reason in (
        Reason(
            "unreadable",
            "the file could not be read (permission, disk)",
            "The file could not be read (permissions, disk), or it is no longer a regular file; or "
            "its archive is damaged, or was changed after it was listed.",
            "Correct its permissions, or restore it.",
            predicates=("could not be read", "could not be read"),
            retry=Retry.EVERY_PASS,
            source_unknown=True,
        ),
        Reason(
            "vanished",
            "the file was gone when its turn came",
            "The file was gone when its turn came.",
            predicates=("vanished", "vanished"),
            retry=Retry.EVERY_PASS,
            source_unknown=True,
        ),
        Reason(
            "not_an_image",
            "the content is not an image of a known format",
            "The content is not an image of a known format, regardless of its name.",
            "Copy or download it again if it should be an image. Otherwise, remove it, or exclude "
            "it from the dataset.",
            predicates=("is not an image", "are not images"),
        ),
        Reason(
            "truncated",
            "the file ends before the image does",
            "The file ends before the image does.",
            "Copy or download it again.",
            predicates=("truncated", "truncated"),
        ),
        Reason(
            "corrupt",
            "the image data is damaged",
            "The image data is damaged. In a PNG, damaged text and other optional chunks are "
            "skipped.",
            "Copy or download it again.",
            predicates=("damaged", "damaged"),
        ),
        Reason(
            "too_large",
            "the image exceeds one of the limits",
            "The image exceeds one of the `limits`, which the message names. Limits on the file "
            "are checked before it is read, limits on the header before the image is decoded.",
            "If it is meant to be that large, raise that limit.",
            predicates=("too large", "too large"),
            retry=Retry.NEW_LIMITS,
        ),
        Reason(
            "unsupported",
            "the format is known, but not this variety of it",
            "The format is known, but no library decodes this variety of it correctly; or "
            "`limits.formats` excludes the format; or `animation: error` refuses the animation; or "
            "the colours are HDR (PQ, HLG); or it is an encrypted or sparse member of an archive.",
            "Convert it with another program, or allow what the message names.",
            predicates=("unsupported", "unsupported"),
            retry=Retry.NEW_LIMITS,
        ),
        Reason(
            "step_failed",
            "a step of the recipe raised an error",
            "A step of the recipe raised an error; for your own steps, the message has the file "
            "and line.",
            "Correct the step or its parameters.",
            predicates=("failed in a step", "failed in a step"),
        ),
        Reason(
            "write_failed",
            "the output could not be written",
            "The output could not be written, or its format cannot hold the image.",
            "Correct the permissions of the output folder, or choose another output format.",
            predicates=("could not be written", "could not be written"),
            retry=Retry.EVERY_PASS,
        ),
        Reason(
            "target_missed",
            "no quality reaches the target of the recipe",
            "No quality reaches the `target` of the recipe. The message has the nearest that was "
            "reached.",
            "Choose an easier target, or make the picture smaller with `resize`.",
            predicates=("missed the target", "missed the target"),
        ),
        Reason(
            "timed_out",
            "it took longer than the limit",
            "The image took longer than `limits.seconds_per_image`, twice.",
            "Raise that limit, or simplify the recipe.",
            predicates=("took too long", "took too long"),
            retry=Retry.NEW_LIMITS,
            tried_alone=True,
        ),
        Reason(
            "crashed",
            "the decoder or a step ended the process",
            "The decoder or a step ended the process, twice. The message has the signal.",
            "Correct the step, or convert the image with another program.",
            predicates=("crashed", "crashed"),
            tried_alone=True,
            doubtful=True,
        ),
        Reason(
            "out_of_memory",
            "it needs more memory than the limit",
            "The image needs more than `limits.memory_mb`, or the system killed its process, "
            "twice.",
            "Raise that limit, or use fewer workers.",
            predicates=("needed too much memory", "needed too much memory"),
            retry=Retry.NEW_LIMITS,
            tried_alone=True,
            doubtful=True,
        ),
    )
}


def _named(holds: Callable[[Reason], bool]) -> frozenset[str]:
    return frozenset(name for name, reason in REASONS.items() if holds(reason))


#: Names of reasons by what follows from them: see the attributes of `Reason`.
SOURCE_UNKNOWN = _named(lambda reason: reason.source_unknown)
TRIED_ALONE = _named(lambda reason: reason.tried_alone)
DOUBTFUL = _named(lambda reason: reason.doubtful)
RETRIED_IN_EVERY_PASS = _named(lambda reason: reason.retry is Retry.EVERY_PASS)
RETRIED_WITH_NEW_LIMITS = _named(lambda reason: reason.retry is Retry.NEW_LIMITS)
