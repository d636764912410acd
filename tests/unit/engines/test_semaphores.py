"""Semaphores are probed without leaving any behind (without them: `test_environments.py`)."""

import multiprocessing
import os
from pathlib import Path

import pytest

from pixelmill.core.errors import UserError
from pixelmill.engines import semaphores
from pixelmill.engines.lifecycle import open_engine


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


@pytest.mark.skipif(os.name == "nt", reason="semaphores are no files there")
@pytest.mark.parametrize(
    ("error", "why"),
    [
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (OSError("of no number"), "of no number"),
        (ImportError("This platform lacks them"), "This platform lacks them"),
    ],
)
def test_without_semaphores_the_reason_is_told_and_threads_take_their_place(
    monkeypatch, error, why
):
    def refuse(method):
        raise error

    monkeypatch.setattr(multiprocessing, "get_context", refuse)
    with pytest.raises(UserError, match=rf"engine: 'futures' needs semaphores.*\({why}\)"):
        semaphores.require("futures")
    with pytest.raises(UserError, match=f"'processes' needs semaphores.*{why}"):
        open_engine("processes", 2).__enter__()
    assert semaphores.processes_or_threads() == "threads"
