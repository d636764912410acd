"""Memory is that of a process and all below it."""

import subprocess
import sys

from pixelmill.memory import tree_mib, watched

CHILD = "kept = bytearray(b'x' * (100 << 20)); print('ready', flush=True); input()"


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
