"""XMP and IPTC are found where each format stores them, and added without changing the picture."""

import io
import struct
import zlib

import pytest
from PIL import Image

from pixelmill.imaging.codecs import iptc, packets
from pixelmill.imaging.codecs.decoded import Packets
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS
from tests.helpers.imaging import chunk

XMP, IPTC = b"<x/>", struct.pack(">BBBH", 0x1C, 2, 80, 4) + b"name"

MODES = ("L", "RGB", "RGBA")


def saved(format, mode, **options):
    file = io.BytesIO()
    Image.linear_gradient("L").resize((9, 7)).convert(mode).save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("options", [{}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff"])
def test_what_was_added_is_found_and_no_pixel_changes(format, mode, options):
    if format == "jpeg" and mode == "RGBA":
        mode = "CMYK"
    lossless = {"lossless": True} if format == "webp" and mode == "RGBA" else {}
    data = saved(format.upper(), mode, **options, **lossless)
    known = OUTPUT_FORMATS[format]
    given = Packets(XMP, IPTC if known.most_iptc else b"")
    made = known.with_packets(data, given)
    assert known.packets(made) == given
    assert known.is_whole(made)
    with Image.open(io.BytesIO(made)) as image, Image.open(io.BytesIO(data)) as original:
        assert (image.mode, image.size) == (original.mode, original.size)
        assert image.tobytes() == original.tobytes()


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_webp_announces_alpha_if_it_has_some(mode, lossless):
    """The flags of the header (RFC 9649, 2.7.1): alpha, and XMP."""
    picture = Image.new(mode, (5, 3), (10, 200, 30, 100)[: len(mode)])
    file = io.BytesIO()
    picture.save(file, "WEBP", lossless=lossless)
    made = packets.into_webp(file.getvalue(), Packets(XMP))
    assert (made[12:16], made[20]) == (b"VP8X", 0x04 | (0x10 if mode == "RGBA" else 0))
    assert made[24:30] == bytes([4, 0, 0, 2, 0, 0])


def test_the_tags_of_a_tiff_stay():
    data = saved("TIFF", "RGB", tiffinfo={315: "Artist", 34665: {0x9003: "2026:01:31 12:00:00"}})
    with Image.open(io.BytesIO(packets.into_tiff(data, Packets(XMP, IPTC)))) as image:
        assert image.tag_v2[315] == "Artist"
        assert image.getexif().get_ifd(0x8769)[0x9003] == "2026:01:31 12:00:00"


def test_iptc_of_several_segments_is_joined():
    block = iptc.as_block(IPTC)
    data = saved("JPEG", "L")
    for half in (block[9:], block[:9]):  # each is inserted before the one that was inserted earlier
        content = b"Photoshop 3.0\0" + half
        data = data[:2] + struct.pack(">BBH", 0xFF, 0xED, len(content) + 2) + content + data[2:]
    assert packets.in_jpeg(data).iptc == IPTC


def test_a_compressed_text_of_a_png_is_inflated_only_to_the_limit():
    data = saved("PNG", "L")
    bomb = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b" " * 50_000_000))
    assert len(packets.in_png(data[:33] + bomb + data[33:]).xmp) == 1_000_001


def test_datasets_stored_as_numbers_of_another_byte_order_are_turned():
    padded = IPTC + bytes(-len(IPTC) % 4)
    turned = b"".join(padded[k : k + 4][::-1] for k in range(0, len(padded), 4))
    numbers = struct.unpack(f">{len(turned) // 4}I", turned)
    entry = struct.pack(">HHII", 33723, 4, len(numbers), 26)
    tiff = b"MM\0*\0\0\0\x08\0\1" + entry + bytes(4) + struct.pack(f">{len(numbers)}I", *numbers)
    assert iptc.kept(packets.in_tiff(tiff).iptc) == IPTC


BROKEN = {
    "jpeg": (b"\xff\xd8\xff", b"\xff\xd8\xff\xe1\0\1", b"\xff\xd8\xff\xed\xff\xffPhotoshop 3.0\0"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(3), chunk(b"iTXt", b"XML:com.adobe.xmp").rjust(60),
            b"\x89PNG\r\n\x1a\n" + chunk(b"tEXt", b"Raw profile type iptc\0\n\n\n\xff\xff"),
            b"\x89PNG\r\n\x1a\n" + chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0no stream")),
    "webp": (b"RIFF", b"RIFF\xff\xff\xff\xffWEBPXMP \xff\xff\xff\xff"),
    "tiff": (b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"),
    "avif": (b"\0\0\0\x0cftypavif", b""),
}  # fmt: skip


@pytest.mark.parametrize("format", BROKEN)
def test_broken_files_have_no_packets(format):
    for data in BROKEN[format]:
        assert OUTPUT_FORMATS[format].packets(data) == Packets()


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "avif"])
def test_no_end_of_a_file_raises_an_error(format):
    known = OUTPUT_FORMATS[format]
    data = known.with_packets(saved(format.upper(), "RGB", xmp=XMP) if format == "avif"
                              else saved(format.upper(), "RGB"), Packets(XMP, IPTC))  # fmt: skip
    for end in range(0, len(data), 3):
        known.packets(data[:end])


def test_the_first_of_two_packets_counts():
    for format in ("jpeg", "png", "webp"):
        known, data = OUTPUT_FORMATS[format], saved(format.upper(), "RGB")
        for packet in (b"<first/>", b"<second/>"):
            data = known.with_packets(data, Packets(packet))
        assert (b"<first/>" in data, b"<second/>" in data) == (True, True)
        assert known.packets(data).xmp == b"<first/>"


def test_a_damaged_chunk_of_a_png_holds_no_packet():
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
    data = saved("PNG", "L")
    for made, expected in ((text, XMP), (text[:-1] + bytes([text[-1] ^ 1]), b"")):
        assert packets.in_png(data[:33] + made + data[33:]).xmp == expected


@pytest.mark.parametrize("length", [3, 4])
def test_a_chunk_of_odd_length_before_a_packet_is_filled_up(length):
    """RFC 9649, 2.3."""
    data = saved("WEBP", "RGB")
    other = struct.pack("<4sI", b"none", length) + bytes(length + length % 2)
    assert packets.in_webp(data + other + struct.pack("<4sI", b"XMP ", 4) + XMP).xmp == XMP


@pytest.mark.parametrize("stored", [IPTC, iptc.as_block(IPTC)], ids=["alone", "in-a-block"])
@pytest.mark.parametrize("name", [b"zTXt", b"tEXt"])
def test_a_png_holds_datasets_alone_or_in_a_block(stored, name):
    """ImageMagick writes both."""
    text = f"\niptc\n{len(stored):8}\n{stored.hex()}\n".encode()
    text = b"\0" + zlib.compress(text) if name == b"zTXt" else text
    data = saved("PNG", "L")
    made = data[:33] + chunk(name, b"Raw profile type iptc\0" + text) + data[33:]
    assert packets.in_png(made).iptc == IPTC


def test_a_tiff_holds_datasets_in_a_tag_or_else_in_a_block():
    other = IPTC.replace(b"name", b"else")
    for own, block, expected in ((IPTC, other, IPTC), (b"", other, other), (IPTC, b"", IPTC)):
        info = {33723: own, 34377: iptc.as_block(block)}
        data = saved("TIFF", "L", tiffinfo={tag: value for tag, value in info.items() if value})
        assert iptc.kept(packets.in_tiff(data).iptc) == expected


def test_iptc_stays_if_xmp_is_malformed():
    assert packets.selected(Packets(b"<not xmp", IPTC), "keep") == Packets(b"", IPTC, dropped=True)


def test_a_segment_of_a_jpeg_holds_the_largest_packet_of_each_kind():
    known, data = OUTPUT_FORMATS["jpeg"], saved("JPEG", "RGB")
    given = Packets(b"x" * known.most_xmp, b"x" * known.most_iptc)
    assert known.packets(known.with_packets(data, given)) == given
