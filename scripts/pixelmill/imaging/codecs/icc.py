"""ICC profiles for colours that are described only by primaries and a curve.

These are matrix profiles for RGB and profiles for grey, of version 4 (ICC.1:2022, 8.3 and 8.4).
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable
from typing import TypeAlias

#: CIE x and y of white, red, green and blue.
Chromaticities: TypeAlias = tuple[
    tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]
]

#: White point of the profile connection space (ICC.1:2022, 7.2.16).
_D50 = (0.9642, 1.0, 0.8249)

#: Responses of the eye's cones to XYZ, by Bradford (ICC.1:2022, E.3).
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))

#: Signatures of colour spaces and of a connection space (ICC.1:2022, tables 15 and 17).
GRAY, RGB, _XYZ = b"GRAY", b"RGB ", b"XYZ "

#: Chromaticities of sRGB (IEC 61966-2-1).
SRGB_PRIMARIES: Chromaticities = (
    (0.3127, 0.3290),
    (0.640, 0.330),
    (0.300, 0.600),
    (0.150, 0.060),
)

_HEADER = struct.Struct(">I4sI4s4s4s12s4s4sI4s4s8sI3i4s16s28x")
_VERSION = 0x04400000


def _fixed(values: Iterable[float]) -> bytes:
    """Pack numbers as s15Fixed16 (ICC.1:2022, 4.6)."""
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def parametric(kind: int, *parameters: float) -> bytes:
    """Curve from a level to linear light, both from 0 to 1 (ICC.1:2022, 10.18)."""
    return b"para\0\0\0\0" + struct.pack(">H2x", kind) + _fixed(parameters)


def power(exponent: float) -> bytes:
    """Curve that raises the level to a power."""
    return parametric(0, exponent)


#: Curve of sRGB (IEC 61966-2-1).
SRGB_CURVE = parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


@functools.lru_cache(maxsize=32)
def rgb_profile(chromaticities: Chromaticities, curve: bytes) -> bytes:
    """Profile for RGB with the given primaries and white point.

    Raises
    ------
    ValueError
        If the chromaticities are impossible, or if the primaries lie on one line.
    """
    import numpy as np

    if any(y <= 0 for _, y in chromaticities):
        raise ValueError("a chromaticity has no luminance")
    white, *primaries = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in chromaticities)
    columns = np.stack(primaries, axis=1)
    if abs(np.linalg.det(columns)) < 1e-6:
        raise ValueError("the primaries lie on one line")
    to_xyz = columns * np.linalg.solve(columns, white)
    bradford = np.array(_BRADFORD)
    gains = np.diag(bradford @ _D50 / (bradford @ white))
    adaptation = np.linalg.solve(bradford, gains @ bradford)
    adapted = adaptation @ to_xyz
    if not np.all(np.abs(adapted) < 100) or not np.all(np.abs(adaptation) < 100):
        raise ValueError("the chromaticities are out of range")
    tags = {b"chad": b"sf32\0\0\0\0" + _fixed(adaptation.ravel())}
    for number, channel in enumerate((b"r", b"g", b"b")):
        tags[channel + b"XYZ"] = b"XYZ \0\0\0\0" + _fixed(adapted[:, number])
        tags[channel + b"TRC"] = curve
    return _profile(RGB, tags)


@functools.lru_cache(maxsize=32)
def gray_profile(curve: bytes) -> bytes:
    """Profile for grey."""
    return _profile(GRAY, {b"kTRC": curve})


@functools.lru_cache(maxsize=32)
def of_space(profile: bytes, space: bytes) -> bytes | None:
    """Profile of a colour space in which grey looks as in a profile of another colour space.

    Parameters
    ----------
    profile : bytes
    space : {b"GRAY", b"RGB "}

    Returns
    -------
    bytes or None
        The same profile if it already is of this space; None if its channels do not share one
        curve.
    """
    if profile[16:20] == space:
        return profile
    names = {GRAY: (b"kTRC",), RGB: (b"rTRC", b"gTRC", b"bTRC")}.get(profile[16:20], ())
    tags = _tags(profile)
    curves = {tags.get(name) for name in names}
    if len(curves) != 1 or profile[20:24] != _XYZ or b"A2B0" in tags:
        return None
    (curve,) = curves
    if curve is None:
        return None
    return gray_profile(curve) if space == GRAY else rgb_profile(SRGB_PRIMARIES, curve)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    """Contents of the tags of a profile by name; empty if they cannot be read."""
    try:
        (count,) = struct.unpack_from(">I", profile, _HEADER.size)
        table = profile[_HEADER.size + 4 : _HEADER.size + 4 + 12 * count]
        return {
            name: profile[begin : begin + size]
            for name, begin, size in struct.iter_unpack(">4sII", table)
        }
    except struct.error:
        return {}


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {
        b"desc": _text("Colours by their description in the source"),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(_D50),
        **tags,
    }
    table, body = struct.pack(">I", len(tags)), b""
    begin = _HEADER.size + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, begin + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    whole = len(table) + len(body) + _HEADER.size
    made = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)  # a fixed date, for reproducible outputs
    white = struct.unpack(">3i", _fixed(_D50))
    head = _HEADER.pack(
        whole, b"", _VERSION, b"mntr", space, b"XYZ ", made, b"acsp", b"", 0, b"", b"", b"",
        1, *white, b"", b"",
    )  # fmt: skip
    return head + table + body


def _text(text: str) -> bytes:
    """Text in one language (ICC.1:2022, 10.15)."""
    encoded = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(encoded), 28) + encoded
