"""Types of ``scaling.json`` and ``rivals.json``; ``scaling.schema.yaml`` describes the fields."""

from typing import Any, NotRequired, TypedDict


class SampleData(TypedDict):
    """One measurement."""

    seconds: float
    startup_seconds: float
    images: int
    tail_seconds: float
    parts: dict[str, float]
    stages: dict[str, float]
    idle: list[float]


class CaseSamples(TypedDict):
    """All measurements of a case."""

    kind: str
    workers: int
    tool: NotRequired[str]
    samples: list[SampleData]


class StepTimeData(TypedDict):
    """Seconds of a step, in one thread and in each of two threads."""

    step: str
    alone: float
    together: float


class Figures(TypedDict):
    """What follows from the measurements of a case."""

    kind: str
    workers: int
    tool: NotRequired[str]
    images_per_second: float
    slowest: float
    fastest: float
    startup_seconds: float
    tail_seconds: float
    peak_mib: float | None
    idle: NotRequired[float]
    stages: NotRequired[dict[str, float]]
    parts: NotRequired[dict[str, float]]
    speedup: NotRequired[float]
    speedup_spread: NotRequired[list[float]]
    efficiency: NotRequired[float]
    engine_efficiency: NotRequired[float]
    engine_efficiency_spread: NotRequired[list[float]]
    serial_share: NotRequired[float]
    karp_flatt: NotRequired[float]


class AmdahlData(TypedDict):
    """A fit of Amdahl's law."""

    serial_share: float
    low: float
    high: float
    one_worker: float


class UslData(TypedDict):
    """A fit of the Universal Scalability Law."""

    sigma: float
    sigma_low: float
    sigma_high: float
    kappa: float
    kappa_low: float
    kappa_high: float
    one_worker: float


class Prediction(TypedDict):
    """A predicted speedup with its uncertainty."""

    workers: int
    speedup: float
    low: float
    high: float


class Fit(TypedDict):
    """The scaling laws of an engine."""

    amdahl: AmdahlData
    usl: UslData | None
    note: str
    predictions: list[Prediction]


class AdviceData(TypedDict):
    """One piece of advice."""

    rule: str
    text: str
    evidence: str


class ScalingFile(TypedDict):
    """The whole file."""

    schema: int
    images: int
    repeats: int
    recipe: dict[str, Any]
    recipe_digest: NotRequired[str]
    machine: dict[str, Any]
    software: dict[str, str]
    samples: list[CaseSamples]
    steps: list[StepTimeData]
    figures: list[Figures]
    fits: dict[str, Fit]
    advice: list[AdviceData]
