"""What the commands `presets`, `steps` and `doctor` write."""

import pytest
import yaml

from pixelmill.app import information
from pixelmill.app.config import default_recipes
from pixelmill.core import environment
from pixelmill.core.errors import UserError
from pixelmill.imaging import arrays
from pixelmill.imaging.steps import STEPS


def test_each_preset_is_listed_with_a_sentence():
    lines = list(information.presets(None))
    lines.remove("For benchmarks:")
    names = ["web", "thumbnails", "social", "training", "archive", "scans", "light", "intensive"]
    assert [line.split()[0] for line in lines] == names
    assert all(len(line.split()) > 4 and line.endswith(".") for line in lines)


@pytest.mark.parametrize("name", ["web", "archive"])
def test_a_preset_is_shown_as_a_recipe_file_has_it(name):
    assert yaml.safe_load("\n".join(information.presets(name))) == default_recipes()[name]


def test_each_step_is_listed():
    listed = {line.split()[0] for line in information.steps(None) if line.startswith(" ")}
    assert listed == set(STEPS)


def test_a_step_is_explained_with_its_parameters():
    text = "\n".join(information.steps("resize"))
    assert text.startswith("resize: ")
    assert "  longest: a whole number from 1 to 65500; default: not given" in text


@pytest.mark.parametrize(
    ("command", "name", "near"), [("presets", "wbe", "web"), ("steps", "resise", "resize")]
)
def test_an_unknown_name_is_answered_with_the_nearest(command, name, near):
    with pytest.raises(UserError, match=f"^{command}: '{name}' is unknown; did you mean '{near}'"):
        list(getattr(information, command)(name))


def test_doctor_tells_versions_machine_and_confinement():
    text = "\n".join(information.doctor())
    for expected in (
        "pixelmill ",
        "Python ",
        "  Pillow ",
        "  snakemake ",
        "  dask ",
        " cores (",
        "confined",
        "  pixelmill-kernel ",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("not installed", "pixelmill-kernel not installed; resizing and measuring would be faster"),
        ("1.1", "pixelmill-kernel 1.1 is of another version and not used; resizing"),
    ],
)
def test_doctor_tells_that_the_kernel_is_not_used(monkeypatch, found, told):
    monkeypatch.setattr(arrays, "kernel", None)
    version_of = environment.version_of
    monkeypatch.setattr(
        environment, "version_of",
        lambda name: found if name == "pixelmill-kernel" else version_of(name),
    )  # fmt: skip
    assert any(told in line for line in information.doctor())


@pytest.mark.parametrize("name", sorted(STEPS))
def test_the_example_of_a_step_is_one_that_a_recipe_can_have(name):
    example = list(information.steps(name))[1].removeprefix("Example: ")
    (step,) = yaml.safe_load(example)
    parameters = dict(STEPS[name].examples[0])
    assert step == ({name: parameters} if parameters else name)
