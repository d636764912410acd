"""Optional or damaged parts of a PNG that are not needed do not make it fail."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from pixelmill.core.errors import ImageError
from pixelmill.imaging.backends.opencv import OpenCV
from pixelmill.imaging.backends.registry import backend
from pixelmill.imaging.codecs import png
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.codecs.limits import Limits
from tests.helpers.imaging import ADOBE_RGB, chunk, icc_profile, opened, same, transparent
from tests.helpers.imaging import png as by_hand

BOMB = zlib.compress(bytes(20_000_000), 9)


def damaged(name, data):
    """A chunk with a wrong checksum."""
    return chunk(name, data)[:-4] + b"\1\2\3\4"


NOISE = np.random.default_rng(0).bytes(3_000_000)

#: Chunks that a decoder may skip: not needed, too large, malformed, or damaged.
USELESS = {
    "zTXt-bomb": chunk(b"zTXt", b"Comment\0\0" + BOMB),
    "iTXt-bomb": chunk(b"iTXt", b"Comment\0\1\0\0\0" + BOMB),
    "xmp-bomb": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB),
    "exif-bomb": chunk(b"zTXt", b"Raw profile type exif\0\0" + BOMB),
    "many-texts": 100 * chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(10**6))),
    "tEXt-of-3-MB": chunk(b"tEXt", b"Comment\0" + b"x" * 3_000_000),
    "tEXt-damaged": damaged(b"tEXt", b"Comment\0at home"),
    "zTXt-of-unknown-method": chunk(b"zTXt", b"Comment\0\7" + zlib.compress(b"at home")),
    "zTXt-not-packed": chunk(b"zTXt", b"Comment\0\0at home"),
    "text-that-Pillow-takes-for-transparency": chunk(b"tEXt", b"transparency\0none"),
    "text-that-Pillow-takes-for-a-profile": chunk(b"tEXt", b"icc_profile\0none"),
    "text-that-Pillow-takes-for-exif": chunk(b"tEXt", b"exif\0none"),
    "iCCP-bomb": chunk(b"iCCP", b"icc\0\0" + BOMB),
    "iCCP-damaged": damaged(b"iCCP", b"icc\0\0" + zlib.compress(bytes(500))),
    "iCCP-of-unknown-method": chunk(b"iCCP", b"icc\0\7" + zlib.compress(bytes(500))),
    "iCCP-without-a-profile": chunk(b"iCCP", b"icc"),
    "iCCP-not-packed": chunk(b"iCCP", b"icc\0\0" + NOISE[:5000]),
    "gAMA-short": chunk(b"gAMA", b"\0"),
    "cHRM-short": chunk(b"cHRM", bytes(31)),
    "sRGB-empty": chunk(b"sRGB", b""),
    "pHYs-short": chunk(b"pHYs", bytes(8)),
    "tRNS-long": chunk(b"tRNS", bytes(300)),
    "tRNS-damaged": damaged(b"tRNS", bytes(6)),
    "eXIf-of-3-MB": chunk(b"eXIf", NOISE),
    "eXIf-empty": chunk(b"eXIf", b""),
    "eXIf-damaged": damaged(b"eXIf", b"MM\0*"),
    "unknown-damaged": damaged(b"prIv", b"anything"),
    "a-flood": 5_000 * chunk(b"tEXt", b"Comment\0a"),
}


def moving(encoded, picture):
    return encoded(picture(1), "PNG", save_all=True, append_images=[picture(2), picture(3)])


KINDS = {
    "colour": lambda encoded, picture: encoded(picture(1), "PNG"),
    "alpha": lambda encoded, picture: encoded(picture(1).convert("RGBA"), "PNG"),
    "palette": lambda encoded, picture: encoded(picture(1).quantize(16), "PNG"),
    "deep": lambda encoded, picture: encoded(
        Image.fromarray(np.arange(0, 60_000, 10, dtype=np.uint16).reshape(60, 100)), "PNG"
    ),
    "moving": moving,
}

READINGS = {
    "first": DecodeOptions(),
    "all": DecodeOptions(animation="all", metadata="keep", alpha=True),
    "deep": DecodeOptions(depth="keep"),
}
SKIPPING = (DecodeOptions(), DecodeOptions(depth="keep"), DecodeOptions(metadata="keep"))


@pytest.fixture(scope="module")
def held(encoded, picture):
    """A PNG of each kind, and what each decoder reads of it with each option."""
    files = {name: kind(encoded, picture) for name, kind in KINDS.items()}
    return {
        (name, reading, decoded): (data, decoded(data, reading))
        for name, data in files.items()
        for reading in (*READINGS.values(), *SKIPPING)
        for decoded in (by_pillow, by_opencv)
    }


def placed(data, extra, where):
    """Put chunks into a PNG: behind its header, or behind its pixels."""
    place = 33 if where == "before" else data.rindex(b"IEND") - 4
    return data[:place] + extra + data[place:]


def by_pillow(data, reading):
    return [np.asarray(frame) for frame in decode(data, options=reading).frames]


def by_opencv(data, reading):
    return [np.asarray(frame) for frame in OpenCV().decode(data, None, reading, Limits()).frames]


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("extra", USELESS.values(), ids=USELESS)
def test_a_useless_chunk_does_not_fail_the_image(held, extra, where):
    for (_, reading, decoded), (data, expected) in held.items():
        if reading in READINGS.values():
            found = decoded(placed(data, extra, where), reading)
            assert len(found) == len(expected)
            assert all(map(np.array_equal, found, expected))


def test_a_png_in_which_all_is_sound_is_left_as_it_is(encoded, picture):
    exif = Image.Exif()
    exif[Image.ExifTags.Base.Orientation] = 6
    plain = encoded(
        picture(1), "PNG", exif=exif, dpi=(72, 72), icc_profile=icc_profile(ADOBE_RGB, 2.2)
    )
    for data in (plain, moving(encoded, picture), encoded(picture(1).quantize(4), "PNG")):
        assert png.lean(data) is data


@pytest.mark.parametrize("packed", [False, True])
def test_the_orientation_and_the_profile_are_kept(encoded, picture, packed):
    exif = Image.Exif()
    exif[Image.ExifTags.Base.Orientation] = 6
    profile = icc_profile(ADOBE_RGB, 2.2)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", "<x tiff:Orientation='6'/>", zip=packed)
    info.add_text("Comment", "at home", zip=packed)
    data = encoded(picture(1), "PNG", exif=exif, icc_profile=profile, pnginfo=info)
    kept = opened(png.lean(data))
    assert kept.getexif()[Image.ExifTags.Base.Orientation] == 6
    assert kept.info["icc_profile"] == profile
    assert not kept.text


#: Contents of chunks that a decoder may skip, as they should be; and how a fault is made.
SOUND = {
    b"cICP": bytes([1, 13, 0, 1]), b"cHRM": struct.pack(">8I", *[31_270, 32_900] * 4),
    b"gAMA": struct.pack(">I", 100_000), b"iCCP": b"icc\0\0" + zlib.compress(bytes(500)),
    b"mDCV": bytes(24), b"cLLI": bytes(8), b"sBIT": b"\5\5\5", b"sRGB": b"\0",
    b"bKGD": bytes(6), b"hIST": bytes(32), b"pHYs": bytes(9), b"sPLT": b"name\0\x08" + bytes(6),
    b"eXIf": b"MM\0*\0\0\0\x08\0\0\0\0\0\0", b"tIME": bytes([7, 207, 1, 1, 0, 0, 0]),
    b"tEXt": b"Comment\0at home", b"zTXt": b"Comment\0\0" + zlib.compress(b"at home"),
    b"iTXt": b"Comment\0\0\0\0\0at home", b"oFFs": bytes(9), b"vpAg": bytes(9), b"prVt": b"own",
    b"acTL": struct.pack(">II", 1, 0), b"fcTL": struct.pack(">5I2H2B", 0, 9, 9, 0, 0, 1, 10, 0, 0),
    b"tRNS": b"\0\1\0\2\0\3",
}  # fmt: skip

FAULTS = {
    "bad-checksum": damaged,
    "empty": lambda name, content: chunk(name, b""),
    "short": lambda name, content: chunk(name, content[:-1]),
    "long": lambda name, content: chunk(name, content + bytes(7)),
    "nonsense": lambda name, content: chunk(name, b"\xff" * len(content)),
    "doubled": lambda name, content: 2 * chunk(name, content),
    "unknown": lambda name, content: chunk(name[:3] + b"q", content),
    "of-a-reserved-kind": lambda name, content: chunk(
        name[:2] + name[2:3].lower() + name[3:], content
    ),
}

#: Faults of some chunks whose content has a meaning, so that the picture may differ by it.
MEANT = {(b"gAMA", "doubled")}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("name", SOUND, ids=bytes.decode)
def test_a_fault_in_an_optional_chunk_does_not_fail_the_image(held, name, fault):
    extra = fault(name, SOUND[name])
    for (kind, reading, decoded), (data, expected) in held.items():
        if kind not in ("colour", "palette", "deep") or reading not in SKIPPING:
            continue
        for where in ("before", "after"):
            found = decoded(placed(data, extra, where), reading)
            assert [frame.shape for frame in found] == [frame.shape for frame in expected]
            if not any((name, k) in MEANT and fault is f for k, f in FAULTS.items()):
                assert all(map(np.array_equal, found, expected)), (kind, where)


PIXEL = bytes([200, 100, 50])
PALETTE = chunk(b"PLTE", PIXEL + bytes([0, 0, 255]))
LINEAR = chunk(b"gAMA", struct.pack(">I", 100_000))

#: Chunks in a wrong place, and a picture without them.
MISPLACED = {
    "transparency-before-the-palette": (3, [chunk(b"tRNS", b"\0"), PALETTE], []),
    "transparency-behind-the-pixels": (3, [PALETTE], [chunk(b"tRNS", b"\0")]),
    "transparency-of-a-colour-behind-the-pixels": (2, [], [chunk(b"tRNS", b"\0\xc8\0\x64\0\x32")]),
    "more-transparency-than-colours": (3, [PALETTE, chunk(b"tRNS", bytes(3))], []),
    "gamma-behind-the-palette": (3, [PALETTE, LINEAR], []),
    "gamma-behind-the-pixels": (2, [], [LINEAR]),
    "profile-behind-the-pixels": (
        2, [], [chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc_profile(ADOBE_RGB, 2.2)))]
    ),
    "code-points-behind-the-pixels": (2, [], [chunk(b"cICP", bytes([9, 16, 0, 1]))]),
    "an-animation-behind-the-pixels": (2, [], [chunk(b"acTL", struct.pack(">II", 2, 0))]),
}  # fmt: skip


@pytest.mark.parametrize(("color", "before", "after"), MISPLACED.values(), ids=MISPLACED)
def test_a_misplaced_chunk_is_skipped(color, before, after):
    row = b"\0" if color == 3 else PIXEL
    data = by_hand(1, 1, 8, color, [row], b"".join(before))
    data = data[:-12] + b"".join(after) + data[-12:]
    for reading in (DecodeOptions(alpha=True), DecodeOptions(depth="keep", alpha=True)):
        (found,) = by_pillow(data, reading)
        assert found.tolist() == [[[200, 100, 50]]]
        (found,) = by_opencv(data, reading)
        assert found.tolist() == [[[50, 100, 200]]]


#: Faults of an animation: parts, found by name, and a change of each.
BROKEN_ANIMATIONS = {
    "count-damaged": (b"acTL", lambda part: part[:-1] + bytes([part[-1] ^ 1])),
    "count-short": (b"acTL", lambda part: chunk(b"acTL", part[8:-5])),
    "count-doubled": (b"acTL", lambda part: 2 * part),
    "control-damaged": (b"fcTL", lambda part: part[:-1] + bytes([part[-1] ^ 1])),
    "control-short": (b"fcTL", lambda part: chunk(b"fcTL", part[8:-5])),
    "frame-damaged": (b"fdAT", lambda part: part[:-1] + bytes([part[-1] ^ 1])),
    "frame-empty": (b"fdAT", lambda part: chunk(b"fdAT", b"")),
}


@pytest.mark.parametrize(("name", "do"), BROKEN_ANIMATIONS.values(), ids=BROKEN_ANIMATIONS)
def test_a_broken_animation_shows_its_static_image(encoded, picture, name, do):
    data = moving(encoded, picture)
    place = data.index(name) - 4
    end = place + 12 + int.from_bytes(data[place : place + 4], "big")
    data = data[:place] + do(data[place:end]) + data[end:]
    for animation in ("first", "error"):
        for decoded in (by_pillow, by_opencv):
            (found,) = decoded(data, DecodeOptions(animation=animation))
            levels = found if decoded is by_pillow else found[..., ::-1]
            assert np.array_equal(levels, np.asarray(picture(1)))


def test_a_large_profile_is_followed(encoded, picture):
    profile = icc_profile(ADOBE_RGB, 2.2) + NOISE[:2_000_000]
    content = chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile))
    data = placed(encoded(picture(1), "PNG"), content, "before")
    assert decode(data, options=DecodeOptions(color="keep")).profile == profile


def with_header(**fields):
    """A change of a PNG: fields of its header, by their place and value."""

    def change(data):
        content = bytearray(data[16:29])
        for name, value in fields.items():
            content[
                (
                    "width",
                    "height",
                    "",
                    "",
                    "",
                    "",
                    "",
                    "",
                    "depth",
                    "color",
                    "compression",
                    "filter",
                    "interlace",
                ).index(name)
            ] = value
        return data[:8] + chunk(b"IHDR", bytes(content)) + data[33:]

    return change


def without_palette(data):
    place = data.index(b"PLTE") - 4
    return data[:place] + data[place + 12 + int.from_bytes(data[place : place + 4], "big") :]


def with_palette(size):
    def change(data):
        return without_palette(data)[:33] + chunk(b"PLTE", bytes(size)) + without_palette(data)[33:]

    return change


def behind_the_header(extra):
    return lambda data: data[:33] + extra + data[33:]


#: Faults of a PNG with a palette, the reason, and a word of the message.
CRITICAL = {
    "no-palette": (without_palette, "corrupt", "PLTE"),
    "palette-empty": (with_palette(0), "corrupt", "PLTE"),
    "palette-of-25-bytes": (with_palette(25), "corrupt", "25 bytes"),
    "palette-of-300-colours": (with_palette(900), "corrupt", "900 bytes"),
    "unknown": (behind_the_header(chunk(b"QUUX", b"")), "unsupported", "'QUUX'"),
    "of-apple": (
        lambda data: data[:8] + chunk(b"CgBI", bytes(4)) + data[8:], "unsupported", "'CgBI'"
    ),
    "no-name": (behind_the_header(chunk(b"\0\0\0\0", b"")), "corrupt", "impossible name"),
    "no-such-depth": (with_header(depth=3), "corrupt", "3 bits"),
    "no-such-depth-of-a-palette": (with_header(depth=16), "corrupt", "16 bits"),
    "no-such-colours": (with_header(color=5), "corrupt", "colour type 5"),
    "compression": (with_header(compression=1), "unsupported", "methods 1, 0, 0"),
    "filter": (with_header(filter=64), "unsupported", "methods 0, 64, 0"),
    "interlace": (with_header(interlace=2), "unsupported", "methods 0, 0, 2"),
    "header-short": (lambda data: data[:8] + chunk(b"IHDR", data[16:28]) + data[33:],
                     "corrupt", "12 bytes"),
    "no-pixels": (lambda data: data[:8] + chunk(b"IHDR", bytes(4) + data[20:29]) + data[33:],
                  "corrupt", "0x"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "reason", "word"), CRITICAL.values(), ids=CRITICAL)
def test_the_fault_of_a_critical_chunk_is_named(encoded, picture, change, reason, word):
    data = change(encoded(picture(1).quantize(16), "PNG"))
    for decoded in (by_pillow, by_opencv):
        for reading in READINGS.values():
            with pytest.raises(ImageError) as caught:
                decoded(data, reading)
            assert (caught.value.reason, word in str(caught.value)) == (reason, True)


@pytest.mark.parametrize("name", [b"IHDR", b"PLTE"])
def test_a_faulty_critical_chunk_fails_the_image(encoded, picture, name):
    data = bytearray(encoded(picture(1).quantize(16), "PNG"))
    place = data.index(name) - 4
    (length,) = struct.unpack_from(">I", data, place)
    data[place + 8 + length] ^= 1
    with pytest.raises(ImageError) as caught:
        decode(bytes(data))
    assert caught.value.reason == "corrupt"


def test_a_truncated_png_still_fails_as_truncated(encoded, picture):
    data = placed(encoded(picture(1), "PNG"), USELESS["tEXt-damaged"], "before")
    with pytest.raises(ImageError) as caught:
        decode(data[: len(data) * 2 // 3])
    assert caught.value.reason == "truncated"


def flooded_gif(encoded, picture):
    data = encoded(picture(1), "GIF")
    place = data.index(b"\x2c\0\0\0\0")
    return data, data[:place] + 20_000 * (b"\x21\xfe\xff" + 255 * b"c" + b"\0") + data[place:]


def flooded_jpeg(encoded, picture):
    data = encoded(picture(1), "JPEG")
    segments = b"".join(
        500 * (b"\xff" + marker + struct.pack(">H", 60_002) + 60_000 * b"c")
        for marker in (b"\xfe", b"\xed")
    )
    return data, data[:2] + segments + data[2:]


def flooded_webp(encoded, picture):
    return encoded(picture(1), "WEBP", lossless=True), encoded(
        picture(1), "WEBP", lossless=True, exif=b"Exif\0\0" + NOISE, xmp=NOISE, icc_profile=NOISE
    )


def flooded_tiff(encoded, picture):
    """A TIFF with a thousand tags that claim four thousand million values each."""
    data = encoded(picture(1), "TIFF")
    (place,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, place)
    tags = data[place + 2 : place + 2 + 12 * count]
    more = b"".join(
        struct.pack("<HHII", 50_000 + number, 5, 2**32 - 1, 8) for number in range(1000)
    )
    head = struct.pack("<2sHI", b"II", 42, len(data))
    return data, head + data[8:] + struct.pack("<H", count + 1000) + tags + more + bytes(4)


@pytest.mark.filterwarnings("ignore:Tag data larger")
@pytest.mark.parametrize("flooded", [flooded_gif, flooded_jpeg, flooded_webp, flooded_tiff])
def test_huge_metadata_in_other_formats_does_not_fail_the_image(encoded, picture, flooded):
    plain, data = flooded(encoded, picture)
    (expected,) = decode(plain).frames
    (found,) = decode(data, options=DecodeOptions(metadata="keep")).frames
    assert same(found, expected)


#: Bits, colour type, a row of four pixels, the transparent levels with bits above those that
#: count, and the alpha of the pixels.
MASKED = {
    "1, white": (1, 0, b"\x50", (0xFFFF,), [255, 0, 255, 0]),
    "1, black": (1, 0, b"\x50", (0xFFFE,), [0, 255, 0, 255]),
    "2": (2, 0, b"\x1b", (0xFFFE,), [255, 255, 0, 255]),
    "4": (4, 0, b"\x05\xf0", (0xABC5,), [255, 0, 255, 255]),
    "8": (8, 0, b"\x00\x05\x10\xff", (0x105,), [255, 0, 255, 255]),
    "16": (16, 0, bytes.fromhex("0005 0105 0500 0501"), (0x105,), [255, 0, 255, 255]),
    "rgb 8": (
        8, 2, bytes(3) + b"\xc8\x64\x32" + bytes(6), (0x1C8, 0x264, 0x332), [255, 0, 255, 255]
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MASKED.values(), ids=MASKED)
@pytest.mark.parametrize("name", ["pillow", "opencv"])
def test_bits_above_the_depth_of_a_transparent_level_are_ignored(name, case):
    """PNG 3rd edition, 11.3.1.1."""
    depth, color, row, levels, alpha = case
    data = by_hand(4, 1, depth, color, [row], extra=transparent(*levels))
    frame = backend(name).decode(data, None, DecodeOptions(alpha=True), Limits()).frames[0]
    assert np.asarray(frame)[0, :, -1].tolist() == alpha


#: What makes an animation invalid: the chunk, and the place in it and the byte that is changed.
SPOILT_FRAMES = {
    "more-frames-announced": (b"acTL", 0, 3, 3),
    "fewer-frames-announced": (b"acTL", 0, 3, 1),
    "number-of-a-control": (b"fcTL", 1, 3, 5),
    "number-of-data": (b"fdAT", 0, 3, 7),
    "no-width": (b"fcTL", 1, 7, 0),
    "beyond-the-right-edge": (b"fcTL", 1, 15, 9),
    "beyond-the-lower-edge": (b"fcTL", 1, 19, 9),
    "unknown-disposal": (b"fcTL", 1, 24, 3),
    "unknown-blending": (b"fcTL", 1, 25, 2),
}


@pytest.mark.parametrize("spoilt", SPOILT_FRAMES.values(), ids=SPOILT_FRAMES)
def test_an_invalid_animation_is_left_out_if_one_picture_is_wanted(photo, encoded, spoilt):
    """The pictures have 16 x 12 pixels."""
    frames = [photo(16, 12, seed) for seed in (1, 2)]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=50)
    assert png.lean(data, still=True) is data
    name, which, place, value = spoilt
    _, begin, end = [found for found in png.chunks(data) if found.name == name][which]
    content = bytearray(data[begin + 8 : end - 4])
    content[place] = value
    made = png.lean(data[:begin] + chunk(name, bytes(content)) + data[end:], still=True)
    assert {found.name for found in png.chunks(made)}.isdisjoint((b"acTL", b"fcTL", b"fdAT"))
    assert same(opened(made), frames[0])


def test_an_animation_that_is_announced_twice_or_too_late_is_left_out(photo, encoded):
    frames = [photo(16, 12, seed) for seed in (1, 2)]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=50)
    _, begin, end = next(found for found in png.chunks(data) if found.name == b"acTL")
    control = next(found.end for found in png.chunks(data) if found.name == b"fcTL")
    announced = data[begin:end]
    for spoilt in (
        data[:end] + announced + data[end:],
        data[:begin] + data[end:control] + announced + data[control:],
    ):
        names = {found.name for found in png.chunks(png.lean(spoilt, still=True))}
        assert names.isdisjoint((b"acTL", b"fcTL", b"fdAT"))


def file_of(*chunks, color=2):
    """A PNG of one pixel with some chunks between its header and its end."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


DATA = chunk(b"IDAT", zlib.compress(bytes(4)))


@pytest.mark.parametrize("name", [b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP"])
def test_a_description_of_colours_counts_only_before_the_palette(name):
    """PNG 3rd edition, table 7."""
    contents = {b"gAMA": bytes(4), b"cHRM": bytes(32), b"sRGB": b"\0", b"cICP": bytes(4)}
    described = chunk(name, contents.get(name, b"icc\0\0" + zlib.compress(b"profile")))
    sound = file_of(described, PALETTE, DATA)
    assert png.lean(sound) is sound
    assert png.lean(file_of(PALETTE, described, DATA)) == file_of(PALETTE, DATA)


def test_what_is_left_out_may_stand_anywhere_among_the_frames():
    """Of an invalid animation, and of other chunks before, between and behind it."""
    text, many = chunk(b"tEXt", b"Comment\0a"), chunk(b"acTL", struct.pack(">II", 5, 0))
    control = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 1, 1, 0, 0, 1, 10, 0, 0))
    data = file_of(text, many, text, control, text, DATA, text)
    assert png.lean(data, still=True) == file_of(DATA)
    assert png.lean(data) == file_of(many, control, DATA)
