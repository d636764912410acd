"""Shells complete commands, options and their values, and otherwise file names."""

import re
import shutil
import subprocess

import pytest

from pixelmill.app import command, information
from pixelmill.app.config import default_recipes
from pixelmill.imaging.steps import STEPS


def completion(shell):
    return "\n".join(information.completion(shell, command._parser()))


def words_of_bash(*typed):
    """What bash offers for the last of the words after the name of the command."""
    line = " ".join(f"'{word}'" for word in ("pixelmill", *typed))
    program = f"""{completion("bash")}
COMP_WORDS=({line}) COMP_CWORD={len(typed)}
_pixelmill
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    ran = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    return ran.stdout.split()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["ru"], ["run"]),
        (["p"], ["plan", "pack", "presets"]),
        (["run", "--pre"], ["--preset"]),
        (["run", "--preset", "s"], ["social", "scans"]),
        (["run", "a", "b", "--format", "p"], ["png"]),
        (["run", "--engine", "th"], ["threads"]),
        (["run", "--recipe", ""], []),  # files
        (["run", "pho"], []),
        (["presets", "we"], ["web"]),
        (["steps", "resi"], ["resize"]),
        (["workflow", "pr"], ["process"]),
        (["completion", "f"], ["fish"]),
    ],
    ids=" ".join,
)
def test_bash_offers_what_can_stand_there(typed, offered):
    assert words_of_bash(*typed) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_recipe_and_step_is_in_the_script(shell):
    script = completion(shell)
    listed = re.findall(r"^    (\w+) ", command._parser().format_help(), re.MULTILINE)
    assert "run" in listed
    for word in (*listed, *default_recipes(), *STEPS):
        assert re.search(rf"\b{word}\b", script), word


def test_every_target_that_is_offered_exists(repository):
    rules = (repository / "workflow/Snakefile").read_text("utf-8") + "".join(
        path.read_text("utf-8") for path in (repository / "workflow/rules").glob("*.smk")
    )
    for word in words_of_bash("workflow", ""):
        if not word.startswith("-"):
            assert f"rule {word}:" in rules


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_accepts_its_script(shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(completion(shell), encoding="utf-8")
    ran = subprocess.run([shell, "-n", tmp_path / "script"], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.slow
def test_fish_offers_what_can_stand_there(tmp_path):
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    (tmp_path / "script").write_text(completion("fish"), encoding="utf-8")
    program = f"source '{tmp_path / 'script'}'; complete -C 'pixelmill run --preset s'"
    ran = subprocess.run(["fish", "-N", "-c", program], capture_output=True, text=True)
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["scans", "social"]
