"""Thumbnails: small pictures of sources and outputs, which a page holds as data."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

from pixelmill.core.errors import ImageError
from pixelmill.imaging.codecs import reading
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.storage.archives import Place

#: Larger images are left out, because a thumbnail does not justify their memory.
LARGEST_PIXELS = 50_000_000

#: JPEG quality of the pictures, which take 10 kB each.
_QUALITY = 68

#: A JPEG is decoded no larger than twice its thumbnail.
_READING = DecodeOptions(shrink_margin=2.0)


def thumbnail(place: Place, side: int) -> Image.Image | None:
    """Return a picture whose longer side has at most `side` pixels; None if it cannot be read."""

    def size(full: tuple[int, int]) -> tuple[float, float]:
        scale = min(1.0, side / max(full))
        return full[0] * scale, full[1] * scale

    try:
        limits = Limits(max_pixels=LARGEST_PIXELS)
        data = reading.read_place(place, limits=limits)
        picture: Image.Image = decode(data, size, _READING, limits).frames[0]
    except (OSError, ImageError, MemoryError):
        return None
    picture.thumbnail((side, side))
    return picture.convert("RGB")


def data_url(picture: Image.Image) -> str:
    """Return a picture as JPEG in a data URL."""
    buffer = io.BytesIO()
    options: dict[str, Any] = {"quality": _QUALITY, "optimize": True}
    picture.save(buffer, "JPEG", **options)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
