"""Machine: its description, and the cores and memory that this process may use."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import sys
from pathlib import Path

from pixelmill.core.fingerprints import digest_of_text

_AVAILABLE = re.compile(r"^MemAvailable: *(\d+) kB$", re.MULTILINE)


def cores() -> int:
    """Return how many cores this process may use, given its affinity and container limits."""
    from dask.system import CPU_COUNT

    return int(CPU_COUNT)


def machine() -> dict[str, str | int]:
    """Describe the machine, without the names of its host and users."""
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
