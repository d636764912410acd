"""Colour descriptions: conversion to sRGB from the primaries and the curve in a file.

PNG names them by cICP, or by gAMA and cHRM; AVIF by ``nclx``. They are converted here by their
definitions, without a library.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from pixelmill.verification.second_samples import UndecodableError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: CIE x and y of white, red, green and blue.
Chromaticities: TypeAlias = tuple[tuple[float, float], ...]

_D65 = (0.3127, 0.3290)
_C = (0.310, 0.316)

#: Primaries for each value of ColourPrimaries (ITU-T H.273, table 2).
_PRIMARIES: dict[int, Chromaticities] = {
    1: (_D65, (0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    4: (_C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: (_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: (_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: (_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    8: (_C, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: (_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: (_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: (_D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}

#: Exponents for each value of TransferCharacteristics (ITU-T H.273, table 3); 0 is the curve of
#: sRGB, which is also used to show BT.709, BT.601 and BT.2020.
_EXPONENTS = {1: 0.0, 2: 0.0, 4: 2.2, 5: 2.8, 6: 0.0, 8: 1.0, 13: 0.0, 14: 0.0, 15: 0.0}

#: Values that ITU-T H.273 reserves; they have no meaning.
_RESERVED_PRIMARIES = {0, 3, *range(13, 22), *range(23, 256)}
_RESERVED_CURVES = {0, 3, *range(19, 256)}

#: gAMA of sRGB, and how far another value may be from it and still mean sRGB (libpng's
#: ``PNG_GAMMA_THRESHOLD``); beyond the limits it is a mistake.
_SRGB_GAMMA, _GAMMA_TOLERANCE = 45_455, 0.05
_LEAST_GAMMA, _MOST_GAMMA = 10_000, 500_000

#: Bradford matrix: responses of the cones to XYZ (ICC.1:2022, E.3).
_BRADFORD = np.asarray(
    ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
)


class Description(NamedTuple):
    """Primaries of colours, and the exponent of their curve; 0 is the curve of sRGB."""

    primaries: Chromaticities
    exponent: float


SRGB = Description(_PRIMARIES[1], 0.0)


def by_code_points(primaries: int, transfer: int) -> Description:
    """Return the description for code points of ITU-T H.273; reserved ones mean sRGB.

    Raises
    ------
    UndecodableError
        If they have no conversion, such as those of PQ and HLG.
    """
    if _is_reserved(primaries, transfer):
        return SRGB
    chosen = _PRIMARIES.get(1 if primaries == 2 else primaries)
    exponent = _EXPONENTS.get(transfer)
    if chosen is None or exponent is None:
        raise UndecodableError(f"colours by primaries {primaries} and curve {transfer} of H.273")
    return Description(chosen, exponent)


def _is_reserved(primaries: int, transfer: int) -> bool:
    return primaries in _RESERVED_PRIMARIES or transfer in _RESERVED_CURVES


def of_png(chunks: Mapping[bytes, bytes]) -> Description | None:
    """Return the description in the chunks of a PNG; None if its ICC profile takes precedence."""
    cicp = chunks.get(b"cICP", b"")
    if len(cicp) == 4 and cicp[2] == 0 and not _is_reserved(cicp[0], cicp[1]):
        return by_code_points(cicp[0], cicp[1])
    if b"iCCP" in chunks:
        return None
    if chunks.get(b"sRGB", b"\xff")[:1] <= b"\3":
        return SRGB
    exponent, primaries = 0.0, SRGB.primaries
    if len(chunks.get(b"gAMA", b"")) == 4:
        gamma = int.from_bytes(chunks[b"gAMA"], "big")
        close = abs(gamma / _SRGB_GAMMA - 1) <= _GAMMA_TOLERANCE
        if _LEAST_GAMMA <= gamma <= _MOST_GAMMA and not close:
            exponent = 100_000 / gamma
    if len(chunks.get(b"cHRM", b"")) == 32:
        values = [value / 100_000 for value in struct.unpack(">8I", chunks[b"cHRM"])]
        named = tuple(zip(values[::2], values[1::2], strict=True))
        if _to_xyz(named) is not None:
            primaries = named
    return Description(primaries, exponent)


def in_srgb(array: Array, description: Description) -> Array:
    """Convert RGB, uint8 or uint16, to sRGB; colours outside of its gamut are clipped."""
    full = int(np.iinfo(array.dtype).max)
    ramp = np.arange(full + 1, dtype=np.float64) / full
    if description.exponent:
        light = ramp**description.exponent
    else:
        light = np.where(ramp > 0.04045, ((ramp + 0.055) / 1.055) ** 2.4, ramp / 12.92)
    seen = light.astype(np.float32)[array]
    own, target = _to_xyz(description.primaries), _to_xyz(SRGB.primaries)
    if own is not None and target is not None and description.primaries != SRGB.primaries:
        seen = np.clip(seen @ np.linalg.solve(target, own).T.astype(np.float32), 0, 1)
    seen = np.where(seen > 0.0031308, 1.055 * seen ** (1 / 2.4) - 0.055, seen * 12.92)
    return np.rint(seen * full).astype(array.dtype)


def _to_xyz(chromaticities: Chromaticities) -> Array | None:
    """Return the matrix from linear RGB to XYZ adapted to D65; None for impossible primaries."""
    if any(y <= 0 for _, y in chromaticities):
        return None
    white, *primaries = (np.asarray([x / y, 1, (1 - x - y) / y]) for x, y in chromaticities)
    columns = np.stack(primaries, axis=1)
    if abs(np.linalg.det(columns)) < 1e-6:
        return None
    target = np.asarray([_D65[0] / _D65[1], 1, (1 - sum(_D65)) / _D65[1]])
    gains = np.diag((_BRADFORD @ target) / (_BRADFORD @ white))
    matrix = columns * np.linalg.solve(columns, white)
    return np.asarray(np.linalg.solve(_BRADFORD, gains @ _BRADFORD) @ matrix)
