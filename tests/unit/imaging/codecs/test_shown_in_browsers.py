"""Outputs of every format that browsers show look there as their source does."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.renderer import Renderer
from pixelmill.verification.second_decoder import decode
from tests.helpers import browser as chromium

FORMATS = ("jpeg", "png", "webp", "avif", "gif", "bmp")
MOVING = ("png", "webp", "avif", "gif")

SIDE = 64

#: Colours of the quarters of a picture; the last one is transparent where the format allows it.
QUARTERS = ((220, 30, 30), (20, 60, 200), (240, 240, 240), (16, 16, 16))


def quartered(alpha):
    picture = np.full((SIDE, SIDE, 4), 255, np.uint8)
    half = SIDE // 2
    for number, color in enumerate(QUARTERS):
        top, left = number // 2 * half, number % 2 * half
        picture[top : top + half, left : left + half, :3] = color
    if alpha:
        picture[half:, half:, 3] = 0
    return Image.fromarray(picture if alpha else picture[..., :3])


def source(moving, alpha):
    """A PNG, or an animation that shows its first frame for ten minutes."""
    first, file = quartered(alpha), io.BytesIO()
    other = first.transpose(Image.Transpose.ROTATE_90)
    options = {"save_all": True, "append_images": [other], "duration": [600_000, 100]}
    first.save(file, "PNG", **(options if moving else {}))
    return file.getvalue()


def made(folder, data, format, backend="pillow"):
    (folder / "a").write_bytes(data)
    animation = "all" if format in MOVING else "first"
    recipe = {"animation": animation, "backend": backend, "output": {"format": format}}
    outcome = Renderer(str(folder), str(folder), recipe_parser.parse(recipe)).render(
        Job("a", ("out",))
    )
    assert outcome.status == "ok", outcome.message
    return (folder / "out").read_bytes()


CASES = [
    (format, moving, alpha)
    for format in FORMATS
    for moving in ((False, True) if format in MOVING else (False,))
    for alpha in (False, True)
]


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_an_avif_sequence_has_the_narrow_range(tmp_path, backend, alpha):
    """Chromium 156 shows sequences of the full range with too much contrast."""
    data = made(tmp_path, source(True, alpha), "avif", backend)
    flags = [data[k + 10] for k in range(len(data)) if data[k : k + 4] == b"nclx"]
    assert flags
    assert all(flag & 0x80 == 0 for flag in flags)
    first = decode(data, moving=True).frames[0].astype(int)
    for number, color in enumerate(QUARTERS[: 3 if alpha else 4]):
        quarter = first[SIDE // 4 + number // 2 * SIDE // 2, SIDE // 4 + number % 2 * SIDE // 2]
        assert np.abs(quarter[:3] - color).max() <= 4


@pytest.mark.slow
@pytest.mark.skipif(chromium.PATH is None, reason="Chromium is not installed")
def test_a_browser_shows_every_output_as_its_source(tmp_path):
    style = f"margin:0;position:absolute;width:{SIDE}px;height:{SIDE}px"
    tags = []
    for number, (format, moving, alpha) in enumerate(CASES):
        packed = base64.b64encode(made(tmp_path, source(moving, alpha), format)).decode()
        place = f"left:{number % 8 * SIDE}px;top:{number // 8 * SIDE}px"
        tags.append(f'<img style="{style};{place}" src="data:image/{format};base64,{packed}">')
    page = tmp_path / "page.html"
    page.write_text('<!doctype html><body style="background:#fff">' + "".join(tags))
    with chromium.Browser(tmp_path / "profile") as browser:
        shot = chromium.Page(browser, page.as_uri(), 8 * SIDE).picture(whole=False)
    with Image.open(io.BytesIO(shot)) as image:
        seen = np.asarray(image.convert("RGB")).astype(int)
    wrong = []
    for number, case in enumerate(CASES):
        colors = [*QUARTERS[:3], (255, 255, 255)] if case[2] else QUARTERS
        for quarter, color in enumerate(colors):
            top = number // 8 * SIDE + SIDE // 4 + quarter // 2 * SIDE // 2
            left = number % 8 * SIDE + SIDE // 4 + quarter % 2 * SIDE // 2
            if np.abs(seen[top, left] - color).max() > 6:
                wrong.append((case, color, seen[top, left].tolist()))
    assert wrong == []
