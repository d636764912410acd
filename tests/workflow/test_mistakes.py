"""Mistakes in a config or on the command line end in one sentence, without a traceback."""

import sys

import pytest

from tests.conftest import run
from tests.helpers.projects import SMALL, write_config

#: What Snakemake says before it reads the workflow.
GREETING = "Using workflow specific profile"


def sentence_of(ran):
    """The only line of a run that was refused."""
    assert ran.status == 1, ran.text
    (line,) = [line for line in ran.text.splitlines() if not line.startswith(GREETING)]
    return line


MISTAKES = {
    "tab": ("run:\n\tdatasets: [mine]\n", "config.yaml, line 2, column 1: found a tab"),
    "indentation": ("run:\n   a: 1\n  b: 2\n", "config.yaml, line 3, column 3: found 'b:'"),
    "windows-path": (
        'datasets: {mine: {folder: "C:\\Users"}}\n', "config.yaml, line 1, column 30: found '\\U'"
    ),
    "key-twice": ("run: {}\nrun: {}\n", "config.yaml, line 2, column 1: the key 'run' occurs"),
    "empty": ("", "config.yaml is empty; "),
    "list": ("- run\n", "config.yaml, line 1, column 1: found ['run']; give a map"),
    "step": (
        "recipes: {mine: {steps: [{resise: {width: 9}}]}}\n",
        "config.yaml, line 1, column 27: recipes.mine.steps[0].resise: no such step; did you mean "
        "'resize'?",
    ),
    "dataset": (
        "datasets: {mine: {folder: pictures}}\nrun: {datasets: [mien]}\n",
        "config.yaml, line 2, column 7: run.datasets: 'mien' is not defined; did you mean 'mine'?",
    ),
    "engine": (
        "run: {engines: [thread]}\n",
        "config.yaml, line 1, column 17: run.engines[0]: found 'thread'; did you mean 'threads'?",
    ),
    "folder": (
        "datasets: {mine: {folder: picturse}}\n",
        "config.yaml, line 1, column 19: datasets.mine.folder: 'picturse' is not a folder; did you "
        "mean 'pictures'?",
    ),
    "no-images": (
        "datasets: {mine: {folder: workflow}}\n",
        "config.yaml, line 1, column 19: datasets.mine.folder: 'workflow' contains no image",
    ),
    "variable": (
        "results: $PIXELMILL_NO_SUCH/out\n",
        "config.yaml, line 1, column 1: results: '$PIXELMILL_NO_SUCH/out': the variable",
    ),
}  # fmt: skip

#: Two mistakes represent all in short runs: one in a recipe, and one about the disk.
EACH = [
    pytest.param(*mistake, id=name, marks=() if name in ("step", "folder") else pytest.mark.slow)
    for name, mistake in MISTAKES.items()
]


@pytest.mark.parametrize(("text", "sentence"), EACH)
def test_a_mistake_in_the_config_is_one_sentence(small, snakemake, text, sentence):
    (small / "config.yaml").write_text(text, encoding="utf-8")
    assert sentence_of(snakemake(small, "all")).startswith(sentence)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["proces"], "'proces' is not a target; did you mean 'process'?"),
        (["all", "--forcerun", "repotr"], "'repotr' is not a target; did you mean 'report'?"),
        (["catalog"], "'catalog' is not a target, because it is done for each dataset"),
        (["results/mine/light/auto/manifes.csv"], "'results/mine/light/auto/manifes.csv' is not a"),
        (
            ["all", "--config", "reslts=out"],
            "--config: reslts: unknown key; did you mean 'results'",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_on_the_command_line_is_one_sentence(small, snakemake, arguments, sentence):
    assert sentence_of(snakemake(small, *arguments)).startswith(sentence)


@pytest.mark.slow
def test_a_missing_number_of_cores_is_one_sentence(small):
    """Started without the fixture, which gives a number."""
    ran = run([sys.executable, "-m", "snakemake", "process"], cwd=small)
    assert sentence_of(ran) == "The number of cores is missing; run: snakemake --cores all process"


def test_a_mistake_in_a_later_file_names_that_file(small, snakemake, tmp_path):
    (small / "later.yaml").write_text("run:\n  enginse: []\n", encoding="utf-8")
    ran = snakemake(small, "all", "--configfile", "later.yaml")
    assert sentence_of(ran).startswith("later.yaml, line 2, column 3: run.enginse: unknown key")


def test_a_config_of_another_case_is_not_ignored(small, snakemake):
    (small / "config.yaml").rename(small / "Config.yaml")
    if (small / "config.yaml").exists():
        pytest.xfail("this file system ignores the case of names")
    sentence = sentence_of(snakemake(small, "all"))
    assert sentence.startswith("'Config.yaml' is not read; rename it to 'config.yaml'")


def test_a_dataset_that_a_later_file_brings_is_run(small, snakemake):
    (small / "pictures").rename(small / "others")
    write_config(small, {"run": {"datasets": ["demo"], "recipes": ["light"]}})
    (small / "later.yaml").write_text("datasets: {own: {folder: others}}\n", encoding="utf-8")
    ran = snakemake(small, "process", "--dry-run", "--configfile", "later.yaml")
    assert "Process own with light on auto" in ran.jobs
    assert "demo" not in "".join(ran.jobs)


@pytest.mark.slow
def test_a_single_image_below_the_home_folder_is_processed(small, snakemake):
    """Its folder holds the results too, and other images."""
    config = {
        **SMALL,
        "datasets": {"mine": {"folder": "~/pictures/1.jpg"}},
        "recipes": {"light": {"output": {"format": "TIF"}}},
        "results": "$HOME/pictures/results",
    }
    write_config(small, config)
    ran = snakemake(small, "process", env={"HOME": str(small), "PATH": "/usr/bin:/bin"})
    assert ran.status == 0, ran.text
    images = small / "pictures/results/mine/light/auto/images"
    assert [path.name for path in images.iterdir()] == ["1.tif"]
