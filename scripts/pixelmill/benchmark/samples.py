"""Samples: one measurement each, and the cases that they are measurements of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from pixelmill.engines.registry import BASELINE, ENGINES, LOCAL

#: Engines that are measured at every number of workers.
PARALLEL = tuple(name for name in LOCAL if ENGINES[name].pool != "inline")

#: Engines that have one worker. The baseline is not among them: ``loop`` measures its work.
_SINGLE = tuple(
    name for name, spec in ENGINES.items() if spec.pool == "inline" and name != BASELINE
)

#: Stages that the time of a worker is split into; `wait` is what is left of it.
STAGES = ("read", "decode", "steps", "encode", "write", "wait")

#: What kinds of cases are called, where their name does not say it.
NAMES = {
    "loop": "plain loop",
    "synchronous": "Dask, one thread",
    "ceiling": "independent loops",
}

#: Threads that share one interpreter where the times of steps are taken: two tell
#: whether a step lets go of the GIL.
THREADS_TOGETHER = 2


@dataclass(frozen=True)
class Case:
    """One way to do the work: a kind, and how many workers.

    Kinds: ``loop`` (one plain loop), ``ceiling`` (as many independent loops as
    workers, each on its part), ``overhead`` (the library against bare calls),
    ``steps`` (each step alone, in one thread and in two), ``synchronous`` (an
    engine's whole pass, its batches handed out by Dask to one worker), an engine (a
    whole pass, ledger and all), or ``rival`` (another `tool`).
    """

    kind: str
    workers: int
    tool: str = ""

    @property
    def name(self) -> str:
        """What people call it.

        Examples
        --------
        >>> Case("threads", 2).name, Case("rival", 2, "gm").name
        ('threads x2', 'gm x2')
        """
        return f"{self.tool or self.kind} x{self.workers}"

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data; the tool only where there is one."""
        data = asdict(self)
        if not self.tool:
            del data["tool"]
        return data


@dataclass(frozen=True)
class Sample:
    """One measurement.

    Attributes
    ----------
    seconds : float
        Of the work, start-up aside.
    startup_seconds : float
        Until all workers were ready.
    images : int
    tail_seconds : float
        Between the first worker's running out of work and the end.
    parts : dict
        Seconds by part, where a case tells them.
    stages : dict
        Seconds by each of `STAGES`, summed over images and divided by the workers.
    idle : list of float
        Share of the time that each worker had nothing to do.
    """

    seconds: float
    startup_seconds: float
    images: int
    tail_seconds: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    idle: list[float] = field(default_factory=list)

    @property
    def images_per_second(self) -> float:
        """Images a second."""
        return self.images / self.seconds


#: All measurements, by case; those of one repeat stand at the same place of each list.
Samples: TypeAlias = Mapping[Case, Sequence[Sample]]


def cases_for(cores: int) -> list[Case]:
    """Cases up to a number of cores: 1, 2, 4, ... and all of them.

    Examples
    --------
    >>> sorted({case.workers for case in cases_for(6)})
    [1, 2, 4, 6]
    """
    counts = sorted({2**k for k in range(cores.bit_length()) if 2**k <= cores} | {cores})
    parallel = [Case(kind, count) for count in counts for kind in ("ceiling", *PARALLEL)]
    steps = [Case("steps", THREADS_TOGETHER)] if cores >= THREADS_TOGETHER else []
    single = [Case(kind, 1) for kind in ("loop", *_SINGLE)]
    return [Case("overhead", 1), *steps, *single, *parallel]


def ratios(ours: Sequence[Sample], theirs: Sequence[Sample]) -> list[float]:
    """How much faster one case was than another, repeat by repeat.

    A slow spell of the machine hits both sides of a ratio.
    """
    return [a.images_per_second / b.images_per_second for a, b in zip(ours, theirs, strict=True)]


def read(result: Mapping[str, Any]) -> dict[Case, list[Sample]]:
    """Samples of a scaling.json."""
    return {
        Case(entry["kind"], entry["workers"], entry.get("tool", "")): [
            Sample(**sample) for sample in entry["samples"]
        ]
        for entry in result["samples"]
    }
