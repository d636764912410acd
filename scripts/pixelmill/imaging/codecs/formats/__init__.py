"""File formats: everything that pixelmill knows about each of them, in one object per format.

To add a format, describe it in a module of this package, add it to `FORMATS`, and test it. Recipes,
the catalog, limits and the docs take everything from this table. Many formats also have a module of
the same name in `imaging.codecs`. It has the code for what Pillow does wrongly or slowly, and the
object imports it with the first file of its format.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
import struct
from typing import IO, Any

from pixelmill.imaging.codecs.formats.avif import Avif
from pixelmill.imaging.codecs.formats.base import QUALITY, SNIFF_BYTES, Format, OutputFormat
from pixelmill.imaging.codecs.formats.bmp import Bmp
from pixelmill.imaging.codecs.formats.gif import Gif
from pixelmill.imaging.codecs.formats.heif import Heif
from pixelmill.imaging.codecs.formats.ico import Ico
from pixelmill.imaging.codecs.formats.jpeg import Jpeg
from pixelmill.imaging.codecs.formats.png import Png
from pixelmill.imaging.codecs.formats.ppm import Ppm
from pixelmill.imaging.codecs.formats.tiff import Tiff
from pixelmill.imaging.codecs.formats.webp import Webp
from pixelmill.imaging.parameters import Size

__all__ = [
    "FORMATS",
    "IMAGE_SUFFIXES",
    "OUTPUT_FORMATS",
    "QUALITY",
    "SAME",
    "SNIFF_BYTES",
    "Format",
    "OutputFormat",
    "dimensions",
    "format_name",
    "output_format",
    "output_suffix",
    "sniff",
    "split_suffix",
]

#: The output format that stands for the format of each source.
SAME = "same"

#: All formats that are read, by name.
FORMATS: dict[str, Format] = {
    format_.name: format_
    for format_ in (
        Jpeg(), Png(), Webp(), Avif(), Tiff(), Gif(), Bmp(), Ppm(), Ico(), Heif(),
    )
}  # fmt: skip

#: Those that outputs can have, by name.
OUTPUT_FORMATS: dict[str, OutputFormat] = {
    name: format_ for name, format_ in FORMATS.items() if isinstance(format_, OutputFormat)
}

#: Suffixes of files that are taken for images.
IMAGE_SUFFIXES = frozenset(suffix for format_ in FORMATS.values() for suffix in format_.suffixes)


def format_name(given: Any) -> Any:
    """Return the name of a format that is given by its name in any case or by a suffix.

    Anything else is returned as it is, for the message that refuses it.

    Examples
    --------
    >>> format_name("JPG"), format_name(".tif"), format_name("webp"), format_name("wepb")
    ('jpeg', 'tiff', 'webp', 'wepb')
    """
    if not isinstance(given, str):
        return given
    suffix = f".{given.lower().removeprefix('.')}"
    named = (name for name, known in FORMATS.items() if suffix in (f".{name}", *known.suffixes))
    return next(named, SAME if given.lower() == SAME else given)


#: What looks like the suffix of a format.
_SUFFIX = re.compile(r"[A-Za-z][A-Za-z0-9]{1,4}")

#: The usual ones, which are recognised in a third of the time.
_USUAL = frozenset(
    case(suffix.removeprefix("."))
    for known in FORMATS.values()
    for suffix in known.suffixes
    for case in (str.lower, str.upper)
)


def sniff(head: bytes) -> str | None:
    r"""Name the format of a file that begins with these `SNIFF_BYTES` bytes.

    Returns
    -------
    str or None
        A key of `FORMATS`; None if the content is of no known format.

    Examples
    --------
    >>> sniff(b"\xff\xd8\xff\xe0\x00\x10JFIF")
    'jpeg'
    >>> sniff(b"%PDF-1.7") is None
    True
    """
    for name, format_ in FORMATS.items():
        if format_.recognizes(head):
            return name
    return None


def dimensions(file: IO[bytes], head: bytes, name: str | None) -> Size:
    """Read width and height in pixels from the header of a file.

    Parameters
    ----------
    file : binary file
        Open at any position.
    head : bytes
        Its first `SNIFF_BYTES` bytes.
    name : str or None
        The format, as `sniff` named it.

    Returns
    -------
    tuple of int
        (0, 0) if the header does not state the size, or if only a decoder can tell (TIFF, ICO,
        PPM, AVIF, HEIC).

    Examples
    --------
    >>> import io
    >>> dimensions(io.BytesIO(), b"GIF89a" + bytes([64, 0, 48, 0]), "gif")
    (64, 48)
    """
    if name is not None:
        with contextlib.suppress(struct.error, IndexError, ValueError):  # it is cut off
            return FORMATS[name].dimensions(file, head)
    return 0, 0


def split_suffix(path: str) -> tuple[str, str]:
    """Split a path into its stem and what looks like the suffix of a format.

    The names of outputs and the division into shards both rest on this rule.

    Returns
    -------
    stem, suffix : str
        The suffix has no dot; it is empty if there is none.

    Examples
    --------
    >>> split_suffix("b/c.PNG"), split_suffix("IMG.2024-05-01"), split_suffix("b/.jpg")
    (('b/c', 'PNG'), ('IMG.2024-05-01', ''), ('b/.jpg', ''))
    """
    stem, _, suffix = path.rpartition(".")
    if stem and stem[-1] != "/" and (suffix in _USUAL or _SUFFIX.fullmatch(suffix)):
        return stem, suffix
    return path, ""


def output_format(format_: str, kind: str) -> str:
    """Name of the format of an output, by that of a recipe and that of its source.

    Parameters
    ----------
    format_ : str
        A key of `OUTPUT_FORMATS`, or `SAME`.
    kind : str
        Format of the source, as `sniff` named it.

    Examples
    --------
    >>> output_format("webp", "jpeg"), output_format("same", "gif"), output_format("same", "ppm")
    ('webp', 'gif', 'png')
    """
    if format_ != SAME:
        return format_
    if kind in OUTPUT_FORMATS:
        return kind
    return FORMATS[kind].instead if kind in FORMATS else Format.instead


def output_suffix(format_: str, kind: str, source: str) -> str:
    """Suffix of an output, with the dot; with `SAME`, that of its source if it is the right one.

    Examples
    --------
    >>> output_suffix("png", "jpeg", "a.JPEG"), output_suffix("same", "jpeg", "a.JPEG")
    ('.png', '.JPEG')
    >>> output_suffix("same", "png", "really_a_png.jpg")
    '.png'
    """
    if format_ == SAME and kind in OUTPUT_FORMATS:
        own = posixpath.splitext(source)[1]
        if own.lower() in FORMATS[kind].suffixes:
            return own
    return OUTPUT_FORMATS[output_format(format_, kind)].suffix
