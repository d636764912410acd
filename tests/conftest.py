"""Fixtures and helpers that all tests share."""

import functools
import gc
import io
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.steps import STEPS
from pixelmill.pipeline import child_processes
from tests.helpers.preloaded import Server

#: Fixtures that are shared from modules of their own.
pytest_plugins = [
    f"tests.helpers.{name}"
    for name in ("leavings", "places", "projects", "s3_server", "sftp_server", "sharding", "slurm")
]

REPOSITORY = Path(__file__).parents[1]

#: Longest time that a process started by a test may run, in seconds: a hanging process must end,
#: and a busy machine must not fail the test.
LONGEST = 600

#: Folder in memory, where the thousands of small files of the tests cost little, and the bytes that
#: must be free there. A container often has less.
MEMORY, ROOM = "/dev/shm", 2 * 2**30


def pytest_configure():
    # In the background, as by `nohup make test &`, processes inherit that these are ignored.
    for number in (signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda number, frame: None)
    if os.path.isdir(MEMORY) and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)
    if hasattr(os, "fork"):
        from tests.helpers.forked_children import SUBPROCESS

        child_processes.subprocess = SUBPROCESS


def pytest_addoption(parser):
    parser.addoption(
        "--fail-on-skip", action="store_true", help="fail where a test was skipped (for CI)"
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect tests without searching for garbage: all of them live until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(items):
    """Run the tests that use Snakemake first, because they take longest."""
    longest = {item.path for item in items if "snakemake" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path not in longest)


#: Pillow's limit on pixels, which decoding replaces in its process.
PILLOW_LIMIT = Image.MAX_IMAGE_PIXELS


def pytest_runtest_teardown():
    Image.MAX_IMAGE_PIXELS = PILLOW_LIMIT


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if session.config.getoption("--fail-on-skip") and skipped and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def repository():
    """Root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def picture():
    """Function that draws a smooth picture without symmetries, different for each seed."""

    def draw(number, size=(96, 64)):
        patches = np.random.default_rng(number).integers(0, 256, (3, 4, 3), dtype=np.uint8)
        return Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC)

    return draw


@pytest.fixture(scope="session")
def photos(picture):
    """Function that fills a folder with JPEGs ``0.jpg``, ``1.jpg``, ... and returns it."""

    def fill(folder, count, size=(96, 64)):
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture(number, size).save(folder / f"{number}.jpg", quality=95)
        return folder

    return fill


class Ran(NamedTuple):
    """The exit status of a command and everything that it wrote."""

    status: int
    text: str

    @property
    def jobs(self):
        """Messages of the Snakemake jobs that ran, or would run in a dry run, sorted."""
        told = r"^(?:Job \d+|Step \d+ of \d+): (.+)$"  # by Snakemake, or by the workflow
        return sorted(re.findall(told, self.text, re.MULTILINE))

    @property
    def made(self):
        """The number of images that each pass made."""
        told = r"^(?:make (0); keep|\S+: ([\d,]+) images? in [\d.,]+ s )"
        counts = re.findall(told, self.text, re.MULTILINE)
        return [int((none or some).replace(",", "")) for none, some in counts]


def clean_environment():
    """The environment of a user, without the settings of the tests."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def run(command, **options):
    options = {"env": clean_environment(), **options}
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="backslashreplace",
        timeout=LONGEST,
        check=False,
        **options,
    )
    return Ran(done.returncode, done.stdout)


@pytest.fixture(scope="session")
def script():
    """Function that runs a script: name, arguments, and options of `subprocess.run`."""

    def run_script(name, *arguments, **options):
        return run([sys.executable, REPOSITORY / "scripts" / name, *arguments], **options)

    return run_script


@pytest.fixture
def call(monkeypatch):
    """Function that calls the main function of a script in this process.

    It takes name and arguments, and returns the status: what scripts share around their main
    functions is not run, and an error arrives as it was raised.
    """

    def call_script(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        found = runpy.run_path(str(REPOSITORY / "scripts" / name))
        return found["main"](found["arguments"]()) or 0

    return call_script


@pytest.fixture
def started_children(monkeypatch):
    """Start the child processes of runs in new interpreters, as users do; here they are forked."""
    monkeypatch.setattr(child_processes, "subprocess", subprocess)


@pytest.fixture(scope="session")
def preloaded():
    """Server that forks Snakemake and scripts, or None if the system cannot fork."""
    if not hasattr(os, "fork"):
        yield None
        return
    server = Server(clean_environment())
    yield server
    server.close()


@pytest.fixture(scope="session")
def forked_script(script, preloaded):
    """Function like `script`, for tests that are not about the start of a process."""

    def run_script(name, *arguments, cwd=None, env=None):
        if preloaded is None:
            return script(name, *arguments, cwd=cwd, env=env or clean_environment())
        command = [REPOSITORY / "scripts" / name, *arguments]
        folder, env = cwd or os.getcwd(), env or clean_environment()
        return Ran(*preloaded.run(command, folder, env, LONGEST))

    return run_script


@pytest.fixture
def pixelmill(preloaded, tmp_path):
    """Function that runs the command `pixelmill` in the folder of the test, as a user would.

    Unless `fresh`, it runs in a forked process that has imported its libraries already. Of the
    environment, it has only what is given in addition.
    """

    def run_pixelmill(*arguments, fresh=False, environment=()):
        command = ["pixelmill", *map(str, arguments)]
        env = {"PYTHONPATH": str(REPOSITORY / "scripts"), "PATH": "", "HOME": str(tmp_path)}
        env.update(environment)
        if preloaded is not None and not fresh:
            return subprocess.CompletedProcess(
                command, *preloaded.run_apart(command, tmp_path, env, LONGEST)
            )
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )

    return run_pixelmill


@pytest.fixture(scope="session")
def snakemake(preloaded):
    """Function that runs Snakemake in a folder, with the Snakefile there or that of `code`.

    Unless `fresh`, Snakemake and the scripts of its jobs run in forked processes that have imported
    their libraries already.
    """

    def run_snakemake(folder, *arguments, code=None, cwd=None, env=None, fresh=False):
        options = ["--directory", folder, "--snakefile", (code or folder) / "Snakefile", *arguments]
        if not any(str(argument).startswith(("--cores", "--lint")) for argument in arguments):
            options += ["--cores", "2"]
        cwd, env = cwd or folder, env or clean_environment()
        if preloaded is None or fresh:
            return run([sys.executable, "-m", "snakemake", *options], cwd=cwd, env=env)
        return Ran(*preloaded.run(["snakemake", *options], cwd, env, LONGEST))

    return run_snakemake


@pytest.fixture
def start():
    """Function that starts a command in a new session; it is killed after the test."""
    started = []

    def start_command(command, **options):
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **{"env": clean_environment(), **options},
        )
        started.append(process)
        return process

    yield start_command
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def wait_until():
    """Function that waits for a condition and fails if it does not come true."""

    def wait(condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "the condition did not come true in time"
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def photo():
    """Function that makes a picture with structure at all scales, as photographs have."""

    @functools.cache
    def make(width, height, seed=0):
        random = np.random.default_rng(seed)
        total = np.full((height, width, 3), 128.0)
        for octave in range(1, 7):
            coarse = random.normal(0, 60 / octave, (3, 2**octave, 2**octave)).astype(np.float32)
            layers = [Image.fromarray(layer).resize((width, height), 3) for layer in coarse]
            total += np.dstack(layers)
        total += random.normal(0, 3, total.shape)
        return Image.fromarray(np.clip(total, 0, 255).astype(np.uint8))

    return make


@pytest.fixture(scope="session")
def encoded():
    """Function that encodes an image in a format, with Pillow's options."""

    def encode(image, format, **options):
        file = io.BytesIO()
        image.save(file, format, **options)
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def stored():
    """Function that rotates an upright image as a camera stores it: pixels, and EXIF orientation.

    By the definition in EXIF 2.32 (which side of the picture row 0 and column 0 are), not
    by Pillow's table.
    """

    def store(image, orientation):
        upright = np.asarray(image)
        across = upright.swapaxes(0, 1)  # row 0 is the left side, column 0 the top
        turned = {
            1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
            5: across, 6: across[::-1], 7: across[::-1, ::-1], 8: across[:, ::-1],
        }[orientation]  # fmt: skip
        exif = Image.Exif()
        exif[0x0112] = orientation
        return Image.fromarray(np.ascontiguousarray(turned)), exif

    return store


@pytest.fixture(scope="session")
def apply():
    """Function that runs a step on an image, with parameters as a recipe gives them."""

    def apply_step(image, name, /, **params):
        step = parse({"steps": [{name: params}]}).steps[0]
        return STEPS[name].function(image, **step.params)

    return apply_step
