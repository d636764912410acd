"""Comparison: the throughput of all recipes and engines, from one source of numbers.

Tables, charts and the head of the page show these rows, so that they cannot disagree. A speedup
is the ratio of two numbers that the same table shows, as they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pixelmill.benchmark.samples import NAMES
from pixelmill.engines.registry import BASELINE, ENGINES

#: Kinds of measured cases that are no engines: what engines are compared with, and their limit.
LOOP, CEILING = "loop", "ceiling"

#: Kinds of measured cases that are not shown here.
_OTHER = ("overhead", "rival")

#: Share by which two throughputs differ between runs of the same work.
_NEARLY = 0.05


@dataclass(frozen=True)
class ComparedRow:
    """Throughput of one engine with one recipe.

    Attributes
    ----------
    dataset, recipe : str
    kind, name : str
        The engine or another measured case, as data and as texts have it.
    workers : int
    images_per_second : float
        As shown, see `shown`.
    low, high : float or None
        Slowest and fastest measurement; None if there was one.
    speedup, efficiency : float or None
        Ratio of the throughput shown to that of the baseline shown, and that per worker; None
        if they cannot be compared.
    turn_speedup, turn_low, turn_high : float or None
        Median and spread of the ratios within the turns of the benchmark; None without one.
    remedy : str
        What to run so that they can be compared.
    """

    dataset: str
    recipe: str
    kind: str
    name: str
    workers: int
    images_per_second: float
    low: float | None = None
    high: float | None = None
    speedup: float | None = None
    efficiency: float | None = None
    turn_speedup: float | None = None
    turn_low: float | None = None
    turn_high: float | None = None
    remedy: str = ""

    @property
    def is_baseline(self) -> bool:
        """Whether speedups are relative to this row."""
        return self.kind in (BASELINE, LOOP)

    @property
    def is_engine(self) -> bool:
        """Whether a user can choose it instead of the baseline."""
        return not self.is_baseline and self.kind != CEILING


@dataclass(frozen=True)
class Comparison:
    """All rows of the comparison.

    Attributes
    ----------
    rows : tuple of ComparedRow
        In the order of the report.
    measured : bool
        Whether they are medians of a controlled benchmark, or single passes.
    """

    rows: tuple[ComparedRow, ...]
    measured: bool

    @property
    def has_speedups(self) -> bool:
        """Whether any row can be compared with a baseline, or was measured with others."""
        return self.measured or bool(self.best())

    @property
    def title(self) -> str:
        """Title of the section with these rows."""
        return "Engines compared" if self.has_speedups else "Speed"

    def of(self, dataset: str, recipe: str) -> tuple[ComparedRow, ...]:
        """Return the rows of one dataset and recipe."""
        return tuple(row for row in self.rows if (row.dataset, row.recipe) == (dataset, recipe))

    def best(self) -> list[ComparedRow]:
        """Return the fastest engine of each dataset and recipe that can be compared."""
        found: dict[tuple[str, str], ComparedRow] = {}
        for row in self.rows:
            key = (row.dataset, row.recipe)
            if row.is_engine and row.speedup is not None:
                found[key] = max(
                    found.get(key, row), row, key=lambda one: (one.images_per_second, -one.workers)
                )
        return list(found.values())

    def nearly(self, best: ComparedRow) -> list[ComparedRow]:
        """Return the other engines that are about as fast as the fastest one of a recipe."""
        least = (1 - _NEARLY) * best.images_per_second
        others = (row for row in self.of(best.dataset, best.recipe) if row.is_engine)
        return [row for row in others if row.kind != best.kind and row.images_per_second >= least]


def compare(report: Mapping[str, Any]) -> Comparison:
    """Compare the engines with the baseline of each dataset and recipe.

    The rows are those of the controlled benchmarks if there is a current one for every dataset
    and recipe, and otherwise those of the last full passes.

    Parameters
    ----------
    report : mapping
        As in ``benchmark.json``, with what `pixelmill.report.collect.describe` adds.
    """
    keys = dict.fromkeys((row["dataset"], row["recipe"]) for row in report["rows"])
    current = {
        (entry["dataset"], entry["recipe"]): entry
        for entry in report.get("scaling", ())
        if not entry.get("stale") and any(row["kind"] in ENGINES for row in entry["figures"])
    }
    measured = bool(keys) and keys.keys() <= current.keys()
    rows: list[ComparedRow] = []
    for key in keys:
        if measured:
            found = list(_measured(*key, current[key]["figures"]))
        else:
            found = list(_passes(row for row in report["rows"] if _key(row) == key))
        rows += _with_speedups(found)
    return Comparison(tuple(rows), measured)


def shown(throughput: float) -> float:
    """Return a throughput with the digits that are shown: at least three.

    Examples
    --------
    >>> shown(4.1234), shown(41.234), shown(412.34)
    (4.12, 41.2, 412.0)
    """
    return round(throughput, digits_of(throughput))


def digits_of(throughput: float) -> int:
    """Return how many decimals of a throughput are shown."""
    return 0 if throughput >= 100 else 1 if throughput >= 10 else 2


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["dataset"], row["recipe"]


def _passes(rows: Iterable[Mapping[str, Any]]) -> Iterator[ComparedRow]:
    for row in rows:
        if row["images_per_second"]:
            compared = isinstance(row["speedup"], int | float)
            yield ComparedRow(
                *_key(row),
                row["engine"],
                row["engine"],
                row["workers"],
                shown(row["images_per_second"]),
                remedy="" if compared else row["speedup"],
            )


def _measured(
    dataset: str, recipe: str, figures: Sequence[Mapping[str, Any]]
) -> Iterator[ComparedRow]:
    """Yield each case with the number of workers that all engines were measured with."""
    cases = [row for row in figures if row["kind"] not in _OTHER]
    most = max((row["workers"] for row in cases), default=1)
    for row in cases:
        if row["workers"] != most and row["kind"] not in (LOOP, "synchronous"):
            continue
        low, high = row.get("speedup_spread") or (None, None)
        is_loop = row["kind"] == LOOP
        yield ComparedRow(
            dataset,
            recipe,
            row["kind"],
            NAMES.get(row["kind"], row["kind"]),
            row["workers"],
            shown(row["images_per_second"]),
            shown(row["slowest"]),
            shown(row["fastest"]),
            turn_speedup=None if is_loop else row.get("speedup"),
            turn_low=None if is_loop else low,
            turn_high=None if is_loop else high,
        )


def _with_speedups(rows: Sequence[ComparedRow]) -> list[ComparedRow]:
    base = next((row.images_per_second for row in rows if row.is_baseline), None)
    done = []
    for row in rows:
        if base and not row.remedy:
            speedup = round(row.images_per_second / base, 2)
            efficiency = round(speedup / row.workers, 3)
            done.append(replace(row, speedup=speedup, efficiency=efficiency))
        else:
            done.append(row)
    return done
