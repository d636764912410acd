"""Reading of animations other than GIF, and of what Pillow leaves out of their frames."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from pixelmill.imaging.codecs import apng, avif

#: Place of the flags in an extended WebP, and two of them (RFC 9649, 2.7).
_WEBP_FLAGS = 20
_WEBP_ALPHA, _WEBP_ANIMATION = 0x10, 0x02

#: Modes with alpha, and what each is without.
_WITHOUT_ALPHA = {"LA": "L", "RGBA": "RGB"}

_OPAQUE = 255


def with_alpha(data: bytes) -> bytes:
    """Have an animated WebP decoded with alpha, whatever it says of its frames.

    What no frame covers is transparent, also if all frames are opaque; Pillow gives it
    some colour if the file does not announce alpha.
    """
    extended = data[12:16] == b"VP8X" and len(data) > _WEBP_FLAGS
    if not extended or data[_WEBP_FLAGS] & (_WEBP_ALPHA | _WEBP_ANIMATION) != _WEBP_ANIMATION:
        return data
    flags = bytes([data[_WEBP_FLAGS] | _WEBP_ALPHA])
    return data[:_WEBP_FLAGS] + flags + data[_WEBP_FLAGS + 1 :]


def frames(image: Image.Image, data: bytes, kind: str) -> tuple[list[Image.Image], list[float]]:
    """Decode all frames, each complete, all of one mode; and how long each is shown, in ms.

    Parameters
    ----------
    image : PIL.Image.Image
        The file, opened.
    data : bytes
        The file.
    kind : {"png", "webp", "avif"}

    Raises
    ------
    EOFError
        If there are fewer than the file announces.
    """
    if kind == "png":
        pictures, times = map(list, zip(*apng.frames(data), strict=True))
    else:
        pictures, starts, durations = map(list, zip(*_seek_all(image), strict=True))
        ends = [*starts[1:], starts[-1] + durations[-1]]
        # Pillow rounds each duration of AVIF to ms, which adds up; it rounds no sum of them.
        times = [end - start for start, end in zip(starts, ends, strict=True)]
        pictures = without_needless_alpha(pictures)
        if kind == "avif":
            pictures = [_cut(picture, data) for picture in pictures]
    for picture in pictures:
        picture.info["icc_profile"] = image.info.get("icc_profile")
    return pictures, times


def _seek_all(image: Image.Image) -> Iterator[tuple[Image.Image, float, float]]:
    """Each frame with its start and its duration in ms."""
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        image.load()
        yield image.copy(), image.info.get("timestamp", 0), image.info.get("duration", 0)


def plays(image: Image.Image, data: bytes, kind: str) -> int | None:
    """How often an animation is shown; 0 for ever, None if the file does not say."""
    return avif.plays(data) if kind == "avif" else image.info.get("loop")


def completed(image: Image.Image, data: bytes, kind: str) -> Image.Image:
    """First frame of a file, cut to its clean aperture and without needless alpha."""
    if kind == "avif":
        return _cut(image, data)
    if kind == "webp" and getattr(image, "is_animated", False):  # see `with_alpha`
        return without_needless_alpha([image])[0]
    return image


def _cut(image: Image.Image, data: bytes) -> Image.Image:
    """Cut an AVIF to its clean aperture, which Pillow leaves to others."""
    box = avif.aperture(data, image.size)
    return image if box is None else image.crop(box)


def without_needless_alpha(pictures: list[Image.Image]) -> list[Image.Image]:
    """Leave out alpha if all pictures are opaque; the same list, to hold no picture twice."""
    for picture in pictures:
        if picture.mode not in _WITHOUT_ALPHA or picture.getchannel("A").getextrema()[0] != _OPAQUE:
            return pictures
    for number, picture in enumerate(pictures):
        pictures[number] = picture.convert(_WITHOUT_ALPHA[picture.mode])
    return pictures
