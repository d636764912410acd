"""Machine: the cores and the memory that this process may use, and what they are."""

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
    """Cores that this process may use: affinity and container limits counted in."""
    from dask.system import CPU_COUNT

    return int(CPU_COUNT)


def machine() -> dict[str, str | int]:
    """The machine in words, without its name or its owner's."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "memory_gib": round(_memory_bytes() / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
    }


@functools.cache
def machine_fingerprint() -> str:
    """Digest of the machine, to keep figures of several apart."""
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
    """Bytes that are free for use now, container limits counted in; 0 where unknown."""
    free = _free_memory()
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii")
        return free if limit == "max" else min(free, int(limit) - int(used))
    except (OSError, ValueError):
        return free


def _free_memory() -> int:
    # As psutil reads it, whose import takes 10 ms of every pass.
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
