"""The library is compared with the bare calls that it makes."""

import pytest

from pixelmill.benchmark.overhead import overhead
from pixelmill.dataset.catalog import scan
from pixelmill.imaging.recipe_parser import parse

RESIZE = {"resize": {"width": 24, "height": 16}}


@pytest.mark.parametrize("step", [RESIZE, "grayscale"], ids=["shrunken", "in-full"])
def test_every_part_takes_time(tmp_path, photos, step):
    source = str(photos(tmp_path / "in", 4, (240, 160)))
    parts = overhead(
        source, str(tmp_path / "out"), parse({"steps": [step]}), scan(source)[0].entries
    )
    assert set(parts) == {"library", "bare", "digests"}
    assert min(parts.values()) > 0


def test_both_make_the_same_picture(tmp_path, photos):
    source = str(photos(tmp_path / "in", 2, (240, 160)))
    overhead(source, str(tmp_path / "out"), parse({"steps": [RESIZE]}), scan(source)[0].entries)
    for number in range(2):
        ours, bare = (tmp_path / "out" / f"{number}{kind}" for kind in ("", "-bare"))
        assert ours.read_bytes() == bare.read_bytes()
