"""Machine load: how busy the machine was, besides this process and its children, while one ran.

A measurement on a busy machine is no measurement, and its reader cannot know unless it is recorded.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple, TypedDict

#: Time between two snapshots below which clocks are too coarse to tell how busy the machine was.
SHORTEST = 0.5


class Conditions(TypedDict, total=False):
    """Conditions under which a pass ran. What the system does not tell is left out.

    Attributes
    ----------
    started : float
        Seconds since the epoch.
    load_before, load_after : float
        Load average over one minute; the pass itself is part of the second.
    cpu_seconds : float
        Processor time of the pass: of its process and of all children that have ended.
    other_cores : float
        Mean number of cores that other processes used.
    steal : float
        Share of the time that the hypervisor gave to other virtual machines, 0..1.
    """

    started: float
    load_before: float
    load_after: float
    cpu_seconds: float
    other_cores: float
    steal: float


class Snapshot(NamedTuple):
    """Counters of the machine and of this process at one moment.

    Attributes
    ----------
    wall, now : float
        Seconds since the epoch, and by a clock that never goes back.
    load : float or None
        Load average over one minute.
    own : float
        Processor seconds of this process and of its children that have ended.
    busy, steal, total : float or None
        Seconds of all cores since the machine started: used by processes, taken by the
        hypervisor, and altogether.
    """

    wall: float
    now: float
    load: float | None
    own: float
    busy: float | None
    steal: float | None
    total: float | None


def snapshot(stat: Path = Path("/proc/stat")) -> Snapshot:
    """Read the counters; it takes less than a tenth of a millisecond."""
    load = None
    with contextlib.suppress(AttributeError, OSError):  # Windows has no load average
        load = os.getloadavg()[0]
    spent = os.times()
    busy = steal = total = None
    with contextlib.suppress(AttributeError, OSError, ValueError):
        tick = os.sysconf("SC_CLK_TCK")
        first = stat.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
        user, nice, system, idle, waiting, irq, soft_irq, stolen = (int(n) / tick for n in first)
        busy, steal = user + nice + system + irq + soft_irq, stolen
        total = busy + steal + idle + waiting
    return Snapshot(time.time(), time.perf_counter(), load, sum(spent[:4]), busy, steal, total)


def conditions(before: Snapshot, after: Snapshot) -> Conditions:
    """Return the conditions between two snapshots.

    Examples
    --------
    >>> before = Snapshot(1e9, 0.0, 0.25, 1.0, 100.0, 0.0, 200.0)
    >>> after = Snapshot(1e9 + 10, 10.0, 2.5, 16.0, 120.0, 1.0, 220.0)
    >>> found = conditions(before, after)
    >>> found["cpu_seconds"], found["other_cores"], found["steal"]
    (15.0, 0.5, 0.05)
    """
    found: Conditions = {
        "started": round(before.wall, 3),
        "cpu_seconds": round(max(0.0, after.own - before.own), 3),
    }
    if before.load is not None and after.load is not None:
        found["load_before"], found["load_after"] = round(before.load, 2), round(after.load, 2)
    seconds = after.now - before.now
    if seconds < SHORTEST or before.busy is None or after.busy is None:
        return found
    others = (after.busy - before.busy - found["cpu_seconds"]) / seconds
    found["other_cores"] = round(max(0.0, others), 3)
    if None not in (before.steal, after.steal, before.total, after.total):
        passed = (after.total or 0.0) - (before.total or 0.0)
        stolen = (after.steal or 0.0) - (before.steal or 0.0)
        found["steal"] = round(max(0.0, stolen) / passed, 4) if passed > 0 else 0.0
    return found


def merge(parts: list[Conditions]) -> Conditions:
    """Return the conditions of passes that came one after another: the worst of each.

    Examples
    --------
    >>> merge([{"started": 5.0, "other_cores": 0.1}, {"started": 9.0, "other_cores": 0.7}])
    {'started': 5.0, 'other_cores': 0.7}
    """
    merged: Conditions = {}
    if started := [one["started"] for one in parts if "started" in one]:
        merged["started"] = min(started)
    if spent := [one["cpu_seconds"] for one in parts if "cpu_seconds" in one]:
        merged["cpu_seconds"] = round(sum(spent), 3)
    for key in ("load_before", "load_after", "other_cores", "steal"):
        if values := [one[key] for one in parts if key in one]:
            merged[key] = max(values)
    return merged
