"""The machine is described as this process may use it."""

import json
import os
import subprocess
import sys

import psutil
import pytest

from pixelmill.engines import machine as machines
from pixelmill.engines.machine import cgroup_cores, cores, machine, machine_fingerprint
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


def test_cores_are_no_more_than_a_control_group_allows(monkeypatch):
    monkeypatch.setattr(machines, "cgroup_cores", lambda: iter([77, 1, 78]))
    assert cores() == 1


@pytest.mark.parametrize(
    ("groups", "files", "limits"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, [2]),
        ("0::/\n", {"cpu.max": "max 100000\n"}, []),
        ("0::/\n", {}, []),
        ("0::/slurm/job\n", {"slurm/job/cpu.max": "max 100000\n", "slurm/cpu.max": "4 1\n"}, [4]),
        ("0::/not/mounted\n", {"cpu.max": "300000 100000\n"}, [3]),
        (
            "5:memory:/\n3:cpu,cpuacct:/docker/x\n",
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
                "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            [1],
        ),
        (
            "3:cpu,cpuacct:/\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"},
            [],
        ),
        ("0::/\n", {"cpu.max": "nonsense\n"}, []),
    ],
    ids=[
        "half a core is a core", "no limit", "no file", "that of a group above it",
        "seen from a container", "version 1", "version 1 without a limit", "unknown",
    ],
)  # fmt: skip
def test_control_groups_limit_the_cores(tmp_path, groups, files, limits):
    files = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert list(cgroup_cores(tmp_path)) == limits


def test_cores_are_counted_as_dask_counts_them():
    from dask.system import cpu_count

    assert cores() <= cpu_count()
