"""Second reading of TIFF: samples from tifffile, interpreted according to TIFF 6.0.

Used by verification only, so that no image is judged by the library that made it.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from pixelmill.verification.file_structure import Notes
from pixelmill.verification.second_samples import Samples, UndecodableError

#: Values of PhotometricInterpretation (TIFF 6.0, page 37, and section 23).
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _INKS, _YCBCR = 0, 1, 2, 3, 5, 6
_LAB, _ICC_LAB, _ITU_LAB = 8, 9, 10

#: Values of ExtraSamples (TIFF 6.0, page 31).
_ASSOCIATED, _UNASSOCIATED = 1, 2

#: Bits of NewSubfileType (TIFF 6.0, page 36): a reduced version, and a mask.
_OF_ANOTHER_PAGE = 0b101

#: Values of Compression: Huffman, Group 3 and Group 4 (TIFF 6.0, pages 30 and 49).
_FAX = (2, 3, 4)

#: Tags that say how samples are stored: BitsPerSample, Compression, PhotometricInterpretation,
#: FillOrder, Orientation, SamplesPerPixel, PlanarConfiguration, Predictor, ExtraSamples and
#: SampleFormat.
_NUMBERS = (258, 259, 262, 266, 274, 277, 284, 317, 338, 339)

#: Linear sRGB from XYZ relative to D50, with Bradford adaptation (IEC 61966-2-1 and ICC.1:2022, E).
_XYZ_TO_RGB = (
    (3.1338561, -1.6168667, -0.4906146),
    (-0.9787684, 1.9161415, 0.0334540),
    (0.0719453, -0.2289914, 1.4052427),
)

#: White of the profile connection space (ICC.1:2022, 7.2.16).
_D50 = (0.9642, 1.0, 0.8249)


def tiff_samples(data: bytes, most: int | None = None) -> list[tuple[Samples, Notes]]:
    """Decode the first `most` pages of a TIFF.

    What the file calls a reduced version or a mask of another page is no page, unless it comes
    first (TIFF 6.0, NewSubfileType).

    Raises
    ------
    UndecodableError
        If one cannot be, or if its samples have no defined colour.
    """
    import tifffile

    found: list[tuple[Samples, Notes]] = []
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            for number in range(len(file.pages)):
                page: Any = file.pages[number]
                if number and page.subfiletype & _OF_ANOTHER_PAGE:
                    continue
                _check_numbers(page)
                found.append((_samples(data, page), _notes(page)))
                if len(found) == most:
                    break
            return found
    except UndecodableError:
        raise
    except Exception as error:  # tifffile raises anything on files that it does not know
        raise UndecodableError(f"tifffile: {error}") from error


def _check_numbers(page: Any) -> None:
    """Refuse a layout that tifffile misreads because its numbers are stored as bytes."""
    for tag in _NUMBERS:
        if isinstance(page.tags.valueof(tag), str | bytes):
            raise UndecodableError(f"TIFF whose tag {tag} is stored as bytes")


def tiff_size(data: bytes) -> tuple[tuple[int, int], int]:
    """Return the stored width and height of the first page of a TIFF, and its orientation."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page: Any = file.pages[0]
        return (int(page.imagewidth), int(page.imagelength)), _notes(page).orientation


def _samples(data: bytes, page: Any) -> Samples:
    import tifffile

    if page.photometric == _YCBCR and page.compression != tifffile.COMPRESSION.JPEG:
        return _by_libtiff(data, page)
    try:
        array = np.asarray(page.asarray())
    except Exception:
        whole = zip(page.dataoffsets, page.databytecounts, strict=True)
        if any(offset + count > len(data) for offset, count in whole):
            raise  # it was cut off; libtiff would make up the rest
        return _by_libtiff(data, page)
    if page.compression in _FAX:
        _check_fax(data, page.index, array)
    planar = page.planarconfig == 2 and page.samplesperpixel > 1
    return _meaning(page, np.moveaxis(array, 0, -1) if planar else array)


def _check_fax(data: bytes, number: int, array: Any) -> None:
    """Refuse damaged fax data, from which each decoder recovers something else."""
    import imagecodecs

    again = np.asarray(imagecodecs.tiff_decode(data, index=number))
    if not np.array_equal(again.reshape(array.shape), array):
        raise UndecodableError("TIFF whose fax data are damaged")


def _notes(page: Any) -> Notes:
    orientation = _tag(page, "Orientation", 1)
    valid = isinstance(orientation, int) and 1 <= orientation <= 8
    return Notes("tiff", int(orientation) if valid else 1, _tag(page, "InterColorProfile", None))


def _tag(page: Any, name: str, default: Any) -> Any:
    tag = page.tags.get(name)
    return default if tag is None else tag.value


def _by_libtiff(data: bytes, page: Any) -> Samples:
    """Decode with libtiff what tifffile cannot: as RGB of 8 bits, without alpha."""
    import imagecodecs

    if page.extrasamples or page.bitspersample != 8 or _tag(page, "Orientation", 1) != 1:
        raise UndecodableError("TIFF of a layout that only libtiff knows, with alpha or turned")
    layers = np.asarray(imagecodecs.tiff_decode(data, index=page.index, asrgb=True))
    return Samples(np.ascontiguousarray(layers[..., :3]), "rgb")


def _meaning(page: Any, array: Any) -> Samples:
    """Convert stored samples to a known colour space."""
    if page.imagedepth > 1:  # a stack, of which other programs show the first layer
        array = array.reshape(page.imagedepth, -1)[0]
    array = array.reshape(page.imagelength, page.imagewidth, -1)
    photometric, extra = int(page.photometric), tuple(page.extrasamples)
    colors = {_RGB: 3, _YCBCR: 3, _LAB: 3, _ICC_LAB: 3, _ITU_LAB: 3, _INKS: 4}.get(photometric, 1)
    alpha = None
    if array.shape[2] > colors and not extra:
        extra = (_UNASSOCIATED,)  # writers that say nothing of it mean alpha
    if array.shape[2] > colors and extra[0] in (_ASSOCIATED, _UNASSOCIATED):
        alpha = _scaled(page, array[..., colors : colors + 1])
    stored = array[..., :colors]
    if photometric == _PALETTE:
        levels, space = _looked_up(page, stored[..., 0]), "rgb"
    elif photometric in (_LAB, _ICC_LAB, _ITU_LAB):
        levels, space = _from_lab(stored, photometric), "rgb"
    elif photometric in (_RGB, _YCBCR):
        levels, space = _scaled(page, stored), "rgb"
    elif photometric == _INKS and _tag(page, "InkSet", 1) == 1 and alpha is None:
        levels, space = _scaled(page, stored), "cmyk"
    elif photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO):
        levels, space = _scaled(page, stored), "gray"
        if photometric == _WHITE_IS_ZERO:
            levels = np.iinfo(levels.dtype).max - levels
    else:
        raise UndecodableError(f"TIFF with PhotometricInterpretation {photometric}")
    if alpha is None:
        return Samples(levels, space)
    if extra[0] == _ASSOCIATED:
        levels = _divided(levels, alpha)
    return Samples(np.dstack([levels, alpha.astype(levels.dtype)]), space, alpha=True)


def _scaled(page: Any, stored: Any) -> Any:
    """Scale samples of any type to 8 bits, or to 16 if they have more than 8.

    Signed samples span the range of their type (TIFF 6.0, section 19). What integers of 32 bits
    and floating-point numbers span is stated nowhere: ``docs/policies.md`` says what is meant.
    """
    bits = page.bitspersample
    if not isinstance(bits, int) or stored.dtype.kind not in "uifb":
        raise UndecodableError(f"TIFF with {bits} bits a sample")
    if stored.dtype.kind == "f":
        values = np.nan_to_num(stored.astype(np.float64), posinf=0, neginf=0)
        middle = np.median(values[values > 0]) if (values > 0).any() else 0
        return _of_range(values, 0, 1 if middle <= 1 else 255 if middle <= 255 else 65535, 65535)
    if stored.dtype in (np.uint8, np.uint16) and bits == 8 * stored.itemsize:
        return stored
    lowest, highest = 0, 2**bits - 1
    if stored.dtype == np.int8:
        raise UndecodableError("TIFF with signed bytes, by which some writers mean plain ones")
    if stored.dtype.kind == "i":
        lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if bits > 16:
        most = int(stored.max(initial=0))
        if most <= 65535:
            lowest, highest = 0, 255 if most <= 255 else 65535
        elif stored.min() >= 0:
            lowest = 0
        return _of_range(stored, lowest, highest, 255 if highest == 255 else 65535)
    table = _of_range(np.arange(lowest, highest + 1), lowest, highest, 255 if bits <= 8 else 65535)
    return table[stored.astype(np.int32) - lowest]


def _of_range(values: Any, lowest: float, highest: float, full: int) -> Any:
    kind = np.uint8 if full == 255 else np.uint16
    if (lowest, highest) == (0, full):
        return np.clip(values, 0, full).astype(kind)
    share = (values.astype(np.float64) - lowest) / (highest - lowest)
    return np.rint(np.clip(share, 0, 1) * full).astype(kind)


def _looked_up(page: Any, indices: Any) -> Any:
    """Return the colours of a 16-bit palette; some writers store 8 bits, as libtiff detects."""
    palette = np.moveaxis(np.asarray(page.colormap), 0, -1)
    if palette.max(initial=0) > 255:
        palette = palette >> 8  # as libtiff: writers fill the lower bits in different ways
    return palette.astype(np.uint8)[indices.astype(np.intp)]  # one bit is read as bool


def _divided(array: Any, alpha: Any) -> Any:
    """Divide colours that are stored multiplied by alpha."""
    full = np.iinfo(array.dtype).max
    parts = np.maximum(alpha.astype(np.float64), 1) / np.iinfo(alpha.dtype).max
    return np.rint(np.clip(array / parts, 0, full)).astype(array.dtype)


def _from_lab(stored: Any, photometric: int) -> Any:
    """Convert CIE L*a*b* relative to D50 to sRGB of 16 bits.

    TIFF 6.0, section 23; ICCLab: Adobe Photoshop TIFF Technical Notes (2002); ITULab: RFC 3949,
    6.2.3.
    """
    if stored.dtype.itemsize not in (1, 2) or stored.dtype.kind == "f":
        raise UndecodableError(f"TIFF in CIE L*a*b* of {stored.dtype}")
    unit = 256.0 if stored.dtype.itemsize == 2 else 1.0  # of a and b
    unsigned = stored.view(f"u{stored.dtype.itemsize}").astype(np.float64)
    lightness, colors = unsigned[..., 0] * 100 / (256 * unit - 1), unsigned[..., 1:] / unit
    if photometric == _ICC_LAB:
        lightness, colors = unsigned[..., 0] * 100 / (255 * unit), colors - 128
    elif photometric == _ITU_LAB:
        colors = (colors - [128, 96]) * [170 / 255, 200 / 255]
    else:
        colors = np.where(colors >= 128, colors - 256, colors)
    a, b = colors[..., 0], colors[..., 1]
    middle = (lightness + 16) / 116
    # CIE 15:2018, 8.2.1, backwards.
    relative = [
        np.where(value > 6 / 29, value**3, 3 * (6 / 29) ** 2 * (value - 4 / 29))
        for value in (middle + a / 500, middle, middle - b / 200)
    ]
    xyz = np.stack(relative, axis=-1) * np.asarray(_D50)
    light = np.clip(xyz @ np.asarray(_XYZ_TO_RGB).T, 0, 1)
    seen = np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, light * 12.92)
    return np.rint(seen * 65535).astype(np.uint16)
