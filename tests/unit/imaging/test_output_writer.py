"""A source is delivered as it is coded only if nothing but encoding it again was asked."""

import io

import numpy as np
import pytest
from PIL import Image

from pixelmill.core.errors import UserError
from pixelmill.core.jobs import SOURCE_KEPT, Job
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.renderer import Renderer
from tests.helpers.imaging import ADOBE_RGB, exif_block, icc_profile, opened, same

KEEP = {"if_larger": "keep_source"}

#: Whatever an encoder saves is too little.
ALWAYS = {"min_saving": "100 %"}

BACKENDS = pytest.mark.parametrize("backend", ["pillow", "opencv"])

RIGHTS = {0x8298: "Somebody"}


@pytest.fixture
def render(tmp_path):
    """Function that makes an output, and returns its bytes and what is noted of it."""

    def render_one(data, **settings):
        (tmp_path / "source").write_bytes(data)
        made = Renderer(str(tmp_path), str(tmp_path), parse(settings)).render(
            Job("source", ("out",))
        )
        assert made.status == "ok", made.message
        written = (tmp_path / "out").read_bytes()
        (file,) = made.files
        assert (file.bytes, (file.width, file.height)) == (len(written), opened(written).size)
        assert {path.name for path in tmp_path.iterdir()} == {"source", "out"}
        return written, file.note

    return render_one


def written(image, format, **options):
    file = io.BytesIO()
    image.save(file, format.upper(), **options)
    return file.getvalue()


@BACKENDS
@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "same"])
def test_a_source_that_would_become_larger_is_copied(render, photo, backend, format):
    kind = "jpeg" if format == "same" else format
    options = {"level": 0} if format == "png" else {"quality": 95}
    smallest = {"compress_level": 9} if format == "png" else {"quality": 30}
    data = written(photo(200, 150), kind, **smallest)
    larger, note = render(data, backend=backend, output={"format": format, **options})
    assert (note, len(larger) > len(data)) == ("", True)
    output = {"format": format, **options, **KEEP}
    assert render(data, backend=backend, output=output) == (data, SOURCE_KEPT)


@BACKENDS
@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_a_source_that_becomes_smaller_is_encoded(render, photo, backend, format):
    data = written(photo(200, 150), format, quality=95)
    output = {"format": format, "quality": 50}
    made, note = render(data, backend=backend, output={**output, **KEEP})
    assert (made, note) == render(data, backend=backend, output=output)
    assert note == ""
    assert len(made) < len(data)


@pytest.mark.parametrize("surplus", [0, 1])
def test_an_encoded_file_must_save_what_is_asked(render, photo, surplus):
    data = written(photo(200, 150), "jpeg", quality=80)
    made, _ = render(data, output={"quality": 70})
    saved = 100 - 100 * len(made) / len(data)
    assert 2 < saved < 98
    asked = round(saved - 0.01 + 0.02 * surplus, 4)
    expected = (data, SOURCE_KEPT) if surplus else (made, "")
    assert render(data, output={"quality": 70, "min_saving": asked}) == expected


@BACKENDS
@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ([], True),
        ([{"resize": {"longest": 500, "upscale": "never"}}], True),
        ([{"resize": {"longest": 100}}], False),
        ([{"gaussian_blur": {"radius": 0.5}}], False),
        ([{"flip": {}}], False),
        (["grayscale"], False),
    ],
)
def test_a_step_that_changes_a_pixel_prevents_copying(render, photo, backend, steps, kept):
    data = written(photo(200, 150), "jpeg", quality=30)
    output = {"quality": 95, **ALWAYS}
    _, note = render(data, backend=backend, steps=steps, output=output)
    assert note == (SOURCE_KEPT if kept else "")


@pytest.mark.parametrize(
    ("options", "settings", "kept"),
    [
        ({"exif": exif_block([(0x0112, "short", 6)])}, {}, False),
        ({"exif": exif_block([(0x0112, "short", 6)])}, {"orientation": "keep"}, True),
        ({"icc_profile": icc_profile(ADOBE_RGB, 2.2)}, {}, False),
        ({"icc_profile": icc_profile(ADOBE_RGB, 2.2)}, {"color": "keep"}, True),
        ({"icc_profile": icc_profile(ADOBE_RGB, 2.2)}, {"color": "drop"}, True),
    ],
)
@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
@BACKENDS
def test_policies_apply_to_copies(render, photo, backend, format, options, settings, kept):
    lossless = {"lossless": True} if format == "webp" else {}
    data = written(photo(60, 40), format, **options, **lossless)
    always = {"format": format, **lossless, **ALWAYS}
    made, note = render(data, backend=backend, output=always, **settings)
    assert note == (SOURCE_KEPT if kept else "")
    encoded, _ = render(data, backend=backend, output={"format": format, **lossless}, **settings)
    one, other = opened(made), opened(encoded)
    assert one.size == other.size
    assert one.getexif().get(0x0112) == other.getexif().get(0x0112)
    assert one.info.get("icc_profile") == other.info.get("icc_profile")
    if format != "jpeg":
        assert same(one.convert("RGB"), other.convert("RGB"))


def cmyk(photo):
    return written(photo(60, 40).convert("CMYK"), "jpeg")


def animated(photo):
    frames = [photo(60, 40, seed) for seed in (1, 2)]
    return written(frames[0], "webp", save_all=True, append_images=frames[1:], duration=50)


def deep(photo):
    levels = np.asarray(photo(60, 40).convert("L")).astype(np.uint16) * 257
    return written(Image.fromarray(levels), "png")


@BACKENDS
@pytest.mark.parametrize(("make", "format"), [(cmyk, "jpeg"), (animated, "webp"), (deep, "png")])
def test_a_source_that_must_be_converted_is_encoded(render, photo, backend, make, format):
    made, note = render(make(photo), backend=backend, output={"format": format, **ALWAYS})
    assert note == ""
    assert not getattr(opened(made), "is_animated", False)
    assert opened(made).mode in ("RGB", "L")


@BACKENDS
@pytest.mark.parametrize(("policy", "tags"), [("none", {}), ("strip", RIGHTS), ("keep", RIGHTS)])
@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
def test_a_copy_has_the_metadata_of_the_policy(render, photo, backend, policy, tags, format):
    exif = exif_block([(0x8298, "ascii", "Somebody")])
    data = written(
        photo(60, 40), format, exif=exif, **({"comment": b"no"} if format == "jpeg" else {})
    )
    made, note = render(data, backend=backend, metadata=policy, output={"format": format, **ALWAYS})
    assert note == SOURCE_KEPT
    assert dict(opened(made).getexif()) == tags
    assert len(made) <= len(data)
    assert same(opened(made), opened(data))


def test_each_of_several_outputs_is_decided_alone(tmp_path, photo):
    (tmp_path / "source").write_bytes(written(photo(200, 150), "jpeg", quality=40))
    recipe = parse(
        {
            "outputs": [
                {"name": "small", "steps": [{"resize": {"longest": 64}}], **ALWAYS},
                {"name": "same", "quality": 90, **KEEP},
                {"name": "again", "quality": 90},
            ]
        }
    )
    made = Renderer(str(tmp_path), str(tmp_path), recipe).render(
        Job("source", ("small", "same", "again"))
    )
    assert [file.note for file in made.files] == ["", SOURCE_KEPT, ""]


@BACKENDS
@pytest.mark.parametrize("format", ["jpeg", "png"])
def test_a_copy_states_the_colour_space_of_its_pixels(render, photo, backend, format):
    """The source says that its colours are not sRGB, and has no profile."""
    exif = exif_block([], [(0xA001, "short", 0xFFFF)])
    data = written(photo(60, 40), format, exif=exif)
    output = {"format": format, **ALWAYS}
    made, note = render(data, backend=backend, metadata="keep", output=output)
    assert note == SOURCE_KEPT
    assert opened(made).getexif().get_ifd(0x8769)[0xA001] == 1


@BACKENDS
@pytest.mark.parametrize("quality", [{}, {"quality": 70}])
def test_outputs_that_differ_in_any_option_are_encoded_apart(tmp_path, photo, backend, quality):
    """Also where two formats or two outputs have the same quality."""
    settings = [
        {"format": "jpeg"},
        {"format": "jpeg", "subsampling": "4:4:4"},
        {"format": "jpeg", "progressive": True},
        {"format": "jpeg", "optimize": True},
        {"format": "webp"},
        {"format": "webp", "lossless": True},
        {"format": "png", "level": 0},
        {"format": "png", "level": 9},
        {"format": "tiff", "compression": "none"},
        {"format": "tiff", "compression": "deflate"},
    ]
    photo(60, 40).save(tmp_path / "source", "PNG")
    outputs = [
        {**options, **(quality if options["format"] in ("jpeg", "webp") else {}), "name": f"{k}"}
        for k, options in enumerate(settings)
    ]

    def made(outputs):
        recipe = parse({"backend": backend, "outputs": outputs})
        paths = tuple(output["name"] for output in outputs)
        Renderer(str(tmp_path), str(tmp_path), recipe).render(Job("source", paths))
        return [(tmp_path / path).read_bytes() for path in paths]

    together = made(outputs)
    assert len(set(together)) == len(outputs)
    assert together == [made([output])[0] for output in outputs]


@BACKENDS
def test_sources_of_several_formats_are_encoded_each_in_its_own(tmp_path, photo, backend):
    kinds = ("jpeg", "png", "webp", "gif", "tiff", "bmp")
    renderer = Renderer(
        str(tmp_path), str(tmp_path), parse({"backend": backend, "output": {"format": "same"}})
    )
    for kind in kinds:
        photo(60, 40).save(tmp_path / f"a.{kind}")
        renderer.render(Job(f"a.{kind}", (f"b.{kind}",)))
    made = [opened((tmp_path / f"b.{kind}").read_bytes()).format.lower() for kind in kinds]
    assert made == list(kinds)


@pytest.mark.parametrize(
    ("error", "stage", "reason"),
    [
        (MemoryError(), "encode", "out_of_memory"),
        (OSError(28, "No space left on device"), "write", "write_failed"),
        (OSError("encoder error -2"), "encode", "write_failed"),
        (ValueError("odd"), "encode", "write_failed"),
    ],
    ids=["memory", "disk", "encoder", "other"],
)
def test_an_encoder_that_fails_says_why(tmp_path, photo, monkeypatch, error, stage, reason):
    def refuse(*_, **more):
        raise error

    (tmp_path / "source").write_bytes(written(photo(60, 40), "png"))
    monkeypatch.setattr(Image.Image, "save", refuse)
    recipe = parse({"output": {"format": "png"}})
    outcome = Renderer(str(tmp_path), str(tmp_path), recipe).render(Job("source", ("out",)))
    assert (outcome.stage, outcome.reason) == (stage, reason)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("format", ["tiff", "gif", "bmp", "avif"])
def test_a_format_that_cannot_be_copied_is_refused(format):
    with pytest.raises(UserError, match=f"recipe.output.if_larger: .* {format}; leave the key out"):
        parse({"output": {"format": format, **KEEP}})


def test_contradictory_settings_are_refused():
    with pytest.raises(UserError, match=r"min_saving: found '5 %', but if_larger is 'write'"):
        parse({"output": {"if_larger": "write", "min_saving": "5 %"}})


@pytest.mark.parametrize("value", ["5", "five", 101, -1, True, None])
def test_a_saving_is_a_percentage(value):
    with pytest.raises(UserError, match=r"min_saving: found .*; give a percentage from 0 to 100"):
        parse({"output": {"min_saving": value}})


def test_a_recipe_without_such_settings_is_the_same_data_as_before():
    assert "if_larger" not in str(parse({"output": {"if_larger": "write"}}).as_data())
    recipe = parse({"output": {**KEEP, "min_saving": "5 %"}})
    assert recipe.as_data()["output"]["min_saving"] == 5.0
    assert parse(recipe.as_data()) == recipe
