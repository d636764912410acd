"""Source files are read whole, known by a digest, and read ahead only where that takes long."""

import os

import pytest

from pixelmill import intake
from pixelmill.errors import ImageError
from pixelmill.jobs import Batch, Job
from pixelmill.recipe import parse
from pixelmill.transform import Renderer


@pytest.mark.parametrize("known", [0, 3, 7, 9])
def test_a_file_is_read_whole_whatever_size_it_had(tmp_path, known):
    (tmp_path / "a").write_bytes(b"content")
    assert intake.read(str(tmp_path / "a"), known) == b"content"


@pytest.mark.parametrize(("name", "reason"), [("gone", "vanished"), (".", "unreadable")])
def test_a_file_that_cannot_be_read_says_why(tmp_path, name, reason):
    with pytest.raises(ImageError) as raised:
        intake.read(str(tmp_path / name), 0)
    assert (raised.value.stage, raised.value.reason) == ("read", reason)


def test_another_content_has_another_digest():
    assert intake.content_digest(b"a") != intake.content_digest(b"b")
    assert len(intake.content_digest(b"")) == 32


def test_what_is_gone_or_no_file_is_announced_without_a_word(tmp_path):
    intake.announce(str(tmp_path / "gone"))
    intake.announce(str(tmp_path))


@pytest.mark.parametrize("cold", [True, False])
def test_files_are_read_ahead_once_each_where_the_first_took_long(
    photos, tmp_path, cold, monkeypatch
):
    announced = []
    monkeypatch.setattr(intake, "is_cold", lambda seconds, size: cold)
    monkeypatch.setattr(intake, "announce", lambda path: announced.append(os.path.basename(path)))
    source = photos(tmp_path / "in", 6)
    names = [f"{number}.jpg" for number in range(6)]
    jobs = [Job(name, (name,)) for name in names]
    (tmp_path / "out").mkdir()
    renderer = Renderer(str(source), str(tmp_path / "out"), parse({"steps": ["sepia"]}))
    assert [outcome.status for outcome in renderer(Batch(jobs))] == ["ok"] * 6
    assert announced == (names[1:] if cold else [])
