"""Date taken: when a picture was taken according to EXIF, read from a few bytes of its file.

The catalog needs it for names of outputs, in a process that nothing confines. So no library is
used, at most a megabyte is read at a time, and the steps through a file are bounded.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import struct
from typing import IO

from pixelmill.imaging.codecs import ifd
from pixelmill.imaging.codecs.formats import FORMATS
from pixelmill.imaging.codecs.ifd import Field
from pixelmill.imaging.codecs.spans import reader

#: Tags of the directory of the camera, and of DateTimeOriginal in it (EXIF 3.0, 4.6.3 and 4.6.6).
_CAMERA, _ORIGINAL = 0x8769, 0x9003

#: Date and time (EXIF 3.0, 4.6.6.6).
_DATE = re.compile(rb"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)[\0 ]*")

#: What may precede an EXIF block, and how often: some programs write it twice.
_PREFIX, _MOST_PREFIXES = b"Exif\0\0", 2


def date(found: Field | None) -> datetime.datetime | None:
    """Return a date; None for a text that is none, or that stands for an unknown one."""
    matched = _DATE.fullmatch(found.value) if found is not None else None
    if matched is None:
        return None
    try:
        year, month, day, hour, minute, second = map(int, matched.groups())
        return datetime.datetime(year, month, day, hour, minute, second)
    except ValueError:  # the 31st of February, or only zeros
        return None


def date_taken(file: IO[bytes], name: str | None, reach: int) -> datetime.datetime | None:
    """Return when a picture was taken, in the time of the camera.

    Parameters
    ----------
    file : binary file
        Open at any position.
    name : str or None
        Its format, as `pixelmill.imaging.codecs.formats.sniff` named it.
    reach : int
        How many bytes of the file may be looked at, from its beginning.

    Returns
    -------
    datetime or None
        DateTimeOriginal of EXIF; None if the file does not state it, or no date of the calendar.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    read_at = reader(file, reach)
    if name is not None:
        with contextlib.suppress(struct.error, IndexError, ValueError):  # it is broken
            if (span := FORMATS[name].exif_span(read_at)) is not None:
                begin, end = span
                for _ in range(_MOST_PREFIXES):
                    if read_at(begin, len(_PREFIX)) == _PREFIX:
                        begin += len(_PREFIX)
                return date(ifd.find(read_at, (begin, end), (_CAMERA, _ORIGINAL)))
    return None
