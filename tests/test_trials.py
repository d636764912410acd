"""An image that ends its process is tried once more, alone, and says how it ended."""

import os

import pytest

from pixelmill.jobs import Job
from pixelmill.limits import Limits
from pixelmill.recipe import parse
from pixelmill.transform import Renderer
from pixelmill.trials import try_alone

ENDS = {
    "fine": ("return image", "ok", ""),
    "raises": ("raise ValueError('no')", "failed", "step_failed"),
    "exits": ("import os; os._exit(3)", "failed", "crashed"),
    "aborts": ("import os; os.abort()", "failed", "crashed"),
    "is killed": ("import os; os.kill(os.getpid(), 9)", "failed", "out_of_memory"),
    "hangs": ("import time; time.sleep(60)", "failed", "timed_out"),
}


@pytest.mark.skipif(os.name == "nt", reason="signals end processes on POSIX alone")
@pytest.mark.parametrize("how", ENDS)
def test_how_it_ends_is_told(tmp_path, photo, how):
    body, status, reason = ENDS[how]
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    photo(20, 20).save(tmp_path / "in/a.png")
    (tmp_path / "own.py").write_text(f"def step(image):\n    {body}\n", encoding="utf-8")
    recipe = parse({"steps": [{"call": {"function": "own:step"}}]}, folder=str(tmp_path))
    limits = Limits(seconds_per_image=2)
    renderer = Renderer(str(tmp_path / "in"), str(tmp_path / "out"), recipe, limits)
    size = (tmp_path / "in/a.png").stat().st_size
    (outcome,) = try_alone(renderer, limits, 1, [Job("a.png", ("a.jpg",), size, mtime_ns=5)])
    assert (outcome.bytes_in, outcome.mtime_ns) == (size, 5)
    assert (outcome.source, outcome.status, outcome.reason) == ("a.png", status, reason)
    assert outcome.digest
    assert (tmp_path / "out/a.jpg").exists() == (status == "ok")


def test_nothing_to_try_starts_nothing():
    recipe = parse({"steps": []})
    assert try_alone(Renderer("in", "out", recipe), Limits(), 1, []) == []
