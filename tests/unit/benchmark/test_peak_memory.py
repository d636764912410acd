"""The memory of a process includes that of all its descendants."""

import platform
import subprocess
import sys

import pytest

from pixelmill.benchmark import peak_memory

#: MiB of a process before its child has one that takes 100 MiB, at most while it has it, and after.
#: The system may take pages away that are not used for a moment, so that they are used again.
PARENT = """
import subprocess, sys
from pixelmill.benchmark.peak_memory import tree_mib, watched
CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-IS', '-c', sys.argv[1]])"
GRANDCHILD = '''
import sys
kept = bytearray(100 << 20)
for line in sys.stdin:
    kept[::4096] = bytes([len(line)]) * (len(kept) // 4096)
    print("ready", flush=True)
'''
before = tree_mib()
pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
command = [sys.executable, "-IS", "-c", CHILD, GRANDCHILD]
with subprocess.Popen(command, **pipes) as child, watched() as peak:
    for _ in range(10):
        child.stdin.write(b"\\n")
        child.stdin.flush()
        child.stdout.readline()
        peak.look()
        if peak.mib > before + 80:
            break
    child.communicate()
print(before, peak.mib, tree_mib())
"""

#: Resident MiB added by a block of 20 MiB while it is held, once it is freed, and while one of
#: 16 MiB is held. The C library maps blocks of this size by themselves unless it is told otherwise;
#: if it keeps the first one, the second fits into it, even if something small got there first. So
#: the figures do not depend on what else is on the heap.
HELD = """
import sys
from pathlib import Path
from resource import getpagesize
from pixelmill.engines.malloc import keep_freed
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize() / 2**20
if sys.argv[1] == "keep":
    keep_freed()
before = resident()
block = b"x" * (20 << 20)
held = resident()
del block
freed = resident()
block = b"y" * (16 << 20)
print(held - before, freed - before, resident() - before)
"""


@pytest.fixture
def figures(repository):
    """Function that runs a script in a new process, and returns the figures that it prints."""

    def run(code, *arguments):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env={"PYTHONPATH": str(repository / "scripts")},
            capture_output=True,
            text=True,
            check=True,
        )
        return [float(figure) for figure in done.stdout.split()]

    return run


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told what to keep")
def test_freed_memory_is_kept_for_the_next_image(figures):
    assert figures(HELD, "let go") == pytest.approx([20, 0, 16], abs=2)
    assert figures(HELD, "keep") == pytest.approx([20, 20, 20], abs=2)


def test_memory_counts_that_is_taken_shortly_before_the_end(monkeypatch):
    monkeypatch.setattr(peak_memory, "INTERVAL", 600)
    with peak_memory.watched() as peak:
        before = peak.mib
        kept = bytearray(b"x" * (40 << 20))
    assert peak.mib > before + 30
    assert len(kept) == 40 << 20


def test_the_memory_of_descendants_counts(figures):
    before, peak, after = figures(PARENT)
    assert peak > before + 80
    assert after < peak - 70
