"""Gallery: every step shown on a picture, with its parameters."""

from __future__ import annotations

import base64
import inspect
import io
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

from pixelmill.files import atomic
from pixelmill.generator import Spec, image
from pixelmill.operations import STEPS, StepKind
from pixelmill.parameters import REQUIRED

#: Parameters to show a step with, where its defaults do not show much or are missing.
EXAMPLES: dict[str, dict[str, Any]] = {
    "resize": {"width": 180, "height": 180, "fit": "pad", "color": "#808080"},
    "gaussian_blur": {"radius": 4.0},
    "unsharp_mask": {"radius": 3.0, "percent": 250},
    "median": {"size": 7},
    "enhance": {"contrast": 1.5, "color": 1.8},
    "autocontrast": {"cutoff": 5.0},
    "color_matrix": {"matrix": ((0.39, 0.77, 0.19), (0.35, 0.69, 0.17), (0.27, 0.53, 0.13))},
}

#: Side of the picture, in pixels.
_SIDE = 240


def write(page: str) -> int:
    """Write the gallery as one HTML file; return the number of steps."""
    before, _ = image(Spec(width=(_SIDE, _SIDE), height=(_SIDE * 3 // 4,) * 2), 7)
    steps = [_show(kind, before) for kind in STEPS.values()]
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True)
    text = environment.get_template("steps.html").render(before=_data_url(before), steps=steps)
    with atomic(page) as file:
        file.write(text)
    return len(steps)


def _show(kind: StepKind, before: Image.Image) -> dict[str, Any]:
    params = {key: parameter.default for key, parameter in kind.parameters.items()}
    params.update(EXAMPLES.get(kind.name, {}))
    after = kind.function(before, **params)
    return {
        "name": kind.name,
        "summary": (inspect.getdoc(kind.function) or "").split("\n\n")[0],
        "shown": ", ".join(f"{key}: {value}" for key, value in params.items()),
        "parameters": [
            {
                "name": key,
                "allowed": parameter.allowed,
                "default": "required" if parameter.default is REQUIRED else parameter.default,
            }
            for key, parameter in kind.parameters.items()
        ],
        "picture": _data_url(after),
    }


def _data_url(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
