"""Own steps that leave something behind or never return, and what is left after a run."""

import contextlib
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.helpers.faults import policy

#: Height of the image at which a step does what its name says.
HEIGHT = 301

#: Seconds that an image may take.
SECONDS = 1

#: Seconds after which everything that remains has survived its run.
PATIENCE = 20

#: What steps do at that image, and whether it is rendered nevertheless; None if that depends.
STEPS = {
    "leaves a thread": ("threading.Thread(target=time.sleep, args=(600,)).start()", True),
    "leaves a copy of its process": ("os.fork() or time.sleep(600)", True),
    "leaves a daemon": (
        "os.fork() or (os.setsid(), os.fork() and os._exit(0), os.closerange(0, 4096), "
        "time.sleep(600))",
        True,
    ),
    "leaves a program": (
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])",
        True,
    ),
    "leaves a program in a session of its own": (
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], "
        "start_new_session=True)",
        True,
    ),
    "leaves a thread that holds the interpreter": (
        "threading.Thread(target=re.match, args=(r'(a+)+$', 'a' * 40 + 'b')).start()",
        None,
    ),
    "holds the interpreter": ("re.match(r'(a+)+$', 'a' * 40 + 'b')", False),
    "stops its process": ("os.kill(os.getpid(), signal.SIGSTOP)", None),
    "stops its group": ("os.killpg(0, signal.SIGSTOP)", None),
    "leaves copies that continue": ("[os.fork() for _ in range(3)]", None),
    "leaves a copy and stops": (
        "os.fork() or time.sleep(600); os.kill(os.getpid(), signal.SIGSTOP)",
        None,
    ),
}

MODULE = """
import os, re, signal, subprocess, sys, threading, time


def step(image):
    if image.height == {height}:
        {what}
    return image
"""

#: Marks the processes of a run for the test, even if they leave their session.
VARIABLE = "PIXELMILL_TEST"


class Trace:
    """What exists of a run: processes, semaphores and temporary files.

    Its folder must have a short path, as servers of workers have sockets there.
    """

    def __init__(self, scratch):
        self.scratch = scratch
        self.mark = secrets.token_hex(8)
        self.semaphores = _semaphores()

    @property
    def environment(self):
        """Environment for the run."""
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        return {**clean, VARIABLE: self.mark, "TMPDIR": str(self.scratch)}

    def processes(self):
        """Command lines of the processes of the run, including zombies."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(VARIABLE) == self.mark:
                    found.append(process.cmdline())
        return found

    def left(self):
        """Everything that is left of the run after processes had time to end."""
        end = time.monotonic() + PATIENCE
        while (processes := self.processes()) and time.monotonic() < end:
            time.sleep(0.05)
        living = set(_tokens_of_living())
        dead = {
            name for name in _semaphores() - self.semaphores if name.split("-")[1] not in living
        }
        while dead and time.monotonic() < end:  # those of runs beside this one go away
            time.sleep(0.05)
            dead &= _semaphores()
        return processes + sorted(dead) + sorted(path.name for path in self.scratch.iterdir())


@pytest.fixture
def trace():
    """Everything that can be found of a run by its environment."""
    with tempfile.TemporaryDirectory() as folder:
        yield Trace(Path(folder))


def _tokens_of_living():
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            yield process.environ().get("PIXELMILL_OFFSPRING", "").split("-")[0]


def _semaphores():
    """Names of the semaphores of runs."""
    folder = Path("/dev/shm")
    return {path.name for path in folder.glob("sem.pixelmill-*")} if folder.is_dir() else set()


def prepare(folder, photos, what, count=12, odd=(5,)):
    """Write sources that include special images, and a recipe whose step acts on these."""
    sources = photos(folder / "src", count)
    for number in odd:
        Image.new("RGB", (64, HEIGHT)).save(sources / f"{number}.jpg")
    (folder / "my_steps.py").write_text(MODULE.format(height=HEIGHT, what=what))
    (folder / "recipe.yaml").write_text('steps:\n  - call: {function: "my_steps:step"}\n')
    return sources


def command(repository, folder, engine):
    """Command that processes what `prepare` wrote, without a sandbox: steps may do anything."""
    free = policy(sandbox="off", seconds_per_image=SECONDS)
    return [
        sys.executable, repository / "scripts/process_parallel.py",
        folder / "src", folder / "out", "--engine", engine, "--workers", "2",
        "--recipe", folder / "recipe.yaml", "--policy", free,
    ]  # fmt: skip
