"""Outputs of animated images, and frames to make sources from."""

import io

from PIL import Image

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.renderer import Renderer
from tests.helpers.animations import GifFrame, apng, gif, webp

ALL = DecodeOptions(animation="all", alpha=True)
FIRST = DecodeOptions(alpha=True)


def animation(kind, times):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue", "lime", "black")]
    frames = [frames[k % 4] for k in range(len(times))]
    if kind == "gif":
        made = [GifFrame(["rgb"[k % 3]], delay=int(time) // 10) for k, time in enumerate(times)]
        return gif((1, 1), made)
    if kind == "png":
        scaled = [(["rgb"[k % 3]], int(time)) for k, time in enumerate(times)]
        return apng(scaled)
    if kind == "webp":
        made = [(["rgb"[k % 3]], (0, 0), int(time), False, True) for k, time in enumerate(times)]
        return webp((1, 1), made, alpha=True)
    file = io.BytesIO()
    frames[0].save(
        file, "AVIF", save_all=True, append_images=frames[1:], duration=[int(t) for t in times]
    )
    return file.getvalue()


def rendered(folder, data, output, backend="pillow", **settings):
    """Make an output of a file, and return its bytes."""
    (folder / "a").write_bytes(data)
    settings = {"animation": "all", "steps": [], **settings}
    parsed = recipe_parser.parse({**settings, "backend": backend, "output": output})
    outcome = Renderer(str(folder), str(folder), parsed).render(Job("a", ("out",)))
    assert outcome.status == "ok", outcome.message
    return (folder / "out").read_bytes()
