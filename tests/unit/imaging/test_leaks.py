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
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
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


#: What `metadata: keep` hands over: all that EXIF says of the picture, the camera and the place,
#: but no XMP, IPTC, comments, maker's notes, resolution or thumbnail.
KEPT = {
    *("description", "make", "model", "software", "datetime", "host"),
    *(f"xp{tag:x}" for tag in range(0x9C9B, 0x9CA0)),
    *("usercomment", "owner", "serial", "lens", "method", "area", "place"),
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("name", [name for name in SOURCES if name not in WITHOUT_EXIF])
def test_keep_does_not_depend_on_the_steps(source, render, name, backend, steps):
    data = source(name)
    for format, encoder in OUTPUT_FORMATS.items():
        settings = {"metadata": "keep", "backend": backend, "steps": steps}
        made = render(data, **settings, output={"format": format})
        assert inherited_by(made) == (KEPT if encoder.exif else set()), format
