"""Progress is one live line on a terminal, and occasional plain lines elsewhere."""

import io
import json

import pytest

from pixelmill.core import progress as progress_module
from pixelmill.core.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("done", "failed", "seconds", "line"),
    [
        (0, 0, 0.0, "light: 0/1,000 images, 0.0/s, time left unknown"),
        (0, 0, 5.0, "light: 0/1,000 images, 0.0/s, time left unknown"),
        (500, 0, 10.0, "light: 500/1,000 images, 50.0/s, 10 s left"),
        (1000, 3, 10.0, "light: 1,000/1,000 images, 100.0/s, 0 s left, 3 failed"),
    ],
)
def test_the_line_shows_progress_rate_remaining_time_and_failures(done, failed, seconds, line):
    progress = Progress(1000, "light", io.StringIO())
    progress.done, progress.failed = done, failed
    assert progress.line(seconds) == line


def test_finished_images_add_up():
    with Progress(10, "light", io.StringIO()) as progress:
        progress.advance(3)
        progress.advance(4, failed=2)
    assert (progress.done, progress.failed) == (7, 2)


def test_a_log_gets_no_line_before_it_is_time():
    stream = io.StringIO()
    with Progress(10, "light", stream) as progress:
        for _ in range(10):
            progress.advance(1)
    assert stream.getvalue() == ""


def test_a_log_gets_plain_lines_when_it_is_time(monkeypatch):
    monkeypatch.setattr(progress_module, "PLAIN_INTERVAL", 0.0)
    stream = io.StringIO()
    with Progress(10, "light", stream) as progress:
        progress.advance(5, failed=1)
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("light: 5/10 images, ")
    assert line.endswith(", 1 failed")


def test_the_lines_of_a_long_run_come_ever_more_rarely(monkeypatch):
    now = 100.0
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now)
    monkeypatch.setattr(progress_module, "PLAIN_INTERVAL", 10.0)
    stream = io.StringIO()
    times = []
    with Progress(1000, "light", stream) as progress:
        for now in range(100, 400):
            before = stream.getvalue()
            progress.advance(1)
            if stream.getvalue() != before:
                times.append(now - 100)
    assert times == [10, 30, 70, 150]


def test_a_terminal_that_cannot_go_back_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(progress_module, "PLAIN_INTERVAL", 0.0)
    stream = Terminal()
    with Progress(10, "light", stream) as progress:
        progress.advance(5)
    assert stream.getvalue().startswith("light: 5/10 images, ")
    assert "\r" not in stream.getvalue()


def test_a_terminal_gets_a_live_line_that_is_removed_at_the_end():
    stream = Terminal()
    with Progress(10, "light", stream) as progress:
        progress.advance(10, failed=1)
    assert "light" in stream.getvalue()
    assert "\n" not in stream.getvalue()


def test_a_pass_with_nothing_to_do_shows_nothing():
    stream = Terminal()
    with Progress(0, "light", stream):
        pass
    assert stream.getvalue() == ""


def test_lines_of_json_contain_the_same_for_machines(monkeypatch):
    monkeypatch.setenv("PIXELMILL_PROGRESS", "json")
    monkeypatch.setattr(progress_module, "JSON_INTERVAL", 0.0)
    stream = Terminal()
    with Progress(4, "light", stream) as progress:
        progress.advance(3, 1)
        progress.advance(1)
    states = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(state["done"], state["failed"]) for state in states] == [(3, 1), (4, 1), (4, 1)]
    assert {(state["stage"], state["total"]) for state in states} == {("light", 4)}


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_quiet_says_nothing(monkeypatch, stream):
    monkeypatch.setenv("PIXELMILL_PROGRESS", "none")
    monkeypatch.setattr(progress_module, "PLAIN_INTERVAL", 0.0)
    output = stream()
    with Progress(4, "light", output) as progress:
        progress.advance(4)
    assert output.getvalue() == ""


def test_a_program_is_notified_instead():
    told, stream = [], Terminal()
    with Progress(4, "light", stream, notify=lambda done, total: told.append((done, total))) as bar:
        bar.advance(3, 1)
        bar.advance(1)
    assert told == [(3, 4), (4, 4)]
    assert stream.getvalue() == ""
