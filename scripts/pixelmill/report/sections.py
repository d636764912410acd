"""Sections of the report: what it shows of one dataset and recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pixelmill.report.comparison import ComparedRow, Comparison, compare
from pixelmill.report.contact_sheet import Pair

#: Contact sheets by dataset and recipe.
Sheets = Mapping[tuple[str, str], Sequence[Pair]]


@dataclass(frozen=True)
class Section:
    """What the report shows of one dataset and recipe.

    Attributes
    ----------
    dataset, recipe : str
    rows : sequence of mapping
        Last full pass of each engine, as in ``benchmark.json``.
    times : sequence of mapping
        For each engine, see `pixelmill.report.timings.distributions`.
    benchmark : mapping or None
        The controlled benchmark: ``scaling.json`` without its samples.
    ranking : mapping or None
        Comparison with other tools, see `pixelmill.benchmark.ranking.ranking`.
    pairs : sequence of Pair or None
        Images before and after; None if the folder of the sources is not known.
    comparison : sequence of ComparedRow
        Throughput of each engine, from the one source of numbers of the whole report.
    measured : bool
        Whether that source is the controlled benchmark, or single passes.
    """

    dataset: str
    recipe: str
    rows: Sequence[Mapping[str, Any]] = ()
    times: Sequence[Mapping[str, Any]] = ()
    benchmark: Mapping[str, Any] | None = None
    ranking: Mapping[str, Any] | None = None
    pairs: Sequence[Pair] | None = None
    comparison: Sequence[ComparedRow] = ()
    measured: bool = False

    @property
    def name(self) -> str:
        """Dataset and recipe, as headings have them."""
        return f"{self.dataset} · {self.recipe}"


def sections(
    report: Mapping[str, Any], sheets: Sheets, comparison: Comparison | None = None
) -> Iterator[Section]:
    """Split the data of a report by dataset and recipe.

    Parameters
    ----------
    report : mapping
        As in ``benchmark.json``, with what `pixelmill.report.collect.describe` adds.
    sheets : mapping
    comparison : Comparison, optional
        Of the same report, if it was made before.
    """
    compared = comparison or compare(report)
    for key in dict.fromkeys((row["dataset"], row["recipe"]) for row in report["rows"]):

        def entries(part: str, key: tuple[str, str] = key) -> list[Any]:
            return [e for e in report.get(part, []) if (e["dataset"], e["recipe"]) == key]

        yield Section(
            *key,
            rows=entries("rows"),
            times=entries("times"),
            benchmark=next(iter(entries("scaling")), None),
            ranking=next(iter(entries("rivals")), None),
            pairs=sheets.get(key),
            comparison=compared.of(*key),
            measured=compared.measured,
        )
