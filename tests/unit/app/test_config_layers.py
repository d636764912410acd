"""The config of a run: later files and values take precedence, and mistakes name their file."""

import os

import pytest

from pixelmill.app.config_layers import load
from pixelmill.core.errors import UserError
from tests.helpers.permissions import obeying_permissions


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A working folder with a config that runs the demo."""
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "others"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(b"named like an image")
    (tmp_path / "config.yaml").write_text(
        "datasets: {demo: {generate: {count: 5}}}\nrun: {datasets: [demo]}\nverify: {sample: 7}\n"
    )
    return tmp_path


def later(project, text, name="later.yaml"):
    (project / name).write_text(text, encoding="utf-8")
    return name


MINE = "datasets: {mine: {folder: mine}}\n"
OTHERS = "datasets: {others: {folder: others}}\n"


def test_later_layers_take_precedence_and_keep_the_rest(project):
    file = later(project, "verify: {min_psnr: 20}\nresults: out\n")
    loaded = load([file], {"results": "elsewhere", "verify": {"sample": "8"}})
    assert loaded.config["verify"] == {"scope": "changed", "sample": 8, "min_psnr": 20}
    assert loaded.config["results"] == "elsewhere"
    assert loaded.base == "config.yaml"


def test_a_config_in_the_folder_config_is_read_unless_there_is_one_in_the_working_folder(project):
    (project / "config").mkdir()
    (project / "config/config.yaml").write_text("verify: {sample: 9}\nresults: out\n")
    assert load([], {}).config["verify"]["sample"] == 7
    (project / "config.yaml").unlink()
    loaded = load([], {})
    assert (loaded.base, loaded.config["verify"]["sample"]) == ("config/config.yaml", 9)
    assert loaded.folders == load([later(project, "results: out")], {}).folders


@pytest.mark.parametrize("base", ["config.yaml", "config/config.yaml"])
@pytest.mark.parametrize(
    ("files", "searched"),
    [
        ([], ["."]),
        (["more/a.yaml"], ["more", "."]),
        (["more/a.yaml", "last/b.yaml"], ["last", "more", "."]),
        (["here.yaml", "last/b.yaml"], ["last", "."]),
    ],
)
def test_own_steps_beside_later_files_precede_those_of_the_working_folder(
    project, base, files, searched
):
    text = (project / "config.yaml").read_text()
    (project / "config.yaml").unlink()
    for name in (base, *files):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    assert load(files, {}).folders == os.pathsep.join(searched)


@pytest.mark.parametrize(
    ("files", "values", "run"),
    [
        ([MINE], {}, ["mine"]),
        ([MINE, OTHERS], {}, ["mine", "others"]),
        ([MINE, "results: out\n"], {}, ["mine"]),
        ([], {"datasets": {"mine": {"folder": "mine"}}}, ["mine"]),
        ([MINE + "run: {datasets: [demo, mine]}\n"], {}, ["demo", "mine"]),
        ([MINE], {"run": {"datasets": ["demo"]}}, ["demo"]),
        (["datasets: {demo: {generate: {count: 9}}}\n"], {}, ["demo"]),
        (["results: out\n"], {}, ["demo"]),
        ([MINE, MINE + "results: out\n"], {}, ["mine"]),
        ([MINE + "run: {datasets: [mine]}\n", OTHERS], {}, ["others"]),
        ([MINE, OTHERS + "run: {datasets: [others]}\n"], {}, ["others"]),
    ],
)
def test_datasets_that_a_later_layer_brings_are_run(project, files, values, run):
    names = [later(project, text, f"{number}.yaml") for number, text in enumerate(files)]
    assert load(names, values).config["run"]["datasets"] == run


@pytest.mark.parametrize(
    ("files", "values", "sample"),
    [([], {}, 7), (["results: out\n"], {}, 250), ([], {"results": "out"}, 250)],
    ids=["nothing", "by a file", "by a value"],
)
def test_the_config_of_the_folder_is_replaced_if_that_is_asked_and_another_is_given(
    project, files, values, sample
):
    """As by the option --replace-workflow-config."""
    names = [later(project, text, f"{number}.yaml") for number, text in enumerate(files)]
    assert load(names, values, replace=True).config["verify"]["sample"] == sample


def test_the_datasets_of_a_config_are_run_if_it_names_none(project):
    later(project, MINE + "", "config.yaml")
    assert load([], {}).config["run"]["datasets"] == ["mine"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; write a key such as 'datasets' into it"),
        ("# only a comment\n", "is empty"),
        ("- a\n", ", line 1, column 1: found ['a']; give a map of keys and values"),
        ("run:\n\tdatasets: [a]\n", ", line 2, column 1: found a tab"),
        ("run: {}\nrun: {}\n", ", line 2, column 1: the key 'run' occurs twice"),
        (
            "run:\n  enginse: []\n",
            ", line 2, column 3: run.enginse: unknown key; did you mean 'eng",
        ),
        ("results: [a]\n", ", line 1, column 1: results: found ['a']; give a text."),
        ("verify: {sample: '5'}\n", ", line 1, column 10: verify.sample: found '5'; give a whole"),
    ],
)
@pytest.mark.parametrize("name", ["config.yaml", "later.yaml"])
def test_a_mistake_names_its_file_and_place(project, name, text, message):
    later(project, text, name)
    with pytest.raises(UserError) as refusal:
        load([name] if name != "config.yaml" else [], {})
    assert str(refusal.value).startswith(
        f"{name}{' ' if message.startswith('is') else ''}{message}"
    )


def test_a_mistake_in_a_value_names_the_option():
    with pytest.raises(
        UserError, match=r"^--config: run\.datasets: 'dmeo' is not defined; did you"
    ):
        load([], {"run": {"datasets": ["dmeo"]}})


@pytest.mark.parametrize("name", ["Config.yaml", "config.yml", "CONFIG.YML", "config.yaml.txt"])
def test_a_config_of_a_similar_name_is_not_ignored(project, name):
    (project / "config.yaml").rename(project / "kept")
    (project / "kept").rename(project / name)
    if (project / "config.yaml").exists():
        pytest.xfail("this file system ignores the case of names")
    with pytest.raises(UserError, match=f"^'{name}' is not read; rename it to 'config.yaml'"):
        load([], {})
    assert load([later(project, "results: out\n")], {}).config["results"] == "out"


def test_a_folder_without_images_is_refused_before_any_job_starts(project):
    (project / "empty").mkdir()
    file = later(project, "datasets:\n  mine:\n    folder: empty\n")
    message = r"^later.yaml, line 3, column 5: datasets.mine.folder: 'empty' contains no image"
    with pytest.raises(UserError, match=message):
        load([file], {})


def test_a_folder_that_may_not_be_read_is_told(project):
    folder = project / "locked"
    folder.mkdir(mode=0)
    file = later(project, "datasets: {mine: {folder: locked}}\n")
    with obeying_permissions(), pytest.raises(UserError, match="'locked' cannot be read: "):
        load([file], {})
    assert load([file], {}, look=False).config["run"]["datasets"] == ["mine"]


def test_a_workflow_that_includes_this_one_gives_its_config():
    assert load([], {}, given={"results": "theirs"}).config["results"] == "theirs"
