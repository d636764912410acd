"""Unfinished benchmarks: the measurements taken so far, kept until all of them are there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any, TypeAlias

from pixelmill.benchmark.samples import Case
from pixelmill.core.tables import read_json, write_json

#: Measures a case, its time or its memory, and returns plain data.
Measure: TypeAlias = Callable[[Case, bool], dict[str, Any]]


def beside(output: str) -> str:
    """Return the path of the measurements so far, by the path of the result.

    Examples
    --------
    >>> beside("results/scaling.json")
    'results/scaling.unfinished.json'
    """
    return f"{output.removesuffix('.json')}.unfinished.json"


class Unfinished:
    """Repeats the measurements of a benchmark that was stopped, and keeps those that follow.

    A benchmark measures the same cases in the same order each time.

    Parameters
    ----------
    path : str
        Where the measurements are kept.
    conditions : str
        Digest of all that they depend on. Those under other conditions are not repeated.
    measure : callable
    """

    def __init__(self, path: str, conditions: str, measure: Measure) -> None:
        self._path = path
        self._conditions = conditions
        self._measure = measure
        self._taken: list[list[Any]] = []
        self._repeated = 0
        with contextlib.suppress(OSError, ValueError, TypeError, LookupError):
            earlier = read_json(path)
            if earlier["conditions"] == conditions:
                self._taken = [
                    [name, memory, dict(data)] for name, memory, data in earlier["taken"]
                ]

    @property
    def count(self) -> int:
        """Number of measurements that are kept."""
        return len(self._taken)

    def __call__(self, case: Case, memory: bool) -> dict[str, Any]:
        """Return the next measurement."""
        if self._repeated < self.count:
            name, of_memory, data = self._taken[self._repeated]
            if (name, of_memory) == (case.name, memory):
                self._repeated += 1
                return dict(data)
            del self._taken[self._repeated :]
        data = self._measure(case, memory)
        self._taken.append([case.name, memory, data])
        self._repeated += 1
        write_json(self._path, {"conditions": self._conditions, "taken": self._taken})
        return data

    def remove(self) -> None:
        """Remove the file; the benchmark is finished."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)
