"""Bare pools do the whole job, so that a comparison with them is meaningful."""

import importlib.util

import pytest
from PIL import Image

from pixelmill.benchmark import bare_pools
from pixelmill.benchmark.bare_pools import Task

TASK = Task(width=24, height=20, exact=True, quality=75, margin=0.0)


@pytest.fixture(params=bare_pools.available())
def pool(request):
    """Each pool whose library is installed."""
    return request.param


def made_by(pool, task, source, target):
    target.mkdir()
    files = sorted(path.name for path in source.iterdir())
    seconds, message = bare_pools.run(pool, task, source, files, target, 2)
    assert seconds > 0
    assert message == ""
    return {path.name: Image.open(path) for path in target.iterdir()}


def test_a_pool_makes_every_image_in_its_size(pool, photos, tmp_path):
    made = made_by(pool, TASK, photos(tmp_path / "in", 5), tmp_path / "out")
    assert sorted(made) == [f"{number}.jpg" for number in range(5)]
    assert {(image.format, image.size) for image in made.values()} == {("JPEG", (24, 20))}


def test_a_pool_keeps_proportions_if_requested(pool, photos, tmp_path):
    source = photos(tmp_path / "in", 1, (120, 60))
    made = made_by(pool, TASK._replace(exact=False), source, tmp_path / "out")
    assert made["0.jpg"].size == (24, 12)


def test_a_pool_names_the_file_that_it_cannot_read(pool, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    assert "broken.jpg" in bare_pools.run(pool, TASK, tmp_path, ["broken.jpg"], tmp_path, 1)[1]


def test_codec_alone_is_omitted_if_the_codec_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert bare_pools.CODEC_FLOOR not in bare_pools.available()
    assert bare_pools.available()


@pytest.mark.parametrize(("size", "fitted"), [((1000, 1), (24, 1)), ((1, 900), (1, 20))])
def test_no_side_vanishes(size, fitted):
    assert bare_pools._fitted(TASK._replace(exact=False), *size) == fitted
