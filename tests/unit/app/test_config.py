"""Every config key is explained, defaults are filled in, and mistakes give one sentence."""

import copy
import os
import re
import zipfile
from itertools import product
from pathlib import Path

import jsonschema
import pytest
import yaml
from PIL import Image

from pixelmill.app import config
from pixelmill.core.errors import UserError
from pixelmill.core.reasons import REASONS
from pixelmill.dataset import synthetic
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.codecs.formats import FORMATS
from pixelmill.pipeline.policy import Policy
from tests.conftest import REPOSITORY

CONFIG_FILE = REPOSITORY / "config.yaml"


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """Work in an empty folder, to which the paths of configs are relative."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def demo(**generate):
    return {"datasets": {"demo": {"generate": generate}}}


def folder(path, **more):
    return {"datasets": {"demo": {"folder": path, **more}}}


def archive(path):
    return {"datasets": {"demo": {"archive": path}}}


def parts(schema, path=""):
    """Each key of the config with its part of the schema."""
    for key, part in schema.get("properties", {}).items():
        yield f"{path}.{key}".removeprefix("."), part
        yield from parts(part, f"{path}.{key}")
    for name, part in schema.get("$defs", {}).items():
        yield from parts(part, f"{path}.{name}")


KEYS = dict(parts(config.schema()))


def test_the_schema_is_valid():
    jsonschema.Draft202012Validator.check_schema(config.schema())


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_described(key):
    description = KEYS[key].get("description", "")
    assert description.endswith(".")
    assert len(description.splitlines()) == 1


@pytest.mark.parametrize("key", [key for key, part in KEYS.items() if part.get("properties")])
def test_a_map_allows_no_other_keys_or_says_which(key):
    assert "additionalProperties" in KEYS[key]


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_in_the_config_file(key):
    text = CONFIG_FILE.read_text(encoding="utf-8")
    end = r"\b" if key.startswith("recipes.") else ":"
    assert re.search(rf"\b{key.split('.')[-1]}{end}", text)


def test_the_config_file_shows_the_defaults():
    written = yaml.safe_load(CONFIG_FILE.read_text(encoding="utf-8"))
    assert config.complete(written) == config.complete({})


def test_the_defaults_of_the_schema_are_those_of_the_generator():
    filled = config.complete({})["datasets"]["demo"]["generate"]
    assert synthetic.Spec.from_config(filled) == synthetic.Spec()


def test_the_defaults_of_the_schema_are_those_of_a_policy():
    assert Policy.from_config(config.complete({})) == Policy()


def test_the_values_of_choices_are_these():
    """Other tests use these lists, and would not notice a missing entry."""
    assert synthetic.CONTENTS == ("photo", "solid", "noise")
    assert tuple(synthetic.SUFFIXES) == ("jpeg", "png", "bmp", "gif")


def test_the_schema_allows_what_the_code_knows():
    known = config.schema()
    formats = known["properties"]["limits"]["properties"]["formats"]
    assert formats["items"]["enum"] == list(FORMATS)
    assert known["properties"]["run"]["properties"]["retry_failed"]["items"] == {
        "$ref": "#/$defs/reason"
    }
    assert known["$defs"]["reason"]["enum"] == list(REASONS)
    generate = known["$defs"]["dataset"]["properties"]["generate"]["properties"]
    one, mix = generate["format"]["oneOf"]
    assert generate["content"]["enum"] == list(synthetic.CONTENTS)
    assert one["enum"] == list(mix["properties"]) == list(synthetic.SUFFIXES)


def test_a_complete_config_is_complete():
    once = config.complete({})
    assert config.complete(once) == once


def test_the_argument_is_not_changed():
    given = demo(count=3)
    before = copy.deepcopy(given)
    config.complete(given)
    assert given == before


def test_defaults_are_not_shared_between_configs():
    config.complete({})["recipes"]["light"]["steps"].clear()
    config.default_recipes()["light"]["steps"].clear()
    assert config.complete({})["recipes"]["light"]["steps"]


def test_setting_one_key_keeps_the_defaults_of_the_others():
    filled = config.complete({"verify": {"sample": 5}, **demo(count=3)})
    assert filled["verify"] == {"sample": 5, "scope": "changed", "min_psnr": 30}
    assert filled["datasets"]["demo"]["generate"]["seed"] == 2026
    assert filled["datasets"]["demo"]["generate"]["count"] == 3


@pytest.mark.parametrize(("word", "meaning"), [("on", "auto"), ("off", "off"), ("auto", "auto")])
def test_the_sandbox_is_on_or_off_whatever_yaml_takes_the_words_for(word, meaning):
    assert config.complete(yaml.safe_load(f"sandbox: {word}"))["sandbox"] == meaning


def test_a_key_without_a_value_means_its_default():
    assert config.complete({"run": None, "verify": {"sample": None}}) == config.complete({})


def test_a_range_may_hold_one_size():
    assert config.complete(demo(width=[300, 300]))


def test_an_own_recipe_is_added_to_the_others():
    filled = config.complete({"recipes": {"mine": {"steps": ["grayscale"]}}})
    built_in = ["web", "thumbnails", "social", "training", "archive", "scans"]
    assert list(filled["recipes"]) == ["mine", *built_in, "light", "intensive"]


def test_the_default_recipes_are_valid():
    for name, data in config.default_recipes().items():
        assert recipe_parser.parse(data).steps or name == "archive"


#: What was written, the key that the message begins with, and words that it must hold:
#: what was found and what is allowed.
MISTAKES = {
    "braces": ({"results": "out/{a}"}, "results", ["'out/{a}'", "wildcards"]),
    "unknown-key": ({"result": "x"}, "result", ["unknown", "datasets", "results"]),
    "unknown-key-deeper": (
        {"verify": {"sampel": 1}}, "verify.sampel", ["unknown", "scope, sample, min_psnr"],
    ),
    "unknown-key-of-generate": (demo(widht=9), "datasets.demo.generate.widht", ["count, width"]),
    "map-as-list": ({"benchmark": []}, "benchmark", ["[]", "a map"]),
    "map-as-text": ({"run": "light"}, "run", ["'light'", "a map"]),
    "results-empty": ({"results": ""}, "results", ["''", "not be empty"]),
    "results-as-number": ({"results": 3}, "results", ["3", "a text"]),
    "no-datasets": ({"datasets": {}}, "datasets", ["{}", "not be empty"]),
    "dataset-of-nothing": ({"datasets": {"demo": {}}}, "datasets.demo", ["{}", "not be empty"]),
    "dataset-without-value": ({"datasets": {"demo": None}}, "datasets.demo", ["nothing", "a map"]),
    "dataset-as-path": ({"datasets": {"demo": "photos"}}, "datasets.demo", ["'photos'", "a map"]),
    "dataset-of-two-kinds": (
        {"datasets": {"demo": {"folder": ".", "generate": {}}}}, "datasets.demo",
        ["one of 'folder', 'archive', 'bucket', 'urls' and 'generate'"],
    ),
    "dataset-name-with-space": (
        {"datasets": {"my photos": {"generate": {}}}}, "datasets",
        ["'my photos'", "letters, digits, '_' and '-'"],
    ),
    "dataset-name-as-truth": ({"datasets": {True: {"generate": {}}}}, "datasets", ["True"]),
    "dataset-name-reserved": (
        {"datasets": {"report": {"generate": {}}}}, "datasets.report", ["reserved", "another"],
    ),
    "dataset-name-too-long": (
        {"datasets": {65 * "n": {"generate": {}}}}, "datasets", ["too long", "64"],
    ),
    "recipe-name-too-long": ({"recipes": {200 * "n": {}}}, "recipes", ["too long", "64"]),
    "output-name-too-long": (
        {"recipes": {"mine": {"outputs": [{"name": 65 * "n"}]}}}, "recipes.mine.outputs[0].name",
        ["64"],
    ),
    "recipe-name-with-slash": (
        {"recipes": {"a/b": {}}}, "recipes", ["'a/b'", "letters, digits"],
    ),
    "recipe-name-reserved": ({"recipes": {"report": {}}}, "recipes.report", ["reserved"]),
    "recipe-name-of-the-lists": ({"recipes": {"findings": {}}}, "recipes.findings", ["reserved"]),
    "recipe-with-missing-parameter": (
        {"recipes": {"mine": {"steps": [{"color_matrix": {}}]}}},
        "recipes.mine.steps[0].color_matrix.matrix", ["missing"],
    ),
    "recipe-without-value": ({"recipes": {"mine": None}}, "recipes.mine", ["nothing", "a map"]),
    "recipe-with-unknown-step": (
        {"recipes": {"mine": {"steps": ["blur"]}}}, "recipes.mine.steps[0].blur",
        ["no such step", "gaussian_blur"],
    ),
    "folder-as-number": (folder(5), "datasets.demo.folder", ["5", "a text"]),
    "folder-missing": (folder("absent"), "datasets.demo.folder", ["'absent'", "correct the path"]),
    "archive-as-number": (archive(5), "datasets.demo.archive", ["5", "a text"]),
    "archive-missing": (archive("absent.zip"), "datasets.demo.archive", ["'absent.zip'", "path"]),
    "archive-pattern-of-none": (
        archive("absent/*.tar"), "datasets.demo.archive", ["No archive matches 'absent/*.tar'"],
    ),
    "archive-as-folder": (archive("."), "datasets.demo.archive", ["'.' is a folder", "'folder'"]),
    "archive-of-another-kind": (
        archive("a.rar"), "datasets.demo.archive", ["'a.rar' is not an archive", ".zip, .cbz"],
    ),
    "folder-as-archive": (folder("a.zip"), "datasets.demo.folder", ["write 'archive'"]),
    "folder-as-bucket": (folder("s3://photos/a"), "datasets.demo.folder", ["write 'bucket'"]),
    "include-as-text": (folder(".", include="*.jpg"), "datasets.demo.include", ["a list"]),
    "bucket-that-is-a-folder": (
        {"datasets": {"demo": {"bucket": "photos"}}}, "datasets.demo.bucket",
        ["'photos' is not the URL of a bucket", "s3://bucket/prefix"],
    ),
    "bucket-that-is-a-server": (
        {"datasets": {"demo": {"bucket": "sftp://nas/a"}}}, "datasets.demo.bucket",
        ["'folder' for sftp://host/path"],
    ),
    "folder-on-a-server-with-a-password": (
        folder("sftp://me:planted@nas/a"), "datasets.demo.folder",
        ["'sftp://nas/a' was given with a password"],
    ),
    "urls-that-are-no-list": (
        {"datasets": {"demo": {"urls": "photos"}}}, "datasets.demo.urls",
        ["'photos' is not a list of URLs", ".csv"],
    ),
    "urls-that-are-missing": (
        {"datasets": {"demo": {"urls": {"file": "nothing.csv"}}}}, "datasets.demo.urls",
        ["'nothing.csv' does not exist"],
    ),
    "urls-without-a-file": (
        {"datasets": {"demo": {"urls": {"column": "url"}}}}, "datasets.demo.urls", ["file"],
    ),
    "folder-that-is-a-compressed-tar": (
        {"datasets": {"demo": {"folder": "a.tar.gz"}}}, "datasets.demo.folder",
        ["'a.tar.gz' is an archive", "write 'archive' for 'folder'"],
    ),
    "include-of-generated": (
        {"datasets": {"demo": {"generate": {}, "include": ["*.jpg"]}}}, "datasets.demo.include",
        ["is not for generated images"],
    ),
    "exclude-of-generated": (
        {"datasets": {"demo": {"generate": {}, "exclude": ["*.jpg"]}}}, "datasets.demo.exclude",
        ["is not for generated images"],
    ),
    "count-as-text": (demo(count="1e3"), "datasets.demo.generate.count", ["'1e3'", "whole number"]),
    "count-as-fraction": (demo(count=2.5), "datasets.demo.generate.count", ["2.5", "whole number"]),
    "count-as-float": (demo(count=1000.0), "datasets.demo.generate.count", ["1000.0", "whole"]),
    "count-yes": (demo(count=True), "datasets.demo.generate.count", ["True", "whole number"]),
    "count-zero": (demo(count=0), "datasets.demo.generate.count", ["0", "1 to 99999999"]),
    "width-alone": (demo(width=300), "datasets.demo.generate.width", ["300", "a list"]),
    "width-of-three": (demo(width=[1, 2, 3]), "datasets.demo.generate.width", ["2 values"]),
    "width-zero": (demo(width=[0, 5]), "datasets.demo.generate.width[0]", ["0", "1 to 20000"]),
    "width-reversed": (
        demo(width=[600, 300]), "datasets.demo.generate.width",
        ["[600, 300]", "smaller number first"],
    ),
    "unknown-content": (
        demo(content="cats"), "datasets.demo.generate.content", ["'cats'", "photo, solid, noise"],
    ),
    "unknown-format": (demo(format="tiff"), "datasets.demo.generate.format", ["'tiff'", "bmp"]),
    "unknown-format-in-mix": (
        demo(format={"tiff": 1}), "datasets.demo.generate.format.tiff", ["jpeg, png, bmp, gif"],
    ),
    "weight-zero": (demo(format={"png": 0}), "datasets.demo.generate.format.png", ["0", "above 0"]),
    "seed-negative": (demo(seed=-1), "datasets.demo.generate.seed", ["-1", "0 to 4294967295"]),
    "run-of-unknown-dataset": (
        {"run": {"datasets": ["mine"]}}, "run.datasets", ["'mine'", "demo"],
    ),
    "run-of-unknown-recipe": (
        {"run": {"recipes": ["heavy"]}}, "run.recipes", ["'heavy'", "light, intensive"],
    ),
    "run-of-nothing": ({"run": {"recipes": []}}, "run.recipes", ["empty", "at least one"]),
    "run-of-text": ({"run": {"datasets": "demo"}}, "run.datasets", ["'demo'", "a list"]),
    "no-shard": ({"scale": {"shards": 0}}, "scale.shards", ["0", "1 to 1000"]),
    "too-many-shards": ({"scale": {"shards": 1001}}, "scale.shards", ["1001", "1 to 1000"]),
    "shards-with-paths": (
        {"scale": {"shards": 2}, "recipes": {"flat": {"output": {"path": "{name}"}}}},
        "recipes.flat.output.path",
        ["shards", "leave 'path' out"],
    ),
    "half-a-shard": ({"scale": {"shards": 2.5}}, "scale.shards", ["2.5", "whole number"]),
    "shards-as-text": ({"scale": {"shards": "many"}}, "scale.shards", ["'many'", "whole number"]),
    "run-twice": (
        {"run": {"recipes": ["light", "light"]}}, "run.recipes", ["['light', 'light']", "once"],
    ),
    "engines-as-text": ({"run": {"engines": "threads"}}, "run.engines", ["'threads'", "a list"]),
    "unknown-engine": (
        {"run": {"engines": ["gpu"]}}, "run.engines[0]", ["'gpu'", "sequential, threads"],
    ),
    "unknown-production": (
        {"run": {"production": "fast"}}, "run.production", ["'fast'", "auto, sequential"],
    ),
    "rate-in-percent": ({"failures": {"max_rate": 5}}, "failures.max_rate", ["5", "0 to 1"]),
    "rate-not-a-number": (
        {"failures": {"max_rate": float("nan")}}, "failures.max_rate", ["nan", "number"],
    ),
    "failures-as-text": (
        {"failures": {"max_count": "few"}}, "failures.max_count", ["'few'", "a whole number"],
    ),
    "switch-as-text": (
        {"durable": "maybe"}, "durable", ["'maybe'", "true or false"],
    ),
    "unknown-reason": (
        {"run": {"retry_failed": ["timeout"]}}, "run.retry_failed[0]", ["'timeout'", "timed_out"],
    ),
    "unknown-collisions": (
        {"collisions": "skip"}, "collisions", ["'skip'", "rename, error"],
    ),
    "limit-of-nothing": ({"limits": {"max_pixels": 0}}, "limits.max_pixels", ["0", "at least 1"]),
    "limit-in-units": ({"limits": {"max_bytes": "1 GB"}}, "limits.max_bytes", ["'1 GB'", "number"]),
    "unknown-preset": ({"limits": "strict"}, "limits", ["'strict'", "give untrusted", "a map"]),
    "misspelt-preset": ({"limits": "Untrustd"}, "limits", ["did you mean 'untrusted'?"]),
    "limits-as-list": ({"limits": ["untrusted"]}, "limits", ["['untrusted']", "a map"]),
    "no-scans": ({"limits": {"max_scans": 0}}, "limits.max_scans", ["0", "at least 1"]),
    "no-time": (
        {"limits": {"seconds_per_image": 0}}, "limits.seconds_per_image", ["0", "above 0"],
    ),
    "unknown-format-of-limits": (
        {"limits": {"formats": ["heix"]}}, "limits.formats[0]", ["'heix'", "jpeg, png"],
    ),
    "unknown-scope": ({"verify": {"scope": "some"}}, "verify.scope", ["'some'", "changed, all"]),
    "sample-negative": ({"verify": {"sample": -1}}, "verify.sample", ["-1", "0 to 1000000"]),
    "repeats-zero": ({"benchmark": {"repeats": 0}}, "benchmark.repeats", ["0", "1 to 1000"]),
}  # fmt: skip


@pytest.mark.parametrize(("written", "key", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gives_one_sentence_that_begins_with_its_key(written, key, words):
    with pytest.raises(UserError) as refusal:
        config.complete(written)
    sentence = str(refusal.value)
    assert sentence.startswith(f"{key}: ")
    assert sentence.endswith(".")
    assert len(sentence.splitlines()) == 1
    assert [word for word in words if word not in sentence] == []


def test_a_long_wrong_value_is_cut_short_in_the_sentence():
    with pytest.raises(UserError) as refusal:
        config.complete({"results": ["photo.jpg"] * 1000})
    assert len(str(refusal.value)) < 200


@pytest.fixture
def trees(somewhere):
    for name in ("photos/a", "photos-old", "results/photos"):
        (somewhere / name).mkdir(parents=True)
    (somewhere / "link").symlink_to("results/photos", target_is_directory=True)
    return somewhere


@pytest.mark.parametrize(
    ("images", "results"),
    [("photos", "results"), ("photos", "photos-old"), ("photos-old", "photos/a"),
     ("photos/a", "photos/b")],
)  # fmt: skip
def test_separate_folders_are_accepted(trees, images, results):
    filled = config.complete({**folder(images), "results": results})
    assert filled["datasets"]["demo"]["folder"] == images


@pytest.mark.parametrize(
    ("images", "results", "how"),
    [("results/photos", "results", "is inside"), ("results", "results", "is inside"),
     ("photos", "photos/results", "contains"), (".", "results", "contains"),
     ("link", "results", "is inside")],
)  # fmt: skip
def test_nested_folders_are_refused(trees, images, results, how):
    with pytest.raises(
        UserError, match=rf"^datasets\.demo\.folder: '{images}' {how} .*separate folders"
    ):
        config.complete({**folder(images), "results": results})


def test_the_folder_of_a_dataset_that_is_not_run_may_be_missing():
    given = {"datasets": {"demo": {"generate": {}}, "disk": {"folder": "unmounted"}}}
    config.complete(given)
    with pytest.raises(UserError, match=r"^datasets\.disk\.folder: "):
        config.complete({**given, "run": {"datasets": ["disk"]}})


def test_own_steps_are_searched_beside_the_config(somewhere):
    (somewhere / "project").mkdir()
    step_file = somewhere / "project" / "mine.py"
    step_file.write_text("def boost(image): return image\n")
    given = {"recipes": {"mine": {"steps": [{"call": {"function": "mine:boost"}}]}}}
    filled = config.complete(given, str(somewhere / "project"))
    files = config.recipe_files(filled, "mine", str(somewhere / "project"))
    assert list(files) == [str(step_file)]
    with pytest.raises(UserError, match="'mine'"):
        config.complete(given, str(somewhere))


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ({"call": {"function": "mine:boost"}}, "mine.py"),
        ({"watermark": {"image": "mark.png"}}, "mark.png"),
        ({"lookup": {"file": "look.cube"}}, "look.cube"),
    ],
)
def test_whatever_file_a_step_needs_is_one_of_its_recipes(somewhere, step, name):
    """The rules list these files: Snakemake sees no other change of what they hold."""
    (somewhere / "mine.py").write_text("def boost(image): return image\n")
    Image.new("RGB", (2, 2)).save(somewhere / "mark.png")
    rows = "\n".join(" ".join(map(str, row)) for row in product((0, 1), repeat=3))
    (somewhere / "look.cube").write_text(f"LUT_3D_SIZE 2\n{rows}\n")
    output = {"name": "a", "steps": [step]}
    given = {"all": {"steps": ["sharpen", step]}, "one": {"outputs": [output, {"name": "b"}]}}
    filled = config.complete({"recipes": given}, str(somewhere))
    for recipe in given:
        assert list(config.recipe_files(filled, recipe, str(somewhere))) == [str(somewhere / name)]


GRAY = {"steps": ["grayscale"]}


def test_a_recipe_is_named():
    assert config.named_recipe("intensive") == recipe_parser.parse(
        config.default_recipes()["intensive"]
    )


def test_a_recipe_is_read_from_json():
    assert config.named_recipe(' {"steps": ["grayscale"]}') == recipe_parser.parse(GRAY)


@pytest.mark.parametrize("name", ["mine.yaml", "mine.yml", "sub/mine.yaml"])
def test_a_recipe_is_read_from_a_file(somewhere, name):
    (somewhere / name).parent.mkdir(exist_ok=True)
    (somewhere / name).write_text(yaml.safe_dump(GRAY))
    assert config.named_recipe(name) == recipe_parser.parse(GRAY)


OWN = '{"steps": [{"call": {"function": "mine:boost"}}]}'


@pytest.mark.parametrize(
    ("text", "folder", "found"),
    [("sub/mine.yaml", ".", "sub"), ("sub/mine.yaml", "other", "other"), (OWN, "other", "other")],
)
def test_own_steps_are_searched_where_asked_for_or_beside_the_file(somewhere, text, folder, found):
    for name in ("sub", "other"):
        (somewhere / name).mkdir()
        (somewhere / name / "mine.py").write_text("def boost(image): return image\n")
    (somewhere / "sub" / "mine.yaml").write_text(OWN)
    files = config.named_recipe(text, folder).own_files()
    assert [Path(path) for path in files] == [Path(found, "mine.py")]


WRONG_RECIPES = {
    "unknown": ("heavy", ["'heavy'", "light, intensive", ".yaml"]),
    "missing-file": ("absent.yaml", ["absent.yaml"]),
    "broken-yaml": ("broken.yaml", ["broken.yaml", "line 2"]),
    "not-text": ("bytes.yaml", ["bytes.yaml"]),
    "empty-file": ("empty.yaml", ["empty.yaml", "nothing", "a map"]),
    "wrong-step": ("wrong.yaml", ["wrong.yaml, line 1, column 9: steps[0].blur", "no such step"]),
    "long-value": ('{"steps": "' + "x" * 100_000 + '"}', ["recipe.steps", "xxx...", "a list"]),
    "broken-json": ('{"steps": [', ["recipe", "JSON"]),
}


@pytest.mark.parametrize(("text", "words"), WRONG_RECIPES.values(), ids=WRONG_RECIPES)
def test_a_recipe_that_cannot_be_read_gives_one_sentence(somewhere, text, words):
    (somewhere / "broken.yaml").write_text("steps:\n - resize: {width: 3\n")
    (somewhere / "bytes.yaml").write_bytes(b"\xff\xfe\x00steps")
    (somewhere / "empty.yaml").write_text("")
    (somewhere / "wrong.yaml").write_text("steps: [blur]")
    with pytest.raises(UserError) as refusal:
        config.named_recipe(text)
    sentence = str(refusal.value)
    assert len(sentence.splitlines()) == 1
    assert len(sentence) < 1000
    assert [word for word in words if word not in sentence] == []


def test_names_may_look_like_numbers_and_dates(tmp_path):
    written = yaml.safe_load(
        "{datasets: {2024: {generate: {}}, 2024-05-01: {generate: {}}}, "
        "recipes: {1: {steps: []}}, run: {datasets: [2024], recipes: [1]}}"
    )
    filled = config.complete(written)
    assert list(filled["datasets"]) == ["2024", "2024-05-01"]
    assert (filled["run"]["datasets"], filled["run"]["recipes"]) == (["2024"], ["1"])


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("0.5", 0.5), ("true", True), ("off", False), ("null", None), ("~", None),
     ("Null", None), ("NULL", None), ("Nil", "Nil"),
     ("out", "out"), ("2024-05-01", "2024-05-01"), ("[1]", "[1]"), ("5 apples", "5 apples")],
)  # fmt: skip
def test_values_on_the_command_line_are_parsed_as_yaml(text, value):
    found = config.typed({"key": {"inner": [text]}})["key"]["inner"][0]
    assert (found, type(found)) == (value, type(value))


def test_formats_may_be_written_as_file_names_end(somewhere):
    written = {**demo(format={"JPG": 3, "png": 1}), "limits": {"formats": ["jpg", "tif", "heic"]}}
    filled = config.complete(written)
    assert filled["datasets"]["demo"]["generate"]["format"] == {"jpeg": 3, "png": 1}
    assert filled["limits"]["formats"] == ["jpeg", "tiff", "heif"]
    assert config.complete(demo(format="JPG"))["datasets"]["demo"]["generate"]["format"] == "jpeg"


def test_all_datasets_are_run_if_none_is_named_and_there_is_no_demo(trees):
    given = {"datasets": {"one": {"folder": "photos"}, "two": {"folder": "photos-old"}}}
    assert config.complete(given)["run"]["datasets"] == ["one", "two"]


def test_a_file_stands_for_a_dataset_of_one_image(trees):
    (trees / "photos/[1].jpg").touch()
    filled = config.complete({**folder("photos/[1].jpg"), "results": "photos/out"})
    assert filled["datasets"]["demo"] == {"folder": "photos/[1].jpg"}
    assert config.complete(filled) == filled
    with pytest.raises(UserError, match=r"^datasets\.demo\.include: 'photos/.*' is a single image"):
        config.complete(folder("photos/[1].jpg", include=["*.jpg"]))


def test_the_home_folder_is_found(trees, monkeypatch):
    monkeypatch.setenv("HOME", str(trees))
    monkeypatch.setenv("USERPROFILE", str(trees))
    filled = config.complete({**folder("~/photos"), "results": "$HOME/out"})
    assert filled["datasets"]["demo"]["folder"] == os.path.join(str(trees), "photos")
    assert filled["results"] == os.path.join(str(trees), "out")


def test_a_path_of_windows_in_double_quotes_is_explained():
    with pytest.raises(
        UserError, match=r"'C:\\ttemp' is not a folder; in double quotes a '.' begins"
    ):
        config.complete(folder("C:\ttemp"))


def test_the_home_folder_is_found_in_the_keys_of_a_cluster_too(trees, monkeypatch):
    monkeypatch.setenv("HOME", str(trees))
    monkeypatch.setenv("USERPROFILE", str(trees))
    tls = {"ca": "~/ca.pem", "cert": "$HOME/cert.pem", "key": "key.pem"}
    scale = config.complete({"scale": {"scheduler": "~/scheduler.json", "tls": tls}})["scale"]
    home = str(trees)
    assert scale["scheduler"] == os.path.join(home, "scheduler.json")
    assert scale["tls"] == {
        "ca": os.path.join(home, "ca.pem"), "cert": f"{home}/cert.pem", "key": "key.pem",
    }  # fmt: skip
    scale["tls"]["key"] = "$PIXELMILL_NO_SUCH/key.pem"
    with pytest.raises(UserError, match=r"^scale\.tls\.key: .*'PIXELMILL_NO_SUCH' is not set"):
        config.complete({"scale": scale})


def test_an_archive_among_the_results_is_refused(trees):
    for name in ("results/a.zip", "photos/a.zip"):
        with zipfile.ZipFile(trees / name, "w") as made:
            made.writestr("a.jpg", b"named like an image")
    assert config.complete(archive("photos/a.zip"))["datasets"]["demo"]["archive"] == "photos/a.zip"
    for given in ("results/a.zip", "results/*.zip"):
        with pytest.raises(
            UserError, match=r"^datasets\.demo\.archive: 'results/a\.zip' is inside"
        ):
            config.complete(archive(given))


def test_names_of_outputs_depend_on_dates_if_a_recipe_that_is_run_says_so():
    dated = {"output": {"path": "{taken:%Y}/{name}"}}
    given = {"recipes": {"dated": dated, "plain": {}}, "run": {"recipes": ["plain"]}}
    assert not config.needs_dates(config.complete(given), ".")
    given["run"]["recipes"].append("dated")
    assert config.needs_dates(config.complete(given), ".")
