"""OpenCV as a backend: the same policies, so the same pictures as by Pillow."""

import itertools

import numpy as np
import pytest
from imaging import psnr
from PIL import Image, ImageCms

from pixelmill import recipe
from pixelmill.backends import backend
from pixelmill.decoding import Reading
from pixelmill.errors import ImageError, UserError
from pixelmill.jobs import Job
from pixelmill.limits import Limits
from pixelmill.transform import Renderer

RESIZE = {"resize": {"width": 60, "height": 40, "fit": "contain"}}

#: Pictures that two libraries make of one source are this much alike, in dB.
ALIKE = 30


@pytest.fixture
def render(tmp_path):
    """Function that makes an image of a file's bytes by a backend; returns it and its outcome."""
    (tmp_path / "in").mkdir()

    def make(data, name="pillow", **settings):
        (tmp_path / "in" / "a").write_bytes(data)
        given = {"steps": [RESIZE], "output": {"format": "png"}, **settings, "backend": name}
        parsed = recipe.parse(given)
        outcome = Renderer(str(tmp_path / "in"), str(tmp_path), parsed).render(Job("a", (name,)))
        if outcome.status != "ok":
            return None, outcome
        with Image.open(tmp_path / name) as image:
            image.load()
        return image, outcome

    return make


@pytest.fixture
def both(render):
    """Function that makes an image of a file's bytes by both backends."""
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
def test_shrinking_on_load_cannot_be_seen(both, photo, stored, encoded, orientation, scale, side):
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


def test_what_is_transparent_shows_the_background(both, photo, encoded):
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
    import cv2

    levels = np.linspace(0, 65535, 40 * 30 * len(mode)).reshape(30, 40, len(mode))
    data = cv2.imencode(".png", levels.astype(np.uint16))[1].tobytes()
    assert render(data, "opencv", steps=[], depth="keep")[1].status == "ok"
    made = cv2.imread(str(tmp_path / "opencv"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(made, levels.astype(np.uint16))


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_half_a_file_is_truncated_and_not_a_grey_picture(render, photo, encoded, kept):
    data = encoded(photo(160, 120), "JPEG", quality=95)
    _, outcome = render(data[: int(len(data) * kept)], "opencv")
    assert (outcome.status, outcome.reason) == ("failed", "truncated")


def test_notes_after_the_end_of_a_file_do_no_harm(both, photo, encoded):
    assert_alike(both(encoded(photo(160, 120), "JPEG", quality=95) + b"notes"))


@pytest.mark.parametrize(
    "limits", [Limits(max_pixels=100), Limits(max_bytes=100), Limits(formats=("png",))]
)
def test_limits_hold(photo, encoded, limits):
    with pytest.raises(ImageError) as failure:
        backend("opencv").decode(encoded(photo(160, 120), "JPEG"), None, Reading(), limits)
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
        (["autocontrast"], "recipe.backend: opencv cannot do autocontrast; it has"),
        ([{"resize": {"width": 5, "filter": "hamming"}}], "it has no filter hamming"),
        ([{"resize": {"width": 5, "linear": True}}], "it has no linear light"),
    ],
)
def test_a_step_that_opencv_has_not_is_refused_with_a_sentence(steps, says):
    with pytest.raises(UserError, match=says):
        recipe.parse({"backend": "opencv", "steps": steps})
