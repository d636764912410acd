"""An orientation in XMP is ignored, as in browsers."""

import io
import struct

import numpy as np
import pillow_heif
import pytest

from pixelmill.imaging.backends.opencv import OpenCV
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.verification.expectations import stored_size
from tests.helpers.imaging import chunk, png
from tests.helpers.tags import raw_block

#: Ways to write it (XMP part 1, 7; XML 1.0, 2.3).
FORMS = {
    "attribute": '<rdf:Description {ns} tiff:Orientation="6"/>',
    "single-quotes": "<rdf:Description {ns} tiff:Orientation='6'/>",
    "spaces": '<rdf:Description {ns} tiff:Orientation = "6" />',
    "element": "<rdf:Description {ns}><tiff:Orientation>6</tiff:Orientation></rdf:Description>",
}


def packet(form):
    inside = form.format(ns='xmlns:tiff="http://ns.adobe.com/tiff/1.0/"')
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
        f'syntax-ns#">{inside}</rdf:RDF></x:xmpmeta>'
    ).encode()


def saved(format):
    def save(picture, xmp, exif):
        file = io.BytesIO()
        options = {"exif": exif} if exif else {}
        picture.save(file, format, xmp=xmp, **options)
        return file.getvalue()

    return save


def png_file(picture, xmp, exif):
    file = io.BytesIO()
    picture.save(file, "PNG", **({"exif": exif} if exif else {}))
    data = file.getvalue()
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    return data[:33] + text + data[33:]


def late_png(picture, xmp, exif):
    data = png_file(picture, b"", exif)
    return data[:-12] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp) + data[-12:]


def deep_png(picture, xmp, exif):
    rows = [(row.astype(">u2") * 257).tobytes() for row in np.asarray(picture)]
    extra = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    if exif:
        extra += chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    return png(picture.width, picture.height, 16, 2, rows, extra=extra)


def tiff(picture, xmp, exif):
    file = io.BytesIO()
    picture.save(file, "TIFF", tiffinfo={700: xmp, **({274: 3} if exif else {})})
    return file.getvalue()


def heif(picture, xmp, exif):
    file = io.BytesIO()
    hidden = xmp.replace(b"Orientation", b"Orientatio_")  # or its encoder rotates it
    pillow_heif.from_pillow(picture).save(file, xmp=hidden, **({"exif": exif} if exif else {}))
    return file.getvalue().replace(b"Orientatio_", b"Orientation")


FILES = {
    "jpeg": saved("JPEG"), "webp": saved("WEBP"), "avif": saved("AVIF"), "png": png_file,
    "png-late": late_png, "png-16-bit": deep_png, "tiff": tiff, "heif": heif,
}  # fmt: skip

READINGS = {
    "apply": DecodeOptions(),
    "keep": DecodeOptions(orientation="keep"),
    "deep": DecodeOptions(depth="keep"),
}


def size(backend, data, reading):
    if backend == "pillow":
        return decode(data, options=reading).frames[0].size
    return OpenCV().decode(data, None, reading, Limits()).frames[0].shape[1::-1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_an_orientation_only_in_xmp_is_ignored(picture, make, form, reading, backend):
    data = make(picture(1, (48, 32)), packet(form), b"")
    assert b"Orientation" in data
    assert size(backend, data, reading) == (48, 32)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_verification_expects_the_size_as_it_is_stored(tmp_path, picture, make, form):
    path = tmp_path / "source"
    path.write_bytes(make(picture(1, (48, 32)), packet(form), b""))
    assert stored_size(path) in ((48, 32), None)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("name", [name for name in FILES if name not in ("avif", "heif")])
def test_an_orientation_in_exif_takes_precedence_over_xmp(picture, name, backend):
    exif = b"Exif\0\0" + raw_block([(0x0112, 3, struct.pack("<H", 3))])
    shown = picture(1, (48, 32))
    data = FILES[name](shown, packet(FORMS["attribute"]), exif)
    (frame,) = (
        decode(data).frames
        if backend == "pillow"
        else OpenCV().decode(data, None, DecodeOptions(), Limits()).frames
    )
    levels = np.asarray(frame).astype(int)
    levels = levels if backend == "pillow" else levels[..., ::-1]
    assert levels.shape == (32, 48, 3)
    assert np.abs(levels - np.asarray(shown)[::-1, ::-1]).mean() < 8
