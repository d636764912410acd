"""Sources are read completely, identified by a digest, and prefetched only if reading is slow."""

import os
import socket
from pathlib import Path

import pytest

from pixelmill.core import regular_files
from pixelmill.core.errors import ImageError
from pixelmill.core.jobs import Batch, Job
from pixelmill.imaging.codecs import reading
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.renderer import Renderer
from pixelmill.verification import expectations
from pixelmill.verification.inspector import Inspector, Task


@pytest.mark.parametrize("known", [0, 3, 7, 9])
def test_a_file_is_read_completely_regardless_of_its_recorded_size(tmp_path, known):
    (tmp_path / "a").write_bytes(b"content")
    assert reading.read(str(tmp_path / "a"), known) == b"content"


@pytest.mark.parametrize(("name", "reason"), [("gone", "vanished"), (".", "unreadable")])
def test_a_file_that_cannot_be_read_says_why(tmp_path, name, reason):
    with pytest.raises(ImageError) as raised:
        reading.read(str(tmp_path / name), 0)
    assert (raised.value.stage, raised.value.reason) == ("read", reason)


def test_another_content_has_another_digest():
    assert reading.content_digest(b"a") != reading.content_digest(b"b")
    assert len(reading.content_digest(b"")) == 32


def test_announcing_a_missing_or_special_file_raises_no_error(tmp_path):
    reading.announce(str(tmp_path / "gone"))
    reading.announce(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="the system reads nothing ahead")
def test_announcing_a_file_that_became_a_pipe_does_not_wait_for_a_writer(tmp_path, monkeypatch):
    opened, descriptors = os.open, []

    def open_at_once(path, flags):
        assert flags & os.O_NONBLOCK
        descriptors.append(opened(path, flags))
        return descriptors[-1]

    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(os, "open", open_at_once)
    reading.announce(str(tmp_path / "pipe"))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(*descriptors)


@pytest.mark.parametrize("cold", [True, False])
def test_each_file_is_prefetched_once_if_the_first_took_long(photos, tmp_path, cold, monkeypatch):
    announced = []
    monkeypatch.setattr(reading, "is_cold", lambda seconds, size: cold)
    monkeypatch.setattr(reading, "announce", lambda path: announced.append(os.path.basename(path)))
    source = photos(tmp_path / "in", 6)
    names = [f"{number}.jpg" for number in range(6)]
    jobs = [Job(name, (name,)) for name in names]
    (tmp_path / "out").mkdir()
    renderer = Renderer(str(source), str(tmp_path / "out"), parse({"steps": ["sepia"]}))
    assert [outcome.status for outcome in renderer(Batch(jobs))] == ["ok"] * 6
    assert announced == (names[1:] if cold else [])


def sparse(path, size):
    path.touch()
    try:
        os.truncate(path, size)
    except OSError:
        pytest.skip("the file system holds no such file")
    return path


def told(call, *arguments, **options):
    with pytest.raises(ImageError) as raised:
        call(*arguments, **options)
    return raised.value.stage, raised.value.reason, str(raised.value)


@pytest.mark.parametrize("known", [0, 10, 2**40])
def test_a_file_too_large_is_refused_before_it_is_read(tmp_path, known):
    path = sparse(tmp_path / "a", 2**40)
    stage, reason, message = told(reading.read, str(path), known)
    assert (stage, reason) == ("read", "too_large")
    assert message == "1,099,511,627,776 bytes exceed limits.max_bytes = 1,000,000,000"


@pytest.mark.parametrize("known", [0, 6, 7, 8, 99])
@pytest.mark.parametrize(("most", "fits"), [(6, False), (7, True)])
def test_the_limit_applies_regardless_of_the_recorded_size(tmp_path, known, most, fits):
    (tmp_path / "a").write_bytes(b"content")
    limits = Limits(max_bytes=most)
    if fits:
        assert reading.read(str(tmp_path / "a"), known, limits) == b"content"
    else:
        assert told(reading.read, str(tmp_path / "a"), known, limits)[1] == "too_large"


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs Linux's /proc")
def test_the_limit_applies_to_a_file_with_more_data_than_its_size():
    """For example, a file that grows while it is read."""
    assert Path("/proc/self/maps").stat().st_size == 0
    assert told(reading.read, "/proc/self/maps", limits=Limits(max_bytes=100))[1] == "too_large"


@pytest.fixture(params=["pipe", "pipe-with-writer", "device", "folder", "socket"])
def special(request, tmp_path):
    """Path of a special file that nobody writes to."""
    path = tmp_path / "special.jpg"
    if os.name == "nt":
        pytest.skip("Windows has no such files")
    if request.param == "device":
        path.symlink_to("/dev/zero")
    elif request.param == "folder":
        path.mkdir()
    elif request.param == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            folder = os.open(tmp_path, os.O_RDONLY)  # a socket's path must be short
            before = os.open(".", os.O_RDONLY)
            os.fchdir(folder)
            server.bind(path.name)
            os.fchdir(before)
            os.close(folder)
            os.close(before)
    else:
        os.mkfifo(path)
    if request.param != "pipe-with-writer":
        yield path
        return
    descriptor = os.open(path, os.O_RDWR)
    yield path
    os.close(descriptor)


@pytest.mark.parametrize("known", [0, 100])
def test_a_file_that_is_no_longer_regular_is_unreadable_and_does_not_block(special, known):
    found = told(reading.read, str(special), known)
    assert found == ("read", "unreadable", "it is not a regular file")


def test_nothing_else_blocks_at_a_special_file(special, photos, tmp_path):
    with pytest.raises(OSError):
        regular_files.opened(str(special))
    assert expectations.stored_size(special) is None
    assert expectations.format_of(special) == ""
    recipe = parse({"steps": [{"resize": {"width": 8, "height": 8}}]})
    folder = str(tmp_path)
    task = Task("special.jpg", "special.jpg", "", "", True)
    finding = Inspector(folder, folder, recipe.as_data(), 30.0).inspect(task)
    assert [name for name, _ in finding.faults] == ["decodes"]
    photos(tmp_path / "made", 1)
    task = Task("0.jpg", "special.jpg", "", "", True)
    finding = Inspector(folder, str(tmp_path / "made"), recipe.as_data(), 30.0).inspect(task)
    assert finding.similarity_db is None
    outcome = Renderer(folder, str(tmp_path / "out"), recipe).render(Job("special.jpg", ("a.jpg",)))
    assert (outcome.status, outcome.reason) == ("failed", "unreadable")
