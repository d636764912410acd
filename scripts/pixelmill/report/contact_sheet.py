"""Contact sheet: a dozen images before and after, in order of their difference."""

from __future__ import annotations

import base64
import io
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from pixelmill.core.errors import ImageError
from pixelmill.dataset.layout import Layout, Tree
from pixelmill.dataset.ledger import Example, open_to_read
from pixelmill.imaging.codecs import reading
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.report.collect import by_recipe

#: Number of pairs, and the longer side of each picture in pixels: sharp on a phone.
SHOWN = 12
SIDE = 168

#: Largest number of images that are opened, and of their pixels together: some seconds of work.
MOST_EXAMPLES = 200
MOST_PIXELS = 600_000_000

#: Larger sources are left out, because a thumbnail does not justify their memory.
LARGEST_PIXELS = 50_000_000

#: JPEG quality of the thumbnails, which take 4 kB each.
_QUALITY = 72

#: Both pictures are stretched to a square of this side, in pixels, to be compared.
_COMPARED = 48

#: A JPEG is decoded no larger than twice its thumbnail.
_READING = DecodeOptions(shrink_margin=2.0)


@dataclass(frozen=True)
class Pair:
    """An image before and after.

    Attributes
    ----------
    source : str
    difference : float
        Mean absolute difference at thumbnail size, 0..1.
    facts : Example
    before, after : str
        JPEG as data URLs.
    before_size, after_size : tuple of int
        Sizes of the thumbnails, in pixels.
    """

    source: str
    difference: float
    facts: Example
    before: str
    after: str
    before_size: tuple[int, int]
    after_size: tuple[int, int]


def contact_sheets(
    trees: Iterable[Tree], config: Mapping[str, Any]
) -> dict[tuple[str, str], list[Pair]]:
    """Return contact sheets by dataset and recipe, for datasets whose folder is in the config."""
    found = {}
    for _, (tree, *_) in by_recipe(trees):
        if tree.dataset in config.get("datasets", {}):
            folder, _ = Layout({"results": "", **config}).source(tree.dataset)
            found[tree.dataset, tree.recipe] = contact_sheet(tree.path, folder)
    return found


def contact_sheet(tree: str, folder: str) -> list[Pair]:
    """Choose a dozen images of an output tree, each with its source.

    Parameters
    ----------
    tree : str
        Folder of the output tree.
    folder : str
        Folder of its sources.

    Returns
    -------
    list of Pair
        The largest difference first. Images that cannot be read or are gone are left out; only
        the first variant is shown.
    """
    found = []
    for example in _examples(tree):
        before = _thumbnail(os.path.join(folder, example.source))
        after = _thumbnail(os.path.join(tree, "images", example.output))
        if before is not None and after is not None:
            found.append((difference(before, after), example, before, after))
    found.sort(key=lambda entry: (-entry[0], entry[1].source))
    return [
        Pair(e.source, round(d, 4), e, _data_url(b), _data_url(a), b.size, a.size)
        for d, e, b, a in found[:SHOWN]
    ]


def _examples(tree: str) -> list[Example]:
    """Return sources and outputs, evenly spread, as many as can be opened in a few seconds."""
    path = os.path.join(tree, "ledger.sqlite")
    with open_to_read(path) as ledger:
        if ledger is None:
            return []
        count, pixels = ledger.extent(LARGEST_PIXELS)
        affordable = max(SHOWN, min(MOST_EXAMPLES, int(MOST_PIXELS / max(1.0, pixels))))
        return ledger.sample(max(1, math.ceil(count / affordable)), LARGEST_PIXELS)


def _thumbnail(path: str) -> Image.Image | None:
    try:
        limits = Limits(max_pixels=LARGEST_PIXELS)
        data = reading.read(path, limits=limits)
        picture: Image.Image = decode(data, _thumbnail_size, _READING, limits).frames[0]
    except (OSError, ImageError, MemoryError):
        return None
    picture.thumbnail((SIDE, SIDE))
    return picture.convert("RGB")


def _thumbnail_size(size: tuple[int, int]) -> tuple[float, float]:
    scale = min(1.0, SIDE / max(size))
    return size[0] * scale, size[1] * scale


def difference(before: Image.Image, after: Image.Image) -> float:
    """Return the mean absolute difference of two pictures stretched to the same size, 0..1.

    Examples
    --------
    >>> difference(Image.new("RGB", (9, 5)), Image.new("RGB", (20, 20), "white"))
    1.0
    """
    one, other = (
        np.asarray(picture.resize((_COMPARED, _COMPARED), Image.Resampling.BOX), np.float32)
        for picture in (before, after)
    )
    return float(np.mean(np.abs(one - other)) / 255)


def _data_url(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    options: dict[str, Any] = {"quality": _QUALITY, "optimize": True}
    picture.save(buffer, "JPEG", **options)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
