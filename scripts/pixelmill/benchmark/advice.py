"""Advice: which engine to use, and what limits it, according to a benchmark.

Each rule reads the data of a ``scaling.json`` and yields a sentence with its evidence, or nothing.
A difference that may be noise is not reported: see `pixelmill.benchmark.speedups.equal`.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from pixelmill.benchmark import samples as sampled
from pixelmill.benchmark.samples import PARALLEL, STAGES, Case, Samples, ratios
from pixelmill.benchmark.scaling_file import AdviceData, ScalingFile
from pixelmill.benchmark.speedups import equal, interval
from pixelmill.engines.registry import BASELINE
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS, OutputFormat
from pixelmill.imaging.steps import STEPS
from pixelmill.pipeline.engine_choice import LOOP, Rating, break_even, quickest

#: Smallest speedup that matters: a case that may reach it is not called equal to the plain loop,
#: however wide its interval is.
WORTH_KNOWING = 1.1

#: Share of the time of an image above which a stage is mentioned.
LARGE_SHARE = 0.5

#: Share of the time of the workers above which their waiting is mentioned.
LONG_WAIT = 0.3

#: Share of the throughput of processes that threads must lose before the GIL is mentioned:
#: a smaller loss may come from the caches of the processors.
GIL_LOSS = 0.1

#: How many times longer a step must take in two threads to be named; 2 means that it holds the
#: GIL all the time.
GIL_SLOWDOWN = 1.3

#: Gain that twice the workers must promise at best; otherwise more cores are not worth it.
WORTH_DOUBLING = 1.25


@dataclass(frozen=True)
class Advice:
    """One piece of advice.

    Attributes
    ----------
    rule : str
        Name of the rule.
    text : str
        What to do or to know, in one sentence.
    evidence : str
        The measurements that it rests on.
    """

    rule: str
    text: str
    evidence: str


def advise(result: ScalingFile) -> list[AdviceData]:
    """Return the advice that follows from a ``scaling.json``, the most important first."""
    samples = sampled.read(result)
    if Case("loop", 1) not in samples:
        return []  # there is no baseline
    rules = (_engine, _start_up, _gil, _stage, _disk, _wait, _cores)
    return [cast(AdviceData, asdict(advice)) for rule in rules for advice in rule(result, samples)]


def best(samples: Samples) -> tuple[Case, list[Case]]:
    """Return the case to use, and those that are equal to the fastest one.

    Among equals it is the one with the fewest workers, and then the simplest. An engine is
    chosen only if it differs from the plain loop itself: that it equals a case that does is not
    enough.
    """
    loop = Case("loop", 1)
    order = ("loop", *PARALLEL)
    cases = [case for case in samples if case.kind in order]
    fastest = max(
        cases, key=lambda case: statistics.median(s.images_per_second for s in samples[case])
    )
    equals = [case for case in cases if equal(samples, case, fastest)]
    sure = [case for case in equals if case == loop or not equal(samples, case, loop)]
    return min(sure, key=lambda case: (case.workers, order.index(case.kind))), equals


def _engine(result: ScalingFile, samples: Samples) -> Iterator[Advice]:
    chosen, equals = best(samples)
    loop = samples[Case("loop", 1)]
    if interval([s.images_per_second for s in loop]) is None:
        yield Advice(
            "engine",
            "No engine is recommended: there are too few repeats to tell a difference from noise.",
            f"{len(loop)} repeats; an interval needs 5",
        )
        return
    ends = interval(ratios(samples[chosen], loop)) or (1.0, 1.0)
    throughput = statistics.median(s.images_per_second for s in samples[chosen])
    others = ", ".join(case.name for case in equals if case != chosen)
    equality = f"; equal within the noise: {others}" if others else ""
    gains = {case: statistics.median(ratios(samples[case], loop)) for case in equals}
    promising = max(gains, key=lambda case: gains[case])
    if chosen.kind == "loop" and gains[promising] >= WORTH_KNOWING:
        low, high = interval(ratios(samples[promising], loop)) or (1.0, 1.0)
        text = (
            "No engine is recommended: noise hides the difference; measure while nothing else runs."
        )
        evidence = f"{promising.name} at {low:.2f} to {high:.2f} times the plain loop"
    elif chosen.kind == "loop":
        text = f"Use `{BASELINE}`: no engine is faster than it by more than the noise."
        evidence = f"{throughput:.0f} images/s with the plain loop{equality}"
    else:
        speedup = statistics.median(ratios(samples[chosen], loop))
        workers = f"{chosen.workers} worker{'s' if chosen.workers > 1 else ''}"
        text = (
            f"Use `{chosen.kind}` with {workers}: {throughput:.0f} images/s, {speedup:.2f} times "
            "the plain loop."
        )
        evidence = f"speedup {ends[0]:.2f} to {ends[1]:.2f} over {len(loop)} repeats{equality}"
    yield Advice("engine", text, evidence)


def _start_up(result: ScalingFile, samples: Samples) -> Iterator[Advice]:
    """Say if the measured set is too small to offset the start-up of the chosen engine."""
    chosen, _ = best(samples)
    if chosen.kind == "loop":
        return
    taken, loop = samples[chosen], samples[Case("loop", 1)]
    start = statistics.median(s.startup_seconds for s in taken)
    rating = Rating(start, statistics.median(ratios(taken, loop)))
    throughput = statistics.median(s.images_per_second for s in loop)
    needed = break_even(rating)
    ratings = {BASELINE: LOOP, chosen.kind: rating}
    if needed is not None and quickest(ratings, result["images"] / throughput) == BASELINE:
        yield Advice(
            "startup",
            f"The set is too small to offset the start-up: `{chosen.kind}` is faster from about "
            f"{needed * throughput:,.0f} images on.",
            f"the plain loop takes {result['images'] / throughput:.2f} s for {result['images']:,} "
            f"images; {chosen.name} starts in {start:.2f} s",
        )


def _gil(result: ScalingFile, samples: Samples) -> Iterator[Advice]:
    both = [a.workers for a in samples if a.kind == "threads" and a.workers > 1]
    workers = max((n for n in both if Case("processes", n) in samples), default=0)
    if not workers:
        return
    threads, processes = Case("threads", workers), Case("processes", workers)
    reached = ratios(samples[threads], samples[processes])
    lost, ends = 1 - statistics.median(reached), interval(reached)
    if lost < GIL_LOSS or ends is None or equal(samples, threads, processes):
        return
    culprits = _holding(result)
    where = f" in {', '.join(f'`{name}`' for name in culprits)}" if culprits else ""
    measured = "".join(
        f"; {step['step']} takes {1000 * step['alone']:.1f} ms alone and "
        f"{1000 * step['together']:.1f} ms while another thread runs it"
        for step in result["steps"]
        if step["step"] in culprits
    )
    yield Advice(
        "gil",
        f"Threads lose {_percent(lost)} to the GIL{where}: use processes.",
        f"threads x{workers} reach {ends[0]:.2f} to {ends[1]:.2f} of processes x{workers}"
        + measured,
    )


def _holding(result: ScalingFile) -> list[str]:
    """Return the steps that hold the GIL: the worst one measured, or else those that may."""
    slowed = [s for s in result["steps"] if s["together"] >= GIL_SLOWDOWN * s["alone"]]
    if slowed:
        return [max(slowed, key=lambda s: float(s["together"] - s["alone"]))["step"]]
    recipe = result["recipe"]
    lists = [recipe["steps"], *(output["steps"] for output in recipe.get("outputs", []))]
    steps = [item for steps in lists for entry in steps for item in entry.items()]
    own = [params["function"] for name, params in steps if name == "call"]
    return own or [name for name, _ in steps if name in STEPS and STEPS[name].holds_gil]


def _stage(result: ScalingFile, samples: Samples) -> Iterator[Advice]:
    """Name the stage that takes most of the time of an image, if there is one."""
    shares = _shares(samples, Case("loop", 1))
    stage = max(shares, key=lambda name: shares[name], default="")
    if stage not in ("decode", "steps", "encode") or shares[stage] < LARGE_SHARE:
        return
    share = _percent(shares[stage])
    told = ", ".join(f"{name} {_percent(part)}" for name, part in shares.items())
    evidence = f"shares of the time of the plain loop: {told}"
    if stage == "decode":
        text = f"Decoding takes {share} of the time: smaller sources would help most."
    elif stage == "steps":
        costly = max(result["steps"], key=lambda step: float(step["alone"]), default=None)
        name = f", above all `{costly['step']}`" if costly else ""
        text = f"The steps take {share} of the time{name}: faster libraries help (envs/README.md)."
        if costly:
            evidence += f"; {costly['step']} takes {1000 * costly['alone']:.1f} ms for an image"
    else:
        outputs = result["recipe"].get("outputs") or [result["recipe"]["output"]]
        told = "; ".join(_described(output) for output in outputs)
        written = OUTPUT_FORMATS.get(outputs[0]["format"], OutputFormat)
        text = f"Encoding takes {share} of the time ({told}): {written.cheaper}."
    yield Advice("stage", text, evidence)


def _described(output: Mapping[str, Any]) -> str:
    """Describe the format of an output and the options that affect its cost.

    Examples
    --------
    >>> _described({"name": "a", "format": "jpeg", "quality": 95, "optimize": True})
    'jpeg, quality 95, optimize'
    """
    options = {key: output[key] for key in output if key not in ("name", "steps", "format")}
    told = [key if value is True else f"{key} {value}" for key, value in options.items() if value]
    return ", ".join([output["format"], *told])


def _disk(result: ScalingFile, samples: Samples) -> Iterator[Advice]:
    chosen, _ = best(samples)
    shares = _shares(samples, chosen)
    if (both := shares.get("read", 0.0) + shares.get("write", 0.0)) >= LARGE_SHARE:
        yield Advice(
            "disk",
            f"The disk is the bottleneck: reading and writing take {_percent(both)} of the time, "
            "and more workers would wait for it too.",
            f"{chosen.name}: read {_percent(shares['read'])}, write {_percent(shares['write'])}",
        )


def _wait(result: ScalingFile, samples: Samples) -> Iterator[Advice]:
    """Say if workers spend much of their time without an image."""
    chosen, _ = best(samples)
    taken = [s for s in samples[chosen] if s.stages]
    if chosen.kind == "loop" or not taken:
        return
    waits = statistics.median(s.stages["wait"] / s.seconds for s in taken)
    tail = statistics.median(s.tail_seconds / s.seconds for s in taken)
    if waits >= LONG_WAIT:
        yield Advice(
            "wait",
            f"Workers wait for {_percent(waits)} of the time: for the last batch, if the set is "
            "small, or for the disk of the ledger.",
            f"{chosen.name}: {_percent(tail)} of the time passes between the end of the first and "
            "of the last worker",
        )


def _cores(result: ScalingFile, samples: Samples) -> Iterator[Advice]:
    """Say if twice the workers are predicted to gain little."""
    chosen, _ = best(samples)
    fitted = result["fits"].get(chosen.kind)
    most = max(case.workers for case in samples if case.kind == chosen.kind)
    if fitted is None or chosen.workers != most:
        return
    now = statistics.median(ratios(samples[chosen], samples[Case("loop", 1)]))
    for ahead in fitted["predictions"][:1]:
        if ahead["high"] < WORTH_DOUBLING * now:
            yield Advice(
                "cores",
                f"More cores would gain little: {ahead['workers']} workers are predicted to reach "
                f"{ahead['speedup']:.2f} times the plain loop.",
                f"prediction, {ahead['low']:.2f} to {ahead['high']:.2f}; {now:.2f} with "
                f"{chosen.workers} now",
            )


def _shares(samples: Samples, case: Case) -> dict[str, float]:
    """Return the share of each stage in the processing time of images, without waiting."""
    taken = [s.stages for s in samples[case] if s.stages]
    sums = {
        stage: statistics.median(stages[stage] for stages in taken)
        for stage in STAGES
        if stage != "wait" and taken
    }
    whole = sum(sums.values())
    return {stage: part / whole for stage, part in sums.items()} if whole else {}


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
