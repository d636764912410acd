"""With `pages: all`, each page of a TIFF is processed as if it were a file of its own."""

import hashlib
import io
import json
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, TiffImagePlugin

from pixelmill.core.errors import UserError
from pixelmill.core.jobs import METADATA_DROPPED, Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.codecs import ifd, tiff
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.renderer import Renderer
from pixelmill.verification.expectations import expectations_of
from pixelmill.verification.picture_check import check_pictures
from tests.helpers.imaging import ADOBE_RGB, icc_profile

pytestmark = pytest.mark.filterwarnings("ignore")


def drawn(number, size=(40, 30)):
    """A page that no other resembles."""
    levels = np.random.default_rng(number).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(levels).resize(size, Image.Resampling.BICUBIC)


def scan(*pages, **options):
    """A TIFF of several pages, of any modes and sizes."""
    file = io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:], **options)
    return file.getvalue()


MIXED = (drawn(1), drawn(2, (24, 50)).convert("L"), drawn(3).convert("1"), drawn(4).convert("RGBA"))


@pytest.fixture
def render(tmp_path):
    """Function that renders a file with all of its pages; returns the outcome and the output."""

    def render_one(data, limits=Limits(), **settings):  # noqa: B008
        (tmp_path / "a.tif").write_bytes(data)
        recipe = {"pages": "all", "output": {"format": "tiff"}, **settings}
        parsed = recipe_parser.parse(recipe)
        outcome = Renderer(str(tmp_path), str(tmp_path), parsed, limits).render(
            Job("a.tif", ("out",))
        )
        made = (tmp_path / "out").read_bytes() if outcome.status == "ok" else b""
        return outcome, made

    return render_one


def pages_in(data):
    """The pages of a TIFF as another library decodes them."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return [page.asarray() for page in file.pages]


@pytest.mark.parametrize("compression", ["none", "lzw", "deflate"])
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_every_page_is_processed(render, backend, compression):
    output = {"format": "tiff", "compression": compression}
    outcome, made = render(scan(*MIXED), backend=backend, output=output)
    assert outcome.pixels_in == sum(page.width * page.height for page in MIXED)
    assert outcome.files[0][2:4] == MIXED[0].size
    found = pages_in(made)
    assert [page.shape[:2] for page in found] == [page.size[::-1] for page in MIXED]
    for page, source in zip(found, MIXED, strict=True):
        mode = {2: "L", 3: "RGB"}[page.ndim] if page.shape[2:] != (4,) else "RGBA"
        assert np.array_equal(page, np.asarray(source.convert(mode)))


def test_each_page_is_as_if_it_were_alone(render):
    steps = [{"resize": {"longest": 20}}, {"border": {"width": 2, "color": "#ff0000"}}]
    _, made = render(scan(*MIXED), steps=steps)
    alone = [render(scan(source), steps=steps)[1] for source in MIXED]
    for page, other in zip(pages_in(made), alone, strict=True):
        assert np.array_equal(page, pages_in(other)[0])
    assert made == ifd.joined(alone)  # nothing is left of a larger page before


def test_both_backends_and_pillow_read_the_same_pages(render):
    made = [render(scan(*MIXED[:3]), backend=backend)[1] for backend in ("pillow", "opencv")]
    for data in made:
        with Image.open(io.BytesIO(data)) as image:
            assert image.n_frames == 3
            for number, source in enumerate(MIXED[:3]):
                image.seek(number)
                assert image.size == source.size


def test_an_output_of_the_format_of_its_source_has_every_page(render):
    _, made = render(scan(*MIXED), output={"format": "same"})
    assert made == render(scan(*MIXED))[1]


def test_the_sidecar_of_all_pages_describes_the_whole_source(tmp_path):
    data = scan(drawn(1), drawn(2))
    (tmp_path / "a.tif").write_bytes(data)
    output = {"format": "tiff", "sidecar": "json"}
    parsed = recipe_parser.parse({"pages": "all", "output": output})
    Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("a.tif", ("out", "out.json")))
    source = json.loads((tmp_path / "out.json").read_text())["source"]
    assert (source["path"], source["format"], source["bytes"]) == ("a.tif", "tiff", len(data))
    assert source["sha256"] == hashlib.sha256(data).hexdigest()


def test_by_default_the_first_page_is_used(render):
    assert len(pages_in(render(scan(*MIXED), pages="first")[1])) == 1


def test_16_bits_are_kept_on_the_pages_that_have_them(render):
    deep = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(np.asarray(drawn(1)), photometric="rgb")
        writer.write(np.dstack([deep] * 3), photometric="rgb")
    _, made = render(file.getvalue(), backend="opencv", depth="keep")
    first, second = pages_in(made)
    assert (first.dtype, second.dtype) == (np.uint8, np.uint16)
    assert np.array_equal(second, np.dstack([deep] * 3))


def test_each_page_keeps_its_own_profile_tags_and_orientation(render):
    """The second page lies on its side, and both have the tags of the camera."""
    profile = icc_profile(ADOBE_RGB, 2.2)
    pages = []
    for number, turn in ((1, 1), (2, 6)):
        directory = TiffImagePlugin.ImageFileDirectory_v2()
        directory[274], directory[315] = turn, f"Artist {number}"
        page = scan(drawn(number), tiffinfo=directory, icc_profile=profile if turn == 6 else b"")
        pages.append(page)
    data = ifd.joined(pages)
    _, made = render(data, color="keep", metadata="keep")
    with tifffile.TiffFile(io.BytesIO(made)) as file:
        artists = [page.tags["Artist"].value for page in file.pages]
        profiles = ["InterColorProfile" in page.tags for page in file.pages]
        assert [page.shape[:2] for page in file.pages] == [(30, 40), (40, 30)]
    assert (artists, profiles) == (["Artist 1", "Artist 2"], [False, True])


def test_reduced_versions_and_masks_are_not_pages(render):
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for number, kind in ((1, 1), (2, 1), (3, 2)):
            writer.write(np.asarray(drawn(number)), photometric="rgb", subfiletype=kind)
        mask = np.zeros((30, 40), bool)
        writer.write(mask, photometric="mask", subfiletype=4)
    made = pages_in(render(file.getvalue())[1])
    assert [page.tolist() for page in made] == [np.asarray(drawn(k)).tolist() for k in (1, 3)]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_pages_of_any_byte_order_and_of_a_bigtiff(render, order, big):
    file = io.BytesIO()
    with tifffile.TiffWriter(file, byteorder=order, bigtiff=big) as writer:
        for number in range(3):
            writer.write(np.asarray(drawn(number)), photometric="rgb")
    made = pages_in(render(file.getvalue())[1])
    assert [page.tolist() for page in made] == [np.asarray(drawn(k)).tolist() for k in range(3)]


def test_a_chain_in_a_circle_and_one_that_is_cut_off_fail_the_image(render):
    data = bytearray(scan(drawn(1), drawn(2)))
    first, second = ifd.offsets(bytes(data))
    (count,) = struct.unpack_from("<H", data, second)
    link = second + 2 + 12 * count
    for target, words in ((first, "circle"), (len(data) + 1000, "end within a directory")):
        struct.pack_into("<I", data, link, target)
        outcome, _ = render(bytes(data))
        assert (outcome.stage, outcome.reason) == ("decode", "truncated")
        assert words in outcome.message


def test_a_damaged_page_fails_the_image_and_leaves_no_file(render, tmp_path):
    data = scan(drawn(1), drawn(2), compression="tiff_lzw")
    place = ifd.field_at(data, list(ifd.offsets(data))[1], 273)
    begin = struct.unpack("<I", place.value[:4])[0]
    outcome, _ = render(data[:begin] + b"\xff" * 40 + data[begin + 40 :])
    assert outcome.status == "failed"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif"]


def test_limits_apply_to_the_number_of_pages_and_to_each_of_them(render):
    data = scan(*(drawn(k) for k in range(5)))
    outcome, _ = render(data, Limits(max_frames=4))
    assert (outcome.reason, "limits.max_frames = 4" in outcome.message) == ("too_large", True)
    outcome, _ = render(scan(drawn(1), drawn(2, (200, 200))), Limits(max_pixels=2000))
    assert (outcome.reason, "limits.max_pixels" in outcome.message) == ("too_large", True)
    assert render(data, Limits(max_pixels=1200))[0].status == "ok"


def test_the_offsets_of_many_directories_are_counted_before_any_is_kept():
    data = scan(*(Image.new("L", (1, 1)) for _ in range(50)))
    assert len(tiff.page_offsets(data, 50)) == 50


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "gif", "avif", "bmp"])
def test_a_format_without_pages_is_refused(format):
    with pytest.raises(UserError, match=f"'all', but {format} cannot hold several pages"):
        recipe_parser.parse({"pages": "all", "output": {"format": format}})


def test_other_sources_have_one_page(tmp_path):
    drawn(1).save(tmp_path / "a.png")
    parsed = recipe_parser.parse({"pages": "all", "output": {"format": "same"}})
    outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("a.png", ("out",)))
    assert outcome.status == "ok"
    assert (tmp_path / "out").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_noted_of_one_page_is_noted_of_the_output(render, place):
    pages = [scan(drawn(1)), scan(drawn(2))]
    pages.insert(place, scan(drawn(3), tiffinfo={700: b"<x:broken>"}))
    outcome, _ = render(ifd.joined(pages), metadata="keep")
    assert outcome.files[0].note == METADATA_DROPPED


RESIZED = {"pages": "all", "output": {"format": "tiff"}, "steps": [{"resize": {"longest": 30}}]}


def verdict(source, output, recipe=RESIZED):
    return check_pictures(expectations_of(recipe)[""], source, output, 30.0).why


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_verification_compares_every_page(render, backend):
    pages = [drawn(1), drawn(1), drawn(2), drawn(3, (20, 44))]
    source = scan(*pages)
    _, made = render(source, steps=RESIZED["steps"], backend=backend)
    assert verdict(source, made) is None
    files = [render(scan(page), steps=RESIZED["steps"])[1] for page in pages]
    swapped = [files[0], files[2], files[1], files[3]]
    assert verdict(source, ifd.joined(files)) is None
    assert verdict(source, ifd.joined(swapped)) is not None
    assert verdict(source, ifd.joined(files[:3])) == "has 3 frames, not 4"
    assert verdict(source, made, {**RESIZED, "pages": "first"}) == "has 4 frames, not 1"
