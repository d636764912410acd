"""If a file holds several pictures, the one that its format prescribes is used."""

import io
import struct

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from pixelmill.core.errors import ImageError
from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.backends.opencv import OpenCV
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.renderer import Renderer
from tests.helpers.bitmaps import icon, icon_bitmap
from tests.helpers.imaging import opened

pytestmark = pytest.mark.filterwarnings("ignore")

RED, BLUE, GREEN = "#c82828", "#2828c8", "#28c828"


def flat(color, size=(32, 24)):
    return Image.new("RGB", size, color)


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def mpo():
    return saved(flat(RED), "MPO", save_all=True, append_images=[flat(BLUE)], quality=95)


def pages():
    return saved(flat(RED), "TIFF", save_all=True, append_images=[flat(BLUE, (64, 48))])


def heic():
    """Its second picture is the primary one (HEIF, 6.4)."""
    several = pillow_heif.HeifFile()
    for color in (BLUE, RED, GREEN):
        several.add_from_pillow(flat(color))
    file = io.BytesIO()
    several.save(file, primary_index=1, quality=95)
    return file.getvalue()


def icon_of_pngs(*entries):
    """An icon of PNGs: (side, color, bits that it claims)."""
    return icon(
        *(
            (side, bits, saved(flat(color, (side, side)).convert("RGBA"), "PNG"))
            for side, color, bits in entries
        )
    )


def icon_of_bitmaps(*entries):
    """An icon of bitmaps with palettes: (color, bits that it claims, its own bits)."""
    return icon(*((16, bits, icon_bitmap(16, color, own)) for color, bits, own in entries))


SEVERAL = {
    "mpo": mpo,
    "tiff": pages,
    "heic": heic,
    "ico-largest-first": lambda: icon_of_pngs((48, RED, 32), (16, BLUE, 32)),
    "ico-largest-last": lambda: icon_of_pngs((16, BLUE, 32), (32, GREEN, 32), (48, RED, 32)),
    "ico-claims-no-bits": lambda: icon_of_bitmaps((BLUE, 0, 4), (RED, 0, 8), (GREEN, 0, 1)),
    "ico-claims-other-bits": lambda: icon_of_bitmaps((BLUE, 32, 4), (RED, 4, 8)),
    "ico-most-bits": lambda: icon_of_pngs((32, BLUE, 8), (32, RED, 32), (32, GREEN, 4)),
}


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("animation", ["first", "all", "error"])
@pytest.mark.parametrize("make", SEVERAL.values(), ids=SEVERAL)
def test_the_right_one_of_several_pictures_is_used(make, animation, backend):
    reading = DecodeOptions(animation=animation)
    if backend == "pillow":
        (frame,) = decode(make(), options=reading).frames
        levels = np.asarray(frame)
    else:
        (frame,) = OpenCV().decode(make(), None, reading, Limits()).frames
        levels = frame[..., ::-1]
    assert np.abs(levels.astype(int) - (0xC8, 0x28, 0x28)).max() <= 4


def test_a_heic_whose_primary_picture_is_a_thumbnail_is_unsupported():
    """Decoders then open another picture, without a word."""
    whole = pillow_heif.from_pillow(flat(RED, (64, 48)))
    whole[0].info["thumbnails"] = [16]
    file = io.BytesIO()
    whole.save(file, quality=95)
    data = bytearray(file.getvalue())
    thumbnail, primary = data.index(b"thmb") + 4, data.index(b"pitm") + 8
    data[primary : primary + 2] = data[thumbnail : thumbnail + 2]
    with pytest.raises(ImageError, match="primary picture is used as a thumbnail") as refusal:
        decode(bytes(data))
    assert refusal.value.reason == "unsupported"


@pytest.mark.parametrize("coding", ["j2k1", "avc1", "unci"])
def test_a_heif_of_another_coding_is_unsupported(coding):
    data = heic().replace(b"hvc1", coding.encode())
    with pytest.raises(ImageError, match=f"coded as {coding}") as refusal:
        decode(data)
    assert refusal.value.reason == "unsupported"


#: What a JPEG with a gain map says of it (Ultra HDR 1.1; ISO 21496-1; CIPA DC-007 for MPF).
GAIN = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" '
    b'hdrgm:Version="1.0" hdrgm:GainMapMax="3.5"/></rdf:RDF></x:xmpmeta>'
)


def gain_map_jpeg():
    """An SDR picture, followed by a gain map for HDR displays."""
    second = saved(Image.new("L", (16, 12), 255), "JPEG", xmp=GAIN)
    data = saved(flat(RED), "MPO", save_all=True, append_images=[opened(second)], xmp=GAIN)
    place = data.index(b"\xff\xe1")
    iso = b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4)
    return data[:place] + struct.pack(">HH", 0xFFE2, len(iso) + 2) + iso + data[place:]


@pytest.mark.parametrize("metadata", ["strip", "keep", "none"])
@pytest.mark.parametrize(
    "format", [name for name, encoder in OUTPUT_FORMATS.items() if encoder.exif]
)
def test_a_gain_map_is_lost_and_nothing_says_that_there_is_one(tmp_path, format, metadata):
    (tmp_path / "a.jpg").write_bytes(gain_map_jpeg())
    assert all(word in gain_map_jpeg() for word in (b"hdrgm", b"21496", b"MPF\0"))
    settings = {"steps": [], "metadata": metadata, "output": {"format": format}}
    outcome = Renderer(str(tmp_path), str(tmp_path), recipe_parser.parse(settings)).render(
        Job("a.jpg", ("out",))
    )
    assert outcome.status == "ok", outcome.message
    made = (tmp_path / "out").read_bytes()
    levels = np.asarray(opened(made).convert("RGB")).astype(int)
    assert np.abs(levels - (0xC8, 0x28, 0x28)).max() <= 6
    assert not any(word in made for word in (b"hdrgm", b"21496", b"MPF\0"))
