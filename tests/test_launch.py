"""A child that hosts an engine starts its server before it imports what it needs itself."""

import json
import multiprocessing
import os
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


#: In a process of its own: this one may have a server already.
PROGRAM = """
import multiprocessing, sys
from pixelmill import engines

def tell(sender):
    sender.send(list(sys.modules))

if __name__ == "__main__":
    engines.start_server("processes", ["pixelmill.hosting"])
    context = multiprocessing.get_context("forkserver")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=tell, args=(sender,))
    child.start()
    print({"pixelmill.hosting", "dask.local"} <= set(receiver.recv()))
    child.join()
"""


@pytest.mark.skipif(
    engines._start_method() != "forkserver", reason="this system has no server that forks"
)
def test_workers_find_their_modules_imported(tmp_path, repository):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(repository / "scripts")}
    command = [sys.executable, program]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    assert done.stdout == b"True\n"


def test_what_cannot_be_read_ends_the_child_alone(capfd):
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    all_gone, lifeline = context.Pipe(duplex=False)
    inbox, outbox = context.Pipe(duplex=False)
    child = context.Process(target=launch.begin, args=(sender, lifeline, inbox, "sequential", ()))
    child.start()
    for its_own in (sender, lifeline, inbox):
        its_own.close()
    outbox.send_bytes(b"no pickle")
    assert receiver.recv()[0] == "waited"
    with pytest.raises(EOFError):
        receiver.recv()
    child.join()
    assert child.exitcode == 1
    assert "Traceback" in capfd.readouterr().err
    all_gone.close()
