"""The machine is described as this process may use it."""

import json
import os
import subprocess
import sys

import psutil
import pytest

from pixelmill.engines.machine import cores, machine, machine_fingerprint
from tests.conftest import REPOSITORY


def test_the_machine_is_described_briefly():
    told = machine()
    assert told.keys() == {"processor", "cores", "memory_gib", "system"}
    assert json.loads(json.dumps(told)) == told
    assert machine_fingerprint() == machine_fingerprint()
    assert abs(told["memory_gib"] - psutil.virtual_memory().total / 2**30) <= 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_cores_are_those_that_this_process_may_use():
    program = "from pixelmill.engines.machine import cores; print(cores())"
    core = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, [{core}]); {program}"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "1"
    assert 1 <= cores() <= len(os.sched_getaffinity(0))
