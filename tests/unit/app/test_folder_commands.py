"""The commands on a folder: which recipe they take, what they pass on, and what they say."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image

from pixelmill.app import command, folder_commands
from pixelmill.app.config import default_recipes
from pixelmill.app.folder_commands import LEAST_COMPARED, ChosenRecipe
from pixelmill.core.errors import UserError
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.plan import Plan
from pixelmill.pipeline import planning, runner
from pixelmill.verification import verify as verification
from pixelmill.verification.verify import SAMPLE

COUNT = 3


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch, photos):
    """Work in a folder that has some pictures."""
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "in", COUNT, size=(96, 64))
    return tmp_path


@pytest.fixture
def call(caplog):
    """Function that runs a command; it returns its status and the lines that it logged."""
    caplog.set_level("INFO")

    def run(name, *arguments):
        caplog.clear()
        options = command._parser().parse_args([name, *arguments])
        status = getattr(folder_commands, name)(options)
        records = [one for one in caplog.records if one.name.startswith("pixelmill.app") or
                   one.name == "root"]  # fmt: skip
        return status, [one.getMessage() for one in records]

    return run


RUN = ("in", "out", "--engine", "sequential", "--workers", "1")


def sizes():
    found = {}
    for path in sorted(Path("out/images").rglob("*.*")):
        with Image.open(path) as image:
            found[path.relative_to("out/images").as_posix()] = image.size
    return found


def remembered():
    return json.loads(Path("out/recipe.json").read_text(encoding="utf-8"))


def test_options_make_a_recipe_that_later_runs_use_again(call):
    status, lines = call("run", *RUN, "--longest", "48", "--format", "png")
    assert status == 0
    assert lines[0].startswith(f"{COUNT} images in ")
    assert lines[-1] == f"Success: {COUNT} of {COUNT} images processed."
    assert sizes() == {f"{number}.png": (48, 32) for number in range(COUNT)}
    resize = {"resize": {"longest": 48, "upscale": "never"}}
    assert remembered()["recipe"] == {"steps": [resize], "output": {"format": "png"}}
    status, lines = call("run", *RUN)
    assert (status, lines[0]) == (0, "Nothing to do: no image has changed.")
    assert lines[-1] == f"Success: {COUNT} of {COUNT} images processed."
    assert call("verify", "in", "out", "--workers", "1")[0] == 0


def test_without_options_the_preset_for_the_web_is_used_and_told(call, somewhere):
    _, lines = call("run", *RUN)
    assert lines[0] == "recipe: web (`pixelmill presets` lists others)"
    assert remembered() == {
        "recipe": default_recipes()["web"],
        "folder": os.getcwd(),
        "source": str(somewhere / "in"),
    }


def test_own_steps_are_found_beside_the_recipe_file_in_later_runs_too(call, somewhere, monkeypatch):
    (somewhere / "mine").mkdir()
    (somewhere / "mine/own.py").write_text(
        "def step(image):\n    return image.rotate(90, expand=True)\n"
    )
    (somewhere / "mine/recipe.yaml").write_text("steps: [{call: {function: 'own:step'}}]\n")
    assert call("run", *RUN, "--recipe", "mine/recipe.yaml", "--no-verify")[0] == 0
    assert set(sizes().values()) == {(64, 96)}
    assert remembered()["folder"] == str(somewhere / "mine")
    (somewhere / "elsewhere").mkdir()
    monkeypatch.chdir(somewhere / "elsewhere")
    options = ("--engine", "sequential", "--workers", "1", "--no-verify")
    status, lines = call("run", str(somewhere / "in"), str(somewhere / "out"), *options)
    assert (status, lines[0][:13]) == (0, "Nothing to do")


@pytest.mark.parametrize("text", ["", "[]", "3", '{"recipe": {}}', '{"folder": "."}'])
def test_a_recipe_that_cannot_be_remembered_is_named_with_the_remedy(call, somewhere, text):
    (somewhere / "out").mkdir()
    (somewhere / "out/recipe.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"recipe\.json' cannot be read; remove the file, and"):
        call("run", *RUN)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), default_recipes()["web"]),
        (("--preset", "scans"), default_recipes()["scans"]),
        (("--quality", "5"), {"output": {"quality": 5}}),
    ],
)
def test_the_recipe_is_saved_as_it_would_be_written(call, options, expected):
    call("run", *RUN, "--no-verify", *options, "--save-recipe", "saved.yaml")
    text = Path("saved.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == expected
    keys = [line.split(":")[0] for line in text.splitlines() if line[0].isalpha()]
    assert keys == list(expected)  # steps before the output


def test_the_recipe_is_saved_that_was_used(call, somewhere):
    """Also if it is that of the last run, or says nothing, as a recipe file may."""
    call("run", *RUN, "--no-verify", "--quality", "5")
    call("run", *RUN, "--no-verify", "--save-recipe", "last.yaml")
    assert yaml.safe_load(Path("last.yaml").read_text("utf-8")) == {"output": {"quality": 5}}
    (somewhere / "nothing.yaml").write_text("{}")
    options = ("--no-verify", "--recipe", "nothing.yaml", "--save-recipe", "same.yaml")
    call("run", *RUN, *options)
    assert yaml.safe_load(Path("same.yaml").read_text("utf-8")) == {} == remembered()["recipe"]


def test_no_file_is_overwritten_and_what_cannot_be_written_is_told(call, somewhere):
    (somewhere / "saved.yaml").write_text("mine")
    with pytest.raises(
        UserError, match=r"'saved\.yaml' exists; .* another name with --save-recipe"
    ):
        call("run", *RUN, "--save-recipe", "saved.yaml")
    assert (somewhere / "saved.yaml").read_text() == "mine"
    with pytest.raises(UserError, match=r"no/saved\.yaml' cannot be written: No such file"):
        call("run", *RUN, "--save-recipe", "no/saved.yaml")
    assert not (somewhere / "out").exists()


@pytest.fixture
def verified(monkeypatch):
    """What verification was asked for; it finds what is set here, and looks at nothing."""

    class Verification:
        passed = True

        def __call__(self, *given, scope="changed", sample=SAMPLE):
            self.source, self.target, self.recipe, self.entries, self.workers = given
            self.scope, self.sample = scope, sample
            return {"passed": self.passed, "summary": "Looked at.", "checks": []}

    found = Verification()
    monkeypatch.setattr(verification, "verify", found)
    return found


def test_a_run_verifies_what_changed_and_the_command_verify_everything(call, verified):
    call("run", *RUN, "--longest", "48")
    recipe = verified.recipe
    assert (verified.source, verified.target, verified.workers) == ("in", "out", 1)
    assert recipe["steps"][0]["resize"]["longest"] == 48
    assert (len(verified.entries), verified.scope) == (COUNT, "changed")
    call("verify", "in", "out", "--workers", "1")
    assert (verified.recipe, len(verified.entries), verified.scope) == (recipe, COUNT, "all")
    assert verified.sample == SAMPLE


@pytest.mark.parametrize(
    ("side", "compared"), [(100, SAMPLE), (1000, 80), (3000, LEAST_COMPARED), (0, SAMPLE)]
)
def test_a_run_compares_fewer_pictures_if_they_are_large(side, compared):
    entries = Entries(Entry(f"{k}.jpg", 1, 1, "jpeg", side, side) for k in range(3))
    assert folder_commands._sample(entries) == compared


def test_results_that_are_not_right_fail_both_commands(call, verified):
    verified.passed = False
    status, lines = call("run", *RUN)
    assert status == 1
    assert lines[-1] == (
        f"Failed: some results are not right; {COUNT} of {COUNT} images processed."
    )
    assert "Looked at." in lines
    status, lines = call("verify", "in", "out", "--workers", "1")
    assert (status, lines[-1]) == (1, "out: Looked at.")


def test_nothing_is_verified_if_it_is_not_wanted(call, monkeypatch):
    monkeypatch.delattr(verification, "verify")
    status, lines = call("run", *RUN, "--no-verify")
    assert status == 0
    assert not [line for line in lines if line.startswith("Verification")]


def test_a_pass_gets_engine_workers_and_folders(call, monkeypatch):
    class EndError(Exception):
        pass

    def process_folder(request, keep, host):
        assert (keep, host) == (None, None)
        given = (request.source, request.target, request.engine, request.workers, request.label)
        assert given == ("in", "out", "futures", 1, "")
        raise EndError

    monkeypatch.setattr(runner, "process_folder", process_folder)
    with pytest.raises(EndError):
        call("run", "in", "out", "--engine", "futures", "--workers", "1")


def test_a_run_compares_as_many_pictures_as_their_sizes_allow(call, verified, monkeypatch):
    monkeypatch.setattr(folder_commands, "MOST_PIXELS", (LEAST_COMPARED + 2) * 96 * 64)
    call("run", *RUN)
    assert verified.sample == LEAST_COMPARED + 2


def test_a_run_tells_which_outputs_hold_the_pictures_of_their_sources(call, somewhere):
    recipe = {"steps": [], "output": {"format": "same", "min_saving": 99}}
    (somewhere / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    _, lines = call("run", *RUN, "--recipe", "recipe.yaml", "--no-verify")
    (line,) = [line for line in lines if line.startswith("Kept: ")]
    assert line.startswith(f"Kept: {COUNT} pictures as their sources have them (")


def test_failures_of_earlier_runs_count_too(call, somewhere):
    for number in range(5):
        (somewhere / f"in/bad{number}.jpg").write_bytes(b"\xff\xd8\xff and no more")
    for lines in (call("run", *RUN)[1], call("run", *RUN)[1]):
        assert "Failed images: out/failures.csv" in lines
        assert lines[-1] == (
            f"Failed: {COUNT} of {COUNT + 5} images processed; 5 failed, more than 4: 5 damaged."
        )


def test_a_plan_tells_what_would_be_done_and_its_cost_and_does_nothing(call, picture):
    assert call("plan", "in", "out") == (
        None,
        [
            "recipe: web (`pixelmill presets` lists others)",
            f"{COUNT} images: make {COUNT}: {COUNT} new; keep 0; remove 0",
        ],
    )
    assert not os.path.exists("out")
    call("run", *RUN, "--quality", "50")
    assert call("plan", "in", "out")[1] == [f"{COUNT} images: make 0; keep {COUNT}; remove 0"]
    picture(9).save("in/new.jpg")
    (line,) = call("plan", "in", "out")[1]
    assert line.startswith(f"{COUNT + 1} images: make 1: 1 new; keep {COUNT}; remove 0; about 0 s")
    assert line.endswith(" of one core and 0 MB")
    assert f"{COUNT} recipe changed" in call("plan", "in", "out", "--quality", "60")[1][0]


def test_a_plan_tells_that_the_run_would_stop(call, monkeypatch):
    refusal = "The sources are gone; mount the disk, or set removals.max_rate to 1."
    preview = planning.Preview(Plan(), 0.0, 0.0, refusal)
    monkeypatch.setattr(planning, "preview", lambda request, entries: preview)
    assert call("plan", "in", "out")[1][-1] == (
        "`pixelmill run` would stop before that: The sources are gone; mount the disk, or "
        "add --allow-removals."
    )


def test_the_cost_of_a_plan_is_told_in_seconds_and_megabytes(call, monkeypatch):
    preview = planning.Preview(Plan(), 90.0, 2.5e9)
    monkeypatch.setattr(planning, "preview", lambda request, entries: preview)
    assert call("plan", "in", "out")[1][-1] == (
        f"{COUNT} images: make 0; keep 0; remove 0; about 90 s of one core and 2500 MB"
    )


def test_a_single_image_is_one_for_all_commands(call, verified, somewhere):
    image, *options = "in/0.jpg", *RUN[1:]
    assert call("plan", image, "out")[1][1] == "1 image: make 1: 1 new; keep 0; remove 0"
    status, lines = call("run", image, *options)
    assert (status, lines[-1]) == (0, "Success: 1 of 1 image processed.")
    assert list(sizes()) == ["0.jpg"]
    assert remembered()["source"] == str(somewhere / "in")
    assert (verified.source, [entry.path for entry in verified.entries]) == ("in", ["0.jpg"])
    told = json.loads(Path("out/verification.json").read_text(encoding="utf-8"))
    assert told["summary"] == "Looked at."


def test_a_recipe_of_a_version_that_noted_no_source_is_used_again(somewhere):
    (somewhere / "recipe.json").write_text('{"recipe": {"depth": "keep"}, "folder": "there"}')
    assert folder_commands.last_run(".") == ChosenRecipe({"depth": "keep"}, "there", "")


@pytest.mark.parametrize("command_", ["run", "plan", "verify"])
def test_a_folder_that_cannot_be_used_is_told_before_anything_else(call, caplog, command_):
    Path("empty").mkdir()
    Path("out").mkdir()
    for folders, words in ((("empty", "out"), "no image"), (("in", "in/out"), "one another")):
        Path(folders[1]).mkdir(exist_ok=True)
        with pytest.raises(UserError, match=words):
            call(command_, *folders)
        assert caplog.messages == []


def test_results_that_are_not_there_cannot_be_verified(call):
    with pytest.raises(UserError, match=r"'out' is not a folder; `pixelmill run` creates the "):
        call("verify", "in", "out")


def test_a_config_is_written_with_what_the_folder_holds(call, somewhere):
    (somewhere / "in/notes.txt").write_text("no image")
    assert call("init", "in", "--config", "new.yaml")[1] == [
        f"'in' holds {COUNT} images:",
        f"  {COUNT} JPEG",
        "  left out: .txt files (1)",
        "Wrote 'new.yaml'. Next: pixelmill workflow process",
    ]
    assert yaml.safe_load(Path("new.yaml").read_text())["datasets"]["images"]["folder"] == "in"
    with pytest.raises(UserError, match=r"'new\.yaml' exists; .* another name with --config"):
        call("init", "in", "--config", "new.yaml")


def test_the_results_of_another_folder_are_not_replaced_unless_it_is_allowed(call, photos):
    call("run", *RUN)
    photos(Path("elsewhere"), 2)
    with pytest.raises(UserError, match=r"'out' has the results of '.*in'; name another folder"):
        call("run", "elsewhere", *RUN[1:])
    assert call("run", "elsewhere", *RUN[1:], "--allow-removals")[0] == 0
    assert len(list(Path("out/images").iterdir())) == 2


def test_a_folder_that_was_moved_or_has_another_name_keeps_its_results(call):
    call("run", *RUN)
    Path("link").symlink_to("in", target_is_directory=True)
    assert call("run", "link", *RUN[1:])[1][0] == "Nothing to do: no image has changed."
    Path("in").rename("moved")
    assert call("run", "moved", *RUN[1:])[1][0] == "Nothing to do: no image has changed."


def test_only_the_images_of_a_list_are_processed_planned_and_verified(call, somewhere):
    (somewhere / "train.csv").write_text("source,split\n0.jpg,train\n2.jpg,train\n1.jpg,test\n")
    rows = ("--list", "train.csv", "--where", "split=train")
    assert call("plan", "in", "out", *rows)[1][1:] == [
        "'train.csv' names 2 of 3 images",
        "2 images: make 2: 2 new; keep 0; remove 0",
    ]
    status, lines = call("run", *RUN, *rows)
    assert (status, lines[-1]) == (0, "Success: 2 of 2 images processed.")
    assert sizes().keys() == {"0.jpg", "2.jpg"}
    assert call("verify", "in", "out", "--workers", "1", *rows)[0] == 0
    status, lines = call("run", *RUN)
    assert (status, lines[-1]) == (0, "Success: 3 of 3 images processed.")


def test_outputs_of_images_that_are_not_listed_any_more_are_removed_within_the_limit(
    call, somewhere
):
    assert call("run", *RUN)[0] == 0
    (somewhere / "list.txt").write_text("1.jpg\n")
    with pytest.raises(UserError, match=r"2 of 3 images in 'out' are gone or left out, and their"):
        call("run", *RUN, "--list", "list.txt")
    assert len(sizes()) == COUNT
    (somewhere / "list.txt").write_text("1.jpg\n0.jpg\n")
    assert call("run", *RUN, "--list", "list.txt")[0] == 0
    assert sizes().keys() == {"0.jpg", "1.jpg"}


def test_an_image_of_a_list_that_is_gone_is_told_and_loses_its_output(call, somewhere):
    (somewhere / "list.txt").write_text("0.jpg\n1.jpg\n2.jpg\n")
    assert call("run", *RUN, "--list", "list.txt")[0] == 0
    (somewhere / "in/1.jpg").unlink()
    status, lines = call("run", *RUN, "--list", "list.txt")
    told = "1 of the 3 paths in 'list.txt' names no image of 'in': '1.jpg' (line 2) does not exist"
    assert (status, lines[0]) == (0, told)
    assert sizes().keys() == {"0.jpg", "2.jpg"}


@pytest.mark.parametrize("text", ["0.jpg\n../1.jpg\n", "gone.jpg\n", ""])
def test_a_list_with_a_mistake_stops_a_run_before_anything_is_written(call, somewhere, text):
    (somewhere / "list.txt").write_text(text)
    with pytest.raises(UserError, match=r"'list.txt'"):
        call("run", *RUN, "--list", "list.txt")
    assert not (somewhere / "out").exists()


def test_a_list_names_members_of_an_archive(call, somewhere):
    shutil.make_archive("photos", "zip", "in")
    (somewhere / "list.txt").write_text("2.jpg\n")
    run = ("photos.zip", "out", "--engine", "sequential", "--workers", "1")
    assert call("run", *run, "--list", "list.txt")[0] == 0
    assert sizes().keys() == {"2.jpg"}


def test_the_option_that_allows_removals_is_named(call):
    call("run", *RUN)
    for path in sorted(Path("in").glob("*.jpg"))[1:]:
        path.unlink()
    with pytest.raises(UserError, match="if this is intended, add --allow-removals"):
        call("run", *RUN)
    assert call("run", *RUN, "--allow-removals")[0] == 0
    assert len(list(Path("out/images").iterdir())) == 1


def test_verify_says_that_images_failed(call):
    Path("in/text.jpg").write_text("no image")
    call("run", *RUN)
    status, lines = call("verify", "in", "out", "--workers", "1")
    assert (status, lines[-1]) == (
        0, "1 image has no output because of a failure: out/failures.csv"
    )  # fmt: skip
