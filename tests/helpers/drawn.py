"""A picture without symmetries, and how each kind of TIFF stores it.

Each kind gives the samples as they are stored, and what has to be seen: RGBA of 8 bits.
"""

import numpy as np
from PIL import Image, ImageCms

HEIGHT, WIDTH = 24, 40

#: Values of PhotometricInterpretation and SampleFormat.
WHITE, BLACK, RGB, PALETTE, MASK, CMYK, YCBCR, CIE_LAB, ICC_LAB, ITU_LAB = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    8,
    9,
    10,
)
UNSIGNED, SIGNED, FLOAT = 1, 2, 3

_DOWN, _ACROSS = np.mgrid[:HEIGHT, :WIDTH]


#: Positions of rows and columns by orientation (TIFF 6.0, Orientation).
TURNED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: upright.transpose(1, 0, 2)[::-1],
    7: lambda upright: upright.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda upright: upright.transpose(1, 0, 2)[:, ::-1],
}


def colors():
    """Red grows to the right, green downwards; blue is a block at the upper left."""
    blue = np.where((_DOWN < 9) & (_ACROSS < 14), 230, 40)
    levels = np.dstack([20 + _ACROSS * 5, 30 + _DOWN * 8, blue])
    return levels.astype(np.uint8)


def gray():
    """Brighter to the right and downwards, with a block at the upper left."""
    levels = 10 + _ACROSS * 3 + _DOWN * 4
    levels[:9, :14] = 245
    levels[-2:, -3:] = 0
    return levels.astype(np.uint8)


def alpha():
    """Opaque at the left, more and more transparent to the right, half a row in the middle."""
    levels = np.clip(300 - _ACROSS * 6, 60, 255)
    levels[11] = 128
    return levels.astype(np.uint8)


def stored(photometric, bits, format=UNSIGNED, extra=()):
    """Samples of a kind, of shape (height, width, samples), and the visible picture.

    Returns the samples, RGBA of 8 bits, and tags that the kind needs.
    """
    tags = ()
    if photometric == PALETTE:
        index = gray() >> max(0, 8 - bits)
        table = _palette(bits)
        seen = table[:, index].transpose(1, 2, 0)
        samples = [index.astype(np.uint8)]
        tags = ((320, 3, (table.astype(int) * 257).ravel().tolist()),)
    elif photometric in (CIE_LAB, ICC_LAB, ITU_LAB):
        samples, seen = _lab(photometric, bits), colors()
    else:
        if photometric in (WHITE, BLACK, MASK):
            channels = [gray()]
        elif photometric == CMYK:
            black = np.where(_DOWN > 18, 60, 0).astype(np.uint8)
            channels = [*(255 - colors()).transpose(2, 0, 1), black]
        else:
            channels = list(colors().transpose(2, 0, 1))
        # With more than 8 bits, the lower bits are not a copy of the upper ones.
        channels = [level * (1 if bits <= 8 else 0.99) + (bits > 8) for level in channels]
        share = _alpha(bits) / 255 if 1 in extra else 1
        premultiplied = [(channel * share, bits, format) for channel in channels]
        if photometric == WHITE:
            premultiplied = [(255 - level, *kind) for level, *kind in premultiplied]
        samples = [_numbers(*channel) for channel in premultiplied]
        seen = np.dstack(
            [_seen(_numbers(channel, bits, format), bits, format) for channel in channels]
        )
        if photometric == CMYK:
            seen = (255 - seen[..., :3]) * (255 - seen[..., 3:]) / 255
    for meaning in extra:
        samples.append(_numbers(_alpha(bits) if meaning else gray()[::-1], bits, format))
    seen = np.dstack([seen] * 3) if seen.ndim == 2 or seen.shape[2] == 1 else seen
    opaque = np.full((HEIGHT, WIDTH), 255)
    visible = (
        _seen(_numbers(_alpha(bits), bits, format), bits, format) if {1, 2} & {*extra} else opaque
    )
    return np.dstack(samples), np.dstack([seen, visible]).astype(float), tags


def _alpha(bits):
    return alpha() if bits <= 8 else alpha() * 0.99


def _numbers(levels, bits, format):
    """Levels of 0 to 255, scaled to the range of the samples."""
    share = np.asarray(levels, float) / 255
    if format == FLOAT:
        return share.astype(f"f{bits // 8}")
    numbers = np.rint(share * (2.0**bits - 1))
    if format == SIGNED:
        return (numbers - 2.0 ** (bits - 1)).astype(f"i{bits // 8}")
    return numbers.astype("u1" if bits <= 8 else "u2" if bits <= 16 else "u4")


def _seen(numbers, bits, format):
    """Levels of 0 to 255 that samples represent."""
    if format == FLOAT:
        return numbers.astype(float) * 255
    low = 2.0 ** (bits - 1) if format == SIGNED else 0
    return (numbers + low) / (2.0**bits - 1) * 255


def _palette(bits):
    """Colours of shape (3, 2**bits): no ramp of grey, and no two alike."""
    ramp = np.linspace(0, 255, 2**bits).astype(int)
    return np.stack([ramp, 255 - ramp, (ramp * 3 + 40) % 256])


def _lab(photometric, bits):
    image = Image.fromarray(colors())
    spaces = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(image, *spaces, outputMode="LAB").tobytes()
    light, *others = np.frombuffer(lab, np.uint8).reshape(HEIGHT, WIDTH, 3).transpose(2, 0, 1)
    light, (a, b) = light.astype(float), (other.view(np.int8).astype(float) for other in others)
    wide = 2 ** (bits - 8)
    if photometric == CIE_LAB:
        values = [light * (2**bits - 1) / 255, a * wide % 2**bits, b * wide % 2**bits]
    elif photometric == ICC_LAB:
        values = [light * wide, (a + 128) * wide, (b + 128) * wide]
    else:
        values = [light, a * 255 / 170 + 128, b * 255 / 200 + 96]
    most = 2**bits - 1
    return [np.clip(np.rint(value), 0, most).astype(f"u{bits // 8}") for value in values]
