"""Streams that accept everything (`test_environments.py` tests whole scripts with odd streams)."""

import contextlib
import os
import sys

import pytest

from pixelmill.core.streams import tolerant, written_completely


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        with contextlib.suppress(OSError):  # the test closed it
            os.close(descriptor)


def test_text_arrives_line_by_line(pipe):
    stream = tolerant(pipe[1], sys.stdout)
    stream.write("grüße\n")
    assert os.read(pipe[0], 100).decode(stream.encoding) == "grüße\n"
    print("more", end="", file=stream, flush=True)
    assert os.read(pipe[0], 100) == b"more"


def test_text_that_the_encoding_lacks_is_escaped(pipe):
    print("name \udcff", file=tolerant(pipe[1], None))
    assert os.read(pipe[0], 100) == b"name \\udcff\n"


def test_output_without_a_reader_is_dropped(pipe):
    stream = tolerant(pipe[1], None)
    os.close(pipe[0])
    print("x" * 100_000, file=stream)
    stream.close()


def test_a_descriptor_stays_open(pipe):
    tolerant(pipe[1], None).close()
    assert os.write(pipe[1], b"x") == 1


def test_a_pipe_that_is_full_does_not_block(pipe):
    os.set_blocking(pipe[1], False)
    stream = tolerant(pipe[1], None)
    print("x" * 1_000_000, file=stream)
    assert os.read(pipe[0], 1) == b"x"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_output_that_is_not_taken_completely_ends_with_a_sentence(monkeypatch, capfd):
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as ended, written_completely():
            print("lost")
    assert ended.value.code == 2
    told = "ERROR: Standard output cannot be written: No space left on device.\n"
    assert capfd.readouterr().err == told


def test_a_reader_that_has_seen_enough_is_no_error(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as output:
        monkeypatch.setattr(sys, "stdout", output)
        with written_completely():
            print("not wanted any more")
