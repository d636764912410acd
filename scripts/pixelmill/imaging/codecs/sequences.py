"""Sequences of frames, as Pillow's plugins for WebP and AVIF read and write them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from PIL import Image

#: Modes with alpha, and what each is called without it.
_WITHOUT_ALPHA = {"LA": "L", "RGBA": "RGB"}

_OPAQUE = 255


def frames(image: Image.Image) -> tuple[list[Image.Image], list[float]]:
    """Decode all frames of an opened file, all of one mode; with their durations in ms.

    Alpha is left out if all frames are opaque.
    """
    pictures, starts, durations = map(list, zip(*_seek_all(image), strict=True))
    ends = [*starts[1:], starts[-1] + durations[-1]]
    # Pillow rounds each duration of AVIF to ms, which adds up; it does not round the starts.
    times = [end - start for start, end in zip(starts, ends, strict=True)]
    return without_needless_alpha(pictures), times


def _seek_all(image: Image.Image) -> Iterator[tuple[Image.Image, float, float]]:
    """Each frame with its start and its duration in ms."""
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        image.load()
        yield image.copy(), image.info.get("timestamp", 0), image.info.get("duration", 0)


def without_needless_alpha(pictures: list[Image.Image]) -> list[Image.Image]:
    """Leave out alpha if all pictures are opaque.

    Returns
    -------
    list of PIL.Image.Image
        The same list, so that no picture is in memory twice.
    """
    for picture in pictures:
        if picture.mode not in _WITHOUT_ALPHA or picture.getchannel("A").getextrema()[0] != _OPAQUE:
            return pictures
    for number, picture in enumerate(pictures):
        pictures[number] = picture.convert(_WITHOUT_ALPHA[picture.mode])
    return pictures


def unified(pictures: Sequence[Image.Image]) -> Sequence[Image.Image]:
    """Bring the frames of an animation to one mode.

    Raises
    ------
    ValueError
        If they differ in size.
    """
    if len({picture.size for picture in pictures}) > 1:
        raise ValueError("the frames differ in size, which no animation can hold")
    if len(modes := {picture.mode for picture in pictures}) == 1:
        return pictures
    mode = "RGBA" if any(mode.endswith("A") for mode in modes) else "RGB"
    return [picture.convert(mode) for picture in pictures]


def saved(pictures: Sequence[Image.Image], name: str, options: Mapping[str, Any]) -> bytes:
    """Encode frames with one of Pillow's plugins."""
    file = io.BytesIO()
    pictures[0].save(file, name, save_all=True, append_images=pictures[1:], **options)
    return file.getvalue()
