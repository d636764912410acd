"""Clean apertures and orientations of AVIF and HEIC are applied exactly once."""

import io
import struct
from functools import partial

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.codecs.decoding import decode
from tests.helpers.animations import aperture, letters, pixels, with_properties
from tests.helpers.moving import ALL, FIRST, rendered


@pytest.fixture
def make(tmp_path):
    """Function that renders a file, and returns the bytes of the output."""
    return partial(rendered, tmp_path)


# Clean aperture and orientation


def corners(size=(32, 32)):
    """Red, green above blue, white: a picture that tells how it was turned."""
    rows = ["r" * 16 + "g" * 16] * 16 + ["b" * 16 + "w" * 16] * 16

    return Image.fromarray(pixels(rows)).resize(size, Image.Resampling.NEAREST)


def still(kind, image):
    file = io.BytesIO()
    if kind == "avif":
        image.save(file, "AVIF", quality=100, subsampling="4:4:4")
    else:
        heif = pytest.importorskip("pillow_heif")
        heif.from_pillow(image).save(file, quality=100, chroma=444)
    return file.getvalue()


def seen_coarsely(image):
    """Letters of the middles of squares of 16 pixels."""
    return letters(np.asarray(image.convert("RGBA"))[8::16, 8::16])


#: Quarters counterclockwise; None, or 0 to flip over the horizontal axis (23008-12, 6.5.10 and
#: 6.5.12: axis 0 is vertical... as libavif and libheif read it); and what is shown.
TURNS = {
    "as it is": ((), ["rg", "bw"]),
    "a quarter": (((b"irot", b"\1"),), ["gw", "rb"]),
    "half": (((b"irot", b"\2"),), ["wb", "gr"]),
    "three quarters": (((b"irot", b"\3"),), ["br", "wg"]),
    "left and right": (((b"imir", b"\1"),), ["gr", "wb"]),
    "top and bottom": (((b"imir", b"\0"),), ["bw", "rg"]),
    "a quarter, then left and right": (((b"irot", b"\1"), (b"imir", b"\1")), ["wg", "br"]),
}


@pytest.mark.parametrize("exif", [1, 6])
@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("kind", ["avif", "heic"])
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_it_is_rotated_exactly_once(make, backend, kind, turn, exif):
    """EXIF is ignored: the properties of the file apply (ISO/IEC 23000-22, 7.3.6)."""
    properties, expected = TURNS[turn]
    image = corners()
    data = with_properties(still(kind, image.convert("RGB")), *properties)
    made = make(data, {"format": "png"}, backend, animation="first")
    with Image.open(io.BytesIO(made)) as picture:
        assert seen_coarsely(picture) == expected
        assert picture.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("turn", ["as it is", "a quarter", "left and right"])
@pytest.mark.parametrize("kind", ["avif", "heic"])
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_the_clean_aperture_is_applied_before_the_rotation(make, backend, kind, turn):
    properties, _ = TURNS[turn]
    clap = (b"clap", aperture((128, 64), (32, 32, 80, 64)))
    picture = corners((128, 64))
    data = with_properties(still(kind, picture.convert("RGB")), clap, *properties)
    made = make(data, {"format": "png"}, backend, animation="first")
    expected = {
        "as it is": ["bbw", "bbw"],
        "a quarter": ["ww", "bb", "bb"],
        "left and right": ["wbb", "wbb"],
    }[turn]
    with Image.open(io.BytesIO(made)) as image:
        assert seen_coarsely(image) == expected


@pytest.mark.parametrize(
    "clap",
    [
        struct.pack(">IIIIiIiI", 16, 0, 16, 1, 0, 1, 0, 1),
        struct.pack(">IIIIiIiI", 16, 1, 16, 1, 100, 1, 0, 1),
        struct.pack(">IIIIiIiI", 0, 1, 16, 1, 0, 1, 0, 1),
        struct.pack(">IIIIiIiI", 64, 1, 16, 1, 0, 1, 0, 1),
    ],
    ids=["divided by zero", "outside", "empty", "larger"],
)
def test_a_malformed_aperture_is_ignored(clap):
    data = with_properties(still("avif", corners().convert("RGB")), (b"clap", clap))
    assert decode(data).frames[0].size == (32, 32)


def test_an_aperture_between_pixels_is_rounded():
    clap = struct.pack(">IIIIiIiI", 31, 2, 16, 1, 0, 1, 0, 1)  # 15.5 of 32 pixels in the middle
    data = with_properties(still("avif", corners().convert("RGB")), (b"clap", clap))
    assert decode(data).frames[0].size == (16, 16)


@pytest.mark.parametrize("orientation", [1, 3, 6, 2])
@pytest.mark.parametrize("policy", ["apply", "keep"])
@pytest.mark.parametrize("kind", ["png", "webp"])
def test_all_frames_are_rotated_like_the_first_one(make, kind, policy, orientation):
    expected = {1: ["rg", "bw"], 3: ["wb", "gr"], 6: ["br", "wg"], 2: ["gr", "wb"]}[orientation]
    data = turned(kind, orientation)
    output = {"format": "png"}
    for animation in ("first", "all"):
        made = make(data, output, orientation=policy, animation=animation)
        with Image.open(io.BytesIO(made)) as image:
            noted = image.getexif().get(0x0112, 1)
            shown = seen_coarsely(image)
        if policy == "apply":
            assert (shown, noted) == (expected, 1)
        else:
            assert (shown, noted) == (["rg", "bw"], orientation)


def turned(kind, orientation):
    """An animation of two frames with an orientation in its EXIF block."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture, file = corners().convert("RGB"), io.BytesIO()
    lossless = {"lossless": True} if kind == "webp" else {}
    others = [Image.new("RGB", (32, 32), "red")]
    picture.save(
        file, kind, save_all=True, append_images=others, duration=100, exif=exif, **lossless
    )
    return file.getvalue()


@pytest.mark.parametrize("orientation", [1, 3, 6, 2])
def test_an_avif_sequence_is_rotated_instead_of_tagged(make, orientation):
    """Pillow crashes when it encodes a sequence with an orientation."""
    expected = {1: ["rg", "bw"], 3: ["wb", "gr"], 6: ["br", "wg"], 2: ["gr", "wb"]}[orientation]
    made = make(turned("png", orientation), {"format": "avif"}, orientation="keep")
    for reading in (ALL, FIRST):
        assert seen_coarsely(decode(made, options=reading).frames[0]) == expected
