"""Model of large datasets: how long they take in shards on many nodes; it writes a table.

Usage: `python docs/scaling_model.py`

A simulation by discrete events: shards wait in a queue, and a node that is free takes the next
one. Nodes differ in speed and fail: what a shard had done is kept, and the rest goes to the end
of the queue. Within a node, workers take batches as `pixelmill.pipeline.batching` makes them.
``docs/scaling.md`` shows the table, and says how the rates were measured.
"""

from __future__ import annotations

import heapq
import math
import random
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from pixelmill.dataset.entries import Entries
from pixelmill.dataset.output_names import Outputs
from pixelmill.pipeline.batching import batches


class Rates(NamedTuple):
    """How long things take, in seconds; measured on the machine of docs/scaling.md.

    Attributes
    ----------
    image : float
        An image with the recipe `light`, on one worker.
    job : float
        A job without its script: the queue, and Snakemake on its node.
    startup : float
        A pass until its workers are ready, and what it does once.
    walk : float
        A file of a folder that is only listed, when parsing and by the catalog of each shard.
    row : float
        An image in the catalog and the pass of a shard, without its processing.
    gather : float
        An image when the catalogs and ledgers of shards are put together.
    check : float
        An image that is verified, on one worker.
    """

    image: float = 1.7e-3
    job: float = 12.0
    startup: float = 0.6
    walk: float = 8e-6
    row: float = 40e-6
    gather: float = 13e-6
    check: float = 3e-3


#: As measured.
MEASURED = Rates()


class Nodes(NamedTuple):
    """Nodes that process shards.

    Attributes
    ----------
    number, workers : int
        Number of nodes, and of workers on each of them.
    spread : float
        Standard deviation of the logarithm of a node's speed, drawn for each shard.
    mean_hours, repair_hours : float
        Mean time between two failures of a node, and until it works again.
    """

    number: int
    workers: int
    spread: float = 0.0
    mean_hours: float = math.inf
    repair_hours: float = 1.0


@dataclass
class Run:
    """Outcome for all shards: seconds until the last one ended, and number of node failures."""

    seconds: float = 0.0
    failures: int = 0


def on_workers(tasks: Iterable[float], workers: int) -> float:
    """Return the seconds until all tasks are done, if the next free worker takes each of them.

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
    """Simulate nodes that process shards.

    Parameters
    ----------
    work : iterable of float
        Seconds of one worker that each shard needs.
    before : float
        Seconds of each job until its workers begin; they are lost if the node fails.
    nodes : Nodes
    seed : int
        Seed of the speeds and the failures.

    Examples
    --------
    >>> on_nodes([100.0] * 4, 5.0, Nodes(2, 10))
    Run(seconds=30.0, failures=0)
    """
    chance = random.Random(seed)
    queue = deque(work)
    idle = nodes.number
    events: list[tuple[float, float]] = []  # when a node is free again, and the work it left
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


#: In place of the work that a node left: the node comes back from repair.
_REPAIRED = -1.0


def hours(
    images: int, shards: int, nodes: Nodes, rates: Rates = MEASURED, seed: int = 0
) -> dict[str, float]:
    """Return the hours that each step of a first run takes.

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
    """Return the seconds that workers take for images, in the batches of a first pass.

    Parameters
    ----------
    entries : Entries
    seconds : mapping
        Seconds of each image, on one worker.
    workers : int
    """
    cut = batches(entries, Outputs(), workers)
    return on_workers((sum(seconds[job.source] for job in batch.jobs) for batch in cut), workers)


#: Images, shards of each dataset, datasets, and nodes: the rows in docs/scaling.md.
SCENARIOS = (
    (10**6, 1, 1, Nodes(1, 8)),
    (10**6, 16, 1, Nodes(16, 8)),
    (10**8, 128, 1, Nodes(64, 32, spread=0.2, mean_hours=2000)),
    (10**10, 128, 100, Nodes(1000, 64, spread=0.2, mean_hours=2000)),
)


def table() -> str:
    """Return the scenarios as a Markdown table, in hours."""
    head = "| images | datasets x shards | nodes x workers |"
    lines = []
    for images, shards, datasets, nodes in SCENARIOS:
        # Datasets are processed side by side, each on its part of the nodes.
        part = nodes._replace(number=max(1, nodes.number // datasets))
        steps = hours(images // datasets, shards, part)
        cells = [f"{images:,}", f"{datasets} x {shards:,}", f"{nodes.number:,} x {nodes.workers}"]
        cells += [f"{taken:.2f}" for taken in (*steps.values(), sum(steps.values()))]
        lines.append(f"| {' | '.join(cells)} |")
    head = f"{head} {' | '.join(steps)} | together |"
    return "\n".join([head, "|---" * (head.count("|") - 1) + "|", *lines])


if __name__ == "__main__":
    print(table())  # noqa: T201 - the purpose of this script
