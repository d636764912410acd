"""WebP: transparency and metadata of animations, where Pillow loses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from pixelmill.imaging.codecs import sequences

#: Offset of the flags in an extended WebP, and two of them (RFC 9649, 2.7).
_FLAGS = 20
_ALPHA, _ANIMATION = 0x10, 0x02

#: Largest loop count (RFC 9649, 2.7.1.1).
_MOST_LOOPS = 65_535


def with_alpha(data: bytes) -> bytes:
    """Announce alpha in an animation, so that its frames are decoded with alpha.

    What no frame covers is transparent, even if all frames are opaque; Pillow gives it some
    colour if the file does not announce alpha.
    """
    extended = data[12:16] == b"VP8X" and len(data) > _FLAGS
    if not extended or data[_FLAGS] & (_ALPHA | _ANIMATION) != _ANIMATION:
        return data
    return data[:_FLAGS] + bytes([data[_FLAGS] | _ALPHA]) + data[_FLAGS + 1 :]


def encode_frames(
    frames: Sequence[Image.Image], options: Mapping[str, Any], times: Sequence[int], plays: int
) -> bytes:
    """Encode an animation.

    Parameters
    ----------
    frames : sequence of PIL.Image.Image
        All of one mode and size.
    options : mapping
        Pillow's options.
    times : sequence of int
        How long each frame is shown, in ms.
    plays : int
        How often the animation is shown; 0 means for ever.
    """
    more = {"duration": list(times), "loop": min(plays, _MOST_LOOPS)}
    if "exif" in options:  # Pillow does not remove the prefix of JPEG in animations
        more["exif"] = options["exif"].removeprefix(b"Exif\0\0")
    made = sequences.saved(frames, "WEBP", {**options, **more})
    # libwebp announces no alpha if everything transparent lies outside of its frames.
    return with_alpha(made) if frames[0].mode.endswith("A") else made
