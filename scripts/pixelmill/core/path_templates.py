"""Path templates: relative paths with fields, such as ``{folder}/{stem}-{width}.{ext}``.

No value of a field leads out of the folder that the path is relative to.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping

#: The fields of a template.
FIELDS = ("folder", "name", "stem", "ext", "width", "height")

#: What a template must end with, so that a file has the suffix of its format.
ENDINGS = (".{ext}", "{name}")

#: Characters that some file systems do not allow in names.
_UNFIT = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*]')


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
    """
    known = ", ".join(f"{{{field}}}" for field in FIELDS)
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"a path with the fields {known}") from error
    for literal, field, form, conversion in parts:
        if field is not None and (field not in FIELDS or form or conversion):
            raise ValueError(f"a path with the fields {known}")
        if _UNFIT.search(literal):
            raise ValueError('a path without < > : " \\ | ? * and control characters')
    names = template.split("/")
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
