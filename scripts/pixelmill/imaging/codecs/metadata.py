"""Metadata: selects the EXIF tags that outputs have, and removes everything else."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any

from PIL import ExifTags, Image

from pixelmill.imaging.codecs import ifd, tag_names
from pixelmill.imaging.codecs.ifd import Field, Tags

Base = ExifTags.Base

#: The author and the copyright.
RIGHTS = (Base.Artist, Base.Copyright)

#: Tags that describe the picture and stay correct if its size changes.
DESCRIPTION = (
    *RIGHTS, Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime,
    Base.HostComputer, Base.Rating, Base.XPTitle, Base.XPComment, Base.XPAuthor,
    Base.XPKeywords, Base.XPSubject,
)  # fmt: skip

#: Tags of the camera that become wrong, or break when they are moved.
_STALE = (
    Base.ExifImageWidth, Base.ExifImageHeight, Base.MakerNote, Base.ExifInteroperabilityOffset
)  # fmt: skip

#: Tags of the camera that only compressed pictures (JPEG) have (EXIF 2.32, table 18).
_OF_COMPRESSED = (
    Base.ComponentsConfiguration, Base.CompressedBitsPerPixel, Base.ExifImageWidth,
    Base.ExifImageHeight,
)  # fmt: skip

#: Types that a text may have: BYTE, ASCII, UNDEFINED and UTF-8 (EXIF 3.0, 4.6.2).
_TEXTUAL = (1, ifd.ASCII, ifd.UNDEFINED, 129)

#: Prefix of an EXIF block in places that can hold other data too.
_PREFIX = b"Exif\0\0"

#: Largest EXIF block in a JPEG, in bytes: the length of a segment has 16 bits and counts itself.
_MOST_IN_JPEG = 0xFFFF - 2

#: Version of the GPS directory that is stated if the source states none (EXIF 2.32, 4.6.7).
_GPS_VERSION = Field(ifd.BYTE, b"\2\3\0\0")

#: Method by which the position was found, as the name of its directory suggests.
_GPS_METHOD = Field(ifd.UNDEFINED, b"ASCII\0\0\0GPS")

#: Values of ColorSpace: sRGB, and any other colour space (EXIF 2.32, 4.6.5.2).
_SRGB, _UNCALIBRATED = 1, 0xFFFF

#: Transposition that turns an image upright, by its orientation (EXIF 2.32, 4.6.4.1.4).
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

#: Attributes of an image that has nothing but its pixels.
_ATTRIBUTES = frozenset(vars(Image.new("L", (1, 1))))


def exif_of(block: bytes, policy: str | tuple[str, ...], orientation: int = 1) -> bytes:
    """EXIF block for the outputs of an image.

    Values keep their bytes and types.

    Parameters
    ----------
    block : bytes
        EXIF block of the source from its TIFF header on, or a whole TIFF.
    policy : {"strip", "keep", "none"} or tuple of str
        ``strip`` keeps the author and the copyright; ``keep`` keeps everything that describes
        the picture and where it was taken, but no thumbnail; ``none`` keeps nothing;
        a tuple has the names of the tags to keep, of `pixelmill.imaging.codecs.tag_names`.
    orientation : int
        The orientation to state, if the pixels are left as they are stored; 1 states none.

    Returns
    -------
    bytes
        With the prefix ``Exif``; empty if there is nothing to keep.
    """
    kept = Tags()
    if isinstance(policy, tuple):
        kept = _listed(_read(block, main_only=False), policy)
    elif policy != "none":
        found = _read(block, main_only=policy == "strip")
        kept = _rights(found) if policy == "strip" else _description(found)
    if orientation != 1:
        noted = ifd.short(kept.order, orientation)
        kept = replace(kept, main={**kept.main, Base.Orientation: noted})
    return _PREFIX + ifd.write(kept) if kept else b""


def orientation_in(block: bytes) -> int:
    """Orientation in an EXIF block, 1 to 8; 1 if there is none that can be read.

    What XMP says about the orientation is ignored, as in browsers.
    """
    found = _read(block, main_only=True)
    stated = ifd.integer(found.order, found.main.get(Base.Orientation)) or 1
    return stated if stated in range(2, 9) else 1


def _read(block: bytes, main_only: bool) -> Tags:
    """Read the tags of a source; empty if they cannot be read."""
    try:
        return ifd.read(block, main_only)
    except ValueError:  # missing or broken tags must not cost the image
        return Tags()


def block_of(info: Mapping[Any, Any]) -> bytes:
    """EXIF block, from its TIFF header on, in what Pillow found beside the pixels of a file.

    Empty if there is none. Some writers of PNG put it into a text, in hexadecimal.
    """
    block: bytes = info.get("exif", b"")
    hexed = info.get("Raw profile type exif", "")
    if not block and isinstance(hexed, str):
        with contextlib.suppress(ValueError):  # a malformed text must not cost the image
            block = bytes.fromhex("".join(hexed.split("\n")[3:]))
    return without_prefix(block)


def without_prefix(block: bytes) -> bytes:
    """EXIF block from its TIFF header on."""
    while block.startswith(_PREFIX):
        block = block[len(_PREFIX) :]
    return bytes(block)


def _rights(found: Tags) -> Tags:
    """Artist and Copyright, if they are texts that are not blank."""
    return Tags(
        found.order,
        {tag: f for tag, f in _chosen(found, RIGHTS).items()
         if f.kind in _TEXTUAL and f.value.strip(b"\0 ")},
    )  # fmt: skip


def _description(found: Tags) -> Tags:
    camera = {tag: f for tag, f in found.camera.items() if tag not in _STALE}
    return Tags(found.order, _chosen(found, DESCRIPTION), camera, found.gps)


def _listed(found: Tags, names: tuple[str, ...]) -> Tags:
    wanted = tag_names.with_directions(names)
    listed = (
        {number for name, number in known.items() if name in wanted}
        for known in (tag_names.MAIN, tag_names.CAMERA, tag_names.GPS)
    )
    tables = zip((found.main, found.camera, found.gps), listed, strict=True)
    return Tags(
        found.order,
        *({tag: f for tag, f in table.items() if tag in tags} for table, tags in tables),
    )


def _chosen(found: Tags, tags: Container[int]) -> dict[int, Field]:
    return {tag: f for tag, f in found.main.items() if tag in tags}


def bare(image: Image.Image) -> Image.Image:
    """Return an image with the same pixels and nothing else that an encoder could write.

    Pillow's encoders write entries of ``info`` on their own, and all tags of the file if the image
    was opened from one and no step replaced it. Pixels are copied only if there is something to
    remove.
    """
    if type(image) is Image.Image and not image.info and vars(image).keys() <= _ATTRIBUTES:
        return image
    copied = image.copy()
    copied.info = {}
    return copied


def for_jpeg(block: bytes, size: tuple[int, int], srgb: bool) -> Tags:
    """Return the tags of an EXIF block as a JPEG must have them.

    Tags that describe the pixels are those of the output. Tags that EXIF requires are added if
    they are missing (EXIF 2.32, 4.6.8, tables 17 to 19): the resolution says that it is unknown,
    and versions are those of EXIF 2.32.

    Parameters
    ----------
    block : bytes
        As `exif_of` returns it.
    size : tuple of int
        Width and height of the output in pixels.
    srgb : bool
        Whether the colours are sRGB, so that no ICC profile is embedded.

    Returns
    -------
    Tags
        As many as a segment holds: without those of the camera and the place, or without any,
        if all of them are too many.
    """
    tags = ifd.read(block.removeprefix(_PREFIX))
    orientation = _chosen(tags, (Base.Orientation,))
    rights = _rights(tags)
    fewer = (replace(rights, main={**rights.main, **orientation}), Tags(tags.order, orientation))
    made = _complete_for_jpeg(tags, size, srgb)
    for rest in fewer:
        if len(ifd.write(made)) + len(_PREFIX) <= _MOST_IN_JPEG:
            break
        made = _complete_for_jpeg(rest, size, srgb)
    return made


def for_tiff(block: bytes, size: tuple[int, int], srgb: bool) -> Tags:
    """Return the tags of an EXIF block as the first page of a TIFF must have them.

    Tags that TIFF requires are added if they are missing (TIFF 6.0, section 4), and those that
    only compressed pictures have are left out. A place is said to come from GPS. Parameters are
    those of `for_jpeg`.
    """
    tags = _complete(ifd.read(block.removeprefix(_PREFIX)), size, srgb)
    camera = {tag: f for tag, f in tags.camera.items() if tag not in _OF_COMPRESSED}
    gps = {ExifTags.GPS.GPSProcessingMethod: _GPS_METHOD, **tags.gps} if tags.gps else {}
    return replace(tags, camera=camera, gps=gps)


def with_color_space(block: bytes, srgb: bool) -> Tags:
    """Return the tags of an EXIF block; if it states a colour space, it states the right one."""
    tags = ifd.read(block.removeprefix(_PREFIX))
    if Base.ColorSpace not in tags.camera:
        return tags
    return replace(tags, camera={**tags.camera, **_color_space(tags.order, srgb)})


def _complete_for_jpeg(tags: Tags, size: tuple[int, int], srgb: bool) -> Tags:
    made = _complete(tags, size, srgb)
    positioning = ifd.short(tags.order, 1)
    return replace(made, main={Base.YCbCrPositioning: positioning, **made.main})


def _complete(tags: Tags, size: tuple[int, int], srgb: bool) -> Tags:
    """Add what every EXIF block in a JPEG or a TIFF must have."""
    order = tags.order
    inch = Field(ifd.RATIONAL, struct.pack(f"{order}II", 72, 1))  # stands for an unknown one
    main: dict[int, Field] = {
        Base.XResolution: inch, Base.YResolution: inch, Base.ResolutionUnit: ifd.short(order, 2),
        **tags.main,
    }  # fmt: skip
    camera = dict(tags.camera)
    if camera:
        width, height = (Field(ifd.LONG, struct.pack(f"{order}I", side)) for side in size)
        camera = {
            Base.ExifVersion: Field(ifd.UNDEFINED, b"0232"),
            Base.ComponentsConfiguration: Field(ifd.UNDEFINED, b"\1\2\3\0"),
            Base.FlashPixVersion: Field(ifd.UNDEFINED, b"0100"),
            **camera,
            **_color_space(order, srgb),
            Base.ExifImageWidth: width,
            Base.ExifImageHeight: height,
        }
    gps = {ExifTags.GPS.GPSVersionID: _GPS_VERSION, **tags.gps} if tags.gps else {}
    return replace(tags, main=main, camera=camera, gps=gps)


def _color_space(order: str, srgb: bool) -> dict[int, Field]:
    return {Base.ColorSpace: ifd.short(order, _SRGB if srgb else _UNCALIBRATED)}


def written(tags: Tags) -> bytes:
    """Return tags as an EXIF block with its prefix."""
    return _PREFIX + ifd.write(tags)


def without_orientation(block: bytes) -> tuple[int, bytes]:
    """Return the orientation in a block of `exif_of`, 1 if it has none, and the other tags."""
    tags = _read(block.removeprefix(_PREFIX), main_only=False)
    noted = ifd.integer(tags.order, tags.main.get(Base.Orientation))
    rest = replace(tags, main={t: f for t, f in tags.main.items() if t != Base.Orientation})
    return noted if noted in TRANSPOSITIONS else 1, written(rest) if rest else b""


class ForAvif(Image.Exif):
    """An EXIF block that Pillow's AVIF encoder does not change, except for the orientation.

    The encoder removes the orientation, because AVIF has a property for it, and would then rewrite
    all texts.
    """

    def __init__(self, tags: Tags) -> None:
        super().__init__()
        self.load(written(tags))
        others = {tag: f for tag, f in tags.main.items() if tag != Base.Orientation}
        rest = replace(tags, main=others)
        self._rest = written(rest) if rest else b""

    def __bool__(self) -> bool:
        return bool(self._rest) or Base.Orientation in self

    def tobytes(self, offset: int = 8) -> bytes:
        """Return the block without the orientation."""
        return self._rest
