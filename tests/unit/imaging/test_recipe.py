"""Recipes are checked before anything runs, and equal recipes have equal fingerprints."""

import dataclasses
import datetime
import os
import pickle

import pytest
from PIL import Image

from pixelmill.core.errors import UserError
from pixelmill.imaging.recipe import find_file
from pixelmill.imaging.recipe_parser import parse

RESIZE = {"resize": {"width": 64, "height": 48}}


def with_step(step):
    return {"steps": [RESIZE, step]}


#: What was written, the key that the message begins with, and words that it must hold:
#: what was found and what is allowed.
MISTAKES = {
    "nothing": (None, "recipe", ["nothing", "a map with steps and output"]),
    "list-of-steps-alone": ([RESIZE], "recipe", ["'resize'", "a map with steps and output"]),
    "unknown-key": ({"stepps": []}, "recipe.stepps", ["unknown", "steps, output, outputs,"]),
    "steps-empty": ({"steps": None}, "recipe.steps", ["nothing", "a list of steps"]),
    "steps-as-map": ({"steps": RESIZE}, "recipe.steps", ["'resize'", "a list of steps"]),
    "unknown-step": (
        with_step({"blur": {"radius": 2}}), "recipe.steps[1].blur",
        ["no such step", "gaussian_blur", "call"],
    ),
    "two-steps-in-one": (
        {"steps": [{"grayscale": {}, "sharpen": {}}]}, "recipe.steps[0]", ["grayscale", "one step"],
    ),
    "step-as-number": ({"steps": [3]}, "recipe.steps[0]", ["3", "one step"]),
    "step-of-no-name": ({"steps": [{}]}, "recipe.steps[0]", ["{}", "one step"]),
    "parameters-as-number": (
        {"steps": [{"gaussian_blur": 2}]}, "recipe.steps[0].gaussian_blur", ["2", "as a map"],
    ),
    "unknown-parameter": (
        {"steps": [{"gaussian_blur": {"sigma": 2}}]}, "recipe.steps[0].gaussian_blur.sigma",
        ["unknown", "radius"],
    ),
    "parameter-of-a-step-without-any": (
        {"steps": [{"sharpen": {"amount": 2}}]}, "recipe.steps[0].sharpen.amount",
        ["unknown", "none"],
    ),
    "missing-parameter": (
        {"steps": ["color_matrix"]}, "recipe.steps[0].color_matrix.matrix", ["missing", "3 rows"],
    ),
    "parameters-that-do-not-go-together": (
        {"steps": [{"resize": {"width": 64, "percent": 50}}]}, "recipe.steps[0].resize",
        ["give either width or percent"],
    ),
    "number-as-text": (
        {"steps": [{"gaussian_blur": {"radius": "2"}}]}, "recipe.steps[0].gaussian_blur.radius",
        ["'2'", "a number from 0 to 1000"],
    ),
    "number-out-of-range": (
        {"steps": [{"gaussian_blur": {"radius": -1}}]}, "recipe.steps[0].gaussian_blur.radius",
        ["-1", "a number from 0 to 1000"],
    ),
    "parameter-without-a-value": (
        {"steps": [{"gaussian_blur": {"radius": None}}]}, "recipe.steps[0].gaussian_blur.radius",
        ["found nothing", "a number from 0 to 1000"],
    ),
    "zero-width": (
        {"steps": [{"resize": {"width": 0, "height": 9}}]}, "recipe.steps[0].resize.width",
        ["0", "a whole number from 1"],
    ),
    "broken-width": (
        {"steps": [{"resize": {"width": 2.5, "height": 9}}]}, "recipe.steps[0].resize.width",
        ["2.5", "a whole number"],
    ),
    "unknown-fit": (
        {"steps": [{"resize": {"width": 9, "height": 9, "fit": "crop"}}]},
        "recipe.steps[0].resize.fit", ["'crop'", "stretch, contain, cover, pad"],
    ),
    "unknown-filter": (
        {"steps": [{"resize": {"width": 9, "height": 9, "filter": "area"}}]},
        "recipe.steps[0].resize.filter", ["'area'", "lanczos"],
    ),
    "unknown-colour": (
        {"steps": [{"resize": {"width": 9, "height": 9, "color": "pink"}}]},
        "recipe.steps[0].resize.color", ["'pink'", "#ffffff"],
    ),
    "even-median": (
        {"steps": [{"median": {"size": 4}}]}, "recipe.steps[0].median.size", ["4", "3, 5, 7"],
    ),
    "matrix-of-two-rows": (
        {"steps": [{"color_matrix": {"matrix": [[1, 0, 0], [0, 1, 0]]}}]},
        "recipe.steps[0].color_matrix.matrix", ["[[1, 0, 0], [0, 1, 0]]", "3 rows of 3"],
    ),
    "output-as-text": ({"output": "jpeg"}, "recipe.output", ["'jpeg'", "a map"]),
    "output-empty": ({"output": None}, "recipe.output", ["nothing", "a map"]),
    "unknown-key-of-output": (
        {"output": {"fmt": "jpeg"}}, "recipe.output.fmt", ["unknown", "format, quality"],
    ),
    "unknown-format": (
        {"output": {"format": "wepb"}}, "recipe.output.format",
        ["'wepb'", "did you mean 'webp'?", "jpeg, png, webp"],
    ),
    "format-as-list": (
        {"output": {"format": ["jpeg", "png"]}}, "recipe.output.format",
        ["['jpeg', 'png']", "jpeg, png, webp, avif, tiff, gif, bmp, same"],
    ),
    "quality-as-text": (
        {"output": {"quality": "high"}}, "recipe.output.quality", ["'high'", "1 to 100"],
    ),
    "quality-as-part": ({"output": {"quality": 0.85}}, "recipe.output.quality", ["0.85", "100"]),
    "quality-zero": ({"output": {"quality": 0}}, "recipe.output.quality", ["0", "1 to 100"]),
    "quality-too-high": ({"output": {"quality": 101}}, "recipe.output.quality", ["101", "100"]),
    "quality-yes": ({"output": {"quality": True}}, "recipe.output.quality", ["True", "100"]),
    "margin-as-text": ({"shrink_margin": "off"}, "recipe.shrink_margin", ["'off'", "0 to decode"]),
    "margin-negative": ({"shrink_margin": -1}, "recipe.shrink_margin", ["-1", "0 to decode"]),
    "margin-nan": ({"shrink_margin": float("nan")}, "recipe.shrink_margin", ["nan", "0 to decode"]),
    "margin-that-would-enlarge": (
        {"shrink_margin": 0.5}, "recipe.shrink_margin", ["0.5", "1 to 100, or 0 to decode"],
    ),
    "quality-of-a-format-without-one": (
        {"output": {"format": "png", "quality": 0}}, "recipe.output.quality", ["0", "1 to 100"],
    ),
    "option-of-the-format-of-the-source": (
        {"output": {"format": "same", "lossless": True}}, "recipe.output.lossless",
        ["unknown", "format, quality"],
    ),
    "one-output-and-several": (
        {"output": {}, "outputs": [{"name": "a"}]}, "recipe", ["both 'output' and 'outputs'"],
    ),
    "outputs-as-map": ({"outputs": {"name": "a"}}, "recipe.outputs", ["{'name': 'a'}", "a list"]),
    "outputs-empty": ({"outputs": []}, "recipe.outputs", ["[]", "a list"]),
    "one-of-several-as-text": (
        {"outputs": [{"name": "a"}, "b"]}, "recipe.outputs[1]", ["'b'", "a map"],
    ),
    "output-without-a-name": (
        {"outputs": [{"format": "png"}]}, "recipe.outputs[0].name", ["found nothing", "64 letters"],
    ),
    "output-name-as-number": ({"outputs": [{"name": 1}]}, "recipe.outputs[0].name", ["1", "64"]),
    "output-name-with-slash": (
        {"outputs": [{"name": "a/b"}]}, "recipe.outputs[0].name", ["'a/b'", "letters, digits"],
    ),
    "output-name-that-looks-like-an-option": (
        {"outputs": [{"name": "-a"}]}, "recipe.outputs[0].name", ["'-a'", "beginning with"],
    ),
    "output-name-given-twice": (
        {"outputs": [{"name": "a"}, {"name": "a"}]}, "recipe.outputs[1].name", ["'a'", "twice"],
    ),
    "output-names-that-differ-in-case": (
        {"outputs": [{"name": "A"}, {"name": "a"}]}, "recipe.outputs[1].name", ["'a'", "twice"],
    ),
    "unknown-step-of-an-output": (
        {"outputs": [{"name": "a", "steps": ["sharpen", "sharpn"]}]},
        "recipe.outputs[0].steps[1].sharpn", ["no such step"],
    ),
    "unknown-format-of-an-output": (
        {"outputs": [{"name": "a"}, {"name": "b", "format": "jpge"}]}, "recipe.outputs[1].format",
        ["'jpge'", "did you mean 'jpeg'?", "jpeg, png"],
    ),
    "unknown-tag": ({"metadata": ["Copyrigth"]}, "recipe.metadata", ["'Copyrigth'", "'Copyright'"]),
    "no-tag": ({"metadata": []}, "recipe.metadata", ["[]", "a list of tags"]),
    "unknown-setting": ({"metadata": "all"}, "recipe.metadata", ["'all'", "strip, keep, none"]),
    "orientation-that-a-format-cannot-hold": (
        {"orientation": "keep", "output": {"format": "gif"}}, "recipe.orientation",
        ["gif cannot hold the tag", "jpeg, png, webp, avif, tiff or same"],
    ),
    "animation-that-one-of-several-cannot-hold": (
        {"animation": "all", "outputs": [{"name": "a", "format": "webp"}, {"name": "b"}]},
        "recipe.animation", ["jpeg cannot hold moving pictures", "png, webp, avif, gif or same"],
    ),
    "depth-that-a-format-cannot-hold": (
        {"depth": "keep", "output": {"format": "webp"}}, "recipe.depth",
        ["webp cannot hold 16 bits", "png, tiff or same"],
    ),
    "depth-that-a-step-cannot-keep": (
        {"depth": "keep", "output": {"format": "png"}, "steps": ["sharpen"]}, "recipe.depth",
        ["sharpen works on 8 bits", "crop", "resize"],
    ),
    "depth-that-a-step-of-an-output-cannot-keep": (
        {"depth": "keep", "outputs": [{"name": "a", "format": "png", "steps": ["sharpen"]}]},
        "recipe.depth", ["sharpen works on 8 bits"],
    ),
    "file-that-is-not-there": (
        {"steps": [{"watermark": {"image": "no.png"}}]}, "recipe.steps[0].watermark.image",
        ["'no.png'"],
    ),
    "call-of-nothing": (
        {"steps": [{"call": {}}]}, "recipe.steps[0].call.function", ["None", '"module:function"'],
    ),
    "call-of-a-missing-module": (
        {"steps": [{"call": {"function": "no_such_module:f"}}]}, "recipe.steps[0].call.function",
        ["'no_such_module'", "put the file beside the config"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "key", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gives_one_sentence_that_begins_with_its_key(data, key, words):
    with pytest.raises(UserError) as refusal:
        parse(data)
    sentence = str(refusal.value)
    assert sentence.startswith(f"{key}: ")
    assert sentence.endswith(".")
    assert len(sentence.splitlines()) == 1
    assert [word for word in words if word not in sentence] == []


@pytest.mark.parametrize(
    "data",
    [
        {"orientation": "keep", "output": {"format": "same"}},
        {"animation": "all", "outputs": [{"name": "a", "format": "gif"}]},
        {"depth": "keep", "output": {"format": "tiff"}, "steps": [RESIZE]},
        {"output": {"format": "png", "quality": 85}},
        {"outputs": [{"name": "a"}, {"name": "A1-_"}, {"name": 64 * "n"}]},
    ],
    ids=str,
)
def test_what_formats_and_steps_can_do_is_accepted(data):
    assert parse(data).outputs


def test_the_sentence_names_the_recipe():
    with pytest.raises(UserError, match=r"^recipes\.mine\.steps\[0\]\.sharpenn: "):
        parse({"steps": ["sharpenn"]}, "recipes.mine")


def test_omitted_keys_of_a_recipe_get_their_defaults():
    parsed = parse({"steps": [RESIZE]})
    assert parsed.as_data() == {
        "steps": [
            {
                "resize": {
                    "width": 64, "height": 48, "percent": None, "longest": None, "shortest": None,
                    "fit": "stretch", "gravity": "center", "color": "#ffffff", "upscale": "allow",
                    "filter": "lanczos", "linear": False, "resampler": "simd",
                }
            }
        ],
        "output": {
            "format": "jpeg", "quality": 85, "subsampling": "4:2:0", "progressive": False,
            "optimize": False,
        },
        "backend": "pillow", "orientation": "apply", "color": "srgb", "depth": 8,
        "animation": "first", "metadata": "strip", "background": "#ffffff", "keep_mtime": False,
        "shrink_margin": 2.5,
    }  # fmt: skip


def test_an_empty_recipe_saves_as_jpeg():
    parsed = parse({})
    (output,) = parsed.outputs
    assert (parsed.steps, output.name, output.format, output.steps) == ((), "", "jpeg", ())
    assert output.options["quality"] == 85


@pytest.mark.parametrize("step", ["sharpen", {"sharpen": None}, {"sharpen": {}}])
def test_a_step_without_parameters_is_its_name(step):
    assert parse({"steps": [step]}) == parse({"steps": [{"sharpen": {}}]})


FULL = {
    "steps": [
        {"resize": {"width": 64, "height": 48, "fit": "pad", "color": "black"}},
        {"gaussian_blur": {"radius": 1}},
        {"color_matrix": {"matrix": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}},
    ],
    "output": {"format": "webp", "quality": 70},
    "shrink_margin": 3,
}

VARIANTS = {
    "steps": ["sharpen"],
    "outputs": [
        {"name": "thumb", "steps": [RESIZE], "format": "webp", "lossless": True},
        {"name": "large", "format": "jpeg", "subsampling": "4:4:4"},
        {"name": "original", "format": "same", "quality": 90},
    ],
    "background": "black",
    "metadata": "keep",
}


#: One output, but with a name, so that it has a folder.
NAMED = {"outputs": [{"name": "only", "steps": ["sharpen"], "format": "png"}]}


@pytest.mark.parametrize("data", [FULL, VARIANTS, NAMED], ids=["one-output", "several", "named"])
def test_a_recipe_written_out_is_the_same_recipe(data):
    parsed = parse(data)
    assert parse(parsed.as_data()) == parsed
    assert parse(parsed.as_data()).fingerprint() == parsed.fingerprint()


BLUR, OWN = {"gaussian_blur": {"radius": 1}}, {"call": {"function": "own:step"}}

#: Recipes, and whether another version of OpenCV may make other pixels or files of them.
BY_OPENCV = {
    "jpeg by default": ({}, True),
    "jpeg": ({"output": {"format": "jpeg"}}, True),
    "same, which may be jpeg": ({"output": {"format": "same"}}, True),
    **{format: ({"output": {"format": format}}, False)
       for format in ("png", "webp", "avif", "tiff", "gif", "bmp")},
    "one of several is jpeg": (
        {"outputs": [{"name": "a", "format": "png"}, {"name": "b", "format": "jpeg"}]}, True
    ),
    "one of several is same": (
        {"outputs": [{"name": "a", "format": "png"}, {"name": "b", "format": "same"}]}, True
    ),
    "none of several": (
        {"outputs": [{"name": "a", "format": "png"}, {"name": "b", "format": "webp"}]}, False
    ),
    "the backend": ({"output": {"format": "png"}, "backend": "opencv"}, True),
    "a step": ({"output": {"format": "png"}, "steps": [BLUR]}, True),
    "a step of one output": ({"outputs": [{"name": "a", "format": "png", "steps": [BLUR]}]}, True),
    "another step": ({"output": {"format": "png"}, "steps": ["sharpen"]}, False),
    "an own step": ({"output": {"format": "png"}, "steps": [OWN]}, False),
}  # fmt: skip


@pytest.mark.parametrize(("data", "uses"), BY_OPENCV.values(), ids=BY_OPENCV)
def test_a_recipe_knows_whether_opencv_decides_its_pixels_or_files(tmp_path, data, uses):
    (tmp_path / "own.py").write_text("def step(image):\n    return image\n", encoding="utf-8")
    assert parse(data, folder=str(tmp_path)).uses_opencv is uses


def test_a_recipe_travels_to_other_processes():
    parsed = parse(FULL)
    assert pickle.loads(pickle.dumps(parsed)) == parsed


def reversed_keys(data):
    if isinstance(data, dict):
        return {key: reversed_keys(data[key]) for key in reversed(data)}
    return [reversed_keys(item) for item in data] if isinstance(data, list) else data


def test_the_order_of_keys_does_not_change_the_fingerprint():
    assert list(reversed_keys(FULL)) != list(FULL)
    assert parse(reversed_keys(FULL)).fingerprint() == parse(FULL).fingerprint()


def test_a_default_written_out_does_not_change_the_fingerprint():
    written = {"steps": [{"gaussian_blur": {"radius": 2}}], "output": {"quality": 85}}
    assert parse({"shrink_margin": 3}).fingerprint() == parse({"shrink_margin": 3.0}).fingerprint()
    assert parse(written).fingerprint() == parse({"steps": ["gaussian_blur"]}).fingerprint()


def test_a_colour_by_name_does_not_change_the_fingerprint():
    def padded(color):
        step = {"resize": {"width": 9, "height": 9, "fit": "pad", "color": color}}
        return parse({"steps": [step]}).fingerprint()

    assert padded("white") == padded("#FFFFFF") != padded("black")


def test_what_concerns_one_output_changes_only_the_fingerprints_of_its_files():
    def fingerprints(**options):
        a = {"name": "a", "sidecar": "json", "steps": ["sharpen"], **options}
        return parse({"outputs": [a, {"name": "b", "format": "png"}]}).fingerprints()

    def changed(**options):
        pairs = zip(fingerprints().items(), fingerprints(**options).values(), strict=True)
        return {name for (name, before), after in pairs if before != after}

    for options in ({"quality": 60}, {"target": {"bytes": 900}}, {"path": "{name}"},
                    {"min_saving": "5 %"}, {"if_larger": "keep_source"}):  # fmt: skip
        assert changed(**options) == {"a", "a.json"}, options
    assert changed(steps=["grayscale"]) == changed(format="png") == {"a", "b", "a.json"}


def test_the_fingerprint_of_the_only_output_is_that_of_the_recipe():
    recipe = parse({"output": {"quality": 60, "sidecar": "json"}})
    assert recipe.fingerprints() == dict.fromkeys(("", ".json"), recipe.fingerprint())


def test_the_folder_is_not_part_of_the_fingerprint():
    here, there = parse(FULL, folder="here"), parse(FULL, folder="there")
    assert here == there
    assert here.fingerprint() == there.fingerprint()


OTHERS = {
    "another-parameter": {"steps": [{"gaussian_blur": {"radius": 1.5}}, "sharpen"]},
    "another-order": {"steps": ["sharpen", "gaussian_blur"]},
    "a-step-more": {"steps": ["gaussian_blur", "sharpen", "sharpen"]},
    "a-step-less": {"steps": ["gaussian_blur"]},
    "another-format": {"steps": ["gaussian_blur", "sharpen"], "output": {"format": "webp"}},
    "another-quality": {"steps": ["gaussian_blur", "sharpen"], "output": {"quality": 84}},
    "another-margin": {"steps": ["gaussian_blur", "sharpen"], "shrink_margin": 0},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_everything_that_decides_pixels_changes_the_fingerprint(other):
    base = parse({"steps": ["gaussian_blur", "sharpen"]})
    assert parse(other).fingerprint() != base.fingerprint()


@pytest.fixture
def own_step(tmp_path):
    (tmp_path / "mine.py").write_text("def boost(image, amount=1, times=1): return image\n")
    return tmp_path


def test_files_of_own_steps_are_known(own_step):
    parsed = parse(with_step({"call": {"function": "mine:boost"}}), folder=str(own_step))
    assert list(parsed.own_files()) == [str(own_step / "mine.py")]


#: Where a step may stand, as a recipe with its place left open.
PLACES = {
    "for all outputs": lambda step: {"steps": [step]},
    "for the only output": lambda step: {"outputs": [{"name": "a", "steps": [step]}]},
    "for the last output": lambda step: {
        "outputs": [{"name": "a", "steps": ["sharpen"]}, {"name": "b", "steps": [step]}]
    },
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_what_a_step_needs_is_known_wherever_it_stands(own_step, place):
    """Else what is made by it would not be made again, or could not be made in the sandbox."""
    Image.new("RGB", (2, 2)).save(own_step / "mark.png")

    def parsed(step):
        return parse(place(step), folder=str(own_step))

    own = parsed({"call": {"function": "mine:boost"}})
    assert list(own.own_files()) == [str(own_step / "mine.py")]
    assert not own.scales_on_threads
    marked = parsed({"watermark": {"image": "mark.png"}})
    assert list(marked.files()) == [str(own_step / "mark.png")]
    assert [step.name for step in marked.all_steps][-1] == "watermark"


def test_the_content_of_a_file_that_a_step_reads_changes_the_fingerprint(own_step):
    """Its name alone decides no pixel: the same recipe may be used beside another file."""

    def marked(color):
        Image.new("RGB", (2, 2), color).save(own_step / "mark.png")
        recipe = {"steps": [{"watermark": {"image": "mark.png"}}]}
        return parse(recipe, folder=str(own_step)).fingerprint()

    assert marked("red") == marked("red") != marked("blue")


def test_a_file_is_taken_from_the_first_folder_that_has_it(tmp_path):
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir()
    for folder in folders[1:]:
        Image.new("RGB", (2, 2)).save(folder / "mark.png")
    (folders[0] / "mark.png").mkdir()  # a folder is no file
    step = {"watermark": {"image": "mark.png"}}
    data = {"steps": [step, "sharpen"], "outputs": [{"name": "a", "steps": [step]}]}
    recipe = parse(data, folder=os.pathsep.join(map(str, folders)))
    found = recipe.with_files()
    assert [one.params.get("image") for one in found.all_steps] == [
        str(folders[1] / "mark.png"), None, str(folders[1] / "mark.png"),
    ]  # fmt: skip
    assert found.fingerprint() != recipe.fingerprint()  # the path is a parameter
    assert list(found.files()) == list(recipe.files())
    assert find_file("no.png", recipe.folder) == str(folders[0] / "no.png")  # for the message


#: A value of each setting that decides how sources are decoded, which is not its default.
DECODING = {
    "orientation": "keep", "color": "drop", "depth": "keep", "animation": "error",
    "metadata": "none", "background": "#102030", "shrink_margin": 0,
}  # fmt: skip


@pytest.mark.parametrize("key", DECODING)
def test_each_setting_of_the_decoder_reaches_it_and_decides_the_fingerprint(key):
    output = {"output": {"format": "tiff"}}
    default, other = parse(output), parse({**output, key: DECODING[key]})
    assert getattr(other.decode_options, key) == DECODING[key]
    changed = {
        name
        for name in vars(default.decode_options)
        if getattr(default.decode_options, name) != getattr(other.decode_options, name)
    }
    assert changed == {key}
    assert other.fingerprint() != default.fingerprint()


@pytest.mark.parametrize(
    ("formats", "alpha"),
    [(["jpeg"], False), (["bmp"], False), (["png"], True), (["jpeg", "webp"], True),
     (["same"], True)],
)  # fmt: skip
def test_alpha_is_decoded_if_one_of_the_outputs_can_hold_it(formats, alpha):
    outputs = [{"name": name, "format": name} for name in formats]
    assert parse({"outputs": outputs}).decode_options.alpha is alpha


def test_parameters_of_own_steps_change_the_fingerprint(own_step):
    def boosted(amount):
        step = {"call": {"function": "mine:boost", "amount": amount}}
        return parse({"steps": [step]}, folder=str(own_step)).fingerprint()

    assert boosted(1) == boosted(1) != boosted(2)


def test_the_order_of_parameters_of_own_steps_does_not_change_the_fingerprint(own_step):
    call = {"function": "mine:boost", "amount": 1, "times": 2}
    one, other = (
        parse({"steps": [{"call": params}]}, folder=str(own_step))
        for params in (call, dict(reversed(call.items())))
    )
    assert one.fingerprint() == other.fingerprint()


def test_a_parameter_that_has_no_fingerprint_is_refused_by_its_key(own_step):
    # YAML reads 2026-01-31 as a date.
    step = {"call": {"function": "mine:boost", "amount": datetime.date(2026, 1, 31)}}
    with pytest.raises(UserError, match=r"^recipe\.steps\[0\]\.call\.amount: "):
        parse({"steps": [step]}, folder=str(own_step)).fingerprint()


@pytest.mark.parametrize(
    ("written", "meant"), [("jpg", "jpeg"), ("JPEG", "jpeg"), (".tif", "tiff"), ("Same", "same")]
)
def test_a_format_may_be_written_as_file_names_end(written, meant):
    assert (
        parse({"output": {"format": written}}).outputs
        == parse({"output": {"format": meant}}).outputs
    )


@pytest.mark.parametrize(
    ("step", "advice"),
    [({"resize": {"longest": "32"}}, "without quotes"), ({"posterize": {"bits": "3"}}, "without"),
     ({"rotate": {"angle": 5, "expand": "FALSE"}}, "without quotes"),
     ({"rotate": {"angle": 5, "expand": "true"}}, "without quotes"),
     ({"rotate": {"angle": 5, "expand": "maybe"}}, "give true or false.$"),
     ({"resize": {"longest": "inf"}}, "give [^,]*.$"),
     ({"resize": {"longest": "nan"}}, "give [^,]*.$"),
     ({"rotate": {"angle": "1e999"}}, "give [^,]*.$")],
)  # fmt: skip
def test_a_number_in_quotes_is_recognised(step, advice):
    with pytest.raises(UserError, match=advice):
        parse({"steps": [step]})


def test_the_quality_of_the_format_of_the_source_is_kept():
    """It applies to whatever format that is, if it has one."""
    parsed = parse({"output": {"format": "same", "quality": 50}})
    assert parsed.outputs[0].options == {"quality": 50}
    assert parsed.fingerprint() != parse({"output": {"format": "same"}}).fingerprint()


@pytest.mark.parametrize("step", ["autocontrast", {"median": {"size": 5}}])
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_the_steps_of_each_output_must_be_possible(backend, step):
    settings = {"backend": backend, "depth": "keep"}
    formats = [{"name": "a", "format": "png"}, {"name": "b", "format": "png"}]
    for place in (0, 1):
        outputs = [dict(output) for output in formats]
        outputs[place]["steps"] = [step]
        if backend == "opencv" and step != "autocontrast":
            parse({"outputs": outputs, **settings})
            continue
        with pytest.raises(UserError, match=r"^recipe\.(backend|depth): .*(autocontrast|median)"):
            parse({"outputs": outputs, **settings})


def test_the_order_of_listed_tags_does_not_matter_and_the_tags_do():
    prints = [
        parse({"metadata": tags}).fingerprint()
        for tags in (["Artist", "Copyright"], ["Copyright", "Artist", "Artist"], ["Artist"], "keep")
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3
    recipe = parse({"metadata": ["Copyright", "Artist"]})
    assert parse(recipe.as_data()) == recipe


def test_settings_that_earlier_versions_lacked_change_the_fingerprint_only_if_they_are_given():
    output = {"output": {"format": "tiff"}}
    default, first, every = (
        parse({**output, **given}) for given in ({}, {"pages": "first"}, {"pages": "all"})
    )
    assert default.fingerprint() == first.fingerprint() != every.fingerprint()
    assert parse(every.as_data()) == every


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ([], r"outputs: found \[\]; give a list such as"),
        ([{"name": "thumb"}, {"name": "Thumb"}], r"outputs\[1\].name: 'Thumb' occurs twice"),
        ([{"name": "a" * 65}], r"outputs\[0\].name: found .*; give at most 64 letters"),
    ],
)
def test_outputs_without_names_of_their_own_are_refused(outputs, message):
    """On some systems, folders that differ in capital letters alone are one folder."""
    with pytest.raises(UserError, match=message):
        parse({"outputs": outputs})
    assert parse({"outputs": [{"name": "a" * 64}]}).variants == ("a" * 64,)


def test_an_empty_list_of_tags_is_refused():
    with pytest.raises(UserError, match=r"recipe.metadata: found \[\]; give one of strip"):
        parse({"metadata": []})


def test_a_file_of_a_step_may_be_in_the_home_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "mark.png").touch()
    assert find_file("~/mark.png", "elsewhere") == str(tmp_path / "mark.png")


@pytest.mark.parametrize("fit", ["stretch", "contain", "outside"])
def test_one_side_that_is_given_alone_is_that_of_every_output(fit):
    """Whatever the fit: the other one follows from the proportions."""
    own = {"name": "b", "steps": [{"resize": {"height": 20, "fit": fit}}, "sharpen"]}
    outputs = [{"name": "a"}, own, {"name": "c", "steps": [{"crop": {"width": 9}}]}]
    parsed = parse({"steps": [{"resize": {"width": 64, "fit": fit}}], "outputs": outputs})
    sides = [parsed.sides_of(output) for output in parsed.outputs]
    assert sides == [(64, None), (None, 20), (None, None)]


@pytest.mark.parametrize("fit", ["contain", "outside"])
def test_a_path_has_no_side_that_depends_on_the_source(fit):
    """Such a fit reaches the frame with one side only."""
    recipe = {"steps": [{"resize": {"width": 64, "height": 48, "fit": fit}}]}
    parsed = parse(recipe)
    assert parsed.sides_of(parsed.outputs[0]) == (None, None)
    with pytest.raises(UserError, match="the width is not the same for all images"):
        parse({**recipe, "output": {"path": "{stem}-{width}.{ext}"}})


def test_a_recipe_without_outputs_decodes_alpha():
    """What is only measured is measured as it is."""
    assert dataclasses.replace(parse({}), outputs=()).decode_options.alpha
    assert not parse({}).decode_options.alpha


@pytest.mark.parametrize("margin", [0, 1, 100])
def test_a_margin_may_be_the_least_and_the_largest(margin):
    assert parse({"shrink_margin": margin}).settings["shrink_margin"] == margin
    for beyond in (0.99, 100.1):
        with pytest.raises(UserError, match="1 to 100, or 0"):
            parse({"shrink_margin": beyond})
