"""Path templates: relative paths with fields, such as ``{folder}/{stem}-{width}.{ext}``.

No value of a field leads out of the folder that the path is relative to.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass

#: The fields of a template.
FIELDS = ("folder", "name", "stem", "ext", "width", "height", "taken")

#: The field with a date, which may have a format: ``{taken:%Y/%m}``.
DATE_FIELD = "taken"

#: What a template must end with, so that a file has the suffix of its format.
ENDINGS = (".{ext}", "{name}")

#: Characters that some file systems do not allow in names.
UNFIT = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*]')

#: What a date is replaced by if there is none.
UNDATED = "undated"

#: The format of a date if a template gives none.
_DATE_FORMAT = "%Y-%m-%d"

#: Codes of the format of a date, and the digits of YYYYMMDDHHMMSS that each stands for.
_CODES = {
    "%Y": slice(0, 4),
    "%y": slice(2, 4),
    "%m": slice(4, 6),
    "%d": slice(6, 8),
    "%H": slice(8, 10),
    "%M": slice(10, 12),
    "%S": slice(12, 14),
}

_CODE = re.compile("|".join(_CODES))

#: A format of a date: a code, and others with text around them; ``/`` is neither first nor last.
_DATE_FORMATS = re.compile(rf"(?!/)(?=.*?(?:{_CODE.pattern}))(?:{_CODE.pattern}|[^%{{}}])*(?<!/)")


@dataclass(frozen=True)
class DateTaken:
    """The value of the field with a date.

    Attributes
    ----------
    digits : int
        The date as YYYYMMDDHHMMSS; 0 or less if there is none.

    Examples
    --------
    >>> taken, unknown = DateTaken(20260501123000), DateTaken(0)
    >>> f"{taken:%Y/%m}", f"{taken}", f"{unknown:%Y/%m}"
    ('2026/05', '2026-05-01', 'undated')
    """

    digits: int

    def __format__(self, form: str) -> str:
        if self.digits <= 0:
            return UNDATED
        digits = f"{self.digits:014}"
        return _CODE.sub(lambda code: digits[_CODES[code[0]]], form or _DATE_FORMAT)


def fields_of(template: str) -> set[str]:
    """Return the fields of a template, after checking it.

    Raises
    ------
    ValueError
        If it is not a template; the message completes the sentence "give ...".

    Examples
    --------
    >>> sorted(fields_of("{folder}/{stem}-640.{ext}"))
    ['ext', 'folder', 'stem']
    >>> sorted(fields_of("{taken:%Y/%m}/{name}"))
    ['name', 'taken']
    """
    known = ", ".join(f"{{{field}}}" for field in FIELDS)
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"a path with the fields {known}") from error
    shape = ""
    for literal, field, form, conversion in parts:
        text = ""
        if field == DATE_FIELD and form and not conversion:
            if not _DATE_FORMATS.fullmatch(form):
                raise ValueError(
                    f"a date such as {{{DATE_FIELD}:%Y/%m}}, of {', '.join(_CODES)} and text, with "
                    "/ only between them"
                )
            text = _CODE.sub("0", form)
        elif field is not None:
            if field not in FIELDS or form or conversion:
                raise ValueError(f"a path with the fields {known}")
            text = f"{{{field}}}"
        if UNFIT.search(literal + text):
            raise ValueError('a path without < > : " \\ | ? * and control characters')
        shape += literal + text
    names = shape.split("/")
    if any(not name.strip(". ") or name[-1] in ". " for name in names):
        raise ValueError("a relative path without empty names, names of dots, and dots at an end")
    if not template.endswith(ENDINGS):
        raise ValueError(f"a path that ends with {' or '.join(ENDINGS)}")
    return {field for _, field, _, _ in parts if field is not None}


def fill(template: str, values: Mapping[str, object]) -> str:
    """Return the path that a template gives with values for its fields.

    Empty names are left out, and dots in names that consist of dots become underscores.

    Examples
    --------
    >>> fill("{folder}/{stem}.{ext}", {"folder": "", "stem": "a", "ext": "jpg"})
    'a.jpg'
    >>> fill("{stem}/x.{ext}", {"stem": "..", "ext": "jpg"})
    '__/x.jpg'
    """
    names = template.format_map(values).split("/")
    return "/".join(name if name.strip(".") else "_" * len(name) for name in names if name)
