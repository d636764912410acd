"""Colorimetry: what a file says about its colours, as an ICC profile.

PNG describes colours in four ways, AVIF and HEIC in two. Descriptions that are not ICC profiles are
converted to profiles here, so that the rest of the code handles only profiles.
"""

from __future__ import annotations

import io
import struct

from PIL import Image, ImageCms

from pixelmill.core.errors import ImageError
from pixelmill.imaging.codecs import icc, isobmff, png

#: White points: D65 (ITU-R BT.709-6), C, and that of digital cinema.
_D65, _C, _DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)

#: Primaries by their code points (ITU-T H.273, table 2): white, red, green, blue.
_PRIMARIES: dict[int, icc.Chromaticities] = {
    1: icc.SRGB_PRIMARIES,  # and of BT.709
    4: (_C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),  # BT.470 M
    5: (_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),  # BT.470 B and G
    6: (_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),  # BT.601, 525 lines
    7: (_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),  # SMPTE 240M
    8: (_C, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),  # film
    9: (_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
    11: (_DCI, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # DCI-P3
    12: (_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
    22: (_D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),  # EBU 3213
}

#: Curves by their code points (ITU-T H.273, table 3). Those of BT.709, BT.601 and BT.2020 describe
#: how a camera records; the recording is displayed like sRGB.
_CURVES = {
    **dict.fromkeys((1, 6, 13, 14, 15), icc.SRGB_CURVE),
    4: icc.power(2.2),
    5: icc.power(2.8),
    8: icc.power(1.0),
}

#: The code point of primaries and curves that leaves the choice to the decoder.
_UNSPECIFIED = 2

#: Names of the curves that cannot be converted here.
_HDR = {16: "PQ (SMPTE ST 2084)", 18: "HLG (ITU-R BT.2100)"}

#: Code points that H.273 reserves; a description with one of them is ignored.
_RESERVED_PRIMARIES = frozenset((0, 3, *range(13, 22), *range(23, 256)))
_RESERVED_CURVES = frozenset((0, 3, *range(19, 256)))

#: gAMA of sRGB, in 100,000ths (PNG 3rd edition, 11.3.2.5), and the relative difference up to which
#: another value is treated as sRGB, as in libpng (PNG_GAMMA_THRESHOLD).
_SRGB_GAMMA, _GAMMA_TOLERANCE = 45_455, 0.05

#: Plausible exponents, in 100,000ths; others are treated as mistakes.
_GAMMAS = range(10_000, 500_001)

_GRAY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def profile_of_png(image: Image.Image, data: bytes) -> bytes | None:
    """Return an ICC profile for the colours of a PNG, from the best description in it.

    This is the first of cICP, iCCP, sRGB, and gAMA and cHRM (PNG 3rd edition, 4.3).

    Parameters
    ----------
    image : PIL.Image.Image
        The opened file.
    data : bytes
        What `pixelmill.imaging.codecs.png.lean` leaves of the file.

    Returns
    -------
    bytes or None
        None if the colours are sRGB or are not described.

    Raises
    ------
    ImageError
        If the colours are described by a curve that cannot be converted.
    """
    embedded: bytes | None = image.info.get("icc_profile")
    chunks, gray = png.color_chunks(data), not data[png.COLOR_TYPE] & 2
    if cicp := chunks.get(b"cICP"):
        primaries, transfer, matrix, full = cicp
        reserved = primaries in _RESERVED_PRIMARIES or transfer in _RESERVED_CURVES
        if not reserved and matrix == 0:  # PNG has only RGB
            if full != 1:
                raise _unsupported("its levels have the narrow range of video (cICP)")
            return _by_code_points(primaries, transfer, gray)
    if embedded and (not chunks.keys() & {b"sRGB", b"gAMA", b"cHRM"} or _is_usable(embedded, gray)):
        return embedded
    if chunks.get(b"sRGB", b"\xff")[0] <= 3:
        return None
    curve = icc.SRGB_CURVE
    gamma = int.from_bytes(chunks.get(b"gAMA", b""), "big")
    if gamma in _GAMMAS and abs(gamma / _SRGB_GAMMA - 1) > _GAMMA_TOLERANCE:
        curve = icc.power(100_000 / gamma)
    primaries_ = icc.SRGB_PRIMARIES
    if b"cHRM" in chunks:
        numbers = [n / 100_000 for n in struct.unpack(">8I", chunks[b"cHRM"])]
        white, red, green, blue = zip(numbers[::2], numbers[1::2], strict=True)
        primaries_ = (white, red, green, blue)
    try:
        return _profile(primaries_, curve, gray)
    except ValueError:  # such primaries are impossible
        return _profile(icc.SRGB_PRIMARIES, curve, gray)


def profile_of_heif(image: Image.Image, data: bytes) -> bytes | None:
    """Return the ICC profile of an AVIF or HEIC: the embedded one, or one for ``nclx``.

    Parameters, returns and errors are those of `profile_of_png`.
    """
    embedded: bytes | None = image.info.get("icc_profile")
    described = None if embedded else isobmff.nclx(data)
    if described is None:
        return embedded
    return _by_code_points(described.primaries, described.transfer, image.mode in _GRAY_MODES)


def _by_code_points(primaries: int, transfer: int, gray: bool) -> bytes | None:
    if transfer in _HDR:
        raise _unsupported(f"its colours are HDR by the curve {_HDR[transfer]}")
    if primaries in _RESERVED_PRIMARIES or transfer in _RESERVED_CURVES:
        return None
    curve = icc.SRGB_CURVE if transfer == _UNSPECIFIED else _CURVES.get(transfer)
    chromaticities = icc.SRGB_PRIMARIES if primaries == _UNSPECIFIED else _PRIMARIES.get(primaries)
    if curve is None:
        raise _unsupported(f"its colours have the transfer characteristics {transfer} of H.273")
    if chromaticities is None:
        raise _unsupported(f"its colours have the primaries {primaries} of H.273")
    return _profile(chromaticities, curve, gray)


def _profile(chromaticities: icc.Chromaticities, curve: bytes, gray: bool) -> bytes | None:
    if curve == icc.SRGB_CURVE and (gray or chromaticities == icc.SRGB_PRIMARIES):
        return None
    return icc.gray_profile(curve) if gray else icc.rgb_profile(chromaticities, curve)


def _is_usable(profile: bytes, gray: bool) -> bool:
    """Whether a profile can be read, and describes the kind of colours that a PNG holds."""
    if profile[16:20] != (b"GRAY" if gray else b"RGB "):
        return False
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError):
        return False
    return True


def _unsupported(what: str) -> ImageError:
    message = f"{what}, which cannot be converted; 'color: drop' takes its levels as they are"
    return ImageError("decode", "unsupported", message)
