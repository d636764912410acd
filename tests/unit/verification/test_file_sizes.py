"""Verification finds outputs that are larger than their recipe allows, and no others."""

import io

import numpy as np
import pytest
from PIL import Image

from pixelmill.verification.expectations import expectations_of
from pixelmill.verification.file_sizes import size_fault
from tests.helpers.hidden_bytes import after_coded_data, behind_the_pixels
from tests.helpers.imaging import chunk, exif_block


def expectation(steps=(), **output):
    return expectations_of({"steps": list(steps), "output": {"format": "same", **output}})[""]


KEEP = expectation(if_larger="keep_source")


def written(image, format="jpeg", **options):
    file = io.BytesIO()
    image.save(file, format.upper(), **options)
    return file.getvalue()


#: How to write a small and a large file of each format.
WAYS = {
    "jpeg": ({"quality": 40}, {"quality": 95}),
    "png": ({"compress_level": 9}, {"compress_level": 0}),
    "webp": ({"quality": 40}, {"quality": 95}),
}


@pytest.fixture(params=WAYS)
def files(request, photo):
    """A small and a large file of one picture."""
    return [written(photo(200, 150), request.param, **options) for options in WAYS[request.param]]


def test_an_output_larger_than_its_source_is_found(files):
    small, large = files
    assert size_fault(KEEP, small, large) == (
        f"has {len(large):,} bytes, more than its source ({len(small):,})"
    )
    assert size_fault(KEEP, small, small) is None
    assert size_fault(KEEP, large, small) is None
    assert size_fault(expectation(), small, large) is None


def test_a_step_may_make_an_output_larger(files):
    steps = [{"resize": {"width": 400, "height": 300}}]
    assert size_fault(expectation(steps, if_larger="keep_source"), *files) is None


@pytest.mark.parametrize(("asked", "wrong"), [("50 %", False), (99.9, True)])
def test_an_output_that_saves_too_little_is_found(photo, asked, wrong):
    source, output = (written(photo(200, 150), quality=quality) for quality in (95, 50))
    assert 2 * len(output) < len(source)
    found = size_fault(expectation(min_saving=asked), source, output)
    assert (found is not None) == wrong


def test_a_copy_without_metadata_need_not_save_anything(photo):
    exif = exif_block([(0x0131, "ascii", "x" * 40)])
    source = written(photo(200, 150), exif=exif)
    output = written(photo(200, 150))
    assert size_fault(expectation(min_saving="50 %"), source, output) is None


def animated(photo):
    frames = [photo(60, 40, seed) for seed in (1, 2)]
    return written(frames[0], "webp", save_all=True, append_images=frames[1:], quality=1)


def damaged(photo):
    data = written(photo(60, 40), quality=1)
    return data[:-40] + b"\xff\x9f" + data[-38:]


def deep(photo):
    return written(Image.fromarray(np.zeros((4, 4), np.uint16)), "png")


def test_a_copy_may_be_larger_by_what_its_xmp_needs(photo):
    packet = b"<rdf:RDF/>"
    source, output = (written(photo(200, 150), xmp=packet + bytes(n)) for n in (10, 900))
    assert len(output) > len(source)
    assert size_fault(KEEP, source, output) is None
    assert size_fault(KEEP, source, written(photo(200, 150), xmp=packet + bytes(9000))) is not None


@pytest.mark.parametrize(
    ("mode", "name", "content"),
    [("P", b"PLTE", bytes(768)), ("L", b"tRNS", bytes(90)), ("RGBA", b"tRNS", bytes(9))],
)
@pytest.mark.parametrize("late", [False, True])
def test_a_png_with_odd_colours_is_not_judged(photo, mode, name, content, late):
    data = written(photo(60, 40).convert(mode), "png")
    place = data.index(b"IEND" if late else b"IDAT") - 4
    source = data[:place] + chunk(name, content) + data[place:]
    assert size_fault(KEEP, source, written(photo(400, 300), "png", compress_level=0)) is None


@pytest.mark.parametrize(
    ("source", "output"),
    [
        (lambda photo: written(photo(60, 40).convert("CMYK"), quality=1), "jpeg"),
        (lambda photo: written(photo(60, 40), quality=1) + b"more", "jpeg"),
        (damaged, "jpeg"),
        (lambda photo: written(photo(60, 40), "png", compress_level=9), "jpeg"),
        (
            lambda photo: written(
                photo(60, 40), quality=1, exif=exif_block([(0x0112, "short", 6)])
            ),
            "jpeg",
        ),
        (lambda photo: written(photo(60, 40), quality=1, icc_profile=b"x" * 200), "jpeg"),
        (animated, "webp"),
        (deep, "png"),
        *(
            (lambda photo, f=f: after_coded_data(written(photo(60, 40), f, **WAYS[f][0])), f)
            for f in WAYS
        ),
        (lambda photo: behind_the_pixels(written(photo(60, 40), "png")), "png"),
    ],
)
def test_a_source_that_cannot_be_copied_is_not_judged(photo, source, output):
    options = {"compress_level": 0} if output == "png" else {"quality": 100}
    assert size_fault(KEEP, source(photo), written(photo(400, 300), output, **options)) is None
