"""What a file states twice, or not quite rightly, means the same to renderer and verification.

Expected orientations follow from the standards: the first of several blocks counts, and what is
damaged or malformed is skipped.
"""

import io
import struct
import zlib

import pytest
from PIL import Image, ImageCms

from pixelmill.imaging.recipe_parser import parse
from pixelmill.verification.file_structure import notes_of
from tests.helpers.imaging import chunk
from tests.helpers.verified import Tree, faults_of

WIDTH, HEIGHT = 48, 32
PREFIX = b"Exif\0\0"


def block(orientation, kind=3, count=1, value=None):
    """An EXIF block that states an orientation, and a directory of which nothing is missing."""
    value = struct.pack("<I", orientation) if value is None else value
    return b"II*\0" + struct.pack("<IHHHI", 8, 1, 0x0112, kind, count) + value + bytes(24)


NONE = b"II*\0" + struct.pack("<IH", 8, 0) + bytes(4)
CUT = block(6)[:20]


def stored(kind, **options):
    picture = Image.linear_gradient("L").resize((WIDTH, HEIGHT)).convert("RGB")
    picture.paste((250, 60, 10), (0, 0, 16, 10))
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def damaged(name, content):
    data = chunk(name, content)
    return data[:-1] + bytes([data[-1] ^ 1])


def png(*chunks, after=()):
    data = stored("PNG")
    return data[:33] + b"".join(chunks) + data[33:-12] + b"".join(after) + data[-12:]


def jpeg(*blocks):
    segments = (struct.pack(">HH", 0xFFE1, len(b) + 2 + len(PREFIX)) + PREFIX + b for b in blocks)
    data = stored("JPEG", quality=95)
    return data[:2] + b"".join(segments) + data[2:]


def webp(*blocks, flags=None):
    data = stored("WEBP", lossless=True, exif=block(1))
    head = bytearray(data[12 : data.index(b"EXIF")])
    if flags is not None:
        head[8] = flags
    chunks = (b"EXIF" + struct.pack("<I", len(b)) + b + bytes(len(b) % 2) for b in blocks)
    body = b"WEBP" + head + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def exif(content):
    return chunk(b"eXIf", content)


def hexed(content):
    written = PREFIX + content
    return b"\nexif\n%8d\n%s\n" % (len(written), written.hex().encode())


KEY = b"Raw profile type exif\0"


def text(content):
    return chunk(b"tEXt", KEY + content)


def packed(content):
    return chunk(b"zTXt", KEY + b"\0" + zlib.compress(content))


ORIENTED = {
    "jpeg, two blocks": (jpeg(block(6), block(3)), 6),
    "jpeg, none in the first": (jpeg(NONE, block(6)), 1),
    "jpeg, none in the second": (jpeg(block(6), NONE), 6),
    "jpeg, an empty block": (jpeg(b"", block(6)), 6),
    "jpeg, two prefixes": (jpeg(PREFIX + block(6)), 6),
    "jpeg, three prefixes": (jpeg(2 * PREFIX + block(6)), 6),
    "jpeg, a block in two segments": (jpeg(block(6)[:20], block(6)[20:]), 6),
    "jpeg, a directory that is cut off": (jpeg(CUT), 1),
    "jpeg, no value": (jpeg(block(6, count=0)), 1),
    "jpeg, three values elsewhere": (
        jpeg(block(0, count=3, value=struct.pack("<I", 26)) + struct.pack("<HHH", 6, 3, 1)), 1
    ),
    "jpeg, values that are missing": (jpeg(block(0, count=9, value=b"\6\0\0\1")), 1),
    "png, two chunks": (png(exif(block(6)), exif(block(3))), 6),
    "png, none in the second": (png(exif(block(6)), exif(NONE)), 6),
    "png, another one after the pixels": (png(exif(block(6)), after=[exif(block(3))]), 6),
    "png, a damaged chunk": (png(damaged(b"eXIf", block(6))), 1),
    "png, a damaged chunk first": (png(damaged(b"eXIf", block(3)), exif(block(6))), 6),
    "png, a prefix": (png(exif(PREFIX + block(6))), 6),
    "png, a text": (png(text(hexed(block(6)))), 6),
    "png, a text after a chunk": (png(exif(block(6)), text(hexed(block(3)))), 6),
    "png, a text before a chunk": (png(packed(hexed(block(3))), exif(block(6))), 6),
    "png, an international text": (png(chunk(b"iTXt", KEY + b"\0\0\0\0" + hexed(block(6)))), 6),
    "png, one that is compressed": (
        png(chunk(b"iTXt", KEY + b"\1\0\0\0" + zlib.compress(hexed(block(6))))), 6
    ),
    "png, a text that is malformed": (png(text(b"\nexif\n 5\nzz\n")), 1),
    "png, a compressed one": (png(packed(b"\nexif\n 5\n455\n")), 1),
    "png, a text of other letters": (png(text(b"\nexif\n      8\n\xe9\n")), 1),
    "webp, two chunks": (webp(block(6), block(3)), 6),
    "webp, none in the first": (webp(NONE, block(6)), 1),
    "webp, a chunk that the header denies": (webp(block(6), flags=0), 1),
    **{f"jpeg, orientation of type {kind}": (jpeg(block(6, kind)), 6) for kind in (1, 3, 4, 13)},
    **{f"jpeg, orientation of type {kind}": (jpeg(block(6, kind)), 1) for kind in (2, 5, 7, 9)},
}  # fmt: skip

GAMMA = struct.pack(">I", 100_000)
SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile(content):
    return chunk(b"iCCP", b"x\0\0" + zlib.compress(content))


LINEAR, SRGB = [chunk(b"gAMA", GAMMA)], [chunk(b"sRGB", b"\0")]

#: Chunks of PNGs, and those that mean the same.
COLORED = {
    "a damaged gAMA": ([damaged(b"gAMA", GAMMA)], []),
    "a damaged sRGB": ([damaged(b"sRGB", b"\0"), *LINEAR], LINEAR),
    "a damaged cICP": ([damaged(b"cICP", b"\x0c\x0d\0\1"), *LINEAR], LINEAR),
    "a damaged iCCP": ([damaged(b"iCCP", b"x\0\0" + zlib.compress(SRGB_PROFILE)), *LINEAR], LINEAR),
    "an empty gAMA first": ([chunk(b"gAMA", b""), *LINEAR], LINEAR),
    "a long gAMA first": ([chunk(b"gAMA", GAMMA + b"\0"), *LINEAR], LINEAR),
    "an empty sRGB": ([chunk(b"sRGB", b""), *LINEAR], LINEAR),
    "a profile that is none": ([profile(b"junk" * 50), *LINEAR], LINEAR),
    "a profile of other colours": (
        [profile(SRGB_PROFILE[:16] + b"CMYK" + SRGB_PROFILE[20:]), *LINEAR], LINEAR
    ),
    "a profile": ([profile(SRGB_PROFILE), *LINEAR], SRGB),
    "two gAMA": ([*LINEAR, chunk(b"gAMA", struct.pack(">I", 50_000))], LINEAR),
    "sRGB and gAMA": ([*LINEAR, *SRGB], SRGB),
}  # fmt: skip


@pytest.mark.parametrize("name", ORIENTED)
def test_verification_reads_the_orientation_that_counts(name):
    data, orientation = ORIENTED[name]
    assert notes_of(data).orientation == orientation


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_the_renderer_and_verification_agree(tmp_path, backend):
    (tmp_path / "in").mkdir()
    for number, (data, _) in enumerate(ORIENTED.values()):
        (tmp_path / f"in/{number:02}").write_bytes(data)
    for number, pair in enumerate(COLORED.values()):
        for side, chunks in zip(("found", "expected"), pair, strict=True):
            (tmp_path / f"in/{number:02} {side}").write_bytes(png(*chunks))
    tree = Tree(tmp_path)
    tree.recipe = parse({"steps": [], "output": {"format": "png"}, "backend": backend})
    tree.process()
    assert faults_of(tree.verify()) == {}
    for number, (name, (_, orientation)) in enumerate(ORIENTED.items()):
        with Image.open(tree.images / f"{number:02}.png") as made:
            assert made.size == ((HEIGHT, WIDTH) if orientation == 6 else (WIDTH, HEIGHT)), name
    for number, name in enumerate(COLORED):
        with (
            Image.open(tree.images / f"{number:02} found.png") as found,
            Image.open(tree.images / f"{number:02} expected.png") as expected,
        ):
            assert found.tobytes() == expected.tobytes(), name
