"""Outputs contain no text, location or resolution of their source unless the recipe keeps it."""

import functools

import pytest

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS, SAME, SNIFF_BYTES, output_format, sniff
from pixelmill.imaging.renderer import Renderer
from tests.helpers.imaging import opened
from tests.helpers.planted import DPI, MOVING, RIGHTS, SOURCES, WITHOUT_EXIF, planted_in

#: Steps that leave every pixel alone, one that returns the very image, and one that makes anew.
STEPS = {
    "no-steps": [],
    "no-change": [{"resize": {"percent": 100}}],
    "resize": [{"resize": {"width": 16, "height": 12}}],
}


@pytest.fixture(scope="module")
def source(picture):
    """Function that gives the bytes of a source by its name in `SOURCES`."""
    return functools.cache(lambda name: SOURCES[name](picture(1, (24, 16))))


@pytest.fixture
def render(tmp_path):
    """Function that makes an output of a source's bytes by a recipe, and returns its bytes."""

    def render_one(data, **settings):
        (tmp_path / "source").write_bytes(data)
        parsed = recipe_parser.parse(settings, folder=str(tmp_path))
        outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("source", ("out",)))
        assert outcome.status == "ok", (settings, outcome.message)
        return (tmp_path / "out").read_bytes()

    return render_one


def rights_in(data):
    """Texts of `RIGHTS` that are in the bytes of a file."""
    return {text for text in RIGHTS.values() if text.encode() in data}


def inherited_by(data):
    """What the bytes of an output reveal about its source, except for rights."""
    found = planted_in(data)
    dpi = opened(data).info.get("dpi", (0, 0))
    return found | ({"resolution"} if round(dpi[0]) == DPI else set())


def rights_due(name, format, policy):
    """Texts that an output has to have."""
    if policy == "none" or name in WITHOUT_EXIF or not OUTPUT_FORMATS[format].exif:
        return set()
    return set(RIGHTS.values())


def outputs_for(name, animation):
    """The outputs that a recipe may have for a source, by name."""
    formats = [
        format
        for format, encoder in OUTPUT_FORMATS.items()
        if animation == "first" or encoder.animation
    ]
    outputs = {format: {"format": format} for format in (*formats, SAME)}
    copied = [format for format in formats if OUTPUT_FORMATS[format].copies]
    outputs |= {f"{f}, copied": {"format": f, "min_saving": "100 %"} for f in (*copied, SAME)}
    if animation == "first":
        outputs["tiff, none"] = {"format": "tiff", "compression": "none"}
    return outputs


#: Each source, and those of several frames with all of them too.
TAKEN = [(name, "first") for name in SOURCES] + [(name, "all") for name in MOVING]


@pytest.mark.parametrize("name", SOURCES)
def test_the_sources_contain_the_planted_words(source, name):
    """Otherwise, the following tests would prove nothing."""
    data = source(name)
    found = planted_in(data)
    if name == "bmp":
        assert found == {"trailer"}
        assert inherited_by(data) == {"trailer", "resolution"}
    elif name == "ppm":
        assert found == {"comment"}
    elif name == "gif":
        assert found == {"comment", "lastcomment", "city", "latitude", "creator"}
    else:
        assert found >= {"make", "host", "xp9c9e", "usercomment", "makernote", "serial", "area"}
        assert found >= {"place", "resolution", "thumbnail", "city", "latitude", "creator"}
        assert rights_in(data) == set(RIGHTS.values())


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("policy", ["none", "strip"])
@pytest.mark.parametrize("backend", ["pillow", pytest.param("opencv", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("name", "animation"), TAKEN, ids=map("-".join, TAKEN))
def test_an_output_contains_only_what_the_policy_keeps(
    source, render, name, animation, backend, policy, steps
):
    data = source(name)
    settings = {"metadata": policy, "backend": backend, "steps": steps, "animation": animation}
    kind = sniff(data[:SNIFF_BYTES])
    inherited, rights = {}, {}
    for called, output in outputs_for(name, animation).items():
        format = output_format(output["format"], kind)
        depth = "keep" if "16-bit" in name and OUTPUT_FORMATS[format].deep else 8
        made = render(data, **settings, depth=depth, output=output)
        inherited[called] = inherited_by(made)
        rights[called] = rights_in(made) ^ rights_due(name, format, policy)
    assert {called: words for called, words in inherited.items() if words} == {}
    assert {called: words for called, words in rights.items() if words} == {}


#: A step that returns a picture with all that it was opened with, and more that encoders take.
STEP = """
from PIL import Image
def bring(image, path):
    brought = Image.open(path)
    brought.load()
    brought.encoderinfo = {"comment": "Planted-encoderinfo", "description": "Planted-encoderinfo"}
    return brought
"""


@pytest.mark.parametrize("name", ["jpeg", "png", "tiff", "webp", "avif"])
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_metadata_of_an_image_from_an_own_step_is_dropped(source, render, tmp_path, backend, name):
    (tmp_path / "own.py").write_text(STEP)
    (tmp_path / "brought").write_bytes(source(name))
    call = {"call": {"function": "own:bring", "path": str(tmp_path / "brought")}}
    for output in outputs_for(name, "first").values():
        made = render(source("bmp"), backend=backend, steps=[call], output=output)
        assert (inherited_by(made), rights_in(made)) == (set(), set()), output


#: What `metadata: keep` hands over of EXIF: all that it says of the picture, the camera and the
#: place, but no maker's notes, resolution or thumbnail; and what it hands over of XMP and IPTC.
KEPT = {
    *("description", "make", "model", "software", "datetime", "host"),
    *(f"xp{tag:x}" for tag in range(0x9C9B, 0x9CA0)),
    *("usercomment", "owner", "serial", "lens", "method", "area", "place"),
}
KEPT_OF_XMP, KEPT_OF_IPTC = {"city", "latitude", "creator"}, {"byline", "iptccity"}

#: Sources that hold IPTC: the others have no place for it.
WITH_IPTC = ("jpeg", "mpo", "png", "apng", "tiff")


def kept_of_packets(name, format):
    """What an output has of the XMP and the IPTC of a source with `metadata: keep`."""
    found = KEPT_OF_XMP if OUTPUT_FORMATS[format].most_xmp else set()
    if OUTPUT_FORMATS[format].most_iptc and name.startswith(WITH_IPTC):
        found = found | KEPT_OF_IPTC
    return found


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("name", [name for name in SOURCES if name not in WITHOUT_EXIF])
def test_keep_does_not_depend_on_the_steps(source, render, name, backend, steps):
    data = source(name)
    for format, encoder in OUTPUT_FORMATS.items():
        settings = {"metadata": "keep", "backend": backend, "steps": steps}
        made = render(data, **settings, output={"format": format})
        kept = (KEPT if encoder.exif else set()) | kept_of_packets(name, format)
        assert inherited_by(made) == kept, format


#: Lists of tags, and the words that survive with them, besides the rights that are listed.
LISTS = {
    "exif": (["Make", "UserComment", "SerialNumber"], {"make", "usercomment", "serial"}),
    "xmp": (["Creator"], {"creator"}),
    "iptc": (["By-line"], {"byline"}),
    "several": (["City", "Copyright", "ModifyDate"], {"city", "iptccity", "datetime"}),
    "place": (["GPSLatitude"], {"latitude", "place"}),
    "nothing": (["Lens"], set()),
}


@pytest.mark.parametrize(("names", "words"), LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("name", [name for name in SOURCES if name not in WITHOUT_EXIF])
def test_only_listed_tags_survive(source, render, name, names, words):
    data = source(name)
    rights = {RIGHTS[0x8298]} if "Copyright" in names else set()
    for called, output in outputs_for(name, "first").items():
        format = output_format(output["format"], sniff(data[:SNIFF_BYTES]))
        made = render(data, metadata=names, output=output)
        possible = (KEPT if OUTPUT_FORMATS[format].exif else set()) | kept_of_packets(name, format)
        assert inherited_by(made) == words & possible, called
        assert rights_in(made) == (rights if OUTPUT_FORMATS[format].exif else set()), called


@pytest.mark.parametrize("name", MOVING)
def test_animations_keep_the_packets_too(source, render, name):
    for format in ("png", "webp", "avif"):
        made = render(source(name), metadata="keep", animation="all", output={"format": format})
        due = set() if name in WITHOUT_EXIF else kept_of_packets(name, format)
        assert inherited_by(made) & (KEPT_OF_XMP | KEPT_OF_IPTC) == due, format


@pytest.mark.parametrize("name", [name for name in SOURCES if name not in WITHOUT_EXIF])
def test_both_backends_write_the_same_packets(source, render, name):
    for format, encoder in OUTPUT_FORMATS.items():
        depth = "keep" if encoder.deep else 8
        found = [
            encoder.packets(
                render(source(name), backend=b, metadata="keep", depth=depth, steps=steps,
                       output={"format": format})
            )
            for b, steps in (("pillow", []), ("opencv", []), ("opencv", STEPS["resize"]))
        ]  # fmt: skip
        assert found[0] == found[1] == found[2], format
