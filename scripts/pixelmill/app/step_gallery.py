"""Step gallery: every step shown on a picture, before and after, with its parameters."""

from __future__ import annotations

import base64
import io
import itertools
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageFilter

from pixelmill.app import step_docs
from pixelmill.core.files import atomic
from pixelmill.dataset.synthetic import Spec, image
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.steps import MODULES, STEPS, canvas
from pixelmill.imaging.steps.registry import Subject
from pixelmill.report import templating

#: Size of the picture in pixels, and the number of a generated one in which left and
#: right, above and below are easily told.
_SIZE = (240, 180)
_NUMBER = 10


def write(page: str) -> int:
    """Write the gallery as one HTML file; return the number of steps."""
    with tempfile.TemporaryDirectory() as folder:
        _write_look(os.path.join(folder, "look.cube"))
        subjects = [
            {
                "title": step_docs.subject(module),
                "steps": [_show(kind.name, folder) for kind in step_docs.kinds_of(module)],
            }
            for module in MODULES
        ]
    text = templating.environment().get_template("steps.html").render(subjects=subjects)
    with atomic(page) as file:
        file.write(text)
    return len(STEPS)


def _show(name: str, folder: str) -> dict[str, Any]:
    kind = STEPS[name]
    before = _PICTURES[kind.subject]()
    after = [_example(name, params, before, folder) for params in kind.examples]
    words = step_docs.describe(kind)
    return {"words": words, "before": _data_url(before), "after": after}


def _example(
    name: str, params: Mapping[str, Any], before: Image.Image, folder: str
) -> dict[str, str]:
    (step,) = parse({"steps": [{name: params}]}, folder=folder).with_files().steps
    pairs = (f"{key}: {step_docs.as_recipe(value)}" for key, value in params.items())
    shown = f"{name}: {{{', '.join(pairs)}}}" if params else name
    return {"picture": _data_url(STEPS[name].function(before, **step.params)), "shown": shown}


def _photo() -> Image.Image:
    return image(Spec(width=(_SIZE[0],) * 2, height=(_SIZE[1],) * 2), _NUMBER)[0]


def _flat() -> Image.Image:
    """Return the picture with low contrast, in a third of the levels."""
    return _photo().point([90 + level // 3 for level in range(256)] * 3)


def _soft() -> Image.Image:
    """Return the picture out of focus."""
    return _photo().filter(ImageFilter.GaussianBlur(0.8))


def _noisy() -> Image.Image:
    """Return the picture with noise of 20 levels, as in a photo at night."""
    import numpy as np

    clean = np.asarray(_photo().filter(ImageFilter.GaussianBlur(1)), np.float32)
    noise = np.random.default_rng(1).normal(0, 20, clean.shape)
    return Image.fromarray(np.clip(clean + noise, 0, 255).astype(np.uint8))


def _speckled() -> Image.Image:
    """Return the picture with one in twenty pixels white or black."""
    import numpy as np

    random = np.random.default_rng(1)
    pixels = np.array(_photo())
    hit = random.random(pixels.shape[:2]) < 0.05
    pixels[hit] = random.choice(np.array([0, 255], np.uint8), (int(hit.sum()), 1))
    return Image.fromarray(pixels)


def _scanned() -> Image.Image:
    """Return the picture on a white sheet, as from a scanner."""
    small = _photo().resize((150, 112))
    return canvas.place(small, _SIZE, 60, 40, "#ffffff")


#: The pictures that steps are shown on.
_PICTURES: dict[Subject, Callable[[], Image.Image]] = {
    "photo": _photo,
    "flat": _flat,
    "soft": _soft,
    "noisy": _noisy,
    "speckled": _speckled,
    "scanned": _scanned,
}


def _write_look(path: str) -> None:
    """Write a cinematic lookup table: shadows become blue-green, highlights orange."""
    steps = (0, 0.25, 0.5, 0.75, 1)
    rows = []
    for blue, green, red in itertools.product(steps, repeat=3):
        tint = 0.8 * (0.3 * red + 0.6 * green + 0.1 * blue - 0.4)
        rows.append((red + tint, green, blue - tint))
    lines = (" ".join(f"{value:.4f}" for value in row) for row in rows)
    Path(path).write_text("\n".join(("LUT_3D_SIZE 5", *lines)), encoding="utf-8")


def _data_url(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
