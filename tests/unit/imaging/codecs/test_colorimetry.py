"""Descriptions of colours are followed or refused with a reason, never silently ignored."""

import io
import struct
import zlib

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from pixelmill.core.errors import ImageError
from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.backends.opencv import OpenCV
from pixelmill.imaging.codecs import icc
from pixelmill.imaging.codecs.color import to_working
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.renderer import Renderer
from tests.helpers.imaging import ADOBE_RGB, chunk, icc_profile, opened, png
from tests.helpers.moving import rendered

COLORS = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (128, 128, 128), (250, 220, 10), (9, 9, 20)]

#: White D65, and red, green and blue of some colour spaces, as their standards print them.
D65 = (0.3127, 0.3290)
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
EBU = ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06))
SMPTE_C = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))


def to_light(levels):
    """Linear light of sRGB levels (IEC 61966-2-1)."""
    levels = np.asarray(levels, float) / 255
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def to_levels(light):
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def matrix(primaries, white=D65):
    """RGB to XYZ (SMPTE RP 177-1993)."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    x, y = white
    return columns * np.linalg.solve(columns, [x / y, 1, (1 - x - y) / y])


def in_srgb(colors, primaries, curve=to_light):
    """The sRGB values of colours with other primaries and white point D65."""
    change = np.linalg.inv(matrix(SRGB)) @ matrix(primaries)
    return to_levels(curve(colors) @ change.T)


def power(exponent):
    return lambda levels: (np.asarray(levels, float) / 255) ** exponent


def picture_png(*extra, colors=COLORS):
    return png(len(colors), 1, 8, 2, [bytes(v for c in colors for v in c)], b"".join(extra))


def gray_png(*extra, levels=range(256)):
    return png(len(levels), 1, 8, 0, [bytes(levels)], b"".join(extra))


def cicp(primaries, transfer, matrix=0, full=1):
    return chunk(b"cICP", bytes([primaries, transfer, matrix, full]))


def iccp(profile):
    return chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile))


def gama(value):
    return chunk(b"gAMA", struct.pack(">I", value))


def chrm(primaries, white=D65):
    numbers = [round(v * 100_000) for pair in (white, *primaries) for v in pair]
    return chunk(b"cHRM", struct.pack(">8I", *numbers))


SRGB_CHUNK = chunk(b"sRGB", b"\0")


def levels(data, **reading):
    return np.asarray(decode(data, options=DecodeOptions(**reading)).frames[0]).astype(int)


def near(found, expected, tolerance=1):
    return np.abs(np.asarray(found, float) - np.asarray(expected)).max() <= tolerance + 0.5


def test_known_colours_are_converted_as_is_known():
    """Red, green and blue of sRGB have these levels in Display P3."""
    known = [(234, 51, 35), (117, 251, 76), (0, 0, 245)]
    found = levels(picture_png(cicp(12, 13), colors=known))[0]
    assert near(found, [(255, 0, 0), (0, 255, 0), (0, 0, 255)], tolerance=4)


DESCRIBED = {
    "p3": (12, 13, P3, to_light),
    "p3-unspecified-curve": (12, 2, P3, to_light),
    "bt2020": (9, 14, BT2020, to_light),
    "bt2020-12-bits": (9, 15, BT2020, to_light),
    "bt709": (1, 1, SRGB, to_light),
    "bt601": (6, 6, SMPTE_C, to_light),
    "pal": (5, 6, EBU, to_light),
    "srgb": (1, 13, SRGB, to_light),
    "unspecified": (2, 2, SRGB, to_light),
    "unspecified-primaries": (2, 13, SRGB, to_light),
    "linear": (1, 8, SRGB, power(1)),
    "p3-gamma-2.2": (12, 4, P3, power(2.2)),
    "gamma-2.8": (1, 5, SRGB, power(2.8)),
}


@pytest.mark.parametrize("described", DESCRIBED.values(), ids=DESCRIBED)
def test_code_points_of_a_png_are_followed(described):
    primaries, transfer, chromaticities, curve = described
    data = picture_png(cicp(primaries, transfer))
    assert near(levels(data), in_srgb(COLORS, chromaticities, curve))
    assert np.array_equal(levels(data, color="drop")[0], COLORS)


#: Code points of primaries that no other test has (ITU-T H.273, table 2), with their whites.
C, DCI = (0.310, 0.316), (0.314, 0.351)
FURTHER = {
    4: (C, ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08))),
    5: (D65, EBU),
    6: (D65, SMPTE_C),
    7: (D65, SMPTE_C),
    8: (C, ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049))),
    11: (DCI, P3),
    22: (D65, ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077))),
}

BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


@pytest.mark.parametrize("code", FURTHER)
def test_further_primaries_are_followed_and_their_white_is_white(code):
    white, primaries = FURTHER[code]
    cones, shown_cones = (BRADFORD @ (x / y, 1, (1 - x - y) / y) for x, y in (white, D65))
    adaptation = np.linalg.inv(BRADFORD) @ np.diag(shown_cones / cones) @ BRADFORD
    change = np.linalg.inv(matrix(SRGB)) @ adaptation @ matrix(primaries, white)
    colors = [*COLORS, (255, 255, 255)]
    found = levels(picture_png(cicp(code, 13), colors=colors))[0]
    assert near(found, to_levels(to_light(colors) @ change.T))


def av(format, primaries, transfer, picture=None):
    """An AVIF or HEIC of uniform colours, 16 pixels each, with its colour box replaced."""
    image = picture or Image.fromarray(np.array([COLORS], np.uint8)).resize((96, 16), 0)
    file = io.BytesIO()
    if format == "avif":
        image.save(file, "AVIF", quality=100, subsampling="4:4:4")
    else:
        pillow_heif.from_pillow(image).save(file, quality=100, chroma=444)
    data = bytearray(file.getvalue())
    place = data.index(b"colrnclx") + 8
    assert data.count(b"colrnclx") == 1
    struct.pack_into(">HH", data, place, primaries, transfer)
    return bytes(data)


@pytest.mark.parametrize("name", ["p3", "bt2020", "srgb", "unspecified", "linear"])
@pytest.mark.parametrize("format", ["avif", "heif"])
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_code_points_of_avif_and_heic_are_followed(format, name, backend):
    primaries, transfer, chromaticities, curve = DESCRIBED[name]
    data = av(format, primaries, transfer)
    plain = levels(data, color="drop")[8, 8::16]
    assert near(plain, COLORS, tolerance=4)
    found = shown(backend, data)[8, 8::16]
    assert near(found, in_srgb(plain, chromaticities, curve))


def shown(backend, data, **reading):
    """Levels by a backend, red first."""
    if backend == "pillow":
        return levels(data, **reading)
    made = OpenCV().decode(data, None, DecodeOptions(**reading), Limits()).frames[0]
    return (made[..., ::-1] if made.ndim == 3 else made).astype(int)


def test_a_profile_goes_before_the_code_points_of_an_avif():
    """The code points beside a profile only say how the colours were coded (MIAF, 7.3.6.4)."""
    file = io.BytesIO()
    image = Image.fromarray(np.array([COLORS], np.uint8)).resize((96, 16), 0)
    profile = icc_profile(ADOBE_RGB, 2.2)
    image.save(file, "AVIF", quality=100, subsampling="4:4:4", icc_profile=profile)
    data = bytearray(file.getvalue())
    assert b"colrprof" in data
    if (place := data.find(b"colrnclx")) >= 0:
        struct.pack_into(">HH", data, place + 8, 9, 16)
    expected, _ = to_working(with_profile(image, profile))
    assert near(levels(bytes(data))[8, 8::16], np.asarray(expected)[8, 8::16], tolerance=4)


def with_profile(image, profile):
    image = image.copy()
    image.info["icc_profile"] = profile
    return image


REFUSED = {
    "pq": (9, 16, "PQ"), "hlg": (9, 18, "HLG"), "pq-of-srgb": (1, 16, "PQ"),
    "log": (1, 9, "transfer characteristics 9"), "dcdm": (1, 17, "transfer characteristics 17"),
    "xyz": (10, 13, "primaries 10"),
}  # fmt: skip


@pytest.mark.parametrize(("primaries", "transfer", "named"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_colours_that_cannot_be_converted_are_refused(backend, primaries, transfer, named):
    sources = [picture_png(cicp(primaries, transfer)), deep_png(cicp(primaries, transfer))]
    sources += [av(format, primaries, transfer) for format in ("avif", "heif")]
    for data in sources:
        for reading in ({}, {"color": "keep"}, {"depth": "keep"}):
            with pytest.raises(ImageError) as caught:
                shown(backend, data, **reading)
            assert caught.value.reason == "unsupported"
            assert named in str(caught.value) and "color: drop" in str(caught.value)
        assert shown(backend, data, color="drop").shape[-1] == 3


def deep_png(*extra):
    row = struct.pack(f">{3 * len(COLORS)}H", *(257 * v for color in COLORS for v in color))
    return png(len(COLORS), 1, 16, 2, [row], b"".join(extra))


@pytest.mark.parametrize("full", [0, 2, 255])  # all but 1 (PNG 3rd edition, 11.3.2.6)
def test_the_narrow_range_of_video_is_refused_in_a_png(full):
    with pytest.raises(ImageError, match="narrow range") as caught:
        levels(picture_png(cicp(1, 13, full=full)))
    assert caught.value.reason == "unsupported"


MALFORMED = {
    "a-matrix": cicp(12, 13, matrix=1), "reserved-primaries": cicp(3, 13),
    "reserved-curve": cicp(12, 40), "another-reserved-curve": cicp(12, 3),
    "three-bytes": chunk(b"cICP", bytes([12, 13, 0])), "behind-the-palette": None,
}  # fmt: skip


@pytest.mark.parametrize("chunks", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_description_is_ignored_in_favour_of_the_next_one(chunks):
    palette = bytes(v for color in COLORS for v in color)
    row = bytes(range(len(COLORS)))
    if chunks is None:
        extra = chunk(b"PLTE", palette) + cicp(9, 16)
        data = png(len(COLORS), 1, 8, 3, [row], gama(100_000) + extra)
    else:
        data = picture_png(chunks, gama(100_000))
    assert near(levels(data), in_srgb(COLORS, SRGB, power(1)))


#: Descriptions from the one that goes before all others to the last; each has other colours.
DESCRIPTIONS = {
    "cICP": cicp(9, 14), "iCCP": iccp(icc_profile(ADOBE_RGB, 2.2)), "sRGB": SRGB_CHUNK,
    "gAMA+cHRM": gama(55_556) + chrm(P3),
}  # fmt: skip


@pytest.mark.parametrize("chosen", range(1, 16))
def test_the_description_with_the_highest_rank_applies(chosen):
    """PNG 3rd edition, 4.3, whatever their order in the file."""
    names = [name for k, name in enumerate(DESCRIPTIONS) if chosen & 1 << k]
    alone = levels(picture_png(DESCRIPTIONS[names[0]]))
    for order in (names, names[::-1]):
        assert np.array_equal(levels(picture_png(*map(DESCRIPTIONS.get, order))), alone), order


def test_each_description_gives_different_colours():
    found = [levels(picture_png(extra)).tolist() for extra in DESCRIPTIONS.values()]
    assert all(a != b for k, a in enumerate(found) for b in found[:k])


BROKEN_PROFILES = {
    "not-packed": chunk(b"iCCP", b"icc\0\0nothing"), "of-grey": iccp(icc_profile((), 1.8)),
    "nonsense": iccp(bytes(200)), "bad-checksum": iccp(icc_profile(ADOBE_RGB, 2.2))[:-1] + b"?",
}  # fmt: skip


@pytest.mark.parametrize("profile", BROKEN_PROFILES.values(), ids=BROKEN_PROFILES)
def test_after_an_unusable_profile_the_next_description_applies(profile):
    data = picture_png(profile, gama(100_000))
    assert near(levels(data), in_srgb(COLORS, SRGB, power(1)))


GAMMAS = {
    "srgb": (45_455, to_light), "nearly-srgb": (45_000, to_light),
    "five-percent": (47_700, to_light),
    "macintosh": (55_556, power(1.8)), "linear": (100_000, power(1)), "pal": (35_714, power(2.8)),
    "zero": (0, to_light), "of-no-screen": (2**31 - 1, to_light),
}  # fmt: skip


@pytest.mark.parametrize(("gamma", "curve"), GAMMAS.values(), ids=GAMMAS)
def test_the_gamma_of_a_png_is_followed(gamma, curve):
    assert near(levels(picture_png(gama(gamma))), in_srgb(COLORS, SRGB, curve))
    gray = levels(gray_png(gama(gamma)))
    assert gray.ndim == 2
    assert near(gray[0], to_levels(curve(range(256))))


def test_the_gamma_of_deep_grey_and_of_alpha_is_followed():
    values = range(0, 65_536, 257)
    row = struct.pack(">256H", *values)
    data = png(256, 1, 16, 0, [row], gama(100_000))
    assert near(levels(data)[0], to_levels(power(1)(range(256))))
    row = bytes(v for k in range(256) for v in (k, 200))
    data = png(256, 1, 8, 4, [row], gama(100_000))
    made = levels(data, alpha=True)[0]
    assert near(made[:, 0], to_levels(power(1)(range(256))))
    assert set(made[:, 1]) == {200}


@pytest.mark.parametrize("gamma", [40_000, 100_000, 250_000])
@pytest.mark.parametrize(
    ("space", "backend"), [("gray", "pillow"), ("gray", "opencv"), ("rgb", "opencv")]
)
def test_the_gamma_of_16_bits_is_followed_in_the_shadows(tmp_path, space, gamma, backend):
    """Nearly all of a curve may lie between two 8-bit levels."""
    values = [*range(0, 512, 2), *range(512, 65_536, 254)]
    pixels = values if space == "gray" else [v for value in values for v in (value,) * 3]
    row = struct.pack(f">{len(pixels)}H", *pixels)
    data = png(len(values), 1, 16, 0 if space == "gray" else 2, [row], gama(gamma))
    made = rendered(tmp_path, data, {"format": "png"}, backend, depth="keep", color="srgb")
    kept = cv2.imdecode(np.frombuffer(made, np.uint8), cv2.IMREAD_UNCHANGED)
    assert kept.dtype == np.uint16
    expected = to_levels((np.array(values) / 65_535) ** (100_000 / gamma))
    assert np.abs(kept.reshape(len(values), -1) / 257 - expected[:, None]).max() < 0.1


CHROMATICITIES = {
    "srgb": (SRGB, D65, SRGB), "p3": (P3, D65, P3), "bt2020": (BT2020, D65, BT2020),
    "no-luminance": (((0.64, 0.0), *SRGB[1:]), D65, SRGB),
    "on-a-line": (((0.2, 0.2), (0.3, 0.3), (0.4, 0.4)), D65, SRGB),
    "all-equal": ((D65, D65, D65), D65, SRGB), "zeros": (((0, 0),) * 3, (0, 0), SRGB),
}  # fmt: skip


@pytest.mark.parametrize(
    ("primaries", "white", "taken"), CHROMATICITIES.values(), ids=CHROMATICITIES
)
def test_the_chromaticities_of_a_png_are_followed_if_they_are_valid(primaries, white, taken):
    data = picture_png(gama(55_556), chrm(primaries, white))
    assert near(levels(data), in_srgb(COLORS, taken, power(1.8)))
    data = picture_png(chrm(primaries, white))
    assert near(levels(data), in_srgb(COLORS, taken))


def test_another_white_point_is_adapted():
    """White stays white: white point D50, with the primaries of Adobe RGB."""
    data = picture_png(chrm(SRGB, (0.3457, 0.3585)), colors=[(255, 255, 255), (128, 128, 128)])
    assert near(levels(data), [(255, 255, 255), (128, 128, 128)])


@pytest.mark.parametrize("extra", [cicp(12, 13), gama(55_556) + chrm(P3), gama(100_000)])
@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff", "avif"])
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_colours_that_are_kept_are_described_in_the_output(tmp_path, extra, format, backend):
    flat = [color for color in COLORS for _ in range(16)]
    row = bytes(v for color in flat for v in color)
    (tmp_path / "a.png").write_bytes(png(len(flat), 16, 8, 2, [row] * 16, extra))
    settings = {"color": "keep", "backend": backend, "output": {"format": format}}
    if format in ("jpeg", "webp", "avif"):
        settings["output"]["quality"] = 100
    parsed = recipe_parser.parse(settings)
    outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("a.png", ("out",)))
    assert outcome.status == "ok", outcome.message
    data = (tmp_path / "out").read_bytes()
    assert opened(data).info["icc_profile"][36:40] == b"acsp"
    assert near(levels(data, color="drop")[8, 8::16], COLORS, tolerance=12)
    expected = levels((tmp_path / "a.png").read_bytes())[8, 8::16]
    assert near(levels(data)[8, 8::16], expected, tolerance=24)


def test_the_profile_of_grey_is_that_of_grey():
    decoded = decode(gray_png(gama(100_000)), options=DecodeOptions(color="keep"))
    assert decoded.frames[0].mode == "L"
    assert decoded.profile[16:20] == b"GRAY"


def test_a_png_of_16_bits_keeps_its_description():
    decoded = OpenCV().decode(
        deep_png(cicp(12, 13)), None, DecodeOptions(depth="keep", color="keep"), Limits()
    )
    assert decoded.frames[0].dtype == np.uint16
    assert near(np.asarray(decoded.frames[0])[..., ::-1] / 257, [COLORS])
    assert decoded.profile[16:20] == b"RGB "


def test_every_frame_of_an_animation_is_converted(encoded):
    frames = [Image.new("RGB", (4, 4), color) for color in COLORS[:3]]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=100)
    data = data[:33] + cicp(12, 13) + data[33:]
    made = decode(data, options=DecodeOptions(animation="all")).frames
    expected = in_srgb(COLORS[:3], P3)
    assert near([np.asarray(frame)[0, 0] for frame in made], expected)


def test_a_generated_profile_conforms_to_the_standard():
    """ICC.1:2022: its length, its signature, its tags within it and at multiples of 4."""
    profile = icc.rgb_profile((D65, *P3), icc.SRGB_CURVE)
    assert struct.unpack_from(">I", profile) == (len(profile),)
    assert profile[36:40] == b"acsp" and profile[8] == 4
    assert profile[40:64] == bytes(24)  # no platform, flags, device or attributes
    assert profile[64:68] == b"\0\0\0\1" and profile[80:128] == bytes(48)  # relative; no creator
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = [struct.unpack_from(">4sII", profile, 132 + 12 * k) for k in range(count)]
    assert {name for name, *_ in tags} == {
        b"desc", b"cprt", b"wtpt", b"chad", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC",
    }  # fmt: skip
    for _, place, length in tags:
        assert place % 4 == 0 and place + length <= len(profile)
    xyz = [struct.unpack_from(">3i", profile, p + 8) for n, p, _ in tags if n[1:] == b"XYZ"]
    total = np.sum(xyz, axis=0) / 65_536
    assert np.abs(total - (0.9642, 1.0, 0.8249)).max() < 0.0002  # white, seen in D50


def test_an_unknown_intent_of_srgb_is_ignored():
    """PNG 3rd edition, 11.3.2.4: there are four."""
    for intent in (3, 4, 255):
        data = picture_png(chunk(b"sRGB", bytes([intent])), gama(100_000))
        shown_as = in_srgb(COLORS, SRGB, power(1)) if intent > 3 else COLORS
        assert near(levels(data), shown_as)


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_in_grey_is_refused_too(transfer):
    data = png(4, 1, 8, 0, [bytes(4)], cicp(9, transfer))
    with pytest.raises(ImageError, match="HDR") as caught:
        levels(data)
    assert caught.value.reason == "unsupported"
