"""Samples: one measurement each, and the arms that they are measurements of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

#: Engines that are measured at every number of workers.
PARALLEL = ("threads", "processes", "futures")

#: Stages that the time of a worker is split into; `wait` is what is left of it.
STAGES = ("read", "decode", "steps", "encode", "write", "wait")

#: What kinds of arms are called, where their name does not say it.
NAMES = {
    "loop": "plain loop",
    "synchronous": "Dask, one thread",
    "ceiling": "independent loops",
}

#: Threads that share one interpreter where the times of steps are taken: two tell
#: whether a step lets go of the GIL.
THREADS_TOGETHER = 2


@dataclass(frozen=True)
class Arm:
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
        >>> Arm("threads", 2).name, Arm("rival", 2, "gm").name
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
        Seconds by part, where an arm tells them.
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
    def rate(self) -> float:
        """Images a second."""
        return self.images / self.seconds


#: All measurements, by arm; those of one repeat stand at the same place of each list.
Samples: TypeAlias = Mapping[Arm, Sequence[Sample]]


def arms_for(cores: int) -> list[Arm]:
    """Arms up to a number of cores: 1, 2, 4, ... and all of them.

    Examples
    --------
    >>> sorted({arm.workers for arm in arms_for(6)})
    [1, 2, 4, 6]
    """
    counts = sorted({2**k for k in range(cores.bit_length()) if 2**k <= cores} | {cores})
    parallel = [Arm(kind, count) for count in counts for kind in ("ceiling", *PARALLEL)]
    steps = [Arm("steps", THREADS_TOGETHER)] if cores >= THREADS_TOGETHER else []
    return [Arm("overhead", 1), *steps, Arm("loop", 1), Arm("synchronous", 1), *parallel]


def ratios(ours: Sequence[Sample], theirs: Sequence[Sample]) -> list[float]:
    """How much faster one arm was than another, repeat by repeat.

    A slow spell of the machine hits both sides of a ratio.
    """
    return [a.rate / b.rate for a, b in zip(ours, theirs, strict=True)]


def read(result: Mapping[str, Any]) -> dict[Arm, list[Sample]]:
    """Samples of a scaling.json."""
    return {
        Arm(entry["kind"], entry["workers"], entry.get("tool", "")): [
            Sample(**sample) for sample in entry["samples"]
        ]
        for entry in result["samples"]
    }
