"""Samples: single measurements, and the cases that they measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from pixelmill.benchmark.scaling_file import ScalingFile
from pixelmill.engines.registry import BASELINE, ENGINES, LOCAL

#: Engines that are measured with every number of workers.
PARALLEL = tuple(name for name in LOCAL if ENGINES[name].pool != "inline")

#: Engines that have one worker. The baseline is not among them: ``loop`` measures its work.
_SINGLE = tuple(
    name for name, spec in ENGINES.items() if spec.pool == "inline" and name != BASELINE
)

#: Stages into which the time of a worker is split; `wait` is the rest.
STAGES = ("read", "decode", "steps", "encode", "write", "wait")

#: Names of kinds of cases that do not explain themselves.
NAMES = {
    "loop": "plain loop",
    "synchronous": "Dask, one thread",
    "ceiling": "independent loops",
}

#: Number of threads in which the times of steps are measured: two show whether a step releases
#: the GIL.
THREADS_TOGETHER = 2


@dataclass(frozen=True)
class Case:
    """A way to do the work that the benchmark measures.

    Attributes
    ----------
    kind : str
        ``loop`` (one plain loop), ``ceiling`` (as many independent loops as workers, each on its
        part), ``overhead`` (the library against bare calls), ``steps`` (each step alone, in one
        thread and in two), ``synchronous`` (a whole pass, whose batches Dask hands to one
        worker), an engine (a whole pass with its ledger), or ``rival`` (another tool).
    workers : int
    tool : str
        Name of the other tool.
    """

    kind: str
    workers: int
    tool: str = ""

    @property
    def name(self) -> str:
        """Name for people.

        Examples
        --------
        >>> Case("threads", 2).name, Case("rival", 2, "gm").name
        ('threads x2', 'gm x2')
        """
        return f"{self.tool or self.kind} x{self.workers}"

    def as_data(self) -> dict[str, Any]:
        """Return the case as plain data; the tool only if there is one."""
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
        Of the work, without start-up.
    startup_seconds : float
        Until all workers were ready.
    images : int
    tail_seconds : float
        From the time when the first worker runs out of work to the end.
    parts : dict
        Seconds by part, for cases that have parts.
    stages : dict
        Seconds by each of `STAGES`, summed over images and divided by the workers.
    idle : list of float
        Share of the time during which each worker had nothing to do.
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
        """Throughput."""
        return self.images / self.seconds


#: All measurements by case; those of the same repeat have the same index.
Samples: TypeAlias = Mapping[Case, Sequence[Sample]]


def cases_for(cores: int) -> list[Case]:
    """Return the cases to measure, with 1, 2, 4, ... workers and as many as there are cores.

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
    """Return how many times faster one case was than another in each repeat.

    If the machine is slow for a while, both sides of a ratio are slow.
    """
    return [a.images_per_second / b.images_per_second for a, b in zip(ours, theirs, strict=True)]


def read(result: ScalingFile) -> dict[Case, list[Sample]]:
    """Return the samples of a ``scaling.json``."""
    return {
        Case(entry["kind"], entry["workers"], entry.get("tool", "")): [
            Sample(**sample) for sample in entry["samples"]
        ]
        for entry in result["samples"]
    }
