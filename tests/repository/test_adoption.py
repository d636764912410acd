"""What the hosting service and other projects read agrees with the code."""

import re
import shutil
import sys
import zipfile

import pytest
import yaml
from PIL import Image

import pixelmill
from tests.conftest import run


@pytest.fixture(scope="module")
def workflow(repository):
    text = (repository / ".github/workflows/test.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def test_actions_are_pinned_by_commit_and_get_no_more_rights_than_to_read(workflow):
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        for step in job["steps"]:
            assert "run" in step or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"])


def test_every_supported_python_and_system_is_tested(workflow, repository):
    matrix = workflow["jobs"]["fast"]["strategy"]["matrix"]
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    (lowest,) = re.findall(r'requires-python = ">=(.*)"', text)
    assert matrix["python"][0] == lowest
    readme = (repository / "envs/README.md").read_text(encoding="utf-8")
    assert f"for Python {lowest} to {matrix['python'][-1]}" in readme
    assert {name.split("-")[0] for name in matrix["system"]} == {"ubuntu", "macos", "windows"}


def test_the_citation_names_this_version(repository):
    cited = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == pixelmill.__version__


@pytest.mark.parametrize("name", ["report.png", "report-phone.png"])
def test_the_pictures_of_the_report_show_this_version(repository, name):
    with Image.open(repository / "docs" / name) as picture:
        assert picture.text["pixelmill"] == pixelmill.__version__, "run 'make screenshots'"


def copied(text):
    """Files and folders that a Dockerfile copies."""
    lines = re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE)
    return {name for line in lines for name in line.split()}


def test_both_containers_copy_the_same_files_and_these_exist(repository):
    docker = copied((repository / "Dockerfile").read_text(encoding="utf-8"))
    definition = (repository / "envs/apptainer.def").read_text(encoding="utf-8")
    files = re.search(r"%files\n((?:    .*\n)+)", definition)[1].split()
    assert docker == set(files[::2])
    assert [f"/opt/pixelmill/{name}" for name in files[::2]] == files[1::2]
    assert all((repository / name).exists() for name in docker)
    assert re.findall("^FROM (.*)", (repository / "Dockerfile").read_text("utf-8"), re.M) == (
        re.findall("^From: (.*)", definition, re.M)
    )


@pytest.mark.slow
def test_what_a_container_copies_is_enough_to_build_pixelmill(repository, tmp_path):
    for name in copied((repository / "Dockerfile").read_text(encoding="utf-8")):
        place = tmp_path / "copy" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (repository / name).is_dir():
            shutil.copytree(repository / name, place)
        else:
            shutil.copyfile(repository / name, place)
    build = "from hatchling.build import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    built = run([sys.executable, "-c", build, tmp_path], cwd=tmp_path / "copy")
    assert built.status == 0, built.text
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        assert {"pixelmill/project/workflow/Snakefile", "pixelmill/app/command.py"} <= set(
            packed.namelist()
        )
