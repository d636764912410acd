"""An animation keeps the metadata that its recipe keeps."""

import io
from functools import partial

import pytest
from PIL import ExifTags, Image

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.renderer import Renderer
from tests.helpers.imaging import exif_block
from tests.helpers.moving import rendered

EXIF = exif_block(
    main=[(0x010F, "ascii", "Maker"), (0x013B, "ascii", "A. Photographer"),
          (0x8298, "ascii", "(c) A. Photographer")],
    gps=[(1, "ascii", "N"), (2, "rational", [(48, 1), (8, 1), (0, 1)])],
)  # fmt: skip

RIGHTS = {0x013B: "A. Photographer", 0x8298: "(c) A. Photographer"}

#: What each policy leaves: tags of the picture, and whether its place is told.
KEPT = {
    "strip": (RIGHTS, False),
    "keep": ({0x010F: "Maker", **RIGHTS}, True),
    "none": ({}, False),
}

#: Formats that hold both frames and EXIF.
HOLDING = ["png", "webp", "avif"]


@pytest.fixture(scope="module", params=HOLDING)
def moving(request, tmp_path_factory, picture):
    folder = tmp_path_factory.mktemp("moving")
    frames = [picture(number, (48, 32)) for number in range(3)]
    options = {"save_all": True, "append_images": frames[1:], "duration": 90, "exif": EXIF}
    frames[0].save(folder / "a", request.param.upper(), **options)
    return folder


def tags_of(data):
    """Tags of a picture, and those of its place."""
    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
        pointers = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
        tags = {tag: value for tag, value in exif.items() if tag not in pointers}
        return tags, dict(exif.get_ifd(ExifTags.IFD.GPSInfo)), getattr(image, "n_frames", 1)


def test_the_source_has_what_is_to_be_kept_or_not(moving):
    tags, place, frames = tags_of((moving / "a").read_bytes())
    assert tags.items() >= {0x010F: "Maker", **RIGHTS}.items()
    assert 2 in place
    assert frames == 3


@pytest.mark.parametrize("policy", KEPT)
@pytest.mark.parametrize("format", HOLDING)
def test_metadata_of_an_animation_follows_the_policy(moving, tmp_path, policy, format):
    data = {"animation": "all", "metadata": policy, "output": {"format": format}}
    renderer = Renderer(str(moving), str(tmp_path), recipe_parser.parse(data))
    outcome = renderer.render(Job("a", ("made",)))
    assert outcome.status == "ok", outcome.message
    tags, place, frames = tags_of((tmp_path / "made").read_bytes())
    expected, told = KEPT[policy]
    assert (tags, 2 in place, frames) == (expected, told, 3)


@pytest.fixture
def make(tmp_path):
    """Function that renders a file, and returns the bytes of the output."""
    return partial(rendered, tmp_path)


@pytest.mark.parametrize("policy", ["strip", "keep", "none"])
@pytest.mark.parametrize("to", ["gif", "png", "webp", "avif"])
def test_animations_contain_what_the_policy_keeps(make, to, policy):
    exif = Image.Exif()
    exif[0x013B], exif[0x010F] = "A. Painter", "A camera"
    file = io.BytesIO()
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    frames[0].save(
        file, "PNG", save_all=True, append_images=frames[1:], duration=100, exif=exif.tobytes()
    )
    data = make(file.getvalue(), {"format": to}, metadata=policy)
    held = to != "gif"
    assert (b"A. Painter" in data) == (held and policy != "none")
    assert (b"A camera" in data) == (held and policy == "keep")
    with Image.open(io.BytesIO(data)) as image:
        expected = "A. Painter" if held and policy != "none" else None
        assert image.getexif().get(0x013B) == expected
    if to == "webp" and policy != "none":
        place = data.index(b"EXIF") + 8
        assert data[place : place + 4] in (b"II*\0", b"MM\0*")  # RFC 9649, 2.7.1.5
