"""Simulation: how long a dataset takes in shards on nodes, by discrete events.

Shards wait in a queue, and a node that is free takes the next one. Nodes differ in speed,
and die: what a shard had done is kept, and the rest goes to the end of the queue. Within
a node, batches go to workers as `pixelmill.dataset.plan` cuts them.

How the rates were measured, and what follows from them: ``docs/scaling.md``, whose table
``python -m pixelmill.benchmark.simulation`` prints.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pixelmill.dataset.entries import Entries
from pixelmill.dataset.output_names import Outputs
from pixelmill.pipeline.batching import batches


class Rates(NamedTuple):
    """What things take, in seconds; measured on the machine of docs/scaling.md.

    Attributes
    ----------
    image : float
        An image by the recipe `light`, on one worker.
    job : float
        A job beyond its script: the queue, and Snakemake on its node.
    startup : float
        A pass until its workers are ready, and what it does once.
    walk : float
        A file of a folder that is only listed: when parsing, and by each shard's catalog.
    row : float
        An image in a shard's catalog and pass, beyond its making.
    gather : float
        An image where catalogs and ledgers of shards are put together.
    check : float
        An image that is verified, on one worker.
    """

    image: float = 1.7e-3
    job: float = 12.0
    startup: float = 0.6
    walk: float = 8e-6
    row: float = 40e-6
    gather: float = 24e-6
    check: float = 3e-3


#: As measured.
MEASURED = Rates()


class Nodes(NamedTuple):
    """Nodes that take shards.

    Attributes
    ----------
    number, workers : int
        How many there are, and workers of each.
    spread : float
        Standard deviation of the logarithm of a node's speed, drawn for each shard.
    mean_hours, repair_hours : float
        Mean time between two failures of a node, and until it is there again.
    """

    number: int
    workers: int
    spread: float = 0.0
    mean_hours: float = math.inf
    repair_hours: float = 1.0


@dataclass
class Run:
    """What became of all shards: seconds until the last one ended, and nodes that failed."""

    seconds: float = 0.0
    failures: int = 0


def on_workers(tasks: Iterable[float], workers: int) -> float:
    """Seconds until all tasks are done, each taken by the first worker that is free.

    Examples
    --------
    >>> on_workers([3.0, 2.0, 2.0, 1.0], 2)
    4.0
    """
    free = [0.0] * workers
    for seconds in tasks:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


def on_nodes(work: Iterable[float], before: float, nodes: Nodes, seed: int = 0) -> Run:
    """Let nodes work off shards.

    Parameters
    ----------
    work : iterable of float
        Seconds of one worker that each shard needs.
    before : float
        Seconds of each job until its workers begin, lost where its node fails.
    nodes : Nodes
    seed : int
        Of speeds and failures.

    Examples
    --------
    >>> on_nodes([100.0] * 4, 5.0, Nodes(2, 10))
    Run(seconds=30.0, failures=0)
    """
    chance = random.Random(seed)
    queue = deque(work)
    idle = nodes.number
    events: list[tuple[float, float]] = []  # when a node is free again, and work that it left
    run = Run()
    now = 0.0
    while queue or events:
        while queue and idle:
            idle -= 1
            todo = queue.popleft()
            speed = nodes.workers / math.exp(chance.gauss(0.0, nodes.spread))
            takes = before + todo / speed
            fails = 3600 * nodes.mean_hours * chance.expovariate(1.0)
            left = todo - max(0.0, fails - before) * speed if fails < takes else 0.0
            heapq.heappush(events, (now + min(takes, fails), left))
        now, left = heapq.heappop(events)
        if left > 0:
            run.failures += 1
            queue.append(left)
            heapq.heappush(events, (now + 3600 * nodes.repair_hours, _REPAIRED))
            continue
        idle += 1
        if left != _REPAIRED:
            run.seconds = now
    return run


#: Stands for the work that a node left, where it comes back from repair.
_REPAIRED = -1.0


def hours(
    images: int, shards: int, nodes: Nodes, rates: Rates = MEASURED, seed: int = 0
) -> dict[str, float]:
    """Hours that the steps of a first run take, by their names.

    Examples
    --------
    >>> steps = hours(1_000_000, 16, Nodes(4, 8))
    >>> sorted(steps), steps["images"] < 0.1
    (['catalogs', 'gathering', 'images', 'parsing', 'verification'], True)
    """
    part = images / shards
    listing = [rates.walk * images + rates.row * part] * shards
    passes = on_nodes([rates.image * part] * shards, rates.job + rates.startup, nodes, seed)
    seconds = {
        "parsing": rates.walk * images,
        "catalogs": on_nodes(listing, rates.job, nodes._replace(workers=1), seed).seconds,
        "images": passes.seconds + rates.row * part * math.ceil(shards / nodes.number),
        "gathering": 2 * rates.job + rates.gather * images,
        "verification": rates.job + rates.check * images / nodes.workers,
    }
    return {step: taken / 3600 for step, taken in seconds.items()}


def pass_seconds(entries: Entries, seconds: Mapping[str, float], workers: int) -> float:
    """Seconds that workers take for images, in the batches that a first pass makes.

    Parameters
    ----------
    entries : Entries
    seconds : mapping
        Of each image, on one worker.
    workers : int
    """
    cut = batches(entries, Outputs(), workers)
    return on_workers((sum(seconds[job.source] for job in batch.jobs) for batch in cut), workers)


#: Images, shards of each dataset, datasets, and nodes: what docs/scaling.md tells of.
SCENARIOS = (
    (10**6, 1, 1, Nodes(1, 8)),
    (10**6, 16, 1, Nodes(16, 8)),
    (10**8, 128, 1, Nodes(64, 32, spread=0.2, mean_hours=2000)),
    (10**10, 128, 100, Nodes(1000, 64, spread=0.2, mean_hours=2000)),
)


def table() -> str:
    """Write the scenarios as a table of Markdown, in hours."""
    head = "| images | datasets x shards | nodes x workers |"
    lines = []
    for images, shards, datasets, nodes in SCENARIOS:
        # Datasets go side by side, each on its part of the nodes.
        part = nodes._replace(number=max(1, nodes.number // datasets))
        steps = hours(images // datasets, shards, part)
        cells = [f"{images:,}", f"{datasets} x {shards:,}", f"{nodes.number:,} x {nodes.workers}"]
        cells += [f"{taken:.2f}" for taken in (*steps.values(), sum(steps.values()))]
        lines.append(f"| {' | '.join(cells)} |")
    head = f"{head} {' | '.join(steps)} | together |"
    return "\n".join([head, "|---" * (head.count("|") - 1) + "|", *lines])


if __name__ == "__main__":
    print(table())  # noqa: T201 - what it is for
