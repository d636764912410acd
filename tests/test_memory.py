"""Memory is that of a process and all below it."""

import subprocess
import sys

import pytest

from pixelmill.memory import tree_mib, watched

CHILD = "kept = bytearray(b'x' * (100 << 20)); print('ready', flush=True); input()"

#: Page faults of a loop that takes and frees 60 MB, as the steps of an image do.
FAULTS = """
import resource, sys
import numpy as np
from pixelmill.memory import keep_freed
if sys.argv[1] == "keep":
    keep_freed()
for number in range(60):
    if number == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(3_000_000, np.uint8) for _ in range(20)]
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_freed_memory_is_kept_for_the_next_image(repository):
    def faults(word):
        done = subprocess.run(
            [sys.executable, "-c", FAULTS, word],
            env={"PYTHONPATH": str(repository / "scripts")},
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    assert faults("keep") < 100 < 1000 < faults("let go")


def test_what_a_child_takes_counts():
    before = tree_mib()
    with (
        subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child,
        watched() as peak,
    ):
        child.stdout.readline()
        peak.look()
        child.communicate(b"\n")
    assert peak.mib > before + 100
    assert tree_mib() < peak.mib - 90
