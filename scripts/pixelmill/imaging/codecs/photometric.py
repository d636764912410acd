"""Photometric interpretation: what the samples of a TIFF mean.

Samples of any depth become unsigned levels of 8 or 16 bits over the full range, with black at 0.
Palettes are looked up, and premultiplied colours are divided by their alpha.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pixelmill.imaging.arrays import AnyArray
from pixelmill.imaging.codecs import tiff
from pixelmill.imaging.codecs.decoded import DecodeOptions, Frame, Source
from pixelmill.imaging.codecs.tiff import Page

_SPACES = {
    tiff.WHITE_IS_ZERO: "L",
    tiff.BLACK_IS_ZERO: "L",
    tiff.MASK: "L",
    tiff.RGB: "RGB",
    tiff.PALETTE: "RGB",
    tiff.YCBCR: "RGB",  # decoded JPEG
    tiff.SEPARATED: "CMYK",
    tiff.CIE_LAB: "RGB",  # converted
    tiff.ICC_LAB: "RGB",
    tiff.ITU_LAB: "RGB",
}

_LABS = (tiff.CIE_LAB, tiff.ICC_LAB, tiff.ITU_LAB)

#: From X, Y and Z to the cones of the Bradford transform (ICC.1:2022, annex E).
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)

#: From X, Y and Z to linear red, green and blue, and the white point (IEC 61966-2-1).
_SRGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
_D65 = (0.3127, 0.3290)

_MOST_8, _MOST_16 = 255, 65535

#: Range of the roughness ratio of a photo whose bytes are called signed but are unsigned; 0.6 is
#: typical. A picture in pure black and white is smoother still, and says nothing.
_SMOOTHER = (0.3, 0.75)

#: Levels of 16 bits per level of 8 bits: 65535 / 255.
_RATIO = 257


@dataclass(frozen=True)
class Samples:
    """The samples of a picture, split into colours and alpha.

    Attributes
    ----------
    colors : ndarray of uint8 or uint16
        Of shape (height, width, colours).
    space : {"L", "RGB", "CMYK"}
    alpha : ndarray of uint8 or uint16, or None
        Of shape (height, width); the colours are not multiplied by it.
    """

    colors: AnyArray
    space: str
    alpha: AnyArray | None = None

    @property
    def is_deep(self) -> bool:
        """Whether there are 16 bits per channel, in colours that need no conversion."""
        return self.colors.dtype == np.uint16 and self.space in ("L", "RGB")

    def image(self, deep: bool = False) -> tuple[Image.Image, Image.Image | None]:
        """Make an image of the colours and one of alpha.

        Parameters
        ----------
        deep : bool
            Whether opaque grey of 16 bits is kept.
        """
        if deep and self.is_deep and self.space == "L" and self.alpha is None:
            return Image.fromarray(np.ascontiguousarray(self.colors[..., 0])), None
        height, width = self.colors.shape[:2]
        colors = np.ascontiguousarray(to_8_bits(self.colors)).tobytes()
        alpha = None
        if self.alpha is not None:
            alpha = Image.fromarray(np.ascontiguousarray(to_8_bits(self.alpha)))
        return Image.frombytes(self.space, (width, height), colors), alpha


def source(data: bytes, options: DecodeOptions) -> Source | None:
    """Open the first page of a TIFF file; None if there is no page in it.

    Raises
    ------
    ImageError
        If its layout is known, but cannot be decoded.
    """
    page = tiff.first_page(data)
    if page is None:
        return None
    page.check()

    def frames() -> list[Frame]:
        picture, mask = samples_of(page).image(deep=options.depth == "keep")
        picture.info["icc_profile"] = page.profile
        return [Frame(picture, mask)]

    return Source(
        page.size, frames, jpegs=page.jpegs(), orientation=page.orientation, exif=page.data
    )


def samples_of(page: Page) -> Samples:
    """Decode a page, and split its samples into colours and alpha."""
    stored = page.samples()
    space = _SPACES[page.photometric]
    if page.photometric == tiff.PALETTE:
        colors, count = _looked_up(stored[..., 0], page), 1
    elif page.photometric in _LABS:
        colors, count = _srgb(_lab(stored[..., :3], page), page.white_point), 3
    else:
        count = {"L": 1, "RGB": 3, "CMYK": 4}[space]
        colors = full_range(stored[..., :count], page.bits)
        if page.photometric == tiff.WHITE_IS_ZERO:
            colors = ~colors
    for number, meaning in enumerate(page.extra, start=count):
        if meaning in (tiff.ASSOCIATED, tiff.UNASSOCIATED):
            alpha = full_range(stored[..., number], page.bits)
            if alpha.dtype != colors.dtype:
                alpha, colors = to_8_bits(alpha), to_8_bits(colors)
            if meaning == tiff.ASSOCIATED and page.photometric not in _LABS:
                colors = _divided(colors, alpha)
            return Samples(colors, space, alpha)
    return Samples(colors, space)


def full_range(samples: AnyArray, bits: int) -> AnyArray:
    """Convert samples of any type to unsigned levels over the full range of 8 or 16 bits.

    Signed samples of up to 16 bits span the range of their type, which is the default of
    SMinSampleValue and SMaxSampleValue (TIFF 6.0, section 19). Some writers call unsigned bytes
    signed; they are treated as unsigned if that makes the picture clearly smoother. The range of
    32 bits and of floating-point numbers is not stated anywhere. Integers are treated as 8 or 16
    bits if they fit; the range of floating-point numbers is 0 to 1, 255 or 65535, according to the
    median of those above 0.

    Parameters
    ----------
    samples : ndarray
        Of any shape.
    bits : int
        Bits of each sample.

    Returns
    -------
    ndarray of uint8 or uint16

    Examples
    --------
    >>> full_range(np.array([0, 2048, 4095], np.uint16), 12)
    array([    0, 32776, 65535], dtype=uint16)
    >>> full_range(np.array([-128, 0, 127], np.int8), 8)
    array([  0, 128, 255], dtype=uint8)
    """
    if samples.dtype.kind == "f":
        return _from_floats(samples)
    if bits > 16:
        return _from_long(samples, bits)
    if samples.dtype.kind == "i":
        return _from_signed(samples, bits)
    most = _MOST_8 if bits <= 8 else _MOST_16
    if bits in (8, 16):
        return samples
    scaled = (samples.astype(np.uint32) * most + ((1 << bits) - 1) // 2) // ((1 << bits) - 1)
    return scaled.astype(np.uint8 if bits <= 8 else np.uint16)


def to_8_bits(array: AnyArray) -> AnyArray:
    """Scale levels of 16 bits to 8, rounded; 8 bits are returned as they are."""
    if array.dtype == np.uint8:
        return array
    return ((array.astype(np.uint32) + _RATIO // 2) // _RATIO).astype(np.uint8)


def _from_signed(samples: AnyArray, bits: int) -> AnyArray:
    unsigned = samples.view(f"u{samples.itemsize}")
    shifted = unsigned + unsigned.dtype.type(1 << bits - 1)  # modulo the range
    if bits == 8:
        rough = _roughness(shifted)
        if _SMOOTHER[0] * rough < _roughness(unsigned) < _SMOOTHER[1] * rough:
            return unsigned
    return np.asarray(shifted)


def _roughness(array: AnyArray) -> float:
    """Sum of the differences between horizontal and vertical neighbours."""
    differences = (np.diff(array.astype(np.int32), axis=axis) for axis in range(min(2, array.ndim)))
    return sum(float(np.abs(difference).sum(dtype=np.float64)) for difference in differences)


def _from_floats(samples: AnyArray) -> AnyArray:
    values = np.nan_to_num(samples.astype(np.float32), posinf=0, neginf=0)
    seen = values[values > 0]
    middle = np.median(seen) if seen.size else 0
    most = next((most for most in (1, _MOST_8) if middle <= most), _MOST_16)
    return np.rint(np.clip(values / most, 0, 1) * _MOST_16).astype(np.uint16)


def _from_long(samples: AnyArray, bits: int) -> AnyArray:
    largest = int(samples.max()) if samples.size else 0
    if largest <= _MOST_16:
        small = np.clip(samples, 0, _MOST_16).astype(np.uint16)
        return small.astype(np.uint8) if largest <= _MOST_8 else small
    signed = samples.dtype.kind == "i"
    lowest = -(2 ** (bits - 1)) if signed and samples.min() < 0 else 0
    highest = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    share = (samples.astype(np.float64) - lowest) / (highest - lowest)
    return np.asarray(np.rint(share * _MOST_16).astype(np.uint16))


def _looked_up(indices: AnyArray, page: Page) -> AnyArray:
    """Look up the colours of a palette; some writers fill it with levels of 8 bits."""
    levels = np.asarray(page.color_map)
    levels = levels.astype(np.uint8) if levels.max() <= _MOST_8 else (levels >> 8).astype(np.uint8)
    return np.asarray(levels.T[np.minimum(indices, levels.shape[1] - 1)])


def _divided(colors: AnyArray, alpha: AnyArray) -> AnyArray:
    """Divide premultiplied colours by their alpha."""
    most = np.iinfo(colors.dtype).max
    divisor = np.maximum(alpha, 1)[..., None].astype(np.uint32)
    divided = (colors.astype(np.uint32) * most + divisor // 2) // divisor
    return np.asarray(np.minimum(divided, most).astype(colors.dtype))


def _lab(stored: AnyArray, page: Page) -> AnyArray:
    """Convert samples to L from 0 to 100, a and b.

    CIELab is TIFF 6.0, section 23; ICCLab is Adobe's Photoshop TIFF Technical Notes (2002);
    ITULab is RFC 3949, section 6.2.3, with its default ranges.
    """
    values: AnyArray = stored.astype(np.float32)
    light, colors = values[..., :1], values[..., 1:]
    if stored.dtype.kind == "f":  # floating-point numbers need no scaling
        return values
    full = 2.0**page.bits - 1
    step = 2.0 ** (page.bits - 8)  # size of one unit of a and b
    light, colors = light * 100 / full, colors / step
    if page.photometric == tiff.ICC_LAB:
        # In version 2 of the ICC's encoding, 100 is 65280 in 16 bits.
        light, colors = values[..., :1] * 100 / (255 * step), colors - 128
    elif page.photometric == tiff.ITU_LAB:
        colors = (colors - [128, 96]) * [170 / 255, 200 / 255]
    elif stored.dtype.kind == "u":  # two's complement, whatever SampleFormat says
        colors = colors - 256 * (colors >= 128)
    return np.concatenate([light, colors], axis=2)


def _srgb(lab: AnyArray, white_point: tuple[float, float]) -> AnyArray:
    """Convert CIE Lab (CIE 15:2018, 8.2.1) to sRGB of 16 bits, mapping white to white."""
    y = (lab[..., 0] + 16) / 116
    roots = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=2)
    ratio = 6 / 29
    shares = np.where(roots > ratio, roots**3, 3 * ratio**2 * (roots - 4 / 29))
    white, target = _xyz(white_point), _xyz(_D65)
    cones = np.diag((_BRADFORD @ target) / (_BRADFORD @ white))
    adapted = _SRGB @ np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ np.diag(white)
    light = np.clip(shares @ adapted.T, 0, 1)
    levels = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(levels * _MOST_16).astype(np.uint16))


def _xyz(chromaticities: tuple[float, float]) -> AnyArray:
    """X, Y and Z of a white point, with Y = 1."""
    x, y = chromaticities
    return np.array([x / y, 1, (1 - x - y) / y])
