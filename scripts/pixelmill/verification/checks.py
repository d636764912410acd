"""Checks: one entry each, with the function that finds what is wrong.

A check of the tree compares the manifest with the files and the inputs. A check of an output
examines the content of one file. Results, remedies and the report derive from the entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from pixelmill.core.filenames import escape
from pixelmill.storage.archives import content
from pixelmill.verification import second_sizes
from pixelmill.verification.check_results import ChecksData
from pixelmill.verification.expectations import (
    expected_modes,
    format_of,
    size_of,
    swaps_sides,
)
from pixelmill.verification.opened_output import OpenedOutput
from pixelmill.verification.second_samples import UndecodableError
from pixelmill.verification.tree_contents import TreeContents

#: Size in bytes of the largest source that is read to be compared with its output.
LARGEST_SOURCE = 1_000_000_000


@dataclass
class Totals:
    """Numbers from which checks derive how many images they compared.

    Attributes
    ----------
    inputs : int
        Inputs of the dataset.
    outputs, kept : int
        Outputs in the manifest: of images that succeeded, and kept from earlier passes.
    files, temporaries : int
        Files in the tree, and unfinished ones.
    opened, undecodable : int
        Outputs that were opened now or before, and those of them that do not decode.
    sidecars : int
        Outputs that describe others.
    sized, pictures : int
        Outputs whose expected size is known, and those whose pictures were compared.
    """

    inputs: int = 0
    outputs: int = 0
    kept: int = 0
    files: int = 0
    temporaries: int = 0
    opened: int = 0
    undecodable: int = 0
    sidecars: int = 0
    sized: int = 0
    pictures: int = 0


#: How many images a check compared, and how many it could not compare.
Counts: TypeAlias = Callable[[Totals], tuple[int, int]]


@dataclass(frozen=True)
class CheckSpec:
    """A check and everything that people are told about it.

    Attributes
    ----------
    name : str
    question : str
        What the check asks of an image.
    remedy : str
        What to do if the check fails.
    is_repaired : bool
        Whether the next run repairs what the check found.
    counts : callable
        Returns how many images the check compared, and how many it could not compare.
    """

    name: str
    question: str
    remedy: str
    is_repaired: bool
    counts: Counts


@dataclass(frozen=True)
class TreeCheck(CheckSpec):
    """A check of an output tree as a whole.

    Attributes
    ----------
    find : callable
        Yields the images that differ, each with the reason.
    """

    find: Callable[[TreeContents], Iterator[tuple[str, str]]]


@dataclass(frozen=True)
class OutputCheck(CheckSpec):
    """A check of the content of one output.

    Attributes
    ----------
    find : callable
        Returns what is wrong with an output, or None.
    needs_picture : bool
        Whether outputs that do not decode are left out.
    """

    find: Callable[[OpenedOutput], str | None]
    needs_picture: bool = True


def _find_inputs(tree: TreeContents) -> Iterator[tuple[str, str]]:
    yield from ((path, "is an input without a row") for path in tree.inputs_without_row)
    yield from ((path, "has a row but is not an input") for path in tree.rows_without_input)


def _find_missing(tree: TreeContents) -> Iterator[tuple[str, str]]:
    yield from ((escape(path), "is in the manifest but does not exist") for path in tree.missing())


def _find_extra(tree: TreeContents) -> Iterator[tuple[str, str]]:
    yield from ((escape(path), "exists but is not in the manifest") for path in tree.extra)


def _find_temporaries(tree: TreeContents) -> Iterator[tuple[str, str]]:
    yield from ((escape(path), "was left by a run that was killed") for path in tree.temporaries)


def _find_undecodable(output: OpenedOutput) -> str | None:
    return output.decoding_error or None


def _find_wrong_format(output: OpenedOutput) -> str | None:
    expected = output.expectation.format or format_of(output.source)
    wrong = expected and output.format != expected
    return f"is {output.format}, not {expected}" if wrong else None


def _find_wrong_size(output: OpenedOutput) -> str | None:
    expectation, source = output.expectation, output.source
    output.expected_size = size_of(expectation, source)
    found = second_sizes.size_of(output.data, upright=False) or output.size
    if not expectation.upright and second_sizes.is_sequence(output.data) and swaps_sides(source):
        found = found[::-1]  # the frames are turned because a sequence records no orientation
    if output.expected_size in (None, found):
        return None
    return "is {}x{}, not {}x{}".format(*found, *output.expected_size)


def _find_wrong_mode(output: OpenedOutput) -> str | None:
    modes = expected_modes(output.expectation, output.source)
    return None if output.mode in modes else f"is {output.mode}, not {' or '.join(modes)}"


def _find_too_large(output: OpenedOutput) -> str | None:
    most = output.expectation.most_bytes
    if len(output.data) > most:
        return f"has {len(output.data):,} bytes, more than the {most:,.0f} of the target"
    if not output.expectation.keeps_source:
        return None
    try:
        source = content(output.source, LARGEST_SOURCE)
    except OSError:  # another check reports a source that is gone
        return None
    from pixelmill.verification.file_sizes import size_fault

    return size_fault(output.expectation, source, output.data)


def _find_altered(output: OpenedOutput) -> str | None:
    altered = output.sha256 != output.recorded_sha256
    return "bytes differ from the manifest" if altered else None


def _find_dissimilar(output: OpenedOutput) -> str | None:
    if not output.expectation.comparable or not (output.is_sampled or output.faults):
        return None
    from pixelmill.verification.picture_check import check_pictures

    try:
        source = content(output.source, LARGEST_SOURCE)
        verdict = check_pictures(output.expectation, source, output.data, output.min_psnr)
    except (OSError, UndecodableError):
        return None
    output.verdict = verdict
    return None if verdict.why is None else f"{verdict.why} ({verdict.similarity_db:.1f} dB)"


def _count_opened(totals: Totals) -> tuple[int, int]:
    return totals.opened, 0


def _count_decoded(totals: Totals) -> tuple[int, int]:
    return totals.opened - totals.sidecars - totals.undecodable, totals.undecodable


_ALTERED = "the outputs were altered after they were made; the next run makes them again"

TREE_CHECKS = (
    TreeCheck(
        "inputs",
        "Does every input have a row in the manifest, and every row an input?",
        "the inputs changed; the next run makes what is missing, and removes the rest",
        True,
        lambda totals: (totals.inputs, 0),
        _find_inputs,
    ),
    TreeCheck(
        "missing",
        "Does every output in the manifest exist?",
        "the next run makes them again",
        True,
        lambda totals: (totals.outputs + totals.kept, 0),
        _find_missing,
    ),
    TreeCheck(
        "extra",
        "Is every file in the manifest?",
        "pixelmill did not make these files: move them elsewhere",
        False,
        lambda totals: (totals.files, 0),
        _find_extra,
    ),
    TreeCheck(
        "temporaries",
        "Is every file complete?",
        "the next run removes them",
        True,
        lambda totals: (totals.files + totals.temporaries, 0),
        _find_temporaries,
    ),
)

#: In this order, so that the similarity of an output is checked if another check failed.
OUTPUT_CHECKS = (
    OutputCheck(
        "decodes",
        "Can the whole output be decoded?",
        _ALTERED,
        True,
        _count_opened,
        _find_undecodable,
        needs_picture=False,
    ),
    OutputCheck(
        "format",
        "Does it have the format that the recipe asks for?",
        _ALTERED,
        True,
        _count_decoded,
        _find_wrong_format,
    ),
    OutputCheck(
        "size",
        "Does it have the size that the recipe asks for?",
        _ALTERED,
        True,
        lambda totals: (totals.sized, totals.opened - totals.sidecars - totals.sized),
        _find_wrong_size,
    ),
    OutputCheck(
        "mode",
        "Does it have the colour mode that the recipe asks for?",
        _ALTERED,
        True,
        _count_decoded,
        _find_wrong_mode,
    ),
    OutputCheck(
        "bytes",
        "Is the file as small as the recipe asks for?",
        _ALTERED,
        True,
        _count_decoded,
        _find_too_large,
    ),
    OutputCheck(
        "sha256",
        "Do its bytes agree with the manifest?",
        _ALTERED,
        True,
        _count_opened,
        _find_altered,
        needs_picture=False,
    ),
    OutputCheck(
        "similarity",
        "Does it look like its source, as another library renders it?",
        "if the outputs were not altered, the code of the recipe is wrong: please report it",
        False,
        lambda totals: (totals.pictures, totals.outputs - totals.sidecars - totals.pictures),
        _find_dissimilar,
    ),
)

#: The check of the files that describe outputs: see `pixelmill.verification.sidecar_check`.
SIDECAR_CHECK = CheckSpec(
    "sidecar",
    "Does each sidecar describe its output and its source?",
    _ALTERED,
    True,
    lambda totals: (totals.sidecars, 0),
)

CHECKS: tuple[CheckSpec, ...] = (*TREE_CHECKS, *OUTPUT_CHECKS, SIDECAR_CHECK)


def remedies(result: ChecksData) -> Iterator[str]:
    """Say what to do about each check that failed."""
    return (f"{check.name}: {check.remedy}" for check in _failed(result))


def is_repaired(result: ChecksData) -> bool:
    """Return whether the next run repairs something of what was found."""
    return any(check.is_repaired for check in _failed(result))


def _failed(result: ChecksData) -> list[CheckSpec]:
    names = {check["name"] for check in result["checks"] if not check["passed"]}
    return [check for check in CHECKS if check.name in names]
