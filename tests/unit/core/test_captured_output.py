"""The output of steps and libraries goes to the log, limited in size, and not to the terminal."""

import os
import threading

import pytest

from pixelmill.core import captured_output
from pixelmill.core.captured_output import Drain

#: What a step may print, with terminal control sequences.
LINE = "\x1b[31mmine WAY " + "x" * 100

#: Ways to print it.
WAYS = {
    "print": f"print({LINE!r})",
    "standard-error": f"sys.stderr.write({LINE!r} + '\\n')",
    "descriptor-1": f"os.write(1, {LINE!r}.encode() + b'\\n')",
    "descriptor-2": f"os.write(2, {LINE!r}.encode() + b'\\n')",
    "child": f"subprocess.run([sys.executable, '-c', {f'print({LINE!r})'!r}])",
}

RECIPE = '{"steps": [{"resize": {"width": 8, "height": 8}}, {"call": {"function": "mine:f"}}]}'


@pytest.fixture
def made(script, photos, tmp_path):
    """Function that processes images with a step with this body; returns the output and the log."""
    photos(tmp_path / "in", 2)

    def make(body, *options):
        text = f"import os, subprocess, sys\ndef f(image):\n    {body}\n    return image\n"
        (tmp_path / "mine.py").write_text(text, encoding="utf-8")
        done = script(
            "process_parallel.py", "in", "out", "--recipe", RECIPE, "--sandbox", "off", *options,
            cwd=tmp_path,
        )  # fmt: skip
        assert done.status == 0, done.text
        log = tmp_path / "log"
        return done.text, log.read_text(encoding="utf-8") if log.exists() else ""

    return make


@pytest.mark.skipif(os.name == "nt", reason="Windows hands no descriptor to such children")
@pytest.mark.parametrize("engine", ["sequential", "processes"])
def test_the_output_of_a_step_is_in_the_log_and_not_on_the_terminal(made, engine):
    body = "\n    ".join(line.replace("WAY", way) for way, line in WAYS.items())
    printed, log = made(body, "--engine", engine, "--workers", "2", "--log", "log")
    counts = {way: log.count(f"\\u001b[31mmine {way} x") for way in WAYS}
    assert counts == dict.fromkeys(WAYS, 2)
    assert "mine" not in printed
    assert "\x1b" not in printed + log


@pytest.mark.skipif(os.name == "nt", reason="Windows hands no descriptor to such children")
def test_too_much_output_is_cut_off_and_the_log_says_so(made):
    printed, log = made("print('x' * 3_000_000)", "--engine", "sequential", "--log", "log")
    assert 2**20 <= len(log) < 2**20 + 10_000
    assert log.count("cut: more than") == 1
    assert len(printed) < 10_000


def test_without_a_log_the_output_is_dropped(made):
    printed, _ = made("print('x' * 3_000_000)", "--engine", "sequential")
    assert len(printed) < 10_000


@pytest.mark.parametrize(
    ("printed", "written"),
    [
        (b"one\r\ntwo\n", "one\ntwo\n"),
        (b"caf\xe9\x1b[31m\n", "caf\\xe9\\u001b[31m\n"),
        ("ä".encode() * 100, "ä" * 50 + "\n... cut: more than 100 bytes were printed\n"),
    ],
    ids=["line ends of Windows", "neither text nor for a terminal", "too much"],
)
@pytest.mark.parametrize("finish", [False, True])
def test_what_is_printed_is_written_as_text_of_bounded_size(
    tmp_path, monkeypatch, printed, written, finish
):
    monkeypatch.setattr(captured_output, "MOST_BYTES", 100)
    before = set(threading.enumerate())
    drain = Drain(str(tmp_path / "log"))
    (reader,) = set(threading.enumerate()) - before
    if finish:
        drain.finish()
        assert os.get_blocking(drain._reading)  # its reader waits for more
    for number in range(0, len(printed), 3):
        os.write(drain.writing, printed[number : number + 3])
    os.close(drain.writing)
    reader.join(60)
    assert (tmp_path / "log").read_text(encoding="utf-8") == written
