"""Transparent areas show the background, and invisible colours affect nothing."""

import numpy as np
import pytest
from PIL import Image

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.renderer import Renderer
from tests.helpers.imaging import opened

#: A colour whose channels differ, and a grey.
GROUNDS = {"#204060": (0x20, 0x40, 0x60), "#909090": (0x90, 0x90, 0x90)}

OUTPUTS = {
    "bmp": {"format": "bmp"},
    "png": {"format": "png"},
    "jpeg": {"format": "jpeg", "quality": 100, "subsampling": "4:4:4"},
}

#: Largest difference of a pixel in levels, because JPEG is lossy.
OFF = {"bmp": 1, "png": 1, "jpeg": 6}


@pytest.fixture
def render(tmp_path):
    """Function that makes outputs of a picture, and returns them as they are stored."""

    def make(image, names, **data):
        image.save(tmp_path / "a.png")
        parsed = recipe_parser.parse(data)
        outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("a.png", names))
        assert outcome.status == "ok", outcome.message
        return [opened((tmp_path / name).read_bytes()) for name in names]

    return make


def see_through(mode):
    """A picture whose alpha falls from left to right, and whose colours vary slowly."""
    rows, columns = np.mgrid[0:48, 0:64]
    alpha = 255 - 4 * columns
    channels = [2 * rows + 100, 150 - rows, 3 * rows] if mode == "RGBA" else [2 * rows + 100]
    return Image.fromarray(np.dstack([*channels, alpha]).astype(np.uint8), mode)


def on(image, ground):
    """A picture composited on a colour, with each pixel weighted by its alpha."""
    pixels = np.asarray(image).astype(float)
    colors = np.broadcast_to(pixels[..., :-1], (*pixels.shape[:2], 3))
    alpha = pixels[..., -1:] / 255
    return colors * alpha + np.array(ground) * (1 - alpha)


def distance(made, expected):
    return np.abs(np.asarray(made.convert("RGB")) - expected).max()


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("format", ["jpeg", "bmp"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_an_output_without_alpha_shows_the_background(render, mode, format, ground, backend):
    data = {"background": ground, "output": OUTPUTS[format], "backend": backend}
    (made,) = render(see_through(mode), ("made",), **data)
    assert distance(made, on(see_through(mode), GROUNDS[ground])) <= OFF[format]


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_beside_an_output_with_alpha_the_others_show_the_background(render, mode, ground, backend):
    """Alpha is then kept until the end, and each encoder converts it for its format."""
    names = ("bmp", "png", "jpeg")
    outputs = [{"name": name, **OUTPUTS[name]} for name in names]
    data = {"background": ground, "outputs": outputs, "backend": backend}
    made = dict(zip(names, render(see_through(mode), names, **data), strict=True))
    expected = on(see_through(mode), GROUNDS[ground])
    assert distance(made["bmp"], expected) <= OFF["bmp"]
    assert distance(made["jpeg"], expected) <= OFF["jpeg"]
    assert made["png"].mode in ("RGBA", "LA")
    assert np.abs(on(made["png"], GROUNDS[ground]) - expected).max() <= OFF["png"]


# Blurred padding


def half_hidden(mode, hidden):
    """A picture that is opaque on the left and has invisible colours on the right."""
    pixels = np.full((40, 120, 4 if mode == "RGBA" else 2), 200, np.uint8)
    pixels[:, :60, -1] = 255
    pixels[:, 60:] = hidden
    pixels[:, 60:, -1] = 0
    return Image.fromarray(pixels, mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("hidden", [0, 255])
def test_a_blurred_pad_has_only_visible_colours(apply, mode, hidden):
    image = half_hidden(mode, hidden)
    made = apply(image, "resize", width=120, height=120, fit="pad", color="blur")
    assert made.mode == mode
    pixels = np.asarray(made).astype(int)
    assert (pixels[40:80] == np.asarray(image)).all()
    for pad in (pixels[:40], pixels[80:]):
        alpha = pad[..., -1]
        assert (alpha[:, :40] >= 254).all()
        assert (alpha[:, 80:] <= 1).all()
        assert np.abs(alpha[:, 59:61] - 127).max() <= 16  # the edge is blurred too
        assert np.abs(pad[alpha >= 16][:, :-1] - 200).max() <= 8
