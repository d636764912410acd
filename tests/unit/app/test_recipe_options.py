"""The options of a command line give the recipe that a person would have written."""

import argparse

import pytest

from pixelmill.app import recipe_options
from pixelmill.app.config import default_recipes
from pixelmill.core.errors import UserError
from pixelmill.imaging.recipe_parser import parse


def recipe(*arguments):
    parser = argparse.ArgumentParser()
    recipe_options.add(parser)
    return recipe_options.build(parser.parse_args(arguments), default_recipes())


def never(**sides):
    return {"resize": {**sides, "upscale": "never"}}


THUMB = {"name": "thumb", "steps": [never(longest=256)], "format": "webp"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--longest 2048", {"steps": [never(longest=2048)]}),
        ("--width 300", {"steps": [never(width=300)]}),
        ("--width 300 --height 200", {"steps": [never(width=300, height=200, fit="contain")]}),
        (
            "--width 300 --height 200 --fit cover",
            {"steps": [never(width=300, height=200, fit="cover")]},
        ),
        ("--format webp --quality 82", {"output": {"format": "webp", "quality": 82}}),
        ("--format JPG", {"output": {"format": "jpeg"}}),
        ("--format tif", {"output": {"format": "tiff"}}),
        ("--quality 70", {"output": {"quality": 70}}),
        ("--if-larger keep_source", {"output": {"if_larger": "keep_source"}}),
        (
            "--preset archive --min-saving 5",
            {
                **default_recipes()["archive"],
                "output": {"format": "png", "level": 9, "min_saving": 5},
            },
        ),
        (
            "--format webp --target-bytes 200k",
            {"output": {"format": "webp", "target": {"bytes": "200k"}}},
        ),
        ("--target-ssim 0.98", {"output": {"target": {"ssim": 0.98}}}),
        ("--path {folder}/{stem}.{ext}", {"output": {"path": "{folder}/{stem}.{ext}"}}),
        ("--path {taken:%Y}/{name}", {"output": {"path": "{taken:%Y}/{name}"}}),
        ("--sidecar json", {"output": {"sidecar": "json"}}),
        ("--pages all --format tiff", {"pages": "all", "output": {"format": "tiff"}}),
        ("--metadata keep", {"metadata": "keep"}),
        ("--metadata Copyright,Artist", {"metadata": ["Copyright", "Artist"]}),
        ("--watermark Ada", {"steps": [{"watermark": {"text": "Ada"}}]}),
        ("--output thumb:256:webp", {"steps": [], "outputs": [THUMB]}),
        (
            "--output thumb:256:webp:70 --watermark Ada",
            {
                "steps": [],
                "outputs": [
                    {
                        **THUMB,
                        "quality": 70,
                        "steps": [never(longest=256), {"watermark": {"text": "Ada"}}],
                    }
                ],
            },
        ),
    ],
)
def test_options_alone_build_a_recipe(arguments, expected):
    built = recipe(*arguments.split())
    assert built == expected
    parse(built)


def test_pages_need_a_format_that_holds_them():
    with pytest.raises(UserError, match="jpeg cannot hold several pages; give an output format of"):
        parse(recipe("--pages", "all"))


def test_no_option_gives_no_recipe():
    assert recipe() is None


@pytest.mark.parametrize("name", ["web", "thumbnails", "social", "training", "archive", "scans"])
def test_a_preset_is_the_recipe_of_that_name(name):
    assert recipe("--preset", name) == default_recipes()[name]


def test_options_change_a_preset_and_leave_the_rest_of_it():
    assert recipe("--preset", "web", "--longest", "800") == {
        "steps": [never(longest=800)],
        "output": {"format": "jpeg", "quality": 82, "progressive": True},
    }
    assert recipe("--preset", "web", "--quality", "70")["output"] == {
        "format": "jpeg",
        "quality": 70,
        "progressive": True,
    }


def test_another_format_drops_the_options_of_the_first():
    assert recipe("--preset", "web", "--format", "webp")["output"] == {"format": "webp"}


def test_outputs_take_the_place_of_a_presets_size_and_format():
    assert recipe("--preset", "training", "--output", "thumb:256:webp") == {
        "steps": [],
        "metadata": "none",
        "outputs": [THUMB],
    }


def test_a_recipe_file_is_changed_in_the_same_way(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("steps: [grayscale, {resize: {width: 9, height: 9}}]\n")
    built = recipe("--recipe", str(file), "--longest", "800")
    assert built == {"steps": [never(longest=800), "grayscale"]}


def test_a_watermark_that_names_a_file_is_the_image(tmp_path, photos):
    photos(tmp_path, 1)
    assert recipe("--watermark", str(tmp_path / "0.jpg")) == {
        "steps": [{"watermark": {"image": str(tmp_path / "0.jpg")}}]
    }


@pytest.fixture
def recipe_file(tmp_path):
    """Function that writes a recipe file, and returns the options that name it."""

    def write(text):
        (tmp_path / "mine.yaml").write_text(text)
        return "--recipe", str(tmp_path / "mine.yaml")

    return write


def test_the_same_format_keeps_its_options_also_where_it_is_the_default(recipe_file):
    file = recipe_file("output: {quality: 50, progressive: true}")
    whole = {"format": "jpeg", "quality": 50, "progressive": True}
    assert recipe(*file, "--format", "jpeg")["output"] == whole
    assert recipe(*file, "--format", "png")["output"] == {"format": "png"}


def test_a_watermark_is_laid_over_what_all_other_steps_made(recipe_file):
    file = recipe_file("steps: [grayscale]")
    mark = {"watermark": {"text": "Ada"}}
    assert recipe(*file, "--watermark", "Ada")["steps"] == ["grayscale", mark]
    built = recipe(*file, "--watermark", "Ada", "--longest", "9")
    assert built["steps"] == [never(longest=9), "grayscale", mark]


def test_several_outputs_have_the_metadata_and_the_other_steps_that_are_asked_for(recipe_file):
    file = recipe_file("steps: [resize: {longest: 9}, grayscale]")
    built = recipe(*file, "--output", "thumb:256:webp", "--output", "b:9:jpg", "--metadata", "none")
    other = {"name": "b", "steps": [never(longest=9)], "format": "jpeg"}
    assert built == {"steps": ["grayscale"], "outputs": [THUMB, other], "metadata": "none"}


def test_a_recipe_file_that_asks_for_nothing_is_a_recipe(recipe_file):
    assert recipe(*recipe_file("{}")) == {}


def test_a_watermark_in_the_current_folder_is_named_by_its_whole_path(
    tmp_path, photos, monkeypatch
):
    """The recipe is remembered, and used from other folders too."""
    photos(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    assert recipe("--watermark", "0.jpg") == {
        "steps": [{"watermark": {"image": str(tmp_path / "0.jpg")}}]
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [("[grayscale]", "['grayscale']"), ("grayscale", "'grayscale'"), ("3", "3"), ("", "nothing")],
)
def test_a_file_without_a_map_is_no_recipe(recipe_file, text, found):
    with pytest.raises(UserError) as caught:
        recipe(*recipe_file(text))
    advice = "give a map with 'steps' and 'output', as `pixelmill presets web` shows."
    assert str(caught.value).endswith(f"mine.yaml: found {found}; {advice}")


@pytest.mark.parametrize("option", [("--format", "png"), ("--quality", "9")])
def test_the_format_of_several_outputs_is_not_changed_at_once(recipe_file, option):
    file = recipe_file("outputs: [{name: a}]")
    with pytest.raises(UserError, match="the recipe has several outputs; use --output"):
        recipe(*file, *option)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--longest 9 --height 9", "--longest: give either this, or --width and --height."),
        ("--height 9 --fit cover", "--fit: give --width and --height too."),
        ("--output a:9:webp --longest 9", "--output: sets size and format;"),
        ("--output a:9:webp --format png", "--output: sets size and format;"),
        ("--preset wbe", "--preset: 'wbe' is unknown; did you mean 'web'? Known are web, "),
        ("--preset web --recipe x.yaml", "--preset and --recipe: both name a recipe"),
        ("--recipe no.yaml", "'no.yaml' does not exist; correct the path."),
        ("--longest 9 --width 9", "--longest: give either this, or --width and --height."),
        ("--width 9 --fit cover", "--fit: give --width and --height too."),
        ("--output a:9:webp --output a:8:png", "--output: 'a' is given twice;"),
        ("--format png --quality 9", "--quality: png has no quality; leave it out."),
        ("--preset archive --quality 9", "--quality: png has no quality; leave it out."),
        ("--watermark=", "--watermark: found ''; give a text, or the path of an image."),
    ],
)
def test_a_contradiction_is_one_sentence(arguments, message):
    with pytest.raises(UserError) as caught:
        recipe(*arguments.split())
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("thumb", "found 'thumb'; write it as in thumb:256:webp"),
        ("thumb:512", "found 'thumb:512'; write it as in thumb:256:webp"),
        (":9:webp", "found ':9:webp'; write it as in thumb:256:webp"),
        ("a:9:webp:9:9", "found 'a:9:webp:9:9'; write it as in thumb:256:webp"),
        ("thumb:x:webp", "found 'x'; give a whole number from 1 to 65500"),
        ("a:9:webp:200", "found '200'; give a whole number from 1 to 100"),
        ("a:9:png:80", "png has no quality; leave it out"),
        ("a:9:jpeg,webp", "found 'jpeg,webp'; give one format, and repeat --output"),
        ("a:9:jpgg", "'jpgg' is not a format; did you mean 'jpeg'?"),
    ],
)
def test_an_output_that_cannot_be_read_is_one_sentence(text, sentence, capsys):
    with pytest.raises(SystemExit):
        recipe("--output", text)
    assert f"argument --output: {sentence}" in capsys.readouterr().err


def test_several_outputs_keep_what_the_preset_says_about_their_format():
    made = recipe("--preset", "web", "--output", "a:9:jpeg", "--output", "thumb:256:webp")
    jpeg = {"format": "jpeg", "quality": 82, "progressive": True}
    assert made["outputs"] == [{**jpeg, "name": "a", "steps": [never(longest=9)]}, THUMB]


def test_a_quality_holds_for_all_outputs_that_have_one_and_none_of_their_own():
    outputs = ("--output", "a:9:jpeg", "--output", "b:9:png", "--output", "c:9:webp:30")
    made = recipe("--quality", "70", *outputs)
    assert [one.get("quality") for one in made["outputs"]] == [70, None, 30]


def test_a_target_replaces_the_quality_of_a_preset():
    built = recipe("--preset", "thumbnails", "--target-bytes", "20k")
    assert built["output"] == {"format": "webp", "target": {"bytes": "20k"}}
    assert parse(built).outputs[0].delivery == {"target": {"bytes": 20_000}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--target-ssim high", "--target-ssim: found 'high'; give a number between 0 and 1"),
        ("--target-ssim 0.9 --target-bytes 5", "--target-bytes and --target-ssim: give only one"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        recipe(*arguments.split())
