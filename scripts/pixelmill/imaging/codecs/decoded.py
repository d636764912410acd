"""The options of decoding, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pixelmill.imaging.parameters import Box, Size

if TYPE_CHECKING:
    from PIL import Image

#: Takes the size of the upright source, in pixels, and returns the size that it will be scaled to.
SizeHint: TypeAlias = Callable[[Size], tuple[float, float]]


@dataclass(frozen=True)
class DecodeOptions:
    """How sources are decoded.

    Attributes
    ----------
    orientation : {"apply", "keep"}
        Turn the picture upright according to EXIF, or leave the pixels as stored and pass the
        tag on.
    color : {"srgb", "keep", "drop"}
        What to do with an ICC profile: see `pixelmill.imaging.codecs.color.to_working`.
    depth : {8, "keep"}
        Bits per channel: scale 16 bits to 8, or keep them where the backend can.
    animation : {"first", "all", "error"}
        Which frames of an animation are decoded; ``error`` refuses animations.
    metadata : {"strip", "keep", "none"} or tuple of str
        See `pixelmill.imaging.codecs.metadata.exif_of`.
    alpha : bool
        Keep transparency; otherwise it is flattened on `background`.
    background : str
        ``#rrggbb``.
    shrink_margin : float
        A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as the result is still this
        many times larger than the target; 0 always decodes at full size.
    """

    orientation: str = "apply"
    color: str = "srgb"
    depth: int | str = 8
    animation: str = "first"
    metadata: str | tuple[str, ...] = "strip"
    alpha: bool = False
    background: str = "#ffffff"
    shrink_margin: float = 0.0


class Packets(NamedTuple):
    """XMP and IPTC of a file, each empty if there is none.

    Attributes
    ----------
    xmp : bytes
        A packet of XMP.
    iptc : bytes
        Datasets of IPTC.
    dropped : bool
        Whether a packet was left out because it is malformed.
    """

    xmp: bytes = b""
    iptc: bytes = b""
    dropped: bool = False


#: What a file without XMP and IPTC has.
NO_PACKETS = Packets()


@dataclass
class Decoded:
    """A decoded image.

    Attributes
    ----------
    frames : list of PIL.Image.Image or ndarray
        One frame, or all frames of an animation: images in mode RGB, L, RGBA, LA or I;16, or
        arrays (see `pixelmill.imaging.arrays`).
    box : tuple of float or None
        The region of the frame that holds the picture, if a decode at a reduced size rounded
        the size up.
    pixels : int
        Width times height of the source as stored.
    kind : str
        Format of the source: a key of `pixelmill.imaging.codecs.formats.FORMATS`.
    profile : bytes or None
        ICC profile that describes the frames, unless they are sRGB.
    exif : bytes
        EXIF block for the outputs; empty if there is none.
    packets : Packets
        XMP and IPTC for the outputs.
    durations : tuple of int
        How long each frame is shown, in ms.
    loop : int or None
        How often an animation is shown; 0 means for ever, None once.
    """

    frames: list[Any]
    box: Box | None
    pixels: int
    kind: str
    profile: bytes | None = None
    exif: bytes = b""
    durations: tuple[int, ...] = ()
    loop: int | None = None
    packets: Packets = NO_PACKETS


class Frame(NamedTuple):
    """A frame of a `Source`, with alpha that its mode has no room for, and its duration in ms."""

    image: Image.Image
    mask: Image.Image | None = None
    milliseconds: float = 0.0


@dataclass(frozen=True)
class Source:
    """A file that pixelmill decodes by itself because Pillow would not decode it correctly.

    Attributes
    ----------
    size : tuple of int
        Width and height in pixels, as stored.
    frames : callable
        Decodes and returns the frames that the options ask for: the first one, or all.
    frame_count : int
        Number of frames in the file.
    drawn_pixels : int
        Number of pixels that all frames together decompress to.
    jpegs : iterable of bytes
        JPEG streams inside the file.
    orientation : int
        As EXIF counts it, 1 to 8.
    exif : bytes
        EXIF block from its TIFF header on, or a whole TIFF; empty if there is none.
    plays : int or None
        How often the animation is shown; 0 means for ever, None that the file does not say.
    """

    size: Size
    frames: Callable[[], list[Frame]]
    frame_count: int = 1
    drawn_pixels: int = 0
    jpegs: Iterable[bytes] = ()
    orientation: int = 1
    exif: bytes = b""
    plays: int | None = None
