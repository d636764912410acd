"""Semaphores are probed without leaving any behind (without them: `test_environments.py`)."""

import os
from pathlib import Path

import pytest

from pixelmill.engines import semaphores


def test_with_semaphores_processes_are_allowed():
    if why := semaphores.why_none():
        pytest.skip(f"the system refuses semaphores: {why}")
    semaphores.require("processes")
    assert semaphores.processes_or_threads() == "processes"


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="semaphores are no files here")
def test_probing_leaves_nothing_behind():
    def of_ours():
        return list(Path("/dev/shm").glob(f"*mp-{os.getpid()}*"))

    semaphores.why_none()
    assert of_ours() == []
