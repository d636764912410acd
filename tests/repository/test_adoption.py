"""What the hosting service and other projects read agrees with the code."""

import re

import pytest
import yaml
from PIL import Image

import pixelmill


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
