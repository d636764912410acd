"""What is expected of an output follows from its recipe alone."""

import random
import struct

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.renderer import Renderer
from pixelmill.verification import expected_geometry, reference, similarity
from pixelmill.verification.expectations import (
    expectations_of,
    expected_modes,
    expected_size,
    format_of,
    stored_size,
)

MATRIX = {"color_matrix": {"matrix": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}}
OWN = {"call": {"function": "mine:change"}}
FRAME = {"width": 40, "height": 30}


@pytest.mark.parametrize(
    ("steps", "source", "expected"),
    [
        ([("resize", FRAME)], None, (40, 30)),
        ([("resize", {**FRAME, "fit": "cover"})], None, (40, 30)),
        ([("resize", {**FRAME, "fit": "pad"})], None, (40, 30)),
        ([("resize", {**FRAME, "fit": "contain"})], None, "source"),
        ([("resize", {**FRAME, "fit": "contain"})], (100, 10), (40, 4)),
        ([("resize", {"width": 40})], (100, 10), (40, 4)),
        ([("resize", {"width": 40})], None, "source"),
        ([("resize", {"percent": 50})], (7, 9), (4, 5)),
        ([("resize", {**FRAME, "upscale": "never"})], None, "source"),
        ([("resize", {**FRAME, "upscale": "never", "fit": "pad"})], None, (40, 30)),
        ([("crop", {"width": 50, "height": 20})], (40, 30), (40, 20)),
        ([("crop", {"width": 50, "height": 20})], None, "source"),
        ([("crop", {"left": 50})], (40, 30), None),
        ([("crop", {"left": 99, "unit": "percent"})], (50, 30), (1, 30)),
        ([("crop", {"top": 98.4, "height": 0.1, "unit": "percent"})], (50, 30), (50, 1)),
        ([("resize", FRAME), ("crop", {"width": 50, "unit": "percent"})], None, (20, 30)),
        ([("rotate", {"angle": -90})], (7, 9), (9, 7)),
        ([("rotate", {"angle": 180})], (7, 9), (7, 9)),
        ([("rotate", {"angle": 90, "expand": False})], (7, 9), (7, 9)),
        ([("rotate", {"angle": 10, "expand": False})], (7, 9), (7, 9)),
        ([("rotate", {"angle": 10})], (7, 9), None),
        ([("rotate", {"angle": 10})], None, None),
        ([("rotate", {"angle": 10}), ("resize", FRAME)], None, (40, 30)),
        ([("trim", {})], (7, 9), None),
        ([("trim", {}), ("resize", {"longest": 5})], (7, 9), None),
        ([("border", {"width": [1, 2, 3, 4]})], (7, 9), (13, 13)),
        ([("resize", FRAME), ("border", {"width": 5})], None, (50, 40)),
        ([("sharpen", {})], (7, 9), (7, 9)),
        ([("call", {}), ("sharpen", {})], (7, 9), None),
        ([("call", {}), ("resize", FRAME)], (7, 9), (40, 30)),
    ],
    ids=str,
)
def test_the_size_follows_from_the_recipe(steps, source, expected):
    assert expected_size(steps, source) == expected


@pytest.mark.parametrize(
    ("names", "output", "modes"),
    [
        ([], {}, {"RGB", "L"}),
        (["grayscale", "sharpen"], {}, {"L"}),
        (["grayscale", MATRIX], {}, {"RGB"}),
        ([MATRIX, OWN], {}, {"RGB", "L"}),
        (["grayscale", OWN], {"format": "png"}, {"RGB", "L", "RGBA", "LA", "P"}),
        (["grayscale", MATRIX], {"format": "png"}, {"RGB", "RGBA"}),
        (["grayscale", "sepia"], {}, {"RGB"}),
        ([], {"format": "bmp"}, {"RGB", "L"}),
        ([], {"format": "png"}, {"RGB", "L", "RGBA", "LA", "P"}),
        (["grayscale"], {"format": "png"}, {"L", "LA"}),
        ([MATRIX], {"format": "png"}, {"RGB", "RGBA"}),
        (["grayscale"], {"format": "webp"}, {"RGB", "RGBA"}),
        ([], {"format": "gif"}, {"P", "L", "RGB", "RGBA"}),
    ],
    ids=[
        "either", "grey", "colour-again", "own", "own-transparent",
        "colour-again-transparent", "tinted", "bmp", "transparent", "transparent-grey",
        "transparent-colour", "webp-has-no-grey", "gif-has-palettes",
    ],
)  # fmt: skip
def test_the_mode_follows_from_steps_and_format(names, output, modes):
    (expectation,) = expectations_of({"steps": names, "output": output}).values()
    assert set(expected_modes(expectation)) == modes


CLEAR = {"color": "transparent"}
FILLED = {"width": 9, "height": 9, "fit": "pad", **CLEAR}
EITHER = {"RGB", "L", "RGBA", "LA", "P"}
WITH_ALPHA = {"RGBA", "LA"}


@pytest.mark.parametrize(
    ("steps", "modes"),
    [
        ([{"resize": {"width": 9}}], EITHER),
        ([{"grayscale": {}}], {"L", "LA"}),
        ([{"resize": FILLED}], WITH_ALPHA),
        ([{"resize": {**FILLED, "height": 5}}], EITHER),  # the picture fills the frame
        ([{"resize": {**FILLED, "fit": "cover"}}], EITHER),
        ([{"crop": {"width": 6, "height": 6}}, {"resize": FILLED}], EITHER),
        ([{"trim": {}}, {"resize": FILLED}], EITHER),  # its size is not known
        ([{"border": {"width": 1, **CLEAR}}], WITH_ALPHA),
        ([{"border": {"width": [0, 0, 2, 0], **CLEAR}}], WITH_ALPHA),
        ([{"border": {"width": 0, **CLEAR}}], EITHER),
        ([{"border": {"width": 1, **CLEAR}}, {"grayscale": {}}], {"LA"}),
        ([{"border": {"width": 1, **CLEAR}}, {"crop": {"width": 4, "height": 4}}], EITHER),
        ([{"border": {"width": 1, **CLEAR}}, {"trim": {}}], EITHER),
        ([{"border": {"width": 1, **CLEAR}}, {"resize": {**FILLED, "fit": "cover"}}], EITHER),
        ([{"rotate": {"angle": 30, **CLEAR}}], WITH_ALPHA),
        ([{"rotate": {"angle": 0.5, **CLEAR}}], EITHER),
        ([{"rotate": {"angle": 90, **CLEAR}}], EITHER),
        ([{"rotate": {"angle": 90, "expand": False, **CLEAR}}], WITH_ALPHA),
        ([{"rotate": {"angle": 180, "expand": False, **CLEAR}}], EITHER),
        ([{"rotate": {"angle": 30, **CLEAR}}, {"call": {}}], EITHER),
    ],
)  # fmt: skip
def test_alpha_may_be_there_and_must_where_something_transparent_is_visible(tmp_path, steps, modes):
    source = tmp_path / "a.png"
    Image.new("RGB", (18, 10)).save(source)
    for output in ("png", "tiff"):
        (expectation,) = expectations_of({"steps": steps, "output": {"format": output}}).values()
        assert set(expected_modes(expectation, source)) == modes
    for output in ("jpeg", "bmp", "gif"):
        (expectation,) = expectations_of({"steps": steps, "output": {"format": output}}).values()
        assert set(expected_modes(expectation, source)) & {"RGB", "L", "P"}


#: Steps that change the mode, and whether OpenCV has them.
CHANGING = [
    ("grayscale", True),
    (MATRIX, True),
    ({"sepia": {}}, False),
    ({"resize": {**FILLED, "width": 20}}, False),
    ({"border": {"width": 2, **CLEAR}}, False),
    ({"border": {"width": 0, **CLEAR}}, False),
    ({"rotate": {"angle": 30, **CLEAR}}, False),
    ({"rotate": {"angle": 90, **CLEAR}}, False),
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, photo):
    """A folder of grey, colours, alpha and animations in every format."""
    folder = tmp_path_factory.mktemp("pictures")
    colors, clear = photo(12, 9), photo(12, 9).copy()
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    for suffix in ("jpeg", "png", "webp", "avif", "tiff", "gif", "bmp"):
        colors.save(folder / f"colors.{suffix}")
        colors.convert("L").save(folder / f"gray.{suffix}")
        if suffix not in ("jpeg", "bmp"):
            clear.save(folder / f"clear.{suffix}")
        if suffix in ("png", "tiff"):
            clear.convert("LA").save(folder / f"clear-gray.{suffix}")
        if suffix in MOVING:
            others = {"save_all": True, "append_images": [photo(12, 9, 1)]}
            colors.save(folder / f"moving.{suffix}", **others)
    return folder


MOVING = ("png", "webp", "avif", "gif")


@pytest.mark.parametrize("output", ["jpeg", "png", "webp", "avif", "tiff", "gif", "bmp", "same"])
@pytest.mark.parametrize(
    ("step", "backend"),
    [
        *((step, "pillow") for step, _ in CHANGING),
        *((step, "opencv") for step, known in CHANGING if known),
    ],
)
def test_the_modes_of_all_outputs_are_expected(pictures, tmp_path, step, backend, output):
    wrong = []
    for animation, sources in (("first", "[!m]*"), ("all", "moving*")):
        if animation == "all" and output not in (*MOVING, "same"):
            continue
        given = {"steps": [step], "animation": animation, "backend": backend}
        recipe = recipe_parser.parse({**given, "output": {"format": output}})
        renderer = Renderer(str(pictures), str(tmp_path), recipe)
        (expectation,) = expectations_of(recipe.as_data()).values()
        for source in sorted(pictures.glob(sources)):
            outcome = renderer.render(Job(source.name, ("out",)))
            assert outcome.status == "ok", outcome.message
            modes = expected_modes(expectation, source)
            with Image.open(tmp_path / "out") as made:
                if made.mode not in modes:
                    wrong.append((source.name, made.mode, modes))
    assert wrong == []


#: Steps that a recipe can hold, as it writes them, drawn from again and again.
GEOMETRY = [
    lambda draw: ("resize", {
        **draw.choice([
            {"width": draw.randint(9, 90), "height": draw.randint(9, 90),
             "fit": draw.choice(["stretch", "contain", "inside", "cover", "pad", "outside"])},
            {"width": draw.randint(9, 90)}, {"height": draw.randint(9, 90)},
            {"percent": draw.randint(200, 1500) / 10}, {"longest": draw.randint(9, 90)},
            {"shortest": draw.randint(9, 90)},
        ]),
        "gravity": draw.choice(["center", "top", "left", "top_right", "bottom_left"]),
        "upscale": draw.choice(["allow", "never"]),
        "linear": draw.choice([True, False]),
        "color": draw.choice(["gray", "#204060", "transparent", "blur"]),
        "filter": draw.choice(["lanczos", "bicubic"]),
    }),
    lambda draw: ("crop", draw.choice([
        {"width": draw.randint(5, 150), "height": draw.randint(5, 150),
         "gravity": draw.choice(["center", "bottom", "right", "top_left"])},
        {"unit": "percent", "width": draw.randint(100, 1000) / 10, "left": draw.randint(0, 50)},
    ])),
    lambda draw: ("rotate", {"angle": draw.choice([-90, 0, 90, 180, 270]),
                             "expand": draw.choice([True, False]), "color": "#804020"}),
    lambda draw: ("flip", {"direction": draw.choice(["horizontal", "vertical", "both"])}),
    lambda draw: ("border", {"width": [draw.randint(0, 9) for _ in range(4)], "color": "gray"}),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_rendered_outputs_have_the_expected_size_and_look(apply, photo, seed):
    """The code that renders images and the code that checks them are independent."""
    draw = random.Random(seed)
    chosen = draw.sample(range(len(GEOMETRY)), draw.randint(1, 3))
    steps = [GEOMETRY[number](draw) for number in chosen]
    image = photo(draw.randint(60, 120), draw.randint(60, 120))
    source, size = np.asarray(image), image.size
    for name, params in steps:
        image = apply(image, name, **params)
    assert expected_size(steps, size) == image.size, steps
    (png,) = expectations_of(
        {"steps": [dict([step]) for step in steps], "output": {"format": "png"}}
    ).values()
    assert image.mode in expected_modes(png)
    assert expected_geometry.can_render(steps)
    made, expected = (
        similarity.reduce(reference.blend(layers, "#ffffff"))
        for layers in (np.asarray(image.convert("RGBA")), reference.render(source, steps))
    )
    assert similarity.psnr(made, expected) >= 30, steps


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_the_upright_size_is_that_of_the_picture_as_seen(tmp_path, format_, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "stored"
    Image.new("RGB", (30, 20)).save(path, format_, exif=exif)
    assert stored_size(path) == ((20, 30) if orientation >= 5 else (30, 20))


def test_the_size_of_a_broken_source_is_unknown(tmp_path):
    (tmp_path / "broken").write_bytes(b"\xff\xd8\xff")
    assert stored_size(tmp_path / "broken") is None


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP"])
def test_an_orientation_in_xmp_is_not_followed(tmp_path, format_):
    """Browsers ignore it too."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    options = {"xmp": xmp}
    if format_ == "PNG":
        options = {"pnginfo": PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    Image.new("RGB", (30, 20)).save(tmp_path / "a", format_, **options)
    assert stored_size(tmp_path / "a") == (30, 20)


@pytest.mark.parametrize(
    ("format_", "held"), [("ICO", "PNG"), ("PPM", "PNG"), ("MPO", "JPEG"), ("WEBP", "WEBP")]
)
def test_a_format_that_is_not_written_gives_way_to_one_that_holds_the_same(tmp_path, format_, held):
    Image.new("RGB", (32, 32)).save(tmp_path / "a", format_, save_all=format_ == "MPO")
    assert format_of(tmp_path / "a") == held
    assert format_of(tmp_path / "missing") == ""


def test_a_heic_gives_way_to_jpeg_and_an_avif_stays_one(tmp_path):
    for brand, held in ((b"heic", "JPEG"), (b"mif1", "JPEG"), (b"avif", "AVIF")):
        (tmp_path / "a").write_bytes(struct.pack(">I4s4sI", 16, b"ftyp", brand, 0))
        assert format_of(tmp_path / "a") == held


def test_the_size_of_a_jpeg_is_known_however_long_its_header_is(tmp_path, encoded):
    """A large thumbnail or profile precedes it in some files."""
    data = encoded(Image.new("RGB", (30, 20)), "JPEG")
    segment = b"\xff\xe5" + struct.pack(">H", 60_002) + bytes(60_000)
    for count in (0, 1, 3):
        (tmp_path / "a").write_bytes(data[:2] + count * segment + data[2:])
        assert stored_size(tmp_path / "a") == (30, 20)


def test_a_png_that_may_be_the_copy_of_its_source_may_have_one_bit():
    for output, may in (
        ({"if_larger": "keep_source"}, True),
        ({"min_saving": "5 %"}, True),
        ({"if_larger": "write"}, False),
        ({"format": "tiff", "if_larger": "keep_source"}, False),
    ):
        (expectation,) = expectations_of({"output": {"format": "png", **output}}).values()
        assert ("1" in expected_modes(expectation)) is may
