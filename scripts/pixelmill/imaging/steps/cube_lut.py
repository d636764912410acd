"""Colour lookup tables from ``.cube`` files (Adobe's Cube LUT Specification 1.0)."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from PIL import ImageFilter

from pixelmill.core import regular_files

#: Largest size of a file, in bytes; with 65 entries per side it has about 8 MB.
_MOST_BYTES = 64 * 2**20

#: Numbers of entries per side that Pillow supports.
_SIZES = range(2, 66)

_NUMBERS = re.compile(r"[-+0-9.]")


@functools.lru_cache(maxsize=8)
def at(path: str, amount: float) -> ImageFilter.Color3DLUT:
    """Read a table and mix it with the identity; an amount of 0 changes nothing."""
    table = read(path)
    mixed = ImageFilter.Color3DLUT.generate(table.size, lambda r, g, b: (r, g, b)).table
    entries = zip(table.table, mixed, strict=True)
    return ImageFilter.Color3DLUT(table.size, [amount * t + (1 - amount) * i for t, i in entries])


def read(path: str) -> ImageFilter.Color3DLUT:
    """Read a 3D table.

    Raises
    ------
    ValueError
        If the file is missing or has no such table; the message completes "give ...".
    """
    wanted = f"a .cube file with a 3D table of 2 to 65 entries a side; '{path}'"
    try:
        text = regular_files.content(path, _MOST_BYTES).decode("utf-8")
    except OSError as error:
        raise ValueError(f"{wanted}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{wanted} is no text") from error
    size, rows = 0, []
    for line in text.splitlines():
        words = line.split("#")[0].split()
        try:
            if words and _NUMBERS.match(words[0]):
                rows.append(_three(words))
            elif words[:1] == ["LUT_3D_SIZE"]:
                size = int(words[1])
            elif words[:1] in (["DOMAIN_MIN"], ["DOMAIN_MAX"]):
                bound = 0.0 if words[0] == "DOMAIN_MIN" else 1.0
                if _three(words[1:]) != (bound,) * 3:
                    raise ValueError
        except (ValueError, IndexError) as error:
            raise ValueError(f"{wanted} has a line '{line.strip()}'") from error
    if size not in _SIZES:
        raise ValueError(f"{wanted} has none")
    if len(rows) != size**3:
        raise ValueError(f"{wanted} has {len(rows):,} of {size**3:,} entries")
    return ImageFilter.Color3DLUT(size, [value for row in rows for value in row])


def _three(words: Sequence[str]) -> tuple[float, ...]:
    if len(words) != 3:
        raise ValueError
    return tuple(map(float, words))
