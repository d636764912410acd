"""Machine: its description, and the cores and memory that this process may use."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pixelmill.core.fingerprints import digest_of_text

_AVAILABLE = re.compile(r"^MemAvailable: *(\d+) kB$", re.MULTILINE)


def cores() -> int:
    """Return how many cores this process may use, given its affinity and container limits."""
    # Dask counts them as well, but its import would add 60 ms to every pass.
    if hasattr(os, "sched_getaffinity"):
        return min([len(os.sched_getaffinity(0)), *cgroup_cores()])
    from dask.system import cpu_count

    return cpu_count()


def cgroup_cores(system: Path = Path("/")) -> Iterator[int]:
    """Yield the limits on the cores of this process by its control groups, rounded up.

    Parameters
    ----------
    system : Path
        Where ``proc`` and ``sys/fs/cgroup`` are.
    """
    mounted = system / "sys/fs/cgroup"
    with contextlib.suppress(OSError):
        for line in (system / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            # In a container, the group's own path may not exist below the mount.
            own = mounted / controllers / group.lstrip("/")
            for folder in (own, *own.parents):
                if folder.is_relative_to(mounted):
                    yield from _quota(folder)


def _quota(folder: Path) -> Iterator[int]:
    """Yield the cores that a control group may use, if it is limited."""
    with contextlib.suppress(OSError, ValueError):  # version 2; "max" stands for no limit
        quota, period = map(int, (folder / "cpu.max").read_text(encoding="ascii").split())
        yield math.ceil(quota / period)
    with contextlib.suppress(OSError, ValueError):  # version 1; -1 stands for no limit
        quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
        if quota > 0:
            yield math.ceil(quota / period)


def machine() -> dict[str, str | int]:
    """Describe the machine, without the names of its host and users."""
    import platform

    return {
        "processor": _processor(),
        "cores": cores(),
        "memory_gib": round(_memory_bytes() / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
    }


@functools.cache
def machine_fingerprint() -> str:
    """Return a digest of the machine: measurements on different machines are not compared."""
    parts = [str(part) for part in machine().values()] + [sys.implementation.cache_tag or ""]
    return digest_of_text("\n".join(parts))


def _processor() -> str:
    import platform

    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    match = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return match[1] if match else platform.machine()


def available_memory() -> int:
    """Return how many bytes can be allocated now, given container limits; 0 if unknown."""
    free = _free_memory()
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii")
        return free if limit == "max" else min(free, int(limit) - int(used))
    except (OSError, ValueError):
        return free


def _free_memory() -> int:
    # This is what psutil does; its import would add 10 ms to every pass.
    with contextlib.suppress(OSError):
        match = _AVAILABLE.search(Path("/proc/meminfo").read_text(encoding="ascii"))
        if match:
            return int(match[1]) * 1024
    import psutil

    return int(psutil.virtual_memory().available)  # type: ignore[no-untyped-call]


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
