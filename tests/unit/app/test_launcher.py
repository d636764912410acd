"""What all scripts share: how they end, and what they say then."""

import argparse
import logging
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from pixelmill.app import cli, console, launcher
from pixelmill.core.errors import UserError

#: A script whose main function does what is put into it.
SCRIPT = """
import argparse, os, signal, time
from pixelmill.app import cli, launcher
from pixelmill.core.errors import UserError

def main(options):
    {body}

launcher.run(main, lambda: cli.parser("A script.", "python script.py").parse_args([{arguments}]))
"""


@pytest.fixture
def start(repository, tmp_path):
    """Function that starts such a script in an empty folder."""
    started = []

    def start_script(body, *arguments, under=(), **environment):
        text = SCRIPT.format(body=body, arguments=", ".join(map(repr, arguments)))
        process = subprocess.Popen(
            [*under, sys.executable, "-c", text],
            cwd=tmp_path,
            env={"PYTHONPATH": str(repository / "scripts"), "PATH": os.defpath, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_script
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("return None", 0, ""),
        ("return 0", 0, ""),
        ("return launcher.CHECK_FAILED", 1, ""),
        ("raise UserError('Mount it.')", 2, "ERROR: Mount it.\n"),
        (
            "1 / 0",
            2,
            "ERROR: Unexpected ZeroDivisionError: division by zero (--debug shows where)\n",
        ),
        ("raise FileNotFoundError(2, 'No such file', 'a.jpg')", 2, " (--debug shows where)\n"),
        ("raise KeyboardInterrupt", 130, "ERROR: Stopped; finished work is kept. "),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", 143, "ERROR: Stopped; "),
        ("os.kill(os.getpid(), signal.SIGHUP); time.sleep(60)", 129, "ERROR: Stopped; "),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="there are other signals")
def test_the_status_and_one_line_tell_how_a_script_ended(start, body, status, words):
    process = start(body)
    _, told = process.communicate(timeout=100)
    assert process.returncode == status
    assert words in told
    assert len(told.splitlines()) == bool(words)


#: Starts a command that a closed terminal does not end, as nohup does.
NOHUP = ("/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh")


@pytest.mark.skipif(os.name == "nt", reason="there are other signals")
@pytest.mark.parametrize(("name", "status"), [("SIGHUP", 0), ("SIGTERM", 143)])
def test_a_closed_terminal_does_not_end_what_is_to_outlast_it(start, name, status):
    process = start(f"os.kill(os.getpid(), signal.{name}); time.sleep(0.1)", under=NOHUP)
    _, told = process.communicate(timeout=100)
    assert (process.returncode, "Stopped" in told) == (status, bool(status))


@pytest.mark.parametrize("body", ["raise UserError('no')", "1 / 0"])
def test_only_debug_shows_where_an_error_was_raised(start, body):
    assert "Traceback" in start(body, "--debug").communicate(timeout=100)[1]
    assert "Traceback" not in start(body).communicate(timeout=100)[1]


@pytest.mark.parametrize("quiet", [("--quiet",), ()])
def test_quiet_says_only_what_went_wrong(start, quiet):
    import_ = "import logging; logging.info('fine'); logging.warning('beware')"
    told = start(import_, *quiet).communicate(timeout=100)[1]
    assert told == ("WARNING: beware\n" if quiet else "fine\nWARNING: beware\n")


#: Says so once the thread that watches the process that runs the script has begun to do so.
WATCHED = """
    import logging
    def opened(number):
        try:
            return os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            return ""
    while not any("pidfd" in opened(number) for number in range(64)):
        time.sleep(0.01)
    logging.info("begun")
    time.sleep(600)
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="it is noticed in another way")
def test_a_script_ends_with_the_process_that_runs_it(start):
    runner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    script = start(WATCHED.strip(), PIXELMILL_RUNNER=str(runner.pid))
    assert script.stderr.readline() == "begun\n"
    assert script.poll() is None
    runner.kill()
    runner.wait()
    assert script.wait(timeout=60) == launcher.SIGNALLED + signal.SIGTERM


@pytest.mark.parametrize("text", ["0", "-3"])
def test_a_number_of_workers_is_at_least_one(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"found '{text}'; .* of at least 1"):
        cli.positive(text)
    assert cli.positive("1") == 1


CHECKS = [
    {"name": "missing", "passed": True, "compared": 1200, "not_compared": 0, "differing": 0,
     "question": "Is it there?", "named": []},
    {"name": "mode", "passed": True, "compared": 8, "not_compared": 3, "differing": 0,
     "question": "Is it grey?", "named": []},
    {"name": "sha256", "passed": False, "compared": 9, "not_compared": 0, "differing": 1,
     "question": "Is it the same?", "named": []},
    {"name": "size", "passed": False, "compared": 1100, "not_compared": 1300, "differing": 2,
     "question": "Is it so large?", "named": [{"image": "a.jpg", "why": "is not"}]},
]  # fmt: skip

LINES = [
    "  passed  missing      1,200 compared  (Is it there?)",
    "  passed  mode         8 compared, 3 not compared  (Is it grey?)",
    "  FAILED  sha256       9 compared, 1 differ  (Is it the same?)",
    "  FAILED  size         1,100 compared, 1,300 not compared, 2 differ  (Is it so large?)",
    "            a.jpg: is not",
]


@pytest.mark.parametrize(
    ("passed", "brief", "lines"),
    [
        (True, False, [*LINES, "mine: Looked."]),
        (False, False, [*LINES, "mine: Looked."]),
        (False, True, [*LINES, "mine: Looked."]),
        (True, True, LINES[-1:]),
    ],
)
def test_checks_are_told_with_their_counts_unless_all_passed_and_nobody_looks(
    caplog, passed, brief, lines
):
    """What nobody is told is in the file of the log, which has every level."""
    caplog.set_level("DEBUG")
    console.print_checks("mine", {"passed": passed, "summary": "Looked.", "checks": CHECKS}, brief)
    assert caplog.messages == [*LINES, "mine: Looked."]
    told = [one for one in caplog.records if one.levelno >= logging.INFO]
    assert [one.getMessage() for one in told] == lines
    assert (told[-1].levelno == logging.ERROR) is not passed


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"scope": "all", "sample": None, "min_psnr": 0.0}, {"scope": "all", "min_psnr": 0.0}),
        ({"scope": None, "sample": 0, "min_psnr": None}, {"sample": 0}),
    ],
)
def test_options_that_were_not_given_are_left_to_their_defaults_and_0_is_given(given, expected):
    options = SimpleNamespace(settings=None, **given)
    assert cli.settings(options, "verify", *given) == expected
    options.settings = '{"sample": 0}'
    filled = {"scope": "changed", "sample": 0, "min_psnr": 30}
    assert cli.settings(options, "verify", *given) == filled


def test_a_reason_that_does_not_exist_is_not_tried_again():
    options = SimpleNamespace(policy=None, retry_failed=["corrupt", "timeout"])
    with pytest.raises(UserError, match="--retry-failed: 'timeout' is not a reason; allowed are "):
        cli.policy(options, dict)


@pytest.mark.parametrize("place", ["in/0.jpg", "in/new", "in/sub/new", "in", "in/../in/new"])
def test_a_place_among_the_images_is_refused(photos, tmp_path, place):
    source = str(photos(tmp_path / "in", 1))
    place = str(tmp_path / place)
    with pytest.raises(UserError) as refusal:
        launcher.refuse_images("--log", place, source)
    assert str(refusal.value).startswith(f"--log: '{place}' is in the folder of the images, which")
    for other in ("in.log", "out/new", "inner/new"):
        launcher.refuse_images("--log", str(tmp_path / other), source)
