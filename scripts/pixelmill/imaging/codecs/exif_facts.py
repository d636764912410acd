"""EXIF facts: when and with which camera a picture was taken, as plain values.

What a file claims is checked: a date is one of the calendar, and a text has no control characters.
"""

from __future__ import annotations

import contextlib
import datetime
import io
from typing import NamedTuple

from PIL import ExifTags, Image

from pixelmill.imaging.codecs import ifd
from pixelmill.imaging.codecs.date_taken import date
from pixelmill.imaging.codecs.formats import FORMATS
from pixelmill.imaging.codecs.ifd import Field, Tags

Base = ExifTags.Base

#: Longest text that is taken over; makers and models have some dozens of characters.
_MOST_CHARACTERS = 100


class ExifFacts(NamedTuple):
    """Facts about a picture, each None if its file does not state it.

    Attributes
    ----------
    taken : datetime or None
        When it was taken, in the time of the camera; else when it was changed.
    make, model : str or None
        Of the camera.
    """

    taken: datetime.datetime | None = None
    make: str | None = None
    model: str | None = None


def facts_of(data: bytes, kind: str) -> ExifFacts:
    """Return the facts that a file states; none if its EXIF cannot be read.

    Parameters
    ----------
    data : bytes
        The file.
    kind : str
        Its format, a key of `pixelmill.imaging.codecs.formats.FORMATS`.
    """
    tags = _tags(data, kind)
    taken = date(tags.camera.get(Base.DateTimeOriginal)) or date(tags.main.get(Base.DateTime))
    return ExifFacts(taken, text(tags.main.get(Base.Make)), text(tags.main.get(Base.Model)))


def _tags(data: bytes, kind: str) -> Tags:
    format_ = FORMATS[kind]
    with contextlib.suppress(Exception):  # Pillow's plugins raise anything on broken files
        format_.register()
        prepared = format_.prepared(data, still=True)
        with Image.open(io.BytesIO(prepared), formats=(kind.upper(),)) as image:
            return ifd.read(format_.exif_block(image, prepared))
    return Tags()


def text(found: Field | None) -> str | None:
    """Return a text without control characters, not too long; None if there is none."""
    if found is None or found.kind != ifd.ASCII:
        return None
    decoded = found.value.split(b"\0")[0].decode(errors="replace")
    return "".join(filter(str.isprintable, decoded)).strip()[:_MOST_CHARACTERS] or None
