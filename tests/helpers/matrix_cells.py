"""Cells of the matrix: files of each writable format, and the picture that each contains."""

import contextlib
import io
import itertools
import subprocess
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image

from tests.helpers.bitmaps import ALPHA_BIT_FIELDS, BIT_FIELDS, RLE4, RLE8, bmp, run_lengths
from tests.helpers.drawn import (
    BLACK,
    CIE_LAB,
    CMYK,
    FLOAT,
    HEIGHT,
    ICC_LAB,
    MASK,
    PALETTE,
    RGB,
    SIGNED,
    TURNED,
    UNSIGNED,
    WHITE,
    WIDTH,
    alpha,
    colors,
    gray,
    stored,
)
from tests.helpers.imaging import MAGICK, chunk, png, words
from tests.helpers.tiffs import tiff


@dataclass(frozen=True)
class Cell:
    """A file and its picture: upright 8-bit RGBA, or None if it is not known.

    What was packed with a loss is less alike.
    """

    name: str
    format: str
    data: bytes
    drawn: Any
    orientation: int = 1
    lossy: bool = False


def opaque(levels):
    levels = np.asarray(levels)
    levels = np.dstack([levels] * 3) if levels.ndim == 2 else levels
    return np.dstack([levels, np.full(levels.shape[:2], 255)]).astype(float)


def with_alpha(levels):
    return np.dstack([opaque(levels)[..., :3], alpha()])


def deep(levels):
    """16-bit values whose lower bits are not a copy of the upper ones."""
    return levels.astype(np.uint16) * 253 + 77


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


# The variants of each format.

DEPTHS = (1, 2, 4, 6, 8, 10, 12, 14, 16, 24, 32)


KINDS = [
    *((color, bits, UNSIGNED) for color in (WHITE, BLACK) for bits in DEPTHS),
    *((RGB, bits, UNSIGNED) for bits in DEPTHS[1:]),
    *((color, bits, SIGNED) for color in (BLACK, RGB) for bits in (8, 16)),
    *((color, bits, FLOAT) for color in (WHITE, BLACK, RGB) for bits in (16, 32, 64)),
    *((CMYK, bits, UNSIGNED) for bits in (8, 16)),
    *((PALETTE, bits, UNSIGNED) for bits in (1, 2, 4, 8)),
    *((color, bits, UNSIGNED) for color in (CIE_LAB, ICC_LAB) for bits in (8, 16)),
    (MASK, 1, UNSIGNED),
]


COMPRESSIONS = (1, 5, 8, 32773, 34925, 50000)


LAYOUTS = ((None, None), (None, 5), (16, None))


NAMES = {WHITE: "white-is-zero", BLACK: "grey", RGB: "rgb", PALETTE: "palette", MASK: "mask"}


NAMES |= {CMYK: "cmyk", CIE_LAB: "cielab", ICC_LAB: "icclab"}


def tiff_cell(kind, extra=(), orientation=1, **layout):
    color, bits, format = kind
    samples, drawn, tags = stored(color, bits, format, extra)
    if orientation != 1:
        tags = (*tags, (274, 3, [orientation]))
    data = tiff(
        TURNED[orientation](samples), photometric=color, bits=bits, format=format, extra=extra,
        tags=tags, **layout,
    )  # fmt: skip
    label = " ".join(f"{key}={value}" for key, value in layout.items() if value)
    numbers = {UNSIGNED: "u", SIGNED: "i", FLOAT: "f"}[format]
    name = f"{NAMES[color]} {numbers}{bits} extra={extra} orientation={orientation} {label}"
    return Cell(f"tiff by hand: {name}", "tiff", data, drawn, orientation)


def tiffs():
    compressions, layouts = itertools.cycle(COMPRESSIONS), itertools.cycle(LAYOUTS)
    for kind, order, big in itertools.product(KINDS, "<>", (False, True)):
        color = kind[0]
        extras = [()]
        if color in (BLACK, RGB, CMYK):
            # With few bits, premultiplied colours cannot be recovered.
            extras = [(), (0,), (1,), (2,)] if kind[1] > 4 else [(), (0,), (2,)]
        for extra in extras:
            for planar in (1, 2) if color in (RGB, CMYK) or extra else (1,):
                tile, rows = next(layouts)
                yield tiff_cell(
                    kind, extra, order=order, big=big, planar=planar, tile=tile, rows=rows,
                    compression=next(compressions),
                )  # fmt: skip
    plain = [(BLACK, 8, UNSIGNED), (BLACK, 16, UNSIGNED), (RGB, 8, UNSIGNED), (RGB, 16, UNSIGNED)]
    for kind, compression, layout, predictor in itertools.product(
        plain, COMPRESSIONS, LAYOUTS, (1, 2)
    ):
        if predictor == 1 or compression not in (1, 32773):
            tile, rows = layout
            yield tiff_cell(
                kind, compression=compression, tile=tile, rows=rows, predictor=predictor
            )
    several = [*plain, (WHITE, 16, UNSIGNED), (BLACK, 12, UNSIGNED), (CMYK, 8, UNSIGNED)]
    several += [(RGB, 32, FLOAT), (PALETTE, 8, UNSIGNED), (BLACK, 1, UNSIGNED)]
    for kind, orientation, compression in itertools.product(several, TURNED, (1, 5)):
        for planar in (1, 2) if kind[0] in (RGB, CMYK) else (1,):
            yield tiff_cell(kind, (), orientation, planar=planar, compression=compression)
    for bits, compression in itertools.product((1, 4, 8, 16), (1, 5)):
        yield tiff_cell((BLACK, bits, UNSIGNED), fill=2, compression=compression)
    yield from written_tiffs()


def written_tiffs():
    """TIFFs that libraries write."""
    bilevel = Image.fromarray(gray()).convert("1", dither=Image.Dither.NONE)
    pictures = {
        "1": (bilevel, opaque(np.asarray(bilevel.convert("L")))),
        "L": (Image.fromarray(gray()), opaque(gray())),
        "LA": (Image.fromarray(np.dstack([gray(), alpha()]), "LA"), with_alpha(gray())),
        "RGB": (Image.fromarray(colors()), opaque(colors())),
        "RGBA": (Image.fromarray(np.dstack([colors(), alpha()])), with_alpha(colors())),
        "CMYK": (Image.fromarray(colors()).convert("CMYK"), opaque(colors())),
        "YCbCr": (Image.fromarray(colors()).convert("YCbCr"), opaque(colors())),
        "I;16": (Image.fromarray(deep(gray())), opaque(deep(gray()) / 257)),
        "I": (Image.fromarray(deep(gray()).astype(np.int32)), opaque(deep(gray()) / 257)),
        "F": (Image.fromarray(gray().astype(np.float32) / 255), opaque(gray())),
        "P": (Image.fromarray(colors()).quantize(200), None),
    }
    ways = (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "webp", "lzma")
    ways += ("group3", "group4", "tiff_ccitt", "raw")
    for (mode, (image, drawn)), way, big in itertools.product(
        pictures.items(), ways, (False, True)
    ):
        if (way in ("group3", "group4", "tiff_ccitt")) != (mode == "1"):
            continue
        with contextlib.suppress(Exception):  # what Pillow does not write
            data = saved(image, "TIFF", compression=way, big_tiff=big)
            lossy = way in ("jpeg", "webp")
            name = f"tiff by Pillow: {mode} {way} big={big}"
            yield Cell(name, "tiff", data, drawn, lossy=lossy)
    arrays = {
        "grey": (gray(), "minisblack", opaque(gray())),
        "grey16": (deep(gray()), "minisblack", opaque(deep(gray()) / 257)),
        "rgb": (colors(), "rgb", opaque(colors())),
        "rgb16": (deep(colors()), "rgb", opaque(deep(colors()) / 257)),
        "float": ((colors() / 255).astype(np.float32), "rgb", opaque(colors())),
    }
    ways = ("jpeg", "jpeg2000", "jpegxl", "jpegxr", "png", "webp", "lerc", "zlib", "lzma", None)
    for (name, (array, color, drawn)), way, tiled, order in itertools.product(
        arrays.items(), ways, (False, True), "<>"
    ):
        if way == "jpeg" and array.dtype != np.uint8:
            continue  # which has 12 bits at most
        if order == ">" and array.itemsize > 1 and way not in ("zlib", "lzma", None):
            continue  # of which tifffile writes the bytes in the wrong order
        file = io.BytesIO()
        tile = (16, 16) if tiled else None
        with contextlib.suppress(Exception):  # what tifffile does not write
            tifffile.imwrite(
                file, array, photometric=color, compression=way, tile=tile, byteorder=order
            )
            lossy = way in ("jpeg", "webp", "jpegxr", "jpeg2000", "jpegxl")
            label = f"tiff by tifffile: {name} {way} tile={tile} {order}"
            yield Cell(label, "tiff", file.getvalue(), drawn, lossy=lossy)
    for name, array in {
        "grey": gray(), "rgb": colors(), "rgba": np.dstack([colors(), alpha()]),
        "rgb16": deep(colors()), "grey16": deep(gray()),
        "float": (colors() / 255).astype(np.float32),
    }.items():  # fmt: skip
        for way in (1, 5, 8, 32773, 7):
            done, data = cv2.imencode(".tif", array, [cv2.IMWRITE_TIFF_COMPRESSION, way])
            if done:
                yield Cell(f"tiff by OpenCV: {name} {way}", "tiff", data.tobytes(), None)
    yield from magick_cells("tiff", ("none", "lzw", "zip", "rle", "jpeg", "group4", "zstd", "webp"))


def magick_cells(format, ways):
    """Files that ImageMagick writes, of several types, depths and byte orders."""
    if MAGICK is None:
        return
    picture = saved(Image.fromarray(np.dstack([colors(), alpha()])), "PNG")
    types = {
        "TrueColor": ("-alpha", "off", "-type", "TrueColor"),
        "TrueColorAlpha": ("-type", "TrueColorMatte"),
        "Grayscale": ("-alpha", "off", "-colorspace", "Gray", "-type", "Grayscale"),
        "GrayscaleAlpha": ("-colorspace", "Gray", "-type", "GrayscaleMatte"),
        "Palette": ("-alpha", "off", "-type", "Palette"),
        "Bilevel": ("-alpha", "off", "-type", "Bilevel"),
        "CMYK": ("-alpha", "off", "-colorspace", "CMYK", "-type", "ColorSeparation"),
        "CMYKAlpha": ("-colorspace", "CMYK", "-type", "ColorSeparationMatte"),
        "Lab": ("-alpha", "off", "-colorspace", "Lab"),
    }
    drawn = {
        "TrueColor": opaque(colors()),
        "TrueColorAlpha": with_alpha(colors()),
        "CMYK": opaque(colors()),
        "Lab": opaque(colors()),
    }
    depths = ("8", "16", "32") if format == "tiff" else ("8", "16")
    layouts = {"": (), "planes": ("-interlace", "plane"), "msb": ("-endian", "MSB")}
    for (name, options), depth, way, (layout, more) in itertools.product(
        types.items(), depths, ways, layouts.items()
    ):
        if format != "tiff" and (name in ("CMYK", "CMYKAlpha", "Lab") or layout == "msb"):
            continue
        if name == "Lab" and way in ("jpeg", "webp"):
            continue  # whose numbers wrap around: it cannot read them itself
        compress = ("-compress", way) if way else ()
        done = subprocess.run(
            [MAGICK, "-", *options, "-depth", depth, *compress, *more, f"{format}:-"],
            input=picture, capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode == 0 and done.stdout:
            label = f"{format} by ImageMagick: {name} {depth} {way} {layout}"
            lossy = way in ("jpeg", "webp") or format == "jpeg"
            seen = None if format == "gif" or way == "group4" else drawn.get(name)
            if name == "Lab" and layout == "planes":
                seen = None  # which it writes in another way
            if format in ("jpeg", "bmp") and "Alpha" in name:
                seen = None  # it depends on the version what is left of alpha
            yield Cell(label, format, done.stdout, seen, lossy=lossy)


#: Start and step of each pass across and down (PNG 3rd edition, 8.2).
ADAM7 = ((0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2))


ADAM7 += ((0, 1, 1, 2),)


def png_rows(samples, depth, interlaced):
    passes = ADAM7 if interlaced else ((0, 1, 0, 1),)
    for left, across, top, down in passes:
        for row in samples[top::down, left::across]:
            if row.size == 0:
                continue
            if depth == 16:
                yield row.astype(">u2").tobytes()
            else:
                split = row.ravel()[:, None] >> np.arange(depth - 1, -1, -1) & 1
                yield np.packbits(split.astype(np.uint8)).tobytes()


def pngs():
    yield from pngs_by_hand()
    yield from library_cells("png", ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"))
    yield from magick_cells("png", ("",))


def pngs_by_hand():
    kinds = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
    for color, depths in kinds.items():
        for depth, clear, interlaced, orientation in itertools.product(
            depths, (False, True), (False, True), TURNED
        ):
            if clear and color > 3:
                continue
            samples, drawn, extra = png_samples(color, depth, clear)
            turned = TURNED[orientation](samples)
            exif = Image.Exif()
            exif[0x0112] = orientation
            extra += chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
            height, width = turned.shape[:2]
            data = bytearray(
                png(width, height, depth, color, png_rows(turned, depth, interlaced), extra)
            )
            if interlaced:
                data[8:33] = chunk(b"IHDR", bytes(data[16:28]) + b"\1")
            name = f"png by hand: type {color} depth {depth} tRNS={clear} Adam7={interlaced}"
            yield Cell(f"{name} {orientation}", "png", bytes(data), drawn, orientation)


def png_samples(color, depth, clear):
    most, extra = 2**depth - 1, b""
    if color == 3:
        samples = (gray() >> (8 - depth))[..., None]
        ramp = np.arange(2**depth) * 255 // most
        table = np.stack([ramp, 255 - ramp, (ramp * 3 + 40) % 256], axis=1).astype(np.uint8)
        extra = chunk(b"PLTE", table.tobytes())
        visible = np.full(2**depth, 255)
        if clear:
            visible[:2] = (0, 100)
            extra += chunk(b"tRNS", bytes([0, 100]))
        drawn = np.dstack([table[samples[..., 0]], visible[samples[..., 0]]])
        return samples, drawn.astype(float), extra
    channels = [gray()] if color in (0, 4) else list(colors().transpose(2, 0, 1))
    channels += [alpha()] if color in (4, 6) else []
    samples = np.dstack([np.rint(channel / 255 * most).astype(int) for channel in channels])
    drawn = samples * 255 / most
    if clear:
        key = samples[-1, -1] if color == 0 else samples[0, 0]
        extra = chunk(b"tRNS", words(*([int(level) for level in key])))
        drawn = np.dstack([drawn, np.where((samples == key).all(axis=2), 0, 255)])
    elif color in (0, 2):
        drawn = np.dstack([drawn, np.full(drawn.shape[:2], 255)])
    if color in (0, 4):
        drawn = np.dstack([drawn[..., :1]] * 3 + [drawn[..., 1:]])
    return samples, drawn.astype(float), extra


def library_cells(format, modes, **options):
    """Files that Pillow writes, in some modes."""
    for mode in modes:
        image = Image.fromarray(np.dstack([colors(), alpha()]))
        if mode == "I;16":
            image = Image.fromarray(deep(gray()))
        elif mode != "RGBA":
            image = image.convert(mode)
        with contextlib.suppress(Exception):  # what Pillow does not write
            data = saved(image, format.upper(), **options)
            yield Cell(f"{format} by Pillow: {mode} {options or ''}", format, data, None)


def bmps():
    headers = (12, 16, 40, 52, 56, 64, 108, 124)
    for bits, header, top_down in itertools.product((1, 2, 4, 8), headers, (False, True)):
        ramp = np.arange(2**bits) * 255 // (2**bits - 1)
        table = np.stack([ramp, 255 - ramp, (ramp * 3 + 40) % 256], axis=1)
        indices = gray() >> (8 - bits)
        if header == 12 and top_down:
            continue
        data = bmp(
            indices, bits, header=header, palette=table.tolist(), top_down=top_down
        )  # fmt: skip
        yield Cell(
            f"bmp: {bits} bits, header {header} {top_down}", "bmp", data, opaque(table[indices])
        )
        if bits in (4, 8) and header >= 40 and not top_down:
            for absolute in (False, True):
                packed = run_lengths(indices, bits == 4, absolute)
                way = RLE4 if bits == 4 else RLE8
                data = bmp(packed, bits, header=header, compression=way, palette=table.tolist())
                name = f"bmp: runs of {bits} bits, header {header}, absolute={absolute}"
                yield Cell(name, "bmp", data, opaque(table[indices]))
    red, green, blue = colors().astype(np.uint32).transpose(2, 0, 1)
    for header, top_down in itertools.product(headers, (False, True)):
        if header == 12 and top_down:
            continue
        name = f"header {header} {top_down}"
        data = bmp(colors(), 24, header=header, top_down=top_down)
        yield Cell(f"bmp: 24 bits, {name}", "bmp", data, opaque(colors()))
        data = bmp(red << 16 | green << 8 | blue, 32, header=header, top_down=top_down)
        yield Cell(f"bmp: 32 bits, {name}", "bmp", data, opaque(colors()))
        data = bmp(
            red >> 3 << 10 | green >> 3 << 5 | blue >> 3, 16, header=header, top_down=top_down
        )
        yield Cell(
            f"bmp: 16 bits, {name}", "bmp", data, opaque((colors().astype(int) >> 3) * 255 / 31)
        )
    yield from bit_fields()
    yield from library_cells("bmp", ("1", "L", "P", "RGB", "RGBA"))
    yield from magick_cells("bmp", ("none", "rle"))


def bit_fields():
    masks = {
        16: [(0xF800, 0x7E0, 0x1F, 0), (0x7C00, 0x3E0, 0x1F, 0), (0xF00, 0xF0, 0xF, 0xF000),
             (0x7C00, 0x3E0, 0x1F, 0x8000), (0x1F, 0x7E0, 0xF800, 0)],
        32: [(0xFF0000, 0xFF00, 0xFF, 0), (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
             (0xFF, 0xFF00, 0xFF0000, 0xFF000000), (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
             (0x3FF00000, 0xFFC00, 0x3FF, 0)],
    }  # fmt: skip
    channels = [*colors().transpose(2, 0, 1), alpha()]
    for header, (bits, several), top_down in itertools.product(
        (40, 52, 56, 108, 124), masks.items(), (False, True)
    ):
        for four in several:
            if four[3] and header == 52:
                continue
            numbers, seen = np.zeros(alpha().shape, np.uint64), []
            for mask, channel in zip(four, channels, strict=True):
                shift = max(0, (mask & -mask).bit_length() - 1)
                most = max(1, mask >> shift)
                levels = np.rint(channel / 255 * most).astype(np.uint64)
                numbers |= levels << np.uint64(shift) if mask else np.uint64(0)
                seen.append(levels * 255 / most if mask else np.full(alpha().shape, 255))
            fields = four if four[3] or header > 52 else four[:3]
            way = ALPHA_BIT_FIELDS if header == 40 and four[3] else BIT_FIELDS
            data = bmp(
                numbers, bits, header=header, compression=way, masks=fields, top_down=top_down
            )  # fmt: skip
            name = f"bmp: bit fields {' '.join(map(hex, four))}, header {header} {top_down}"
            yield Cell(name, "bmp", data, np.dstack(seen).astype(float))


def jpegs():
    for mode, sampling, progressive, orientation in itertools.product(
        ("L", "RGB", "CMYK"), ("4:4:4", "4:2:2", "4:2:0"), (False, True), TURNED
    ):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = Image.fromarray(np.ascontiguousarray(TURNED[orientation](colors()))).convert(mode)
        data = saved(
            image, "JPEG", quality=95, subsampling=sampling, progressive=progressive, exif=exif
        )
        name = f"jpeg by Pillow: {mode} {sampling} {progressive} {orientation}"
        yield Cell(name, "jpeg", data, None, orientation)
    yield from magick_cells("jpeg", ("",))


def ppms():
    for most, plain in itertools.product((1, 15, 100, 255, 1000, 65535), (False, True)):
        for letter, picture in (("25"[not plain], gray()), ("36"[not plain], colors())):
            numbers = np.rint(picture / 255 * most).astype(int)
            if plain:
                text = " ".join(map(str, numbers.ravel())).encode()
            else:
                text = numbers.astype(">u2" if most > 255 else "u1").tobytes()
            data = f"P{letter}\n{WIDTH} {HEIGHT}\n{most}\n".encode() + text
            yield Cell(f"ppm: P{letter} of {most}", "ppm", data, opaque(numbers * 255 / most))
    bits = gray() < 128
    text = " ".join(map(str, bits.astype(int).ravel())).encode()
    drawn = opaque(np.where(bits, 0, 255))
    yield Cell("ppm: P1", "ppm", f"P1\n{WIDTH} {HEIGHT}\n".encode() + text, drawn)
    data = f"P4\n{WIDTH} {HEIGHT}\n".encode() + np.packbits(bits, axis=1).tobytes()
    yield Cell("ppm: P4", "ppm", data, drawn)
    dark = (gray() // 2).astype(int)  # of 65535: nearly black
    data = f"P5\n{WIDTH} {HEIGHT}\n65535\n".encode() + dark.astype(">u2").tobytes()
    yield Cell("ppm: P5, dark", "ppm", data, opaque(dark / 257))


def others():
    for lossless in (False, True):
        modes = ("RGB", "RGBA", "L", "LA", "P")
        yield from library_cells("webp", modes, lossless=lossless, quality=95, exact=True)
    yield from library_cells("gif", ("1", "L", "P", "RGB", "RGBA"))
    for sampling in ("4:4:4", "4:2:0"):
        modes = ("RGB", "RGBA", "L", "LA")
        yield from library_cells("avif", modes, quality=95, subsampling=sampling)
    yield from library_cells("ico", ("RGB", "RGBA", "L"), sizes=[(WIDTH, HEIGHT)])
    yield from magick_cells("gif", ("",))
    yield from magick_cells("webp", ("",))


FORMATS = {"tiff": tiffs, "png": pngs, "bmp": bmps, "jpeg": jpegs, "ppm": ppms, "others": others}
