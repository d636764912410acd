"""Whatever an own step does, nothing hangs, and nothing is left behind."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from itertools import cycle
from pathlib import Path

import psutil
import pytest

from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.recipe_parser import parse
from pixelmill.pipeline import breadcrumbs, process_trees
from pixelmill.pipeline.child_processes import ChildProcesses, end_leftovers
from pixelmill.pipeline.policy import Policy
from tests.helpers.faults import policy as policy_of
from tests.helpers.leavings import SECONDS, STEPS, command, prepare
from tests.helpers.passes import process_folder

pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux", reason="other systems hand no orphans to a process of choice"
    ),
    pytest.mark.usefixtures("started_children"),
]

#: Steps that do the same as another one in a second way.
SIMILAR = (
    "leaves a thread",
    "leaves a copy of its process",
    "leaves a copy and stops",
    "leaves copies that continue",
    "leaves a program",
    "leaves a thread that holds the interpreter",
    "stops its group",
)

#: One engine, and one of the steps that are similar, represent all in short runs. Dask takes half
#: a minute to give up on a stopped worker, so that only a few steps are tested there.
EACH = [
    *(
        pytest.param("processes", what, marks=pytest.mark.slow if what in SIMILAR else ())
        for what in STEPS
    ),
    *(
        pytest.param(engine, what, marks=pytest.mark.slow)
        for engine, what in zip(cycle(["sequential", "threads", "futures"]), STEPS, strict=False)
    ),
    *(
        pytest.param("distributed", what, marks=pytest.mark.slow)
        for what in ("leaves a thread", "leaves a daemon", "holds the interpreter")
    ),
]


@pytest.mark.parametrize(("engine", "what"), EACH)
def test_a_run_ends_and_leaves_nothing(engine, what, trace, tmp_path, photos, repository, start):
    does, is_made = STEPS[what]
    prepare(tmp_path, photos, does)
    run = start(command(repository, tmp_path, engine), env=trace.environment)
    assert run.wait(60) == 0
    assert trace.left() == []
    assert not list((tmp_path / "out").rglob(".pixelmill-*"))
    made = {path.name for path in (tmp_path / "out/images").iterdir()}
    assert made >= {f"{number}.jpg" for number in range(12) if number != 5}
    timed_out = "timed_out" in (tmp_path / "out/failures.csv").read_text()
    assert is_made in (None, "5.jpg" in made)
    assert timed_out != ("5.jpg" in made)


def test_a_process_that_ends_during_the_read_is_no_error():
    """Their folders in /proc vanish while they are read."""
    program = "for number in $(seq 400); do true & done; wait"
    with subprocess.Popen(["bash", "-c", program]) as shell:
        while shell.poll() is None:
            process_trees.descendants(os.getpid())


def test_the_caller_keeps_its_own_processes_threads_and_place_among_the_processes(tmp_path, photos):
    prepare(tmp_path, photos, STEPS["leaves a daemon"][0])
    program = [sys.executable, "-c", "import time; time.sleep(600)"]
    own = subprocess.Popen(program, start_new_session=True)
    try:
        before = state_of_this_process()
        recipe = parse({"steps": [{"call": {"function": "my_steps:step"}}]}, folder=str(tmp_path))
        source, target = str(tmp_path / "src"), str(tmp_path / "out")
        policy = Policy(limits=Limits(seconds_per_image=SECONDS))
        done = process_folder(source, target, recipe, "processes", 2, policy=policy)
        assert (done.images, done.failed) == (12, 0)
        assert state_of_this_process() == before
        assert own.poll() is None
    finally:
        own.kill()
        own.wait()


@pytest.mark.parametrize(
    "what",
    [
        "leaves a daemon",
        pytest.param("leaves a program in a session of its own", marks=pytest.mark.slow),
    ],
)
def test_the_next_run_ends_processes_of_a_killed_run(
    what, trace, tmp_path, photos, repository, start, script, wait_until
):
    prepare(tmp_path, photos, f"{STEPS[what][0]}; time.sleep(600)")
    arguments = command(repository, tmp_path, "processes")
    arguments[-1] = policy_of(sandbox="off", seconds_per_image=600)
    run = start(arguments, env=trace.environment)
    wait_until(lambda: is_in_progress(tmp_path / "out", "5.jpg") and len(trace.processes()) >= 5)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    (tmp_path / "my_steps.py").write_text("def step(image):\n    return image\n")
    done = script(*arguments[1:], env=trace.environment)
    assert done.status == 0, done.text
    assert trace.left() == []


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        signal.SIGTERM,
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),  # handled like SIGTERM
        signal.SIGKILL,
    ],
)
def test_a_signal_to_the_script_alone_leaves_no_process(
    number, trace, tmp_path, photos, repository, start, wait_until
):
    prepare(tmp_path, photos, "re.match(r'(a+)+$', 'a' * 40 + 'b')")
    arguments = command(repository, tmp_path, "processes")
    arguments[-1] = policy_of(sandbox="off", seconds_per_image=600)
    run = start(arguments, env=trace.environment)
    wait_until(lambda: is_in_progress(tmp_path / "out", "5.jpg"))
    run.send_signal(number)
    assert run.wait(30) == (128 + number if number != signal.SIGKILL else -number)
    wait_until(lambda: trace.processes() == [], seconds=10)
    if number != signal.SIGKILL:  # the next run would remove the rest
        assert trace.left() == []


def state_of_this_process():
    return {child.pid for child in psutil.Process().children()}, threading.enumerate()


def is_in_progress(tree, source):
    """Whether a worker is working on an image."""
    return source in [breadcrumb.source for breadcrumb in breadcrumbs.read(str(tree / ".crumbs"))]


@pytest.mark.parametrize(
    "record",
    [
        "",
        "no json",
        "[]",
        '{"token": "../..", "scratch": "/"}',
        '{"token": "0123456789abcdef", "scratch": "FOLDER"}',
        '{"token": "0123456789abcdef", "scratch": "FOLDER/link/pixelmill-0123456789abcdef"}',
        "[" * 100_000,
    ],
)
def test_a_forged_record_removes_nothing_else(record, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (tmp_path / "link").mkdir()
    (tmp_path / "link/pixelmill-0123456789abcdef").symlink_to(kept)
    (kept / "file").touch()
    state = tmp_path / "state"
    state.mkdir()
    (state / ".offspring").write_text(record.replace("FOLDER", str(tmp_path)))
    end_leftovers(str(state))
    assert list(state.iterdir()) == []
    assert (kept / "file").exists()


def test_a_record_of_a_killed_run_removes_the_files_of_that_run_alone(tmp_path):
    token = f"{os.getpid():016x}"
    scratch = tmp_path / f"pixelmill-{token}"
    left, other = (Path(f"/dev/shm/sem.pixelmill-{mark}-0") for mark in (token, f"{token}0"))
    record = tmp_path / ".offspring"
    scratch.mkdir()
    try:
        for path in (scratch / "file", left, other):
            path.touch()
        for forged in (f"?{token[1:]}", f"{token[:15]}*"):
            record.write_text(json.dumps({"token": forged, "scratch": str(scratch)}))
            end_leftovers(str(tmp_path))
            assert (scratch / "file").exists() and left.exists()
        record.write_text(json.dumps({"token": token, "scratch": str(scratch)}))
        end_leftovers(str(tmp_path))
        assert not scratch.exists() and not left.exists() and not record.exists()
        assert other.exists()
    finally:
        for path in (left, other):
            path.unlink(missing_ok=True)


def test_what_a_run_notes_for_the_next_one_goes_with_its_end(tmp_path):
    with ChildProcesses(str(tmp_path)) as children:
        marked = children.mark()
        record = json.loads((tmp_path / ".offspring").read_text())
        assert marked == {process_trees.VARIABLE: f"{record['token']}-others"}
        scratch = Path(record["scratch"])
        assert stat.S_IMODE(scratch.stat().st_mode) == 0o700  # of this user alone
        (scratch / "file").touch()
    assert not scratch.exists()
    assert list(tmp_path.iterdir()) == []
