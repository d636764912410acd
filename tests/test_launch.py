"""A child that hosts an engine starts its server before it imports what it needs itself."""

import json
import multiprocessing
import subprocess
import sys

import pytest

from pixelmill import engines, launch

HEAVY = {"PIL", "numpy", "cv2", "dask", "yaml", "pixelmill.hosting", "pixelmill.transform"}


def test_to_begin_imports_little(repository):
    program = "import json, sys, pixelmill.launch; print(json.dumps(list(sys.modules)))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=repository / "scripts", check=True, stdout=subprocess.PIPE)
    assert not HEAVY & set(json.loads(done.stdout))


@pytest.mark.skipif(
    engines._start_method() != "forkserver", reason="this system has no server that forks"
)
def test_workers_find_their_modules_imported():
    engines.start_server("processes", ["pixelmill.hosting"])
    context = multiprocessing.get_context("forkserver")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_tell_modules, args=(sender,))
    child.start()
    assert {"pixelmill.hosting", "dask.local"} <= set(receiver.recv())
    child.join()


def _tell_modules(sender):
    sender.send([name for name in sys.modules if name.startswith(("pixelmill", "dask"))])


def test_what_cannot_be_read_ends_the_child_alone(capfd):
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    all_gone, lifeline = context.Pipe(duplex=False)
    arguments = (sender, lifeline, "sequential", (), b"no pickle")
    child = context.Process(target=launch.begin, args=arguments)
    child.start()
    sender.close()
    lifeline.close()
    with pytest.raises(EOFError):
        receiver.recv()
    child.join()
    assert child.exitcode == 1
    assert "Traceback" in capfd.readouterr().err
    all_gone.close()
