"""If the disk fills up while an output is written, only that image fails, and no output is partial.

A limit on the size of files stands for the disk. As on one that is nearly full, the system takes
the part of a write for which there is room, and refuses the next one.
"""

import os

import numpy as np
import pytest

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.renderer import Renderer
from tests.helpers.imaging import png, words
from tests.helpers.limited import room_for
from tests.helpers.tags import raw_block, with_block

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows does not limit sizes of files")

FORMATS = ("jpeg", "png", "webp", "avif", "tiff", "gif", "bmp")
MOVING = ("png", "webp", "avif", "gif")

#: Parts of an output for which the disk has room.
STEPS = 20


@pytest.fixture
def assert_made_whole_or_not(tmp_path):
    """Function that makes an output with room for increasing parts of it, and finally for all."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()

    def check(data, **settings):
        (tmp_path / "in/a").write_bytes(data)
        parsed = recipe_parser.parse(settings)
        renderer = Renderer(str(tmp_path / "in"), str(tmp_path / "out"), parsed)
        job, made = Job("a", ("made",)), tmp_path / "out/made"
        assert renderer.render(job).status == "ok"
        whole = made.read_bytes()
        made.unlink()
        for size in sorted({*(k * len(whole) // STEPS for k in range(STEPS)), len(whole) - 1}):
            with room_for(size):
                outcome = renderer.render(job)
            assert outcome.reason == "write_failed", (size, len(whole))
            assert list((tmp_path / "out").iterdir()) == [], (size, len(whole))
        with room_for(len(whole)):
            assert renderer.render(job).status == "ok"
        assert made.read_bytes() == whole

    return check


@pytest.mark.parametrize("metadata", ["none", "keep"])
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_with_and_without_tags(
    assert_made_whole_or_not, photo, format, backend, metadata
):
    tags = [(0x010E, 2, b"a picture\0"), (0x8298, 2, b"somebody" * 40 + b"\0")]
    comment = (0x9286, 7, b"ASCII\0\0\0" + bytes(900))
    data = with_block(raw_block(tags, [comment]), "png", photo(40, 30))
    output = {"format": format}
    assert_made_whole_or_not(data, output=output, backend=backend, metadata=metadata)


@pytest.mark.parametrize("compression", ["none", "lzw", "deflate"])
def test_a_tiff_of_any_compression(assert_made_whole_or_not, photo, compression):
    data = with_block(raw_block([(0x8298, 2, b"somebody\0")]), "png", photo(40, 30))
    assert_made_whole_or_not(data, output={"format": "tiff", "compression": compression})


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("format", ["png", "tiff"])
@pytest.mark.parametrize("color", [0, 2])
def test_16_bits(assert_made_whole_or_not, format, backend, color):
    levels = np.arange(30 * 40 * (color + 1)).reshape(30, -1) * 17 % 65536
    data = png(40, 30, 16, color, [words(*row) for row in levels.tolist()])
    assert_made_whole_or_not(data, output={"format": format}, backend=backend, depth="keep")


@pytest.mark.parametrize("format", MOVING)
def test_an_animation(assert_made_whole_or_not, picture, encoded, format):
    frames = [picture(number, (40, 30)) for number in range(3)]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=50)
    assert_made_whole_or_not(data, output={"format": format}, animation="all")
