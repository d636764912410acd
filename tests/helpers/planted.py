"""Sources with a word in each place that can hold a text, and a search for these words.

The files are put together by hand where Pillow or pillow-heif do not write what is wanted.
"""

import io
import re
import struct
import zlib

import numpy as np
import pillow_heif
from PIL import Image

from tests.helpers.imaging import chunk, exif_block, png

#: What may be kept, from EXIF only.
RIGHTS = {0x013B: "Rightful Artist", 0x8298: "Rightful Copyright"}

#: Numbers that occur nowhere else: pixels an inch, and the seconds of a latitude.
DPI, PLACE = 1237, (48611, 1009)


def word(place):
    """The word that is planted in a place."""
    return f"Planted-{place}"


def planted_in(data):
    """Planted words in a file, plain, in UTF-16 or in hexadecimal, even if they are compressed."""
    parts = [data]
    for found in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", data):
        try:
            parts.append(zlib.decompressobj().decompress(data[found.start() :]))
        except zlib.error:
            continue  # no beginning of a stream
    for part in list(parts):  # a text of a PNG holds IPTC in hexadecimal
        parts += [bytes.fromhex(run.decode()) for run in re.findall(rb"(?:[0-9a-f]{2}){12,}", part)]
    words = set()
    for part in parts:
        # UTF-16 of either byte order without its zeros is ASCII.
        texts = re.findall(rb"Planted-[a-z0-9]+", part + b"\n" + part.replace(b"\0", b""))
        words.update(text.decode().removeprefix("Planted-") for text in texts)
        for name, number in (("place", PLACE), ("resolution", (DPI, 1))):
            if any(struct.pack(f"{order}II", *number) in part for order in "<>"):
                words.add(name)
    return words


def _thumbnail():
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "JPEG", comment=word("thumbnail"))
    return file.getvalue()


_MAIN = [
    (0x010E, "ascii", word("description")), (0x010F, "ascii", word("make")),
    (0x0110, "ascii", word("model")), (0x011A, "rational", [(DPI, 1)]),
    (0x011B, "rational", [(DPI, 1)]), (0x0128, "short", 2), (0x0131, "ascii", word("software")),
    (0x0132, "ascii", word("datetime")), (0x013C, "ascii", word("host")),
    *((tag, "ascii", text) for tag, text in RIGHTS.items()),
    *((tag, "byte", (word(f"xp{tag:x}") + "\0").encode("utf-16-le"))
      for tag in range(0x9C9B, 0x9CA0)),
]  # fmt: skip

_TABLES = {
    "camera": [
        (0x9286, "undefined", b"UNICODE\0" + word("usercomment").encode("utf-16-be")),
        (0x927C, "undefined", word("makernote").encode()),
        (0xA430, "ascii", word("owner")), (0xA431, "ascii", word("serial")),
        (0xA434, "ascii", word("lens")),
    ],
    "gps": [
        (1, "ascii", "N"), (2, "rational", [(48, 1), (8, 1), PLACE]),
        (0x1B, "undefined", b"ASCII\0\0\0" + word("method").encode()),
        (0x1C, "undefined", b"UNICODE\0" + word("area").encode("utf-16-le")),
    ],
    "thumbnail": _thumbnail(),
}  # fmt: skip

EXIF = exif_block(_MAIN, **_TABLES)

XMP = f"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:City="{word("city")}"
 exif:GPSLatitude="{word("latitude")}"><dc:creator><rdf:Seq><rdf:li>{word("creator")}</rdf:li>
</rdf:Seq></dc:creator></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>""".encode()


def _dataset(number, text):
    """A dataset of IPTC's record 2 (IIM 4.2, 1.5)."""
    return struct.pack(">BBBH", 0x1C, 2, number, len(text)) + text.encode()


IPTC = _dataset(80, word("byline")) + _dataset(90, word("iptccity"))
PHOTOSHOP = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC + bytes(len(IPTC) % 2)


def _saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def _segment(marker, content):
    """A segment of a JPEG (ITU-T T.81, B.1.1.4)."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _annotated_jpeg(data):
    """Insert everything that a JPEG may contain after its first segment."""
    extension = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">II", 99, 0)
    notes = (
        _segment(0xE1, EXIF)
        + _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)
        + _segment(0xE1, extension + word("extendedxmp").encode())
        + _segment(0xED, b"Photoshop 3.0\0" + PHOTOSHOP)
        + _segment(0xEB, b"JP\0\1\0\0\0\1" + word("provenance").encode())
        + _segment(0xFE, word("comment").encode())
    )
    end = 4 + int.from_bytes(data[4:6], "big") - 2 + 2
    return data[:end] + notes + data[end:]


def jpeg(image):
    return _annotated_jpeg(_saved(image, "JPEG", dpi=(DPI, DPI)))


def jpeg_with_trailer(image):
    return jpeg(image) + word("trailer").encode()


def mpo(image):
    second = image.copy()
    second.info["comment"] = word("second").encode()
    return _annotated_jpeg(_saved(image, "MPO", save_all=True, append_images=[second]))


def _png_notes():
    hexed = PHOTOSHOP.hex().encode()
    raw = b"\niptc\n" + b"%8d\n" % len(PHOTOSHOP) + hexed + b"\n"
    return b"".join(
        chunk(name, content)
        for name, content in (
            (b"pHYs", struct.pack(">IIB", *[round(DPI / 0.0254)] * 2, 1)),
            (b"tIME", struct.pack(">HBBBBB", 1987, 6, 5, 4, 3, 2)),
            (b"tEXt", b"Author\0" + word("text").encode()),
            (b"zTXt", b"Comment\0\0" + zlib.compress(word("deflated").encode())),
            (b"iTXt", b"Location\0\1\0\0\0" + zlib.compress(word("international").encode())),
            (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
            (b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(raw)),
            (b"eXIf", EXIF.removeprefix(b"Exif\0\0")),
            (b"prVt", word("private").encode()),
        )
    )


def _annotated_png(data):
    """Insert everything that a PNG may contain after its header and after its end."""
    return data[:33] + _png_notes() + data[33:] + word("trailer").encode()


def still_png(image):
    return _annotated_png(_saved(image, "PNG"))


def apng(image):
    return _annotated_png(_saved(image, "PNG", **_moving(image)))


def _moving(image):
    second = image.transpose(Image.Transpose.ROTATE_180)
    return {"save_all": True, "append_images": [second], "duration": 100}


def png_of_16_bits(image):
    rows = [(row.astype(">u2") * 257).tobytes() for row in np.asarray(image)]
    return png(image.width, image.height, 16, 2, rows, extra=_png_notes())


def still_webp(image):
    return _annotated_webp(_saved(image, "WEBP", exif=EXIF, xmp=XMP))


def moving_webp(image):
    return _annotated_webp(_saved(image, "WEBP", exif=EXIF, xmp=XMP, **_moving(image)))


def _annotated_webp(data):
    text = word("chunk").encode()
    text += b" " * (len(text) % 2)
    body = data[8:] + b"NOTE" + struct.pack("<I", len(text)) + text
    return b"RIFF" + struct.pack("<I", len(body)) + body


def still_avif(image):
    return _saved(image, "AVIF", exif=EXIF, xmp=XMP, speed=10)


def moving_avif(image):
    return _saved(image, "AVIF", exif=EXIF, xmp=XMP, speed=10, **_moving(image))


def heic(image):
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, exif=EXIF, xmp=XMP)
    return file.getvalue()


def gif(image):
    data = _saved(image, "GIF", comment=word("comment"), **_moving(image))
    table = 3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0
    end = 13 + table
    # Adobe's extension (XMP part 3, 1.1.2): the packet, and what ends it as sub-blocks.
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    last = word("lastcomment").encode()
    return (
        data[:end] + b"\x21\xff\x0bXMP DataXMP" + XMP + trailer
        + data[end:-1] + b"\x21\xfe" + bytes([len(last)]) + last + b"\0;"
    )  # fmt: skip


def tiff(image, depth=8):
    levels = np.asarray(image.convert("L") if depth > 8 else image)
    pixels = (levels.astype("<u2") * 257 if depth > 8 else levels).tobytes()
    samples = levels.size // (image.width * image.height)

    def block(place):
        structure = [
            (0x0100, "long", image.width), (0x0101, "long", image.height),
            (0x0102, "short", [depth] * samples), (0x0103, "short", 1),
            (0x0106, "short", 2 if samples == 3 else 1), (0x0111, "long", place),
            (0x0115, "short", samples), (0x0116, "long", image.height),
            (0x0117, "long", len(pixels)),
            (0x010D, "ascii", word("document")), (0x011D, "ascii", word("page")),
            (0x02BC, "byte", XMP), (0x83BB, "undefined", IPTC), (0x8649, "byte", PHOTOSHOP),
            (0x935C, "undefined", word("layers").encode()), (0xFDE8, "ascii", word("private")),
        ]  # fmt: skip
        return exif_block(_MAIN + structure, **_TABLES).removeprefix(b"Exif\0\0")

    return block(len(block(0))) + pixels


def tiff_of_16_bits(image):
    return tiff(image, depth=16)


def bmp(image):
    return _saved(image, "BMP", dpi=(DPI, DPI)) + word("trailer").encode()


def ppm(image):
    head = f"P6\n# {word('comment')}\n{image.width} {image.height}\n255\n"
    return head.encode() + image.tobytes()


def ico(image):
    inside = still_png(image)
    entry = struct.pack("<BBBBHHII", image.width, image.height, 0, 0, 1, 32, len(inside), 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + inside


#: Functions that make a source from a picture, by kind.
SOURCES = {
    "jpeg": jpeg, "jpeg-with-trailer": jpeg_with_trailer, "mpo": mpo, "png": still_png,
    "png-16-bit": png_of_16_bits, "apng": apng, "webp": still_webp, "moving-webp": moving_webp,
    "avif": still_avif, "moving-avif": moving_avif, "heic": heic, "gif": gif, "tiff": tiff,
    "tiff-16-bit": tiff_of_16_bits, "bmp": bmp, "ppm": ppm, "ico": ico,
}  # fmt: skip

#: Those of several frames, and those whose format has no EXIF.
MOVING = ("apng", "moving-webp", "moving-avif", "gif")
WITHOUT_EXIF = ("gif", "bmp", "ppm", "ico")
