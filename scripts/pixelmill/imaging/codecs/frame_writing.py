"""Writing of animations: every frame, its time, and how often all are shown."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from pixelmill.imaging.codecs import apng, avif, gif
from pixelmill.imaging.codecs.frame_reading import with_alpha
from pixelmill.imaging.codecs.frame_timing import as_shown, in_units

#: Unit of a GIF's times, in ms, and how many of them a frame is shown at least: browsers take
#: a single one for ten.
_GIF_UNIT, _GIF_LEAST = 10, 2

#: Largest loop count that a WebP can hold (RFC 9649, 2.7.1.1).
_MOST_LOOPS = 65_535


def encoded(
    frames: Sequence[Image.Image],
    name: str,
    options: Mapping[str, Any],
    times: Sequence[int],
    plays: int,
) -> bytes:
    """Encode an animation.

    Parameters
    ----------
    frames : sequence of PIL.Image.Image
        L, LA, RGB or RGBA.
    name : {"gif", "png", "webp", "avif"}
    options : mapping
        Pillow's options for the format.
    times : sequence of int
        How long each frame is shown, in ms.
    plays : int
        How often the animation is shown; 0 for ever.

    Raises
    ------
    ValueError
        If the frames differ in size.
    """
    if len({frame.size for frame in frames}) > 1:
        raise ValueError("the frames differ in size, which no animation can hold")
    if len(modes := {frame.mode for frame in frames}) > 1:
        mode = "RGBA" if any(mode.endswith("A") for mode in modes) else "RGB"
        frames = [frame.convert(mode) for frame in frames]
    if name == "gif":
        hundredths = in_units(as_shown(times), _GIF_UNIT, _GIF_LEAST)
        return gif.assemble(frames, hundredths, plays)
    if name == "png":
        return apng.assemble(frames, times, plays, options)
    more: dict[str, Any] = {"duration": list(times), "save_all": True}
    if name == "webp":
        more["loop"] = min(plays, _MOST_LOOPS)
        if "exif" in options:  # Pillow leaves the prefix of JPEG in animations
            more["exif"] = options["exif"].removeprefix(b"Exif\0\0")
        made = _saved(frames, name, {**options, **more})
        # libwebp announces no alpha if all that is transparent lies outside of its frames.
        return with_alpha(made) if frames[0].mode.endswith("A") else made
    return avif.with_plays(_saved(frames, name, {**options, **more}), plays)


def _saved(frames: Sequence[Image.Image], name: str, options: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    frames[0].save(file, name.upper(), append_images=frames[1:], **options)
    return file.getvalue()
