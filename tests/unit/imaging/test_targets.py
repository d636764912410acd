"""A target is reached, and one step of quality in the other direction would miss it."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from pixelmill.core.errors import UserError
from pixelmill.core.jobs import SOURCE_KEPT, Job
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.codecs.ssim import ssim
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.renderer import Renderer
from tests.helpers.imaging import exif_block, opened

BACKENDS = pytest.mark.parametrize("backend", ["pillow", "opencv"])
LOSSY = pytest.mark.parametrize("format", ["jpeg", "webp", "avif"])


@pytest.fixture
def render(tmp_path):
    """Function that makes an output of an image or of bytes, and returns it with its outcome."""

    def render_one(source, limits=Limits(), **settings):  # noqa: B008 - frozen
        if isinstance(source, Image.Image):
            source.save(tmp_path / "source", "PNG")
        else:
            (tmp_path / "source").write_bytes(source)
        renderer = Renderer(str(tmp_path), str(tmp_path), parse(settings), limits)
        outcome = renderer.render(Job("source", ("out",)))
        made = (tmp_path / "out").read_bytes() if outcome.status == "ok" else b""
        left = {"source", "out"} if made else {"source"}
        assert {path.name for path in tmp_path.iterdir()} == left
        (tmp_path / "out").unlink(missing_ok=True)
        return made, outcome

    return render_one


def similarity(image, data):
    return ssim(image.convert("RGB"), opened(data).convert("RGB"))


@pytest.fixture
def of_quality(tmp_path):
    """Function that finds the quality of an output among all, and returns its neighbours."""

    def neighbours(made, image, output, **settings):
        outputs = [{**output, "name": f"{q}", "quality": q} for q in range(1, 101)]
        paths = tuple(each["name"] for each in outputs)
        image.save(tmp_path / "source", "PNG")
        recipe = parse({**settings, "outputs": outputs})
        Renderer(str(tmp_path), str(tmp_path), recipe).render(Job("source", paths))
        files = {int(path): (tmp_path / path).read_bytes() for path in paths}
        (*_, found) = (quality for quality, data in files.items() if data == made)
        first = next(quality for quality, data in files.items() if data == made)
        return files.get(first - 1), files.get(found + 1)

    return neighbours


@pytest.mark.parametrize("backend", ["pillow", pytest.param("opencv", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("format", "aim"), [("jpeg", 3000), ("jpeg", 9000), ("webp", 2500)])
def test_a_file_is_as_large_as_it_may_be(render, of_quality, photo, backend, format, aim):
    image = photo(160, 120)
    settings = {"backend": backend, "output": {"format": format}}
    target = {"format": format, "target": {"bytes": aim}}
    made, outcome = render(image, backend=backend, output=target)
    assert len(made) == outcome.files[0].bytes <= aim
    _, better = of_quality(made, image, **settings)
    assert len(better) > aim


@pytest.mark.parametrize("backend", ["pillow", pytest.param("opencv", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("format", "aim"), [("jpeg", 0.9), ("jpeg", 0.98), ("webp", 0.95)])
def test_a_file_is_no_more_similar_than_asked(render, of_quality, photo, backend, format, aim):
    image = photo(160, 120)
    settings = {"backend": backend, "output": {"format": format}}
    target = {"format": format, "target": {"ssim": aim}}
    made, _ = render(image, backend=backend, output=target)
    assert similarity(image, made) >= aim
    worse, _ = of_quality(made, image, **settings)
    assert similarity(image, worse) < aim


@LOSSY
@BACKENDS
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
def test_both_kinds_of_targets_are_reached_in_every_format(render, photo, format, backend, mode):
    image = photo(96, 64).convert(mode)
    if mode.endswith("A"):
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    made, _ = render(image, backend=backend, output={"format": format, "target": {"bytes": "1.5k"}})
    assert 0 < len(made) <= 1500
    made, _ = render(image, backend=backend, output={"format": format, "target": {"ssim": 0.9}})
    white = Image.new("RGBA", image.size, "white")
    shown, wanted = (Image.alpha_composite(white, i.convert("RGBA")) for i in (opened(made), image))
    assert ssim(shown.convert("RGB"), wanted.convert("RGB")) > 0.895


def test_the_highest_quality_is_enough(render, photo):
    image = photo(96, 64)
    made, _ = render(image, output={"target": {"bytes": "1M"}})
    assert made == render(image, output={"quality": 100})[0]


def test_the_highest_quality_is_enough_for_a_similarity(render):
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8))
    output = {"format": "webp"}
    best, almost = (render(noise, output={**output, "quality": q})[0] for q in (100, 99))
    aim = (similarity(noise, best) + similarity(noise, almost)) / 2
    assert similarity(noise, almost) < aim < 0.9999
    assert render(noise, output={**output, "target": {"ssim": aim}})[0] == best


def test_the_lowest_quality_is_enough(render):
    image = Image.new("RGB", (96, 64), "red")
    made, _ = render(image, output={"target": {"ssim": 0.01}})
    assert made == render(image, output={"quality": 1})[0]


@BACKENDS
@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"bytes": 300}, r"quality 1 gives [\d,]+ bytes, more than target.bytes = 300"),
        (
            {"ssim": 0.9999},
            r"quality 100 gives an SSIM of 0\.\d+, less than target.ssim = 0\.9999",
        ),
    ],
)
def test_a_target_that_no_quality_reaches_fails_the_image(render, backend, target, message):
    noise = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    _, outcome = render(
        Image.fromarray(noise), backend=backend, output={"format": "webp", "target": target}
    )
    assert (outcome.stage, outcome.reason) == ("encode", "target_missed")
    assert re.fullmatch(message, outcome.message)


def test_metadata_counts_and_is_kept(render, photo):
    file = io.BytesIO()
    photo(96, 64).save(file, "JPEG", exif=exif_block([(0x010E, "ascii", "x" * 1000)]))
    made, _ = render(file.getvalue(), metadata="keep", output={"target": {"bytes": 3000}})
    assert 2000 < len(made) <= 3000
    assert opened(made).getexif()[0x010E] == "x" * 1000


def test_an_output_may_have_a_format_that_sources_must_not_have(render, photo):
    limits = Limits(formats=("png",), max_bytes=20_000, max_aspect=2)
    output = {"format": "webp", "target": {"ssim": 0.9}}
    steps = [{"resize": {"width": 300, "height": 100}}]
    made, outcome = render(photo(60, 40), limits, steps=steps, output=output)
    assert opened(made).size == (300, 100), outcome.message


@BACKENDS
@pytest.mark.parametrize(
    "output", [{"format": "webp", "target": {"ssim": 0.5}}, {"format": "png", "min_saving": 100}]
)
def test_an_output_may_be_as_narrow_as_its_source(render, photo, backend, output):
    """It is longer than the limits allow by default, and is decoded again here."""
    made, outcome = render(photo(1100, 1), Limits(max_aspect=1100), backend=backend, output=output)
    assert opened(made).size == (1100, 1), outcome.message
    assert outcome.files[0].note == (SOURCE_KEPT if "min_saving" in output else "")


def test_the_limit_on_pixels_applies_to_pictures_that_are_compared(render, photo):
    limits = Limits(max_pixels=10_000)
    output = {"target": {"ssim": 0.9}}
    steps = [{"resize": {"width": 300, "height": 100}}]
    _, outcome = render(photo(60, 40), limits, steps=steps, output=output)
    assert (outcome.reason, "limits.max_pixels" in outcome.message) == ("too_large", True)


@LOSSY
def test_an_orientation_that_is_kept_does_not_matter(render, photo, format):
    file = io.BytesIO()
    photo(96, 64).save(file, "JPEG", quality=95, exif=exif_block([(0x0112, "short", 6)]))
    _, outcome = render(
        file.getvalue(),
        orientation="keep",
        output={"format": format, "target": {"ssim": 0.9}},
    )
    assert outcome.status == "ok"


def test_an_animation_has_a_size_too(render, photo):
    file = io.BytesIO()
    frames = [photo(64, 48, seed) for seed in (1, 2, 3)]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], duration=50)
    made, _ = render(
        file.getvalue(), animation="all", output={"format": "webp", "target": {"bytes": 3000}}
    )
    assert len(made) <= 3000
    assert opened(made).n_frames == 3


@pytest.mark.parametrize(("aim", "note"), [(20_000, SOURCE_KEPT), (3_000, "")])
def test_a_source_is_kept_only_if_it_meets_the_target(render, photo, aim, note):
    file = io.BytesIO()
    photo(160, 120).save(file, "JPEG", quality=60)
    assert 3_000 < len(file.getvalue()) < 20_000
    output = {"target": {"bytes": aim}, "min_saving": "100 %"}
    made, outcome = render(file.getvalue(), output=output)
    assert (outcome.files[0].note, len(made) <= aim) == (note, True)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"target": {"byte": 5}}, r"target.byte: unknown key.*bytes"),
        ({"target": {"bytes": "5 apples"}}, r"give \{bytes: ...\} with a number of bytes such as"),
        ({"target": {"bytes": 0}}, r"give \{bytes: ...\}"),
        ({"target": {"ssim": 1}}, r"give \{ssim: ...\} with a number from 0.01 to 0.9999"),
        ({"target": {}}, r"give \{bytes: 200k\} or \{ssim: 0.98\}"),
        ({"target": {"ssim": 0.9, "bytes": 5}}, r"give \{bytes: 200k\} or \{ssim: 0.98\}"),
        ({"target": "200k"}, r"give \{bytes: 200k\} or \{ssim: 0.98\}"),
        ({"target": {"bytes": 5}, "quality": 80}, "decides the quality, and quality is 80"),
        ({"target": {"bytes": 5}, "format": "png"}, "the format 'png' has no quality to search"),
        ({"target": {"bytes": 5}, "format": "same"}, "the format 'same' has no quality to search"),
        ({"target": {"bytes": 5}, "format": "webp", "lossless": True}, "lossless is true"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(output, message):
    with pytest.raises(UserError, match=message):
        parse({"output": output})


def test_the_similarity_of_an_animation_is_refused():
    with pytest.raises(UserError, match=r"animation: found 'all', but target.ssim"):
        parse({"animation": "all", "output": {"format": "webp", "target": {"ssim": 0.9}}})


def test_a_number_of_bytes_is_rounded_to_the_nearest():
    """As a floating-point number, 1.001 times 1000 is less than 1001."""
    assert 1.001 * 1e3 < 1001
    given = {"1.001k": 1001, "1.0016k": 1002, "0.0004M": 400}
    for aim, expected in given.items():
        recipe = parse({"output": {"target": {"bytes": aim}}})
        assert recipe.as_data()["output"]["target"] == {"bytes": expected}


@pytest.mark.parametrize("aim", ["200k", "200 kB", "0.2M", "0.2 MB", 200_000, "200000"])
def test_numbers_of_bytes_may_have_units(aim):
    recipe = parse({"output": {"target": {"bytes": aim}}})
    assert recipe.as_data()["output"]["target"] == {"bytes": 200_000}
    assert "quality" not in recipe.as_data()["output"]
    assert parse(recipe.as_data()) == recipe


def test_no_target_is_no_change():
    assert parse({"output": {"target": None}}).as_data() == parse({}).as_data()


def test_a_target_may_stand_beside_what_is_the_default():
    output = {"format": "webp", "target": {"bytes": 5}}
    assert parse({"output": {**output, "lossless": False}}) == parse({"output": output})
