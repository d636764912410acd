"""The backend OpenCV follows the same policies and gives the same pictures as Pillow."""

import itertools
import zlib

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from pixelmill.core.errors import ImageError, UserError
from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.backends.registry import backend
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.renderer import Renderer
from tests.helpers.imaging import ADOBE_RGB, chunk, icc_profile, png, psnr, transparent, words
from tests.helpers.tiffs import tiff

RESIZE = {"resize": {"width": 60, "height": 40, "fit": "contain"}}

#: Minimum PSNR of the pictures of one source by two libraries, in dB.
ALIKE = 30


@pytest.fixture
def render(tmp_path):
    """Function that renders the bytes of a file with a backend; returns image and outcome."""
    (tmp_path / "in").mkdir()

    def make(data, name="pillow", **settings):
        (tmp_path / "in" / "a").write_bytes(data)
        given = {"steps": [RESIZE], "output": {"format": "png"}, **settings, "backend": name}
        parsed = recipe_parser.parse(given)
        outcome = Renderer(str(tmp_path / "in"), str(tmp_path), parsed).render(Job("a", (name,)))
        if outcome.status != "ok":
            return None, outcome
        with Image.open(tmp_path / name) as image:
            image.load()
        return image, outcome

    return make


@pytest.fixture
def both(render):
    """Function that renders the bytes of a file with both backends."""
    return lambda data, **settings: [
        render(data, name, **settings)[0] for name in ("pillow", "opencv")
    ]


def assert_alike(images, least=ALIKE):
    ours, other = images
    assert ours.size == other.size
    assert psnr(ours.convert("RGBA"), other.convert("RGBA")) >= least


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("policy", ["apply", "keep"])
def test_orientation_is_followed(both, photo, stored, encoded, orientation, policy):
    pixels, exif = stored(photo(160, 120), orientation)
    images = both(encoded(pixels, "JPEG", quality=95, exif=exif), orientation=policy)
    assert_alike(images)
    assert images[0].getexif().get(0x0112) == images[1].getexif().get(0x0112)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(("scale", "side"), list(itertools.product([2, 4, 8], [960, 961])))
def test_a_reduced_decode_is_not_visible(both, photo, stored, encoded, orientation, scale, side):
    pixels, exif = stored(photo(side, 720), orientation)
    data = encoded(pixels, "JPEG", quality=95, exif=exif)
    frame = {"width": round(960 / scale / 2.5), "height": 4000, "fit": "contain"}
    assert_alike(both(data, steps=[{"resize": frame}]))


@pytest.mark.parametrize("size", [(1001, 803), (1003, 800), (802, 1005)])
@pytest.mark.parametrize("fit", ["stretch", "contain", "cover", "pad", "outside"])
def test_shrinking_an_uneven_picture_on_load_moves_nothing(render, photo, encoded, size, fit):
    data = encoded(photo(*size), "JPEG", quality=95)
    steps = [{"resize": {"width": 90, "height": 70, "fit": fit}}]
    full, shrunk = (
        render(data, "opencv", steps=steps, shrink_margin=margin)[0] for margin in (0, 2.5)
    )
    assert shrunk.size == full.size
    assert shrunk != full
    assert psnr(full, shrunk) >= 40


@pytest.mark.parametrize(
    ("mode", "format"),
    [("L", "JPEG"), ("CMYK", "JPEG"), ("P", "GIF"), ("RGBA", "PNG"), ("LA", "PNG"), ("1", "TIFF")],
)
def test_every_mode_gives_the_same_picture(both, photo, encoded, mode, format):
    image = photo(160, 120).convert(mode, dither=Image.Dither.NONE)
    if mode in ("RGBA", "LA"):
        image.putalpha(photo(160, 120, seed=1).convert("L"))
    assert_alike(both(encoded(image, format)))


def test_transparent_areas_show_the_background(both, photo, encoded):
    image = photo(160, 120).copy()
    image.putalpha(photo(160, 120, seed=1).convert("L"))
    output = {"format": "jpeg", "quality": 95}
    assert_alike(both(encoded(image, "PNG"), output=output, background="#204060"))


@pytest.mark.parametrize("policy", ["srgb", "keep", "drop"])
def test_profiles_are_followed(both, photo, encoded, policy):
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.find(b"rXYZ"), profile.find(b"gXYZ")
    entry = slice(4, 12)  # a tag's offset and size: red is told to be green and back
    profile[red:][entry], profile[green:][entry] = profile[green:][entry], profile[red:][entry]
    for place, other in ((red, green), (green, red)):
        profile[place + 4 : place + 12] = bytes(profile)[other + 4 : other + 12]
    data = encoded(photo(160, 120), "JPEG", quality=95, icc_profile=bytes(profile))
    images = both(data, color=policy)
    assert_alike(images)
    assert images[0].info.get("icc_profile") == images[1].info.get("icc_profile")


def test_metadata_is_followed(both, photo, encoded):
    exif = Image.Exif()
    exif[0x8298], exif[0x010F] = "somebody", "a camera"
    data = encoded(photo(160, 120), "JPEG", exif=exif)
    for policy in ("strip", "keep", "none"):
        ours, other = both(data, metadata=policy, output={"format": "jpeg"})
        assert dict(ours.getexif()) == dict(other.getexif())


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_16_bits_of_colour_are_kept(render, tmp_path, mode):
    levels = np.linspace(0, 65535, 40 * 30 * len(mode)).reshape(30, 40, len(mode))
    data = cv2.imencode(".png", levels.astype(np.uint16))[1].tobytes()
    assert render(data, "opencv", steps=[], depth="keep")[1].status == "ok"
    made = cv2.imread(str(tmp_path / "opencv"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(made, levels.astype(np.uint16))


def deep_source(format, gray, profile, transparent=False):
    """A file with 16 bits per channel, a profile, and EXIF that names an artist."""
    across, down = np.meshgrid(np.linspace(0, 65535, 40), np.linspace(65535, 9000, 30))
    channels = [across] if gray else [across, down, (across + down) / 2]
    samples = np.dstack([*channels, *([down] if transparent else [])]).astype(np.uint16)
    if format == "tiff":
        tags = ((34675, 7, profile), (315, 2, b"somebody\0"))
        extra = (2,) if transparent else ()
        return tiff(samples, photometric=1 if gray else 2, bits=16, tags=tags, extra=extra)
    exif = Image.Exif()
    exif[315] = "somebody"
    chunks = chunk(b"iCCP", b"p\0\0" + zlib.compress(profile))
    chunks += chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    rows = [row.astype(">u2").tobytes() for row in samples]
    return png(40, 30, 16, (0 if gray else 2) + 4 * transparent, rows, chunks)


@pytest.mark.parametrize("output", ["png", "tiff"])
@pytest.mark.parametrize("format", ["png", "tiff"])
@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("gray", [False, True])
def test_a_profile_is_applied_in_16_bits(render, tmp_path, gray, transparent, format, output):
    profile = icc_profile(() if gray else ADOBE_RGB, 1.4)
    data = deep_source(format, gray, profile, transparent)
    for policy in ("srgb", "keep", "drop"):
        given = {"steps": [], "color": policy, "output": {"format": output}}
        shallow, _ = render(data, "pillow", **given)
        made, _ = render(data, "opencv", depth="keep", **given)
        kept = made.info.get("icc_profile")
        assert shallow.info.get("icc_profile") == (profile if policy == "keep" else None)
        if policy == "keep" and gray and transparent:  # which OpenCV stores as colours
            assert kept[16:20] == b"RGB "
        else:
            assert kept == shallow.info.get("icc_profile")
        assert made.getexif().get(315) == shallow.getexif().get(315) == "somebody"
        stored = cv2.imread(str(tmp_path / "opencv"), cv2.IMREAD_UNCHANGED)
        assert stored.dtype == np.uint16
        levels = np.atleast_3d(stored) / 257
        if levels.shape[2] > 2:
            levels = levels[..., [2, 1, 0, 3][: levels.shape[2]]]
        expected = np.asarray(shallow.convert("RGBA")).astype(float)
        if levels.shape[2] in (3, 4):
            expected = expected[..., : levels.shape[2]]
        else:
            expected = expected[..., :1]
        # Conversions of 8 bits are coarse in the shadows.
        assert np.abs(levels - expected).max() <= 8
        assert np.abs(levels - expected).mean() <= 1


def test_a_16_bit_tiff_names_its_artist(render, tmp_path):
    name = b"Ada Lovelace"
    samples = np.full((8, 8, 3), 1000, np.uint16)
    data = tiff(samples, photometric=2, bits=16, tags=((315, 2, name + b"\0"),))
    for compression in ("none", "lzw", "deflate"):
        output = {"format": "tiff", "compression": compression}
        render(data, "opencv", steps=[], depth="keep", output=output)
        made = (tmp_path / "opencv").read_bytes()
        assert made.count(name) == 1
        with Image.open(tmp_path / "opencv") as image:
            found = {"raw": "none", "tiff_lzw": "lzw", "tiff_adobe_deflate": "deflate"}
            assert found[image.info["compression"]] == compression
            assert set(image.getexif()) & {305, 306, 270} == set()


def test_red_of_a_wide_gamut_profile_is_converted_correctly(render, tmp_path):
    """Red of 200 in Adobe RGB (1998) is 233 of 255 in sRGB."""
    profile = icc_profile(ADOBE_RGB, 2.2)
    rows = [words(*([51400, 10280, 10280] * 8))] * 8
    data = png(8, 8, 16, 2, rows, chunk(b"iCCP", b"p\0\0" + zlib.compress(profile)))
    render(data, "opencv", steps=[], depth="keep")
    blue, green, red = cv2.imread(str(tmp_path / "opencv"), cv2.IMREAD_UNCHANGED)[4, 4] / 257
    assert abs(red - 233) <= 1
    assert abs(green - 35) <= 1.5
    assert abs(blue - 35) <= 1.5


@pytest.mark.parametrize("name", ["pillow", "opencv"])
def test_the_transparent_level_of_16_bit_grey_is_transparent_at_any_depth(render, tmp_path, name):
    rows = [words(*([1000, 32768, 65535, 1001] * 4))] * 8
    data = png(16, 8, 16, 0, rows, transparent(1000))
    render(data, name, steps=[], depth="keep")
    stored = cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED)
    assert stored.shape[2] == 4
    most = np.iinfo(stored.dtype).max
    assert stored[0, :4, 3].tolist() == [0, most, most, most]
    gray = stored[0, 1:4, 0] / most * 255
    assert np.abs(gray - [127.5, 255, 3.9]).max() <= 1


#: Values of a TIFF's tag 259 (TIFF 6.0, page 30; Adobe's supplement for 8).
COMPRESSIONS = {"none": 1, "lzw": 5, "deflate": 8}

#: Value of a TIFF's tag 338 for alpha that colours were not multiplied by (TIFF 6.0, page 31).
UNASSOCIATED = 2


@pytest.mark.parametrize("name", ["pillow", "opencv"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_tiff_declares_its_alpha_and_its_compression(render, tmp_path, name, bits, compression):
    """Other programs divide colours by associated alpha."""
    levels = np.random.default_rng(1).integers(0, 1 << bits, (8, 12, 4))
    levels[..., 3] //= 2
    rows = [row.astype(f">u{bits // 8}").tobytes() for row in levels]
    output = {"format": "tiff", "compression": compression}
    render(png(12, 8, bits, 6, rows), name, steps=[], depth="keep", output=output)
    with tifffile.TiffFile(tmp_path / name) as file:
        (page,) = file.pages
        assert [int(meaning) for meaning in page.extrasamples] == [UNASSOCIATED]
        assert int(page.compression) == COMPRESSIONS[compression]
        made = page.asarray()
    if (name, bits) == ("pillow", 16):  # of colours it keeps 8 bits
        levels = levels / 257
    assert np.abs(made - levels).max() <= (1 if made.dtype == np.uint8 else 0)


#: Colours that a PNG may call transparent, by its bits: lower halves that are less and more than
#: the upper ones.
KEYS = {
    8: [(9, 9, 9), (0, 128, 255), (255, 255, 255), (0, 0, 0)],
    16: [
        (0x1200, 0x3400, 0x5600), (0x1234, 0x5678, 0x9ABC), (0x12FF, 0x34FE, 0x00FF),
        (0xFF00, 0x8000, 0x0100), (0, 0, 0), (65535, 65535, 65535), (0x7F80, 0x7F80, 0x7F80),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", ["pillow", "opencv"])
@pytest.mark.parametrize("depth", [8, "keep"])
@pytest.mark.parametrize(("bits", "key"), [(bits, key) for bits in KEYS for key in KEYS[bits]])
def test_of_the_transparent_colour_every_channel_counts(render, tmp_path, name, depth, bits, key):
    """A pixel that differs in only one channel, or in two, is opaque."""
    other = [(level + (1 << bits - 1)) % (1 << bits) for level in key]
    chosen = list(itertools.product((False, True), repeat=3))
    pixels = [np.where(differs, other, key) for differs in chosen]
    row = b"".join(int(level).to_bytes(bits // 8, "big") for pixel in pixels for level in pixel)
    data = png(8, 4, bits, 2, [row] * 4, transparent(*key))
    render(data, name, steps=[], depth=depth)
    stored = cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED)
    most = np.iinfo(stored.dtype).max
    assert stored[2, :, 3].tolist() == [most if any(differs) else 0 for differs in chosen]
    if depth == "keep" and name == "opencv" and bits == 16:
        assert stored[2, 1:, 2::-1].tolist() == [pixel.tolist() for pixel in pixels[1:]]


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("place", [0.4, 0.7])
@pytest.mark.parametrize("harm", ["zeros", "noise", "hole", "cut", "tables", "frame", "unknown"])
def test_both_backends_report_the_same_damage(render, photo, encoded, harm, place, gray):
    picture = photo(320, 240).convert("L" if gray else "RGB")
    for progressive in (False, True):
        data = bytearray(encoded(picture, "JPEG", quality=90, progressive=progressive))
        begin = int(len(data) * place)
        length = len(data) // 4
        noise = np.random.default_rng(3).integers(0, 255, length, dtype=np.uint8).tobytes()
        if harm == "cut":
            del data[begin:]
        elif harm == "tables":
            table = data.index(b"\xff\xc4") + 21
            data[table : table + 12] = bytes(12)
        elif harm in ("frame", "unknown"):  # a marker that has no place in the data
            data[begin : begin + 4] = b"\xff\xc0\0\x11" if harm == "frame" else b"\xff\x02\0\0"
        else:
            data[begin : begin + length] = {
                "zeros": bytes(length), "noise": noise, "hole": b"",
            }[harm]  # fmt: skip
        data += b"" if data.endswith(b"\xff\xd9") else b"\xff\xd9"
        ours, other = (render(bytes(data), name)[1] for name in ("pillow", "opencv"))
        assert (ours.status, ours.reason) == (other.status, other.reason)
        if ours.status == "ok":
            assert_alike([render(bytes(data), name)[0] for name in ("pillow", "opencv")])


@pytest.mark.parametrize("depth", [8, "keep"])
@pytest.mark.parametrize("name", ["pillow", "opencv"])
def test_an_unsupported_jpeg_process_is_named(render, name, depth):
    levels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    files = {
        "12": imagecodecs.jpeg_encode(levels, level=90, bitspersample=12),
        "lossless": imagecodecs.ljpeg_encode(levels, bitspersample=12),
    }
    for word, data in files.items():
        _, outcome = render(data, name, depth=depth)
        assert (outcome.status, outcome.reason) == ("failed", "unsupported")
        assert word in outcome.message


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("name", ["pillow", "opencv"])
def test_a_height_that_follows_the_pixels_is_named(render, encoded, photo, name, progressive):
    """DNL (ITU-T T.81, B.2.5), which libjpeg does not know; a height of 0 alone is damage."""
    data = bytearray(encoded(photo(64, 48), "JPEG", progressive=progressive))
    frame = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    assert data[frame + 5 : frame + 7] == b"\0\x30"
    data[frame + 5 : frame + 7] = bytes(2)
    assert render(bytes(data), name)[1].reason == "corrupt"
    data[-2:] = b"\xff\xdc\0\4\0\x30\xff\xd9"
    _, outcome = render(bytes(data), name)
    assert (outcome.status, outcome.reason) == ("failed", "unsupported")
    assert "DNL" in outcome.message


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_half_a_file_is_truncated_and_not_a_grey_picture(render, photo, encoded, kept):
    data = encoded(photo(160, 120), "JPEG", quality=95)
    _, outcome = render(data[: int(len(data) * kept)], "opencv")
    assert (outcome.status, outcome.reason) == ("failed", "truncated")


def test_data_after_the_end_of_a_file_is_ignored(both, photo, encoded):
    assert_alike(both(encoded(photo(160, 120), "JPEG", quality=95) + b"notes"))


@pytest.mark.parametrize(
    "limits", [Limits(max_pixels=100), Limits(max_bytes=100), Limits(formats=("png",))]
)
def test_limits_hold(photo, encoded, limits):
    with pytest.raises(ImageError) as failure:
        backend("opencv").decode(encoded(photo(160, 120), "JPEG"), None, DecodeOptions(), limits)
    assert failure.value.reason in ("too_large", "unsupported")


def test_quality_and_subsampling_are_those_of_the_recipe(render, photo, encoded):
    data = encoded(photo(160, 120), "PNG")
    sizes = {}
    for quality, sampling in itertools.product((30, 95), ("4:2:0", "4:4:4")):
        output = {"format": "jpeg", "quality": quality, "subsampling": sampling}
        _, outcome = render(data, "opencv", output=output)
        sizes[quality, sampling] = outcome.bytes_out
    assert sizes[30, "4:2:0"] < sizes[30, "4:4:4"] < sizes[95, "4:4:4"]
    assert sizes[95, "4:2:0"] < sizes[95, "4:4:4"]


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (["autocontrast"], "recipe.backend: opencv does not support autocontrast; it has"),
        ([{"resize": {"width": 5, "filter": "hamming"}}], "it has no filter hamming"),
        ([{"resize": {"width": 5, "linear": True}}], "it has no linear light"),
        ([{"resize": {"width": 5, "resampler": "pillow"}}], "it has no resampler pillow"),
        ([{"resize": {"width": 5, "height": 5, "fit": "pad", "color": "blur"}}], "no blurred or"),
        (
            [{"resize": {"width": 5, "height": 5, "fit": "pad", "color": "transparent"}}],
            "it has no linear light, and no blurred or transparent padding",
        ),
    ],
)
def test_a_step_that_opencv_has_not_is_refused_with_a_sentence(steps, says):
    with pytest.raises(UserError, match=says):
        recipe_parser.parse({"backend": "opencv", "steps": steps})
