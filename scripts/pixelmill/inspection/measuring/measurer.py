"""Measurer: the work of a pass that measures images and writes none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pixelmill.core.jobs import Job, Stage, StageTimer
from pixelmill.imaging.arrays import Array
from pixelmill.imaging.codecs.decoded import Decoded
from pixelmill.imaging.recipe import SETTINGS, Recipe
from pixelmill.imaging.renderer import Renderer, warm_up_picture
from pixelmill.inspection.measuring import file_facts, hashes, picture_metrics


class _MeasuringRecipe(Recipe):
    """A recipe without steps, of which the work that follows holds the GIL."""

    @property
    def scales_on_threads(self) -> bool:
        """Whether measuring scales on threads: it does not, because it makes many short calls."""
        return False


#: How images are decoded: upright, in sRGB, with 8 bits, with transparency, the first frame. It has
#: no step, so that nothing that a user chooses changes a number.
RECIPE: Recipe = _MeasuringRecipe(
    steps=(),
    outputs=(),
    settings={
        **{key: kind.default for key, kind in SETTINGS.items()},
        "backend": "opencv",
        "metadata": "none",
    },
)

#: What decides the numbers besides `pixelmill.imaging`; the registry has the size of the picture.
CODE = ("inspection/measuring", "inspection/metrics.py")


class Measurer(Renderer):
    """Measures images: a renderer whose outcomes have facts in place of files."""

    def make(self, job: Job, pages: Iterator[tuple[Decoded, bytes]], timer: StageTimer) -> None:
        """Measure the first page."""
        decoded, data = next(pages)
        found = measured(decoded.frames[0], decoded.kind, data)
        timer.facts = json.dumps(found, allow_nan=False)
        timer.lap(Stage.STEPS)

    def warm_up(self) -> None:
        """Measure a small picture and discard the result."""
        with suppress(Exception):  # it will occur again with the first image
            data = warm_up_picture()
            measured(self.decode(data).frames[0], "jpeg", data)


def measured(picture: Array, kind: str, data: bytes) -> dict[str, Any]:
    """Return all metrics of an image that can be found in it alone.

    Parameters
    ----------
    picture : ndarray of uint8
        The picture in full size, as shown; see `pixelmill.imaging.arrays`.
    kind : str
        Format of the file: a key of `pixelmill.imaging.codecs.formats.FORMATS`.
    data : bytes
        Content of the file.

    Returns
    -------
    dict
        By names of `pixelmill.inspection.metrics.METRICS`; what does not apply is left out.
    """
    height, width = picture.shape[:2]
    found = {
        "format": kind,
        "width": width,
        "height": height,
        **file_facts.facts_of(data, kind),
        **picture_metrics.measure(picture),
        "pixel_digest": hashes.pixel_digest(picture),
    }
    return {name: value for name, value in found.items() if value is not None}
