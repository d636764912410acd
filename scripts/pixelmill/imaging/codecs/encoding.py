"""Encode: formats that outputs may have, with what each of them can hold."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, Any

from PIL import Image

from pixelmill.imaging.codecs import color, icc, ifd, metadata
from pixelmill.imaging.codecs.boxes import boxes
from pixelmill.imaging.codecs.decoding import Decoded
from pixelmill.imaging.codecs.formats import SUFFIXES_OF
from pixelmill.imaging.codecs.ifd import Tags
from pixelmill.imaging.parameters import Choice, Flag, Integer, Parameter

#: As it is in all formats that lose something.
_QUALITY = Integer(1, 100, 85)


@dataclass(frozen=True)
class Encoder:
    """A format of outputs.

    Attributes
    ----------
    suffix : str
        Of the files, with its dot.
    options : dict
        What a recipe may set, by its name.
    alpha, frames, exif, icc, gray, deep : bool
        Whether it holds transparency, moving pictures, EXIF, an ICC profile, a profile of
        grey, 16-bit grey.
    """

    suffix: str
    options: Mapping[str, Parameter] = field(default_factory=dict)
    alpha: bool = False
    frames: bool = False
    exif: bool = False
    icc: bool = False
    gray: bool = False
    deep: bool = False


ENCODERS: dict[str, Encoder] = {
    "jpeg": Encoder(
        ".jpg",
        {
            "quality": _QUALITY,
            "subsampling": Choice(("4:4:4", "4:2:2", "4:2:0"), "4:2:0"),
            "progressive": Flag(False),
            "optimize": Flag(False),
        },
        exif=True,
        icc=True,
        gray=True,
    ),
    "png": Encoder(
        ".png",
        {"level": Integer(0, 9, 6)},
        alpha=True,
        frames=True,
        exif=True,
        icc=True,
        gray=True,
        deep=True,
    ),
    "webp": Encoder(
        ".webp",
        {"quality": _QUALITY, "lossless": Flag(False)},
        alpha=True,
        frames=True,
        exif=True,
        icc=True,
    ),
    "avif": Encoder(".avif", {"quality": _QUALITY}, alpha=True, frames=True, exif=True, icc=True),
    "tiff": Encoder(
        ".tif",
        {"compression": Choice(("none", "lzw", "deflate"), "lzw")},
        alpha=True,
        exif=True,
        icc=True,
        gray=True,
        deep=True,
    ),
    "gif": Encoder(".gif", alpha=True, frames=True),
    "bmp": Encoder(".bmp"),
}

#: Modes of pictures in colours that hold those in grey.
_COLORED = {"L": "RGB", "LA": "RGBA"}

#: A format that stands for that of each source.
SAME = "same"

#: What a source becomes by `SAME` where its own format is never written.
_INSTEAD = {"heif": "jpeg", "ppm": "png", "ico": "png"}

_COMPRESSIONS = {"none": None, "lzw": "tiff_lzw", "deflate": "tiff_adobe_deflate"}


def encoder_name(format: str, kind: str) -> str:
    """Key of `ENCODERS` for an output of a source of some format.

    Examples
    --------
    >>> encoder_name("webp", "jpeg"), encoder_name("same", "gif"), encoder_name("same", "ppm")
    ('webp', 'gif', 'png')
    """
    if format != SAME:
        return format
    return kind if kind in ENCODERS else _INSTEAD.get(kind, "png")


def suffix_for(format: str, kind: str, source: str) -> str:
    """Suffix of an output, with its dot; with `SAME` that of the source, where it is true.

    Examples
    --------
    >>> suffix_for("png", "jpeg", "a.JPEG"), suffix_for("same", "jpeg", "a.JPEG")
    ('.png', '.JPEG')
    >>> suffix_for("same", "png", "really_a_png.jpg")
    '.png'
    """
    if format == SAME and kind in ENCODERS:
        own = PurePosixPath(source).suffix
        if own.lower() in SUFFIXES_OF[kind]:
            return own
    return ENCODERS[encoder_name(format, kind)].suffix


def encode(
    frames: Sequence[Image.Image],
    file: IO[bytes],
    name: str,
    options: Mapping[str, Any],
    *,
    background: str = "#ffffff",
    profile: bytes | None = None,
    exif: bytes = b"",
    durations: Sequence[int] = (),
    loop: int | None = None,
) -> bytes:
    """Write a picture, or a moving one, to an open file, and return what was written.

    The file holds the frames' pixels and what is handed over here: nothing that the frames
    carry along from a source, such as comments, tags or a resolution.

    Parameters
    ----------
    frames : sequence of PIL.Image.Image
        RGB, L, RGBA, LA or I;16.
    file : binary file
        To write and to read; a real one: only then does Pillow let go of the GIL while it
        encodes JPEG.
    name : str
        A key of `ENCODERS`.
    options : mapping
        Values of some of its options; the others have their defaults.
    background : str
        What transparency is flattened on where the format has none, ``#rrggbb``.
    profile : bytes or None
        ICC profile to embed; one of grey becomes one of RGB if the output is coloured, and the
        other way round.
    exif : bytes
    durations : sequence of int
        How long each frame stands, in ms.
    loop : int or None
        How often a moving picture is shown; 0 for ever, None once.
    """
    encoder = ENCODERS[name]
    frames = [metadata.bare(frame) for frame in frames]
    if not encoder.alpha:
        frames = [
            color.flatten(frame, background) if frame.mode in ("LA", "RGBA") else frame
            for frame in frames
        ]
    save = save_options(name, values_of(name, options))
    if encoder.icc and profile is not None:
        if not encoder.gray:
            frames = [frame.convert(_COLORED.get(frame.mode, frame.mode)) for frame in frames]
        gray = all(frame.mode in color.GRAY_MODES for frame in frames)
        fitting = icc.of_space(profile, icc.GRAY if gray else icc.RGB)
        if fitting is not None:
            save["icc_profile"] = fitting
    tags = Tags()
    if name == "avif" and len(frames) > 1:  # Pillow crashes on a sequence with an orientation
        orientation, exif = metadata.without_orientation(exif)
        if orientation != 1:
            turn = metadata.TRANSPOSITIONS[orientation]
            frames = [frame.transpose(turn) for frame in frames]
    if encoder.exif and exif:
        tags = metadata.fitting(exif, name, frames[0].size, srgb="icc_profile" not in save)
        if name == "avif":
            save["exif"] = metadata.ForAvif(tags)
        elif name != "tiff":
            save["exif"] = metadata.written(tags)
    if encoder.frames and len(frames) > 1:
        plays = 1 if loop is None else loop
        from pixelmill.imaging.codecs import frame_writing

        file.write(frame_writing.encoded(frames, name, save, durations, plays))
        file.seek(0)
        return file.read()
    if name == "gif":
        from pixelmill.imaging.codecs import gif

        frames[0], transparent = gif.indexed(frames[0])
        save.update({} if transparent is None else {"transparency": transparent})
    frames[0].save(file, name.upper(), **save)
    file.seek(0)
    data = file.read()
    if name == "tiff" and tags:
        tail, head = ifd.extension(data, tags)
        # Only a disk that is full takes less than all; the head would then point to nothing.
        if file.write(tail) != len(tail):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        file.seek(0)
        file.write(head)
        data = head + data[len(head) :] + tail
    return data


def encode_to(
    descriptor: int,
    frames: Sequence[Image.Image],
    name: str,
    options: Mapping[str, Any],
    background: str,
    decoded: Decoded,
) -> bytes:
    """Write a picture to an empty file by `encode`, with all that its source says of it.

    Raises
    ------
    OSError
        If the disk is full.
    """
    with os.fdopen(descriptor, "w+b", buffering=0, closefd=False) as file:
        data = encode(
            frames,
            file,
            name,
            options,
            background=background,
            profile=decoded.profile,
            exif=decoded.exif,
            durations=decoded.durations,
            loop=decoded.loop,
        )
    if not is_whole(data, name):
        # Pillow takes a short write, as on a disk that fills up, for a whole one.
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return data


def values_of(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Values of all options of a format, where only some are given, perhaps of others too.

    Examples
    --------
    >>> values_of("webp", {"quality": 70, "level": 9})
    {'quality': 70, 'lossless': False}
    """
    kinds = ENCODERS[name].options
    return {key: options.get(key, kind.default) for key, kind in kinds.items()}


def save_options(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Pillow's options for those of a recipe.

    Examples
    --------
    >>> save_options("png", {"level": 9})
    {'compress_level': 9}
    """
    options = dict(values)
    if name == "png":
        return {"compress_level": options["level"]}
    if name == "tiff":
        # TIFF requires a resolution (TIFF 6.0, section 4); it has that of an unknown one.
        return {"compression": _COMPRESSIONS[options["compression"]], "dpi": (72, 72)}
    if name == "avif":
        return {"quality": options["quality"], "max_threads": 1}  # a worker has one core
    return options


def is_whole(data: bytes, name: str) -> bool:
    """Whether an encoded file ends where its format says.

    Examples
    --------
    >>> is_whole(b"BM" + (10).to_bytes(4, "little") + bytes(4), "bmp")
    True
    """
    if name == "jpeg":
        return data.endswith(b"\xff\xd9")
    if name == "png":
        return data.endswith(b"IEND\xaeB`\x82")
    if name == "gif":
        return data.endswith(b"\0;")  # the end of the last image, and of the file
    if name == "avif":
        return _boxes_end(data) == len(data) > 0
    if name == "tiff":
        return len(data) > 8  # libtiff writes by itself, and says where it could not
    start = 2 if name == "bmp" else 4
    length = int.from_bytes(data[start : start + 4], "little")
    return len(data) >= length + (0 if name == "bmp" else 8) > 8


def _boxes_end(data: bytes) -> int:
    """Where the last top-level box of an ISO media file ends (ISO/IEC 14496-12, 4.2).

    0 where none of them holds the coded pictures.
    """
    end, coded = 0, False
    for box in boxes(data):
        end, coded = box.end, coded or box.name == b"mdat"
    return end if coded else 0
