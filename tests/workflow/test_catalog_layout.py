"""The layout that the catalog of Snakemake workflows expects, and the ways to run it."""

import shutil

import pytest
import yaml

#: What a deployment from the catalog writes, with a local path in the place of the repository.
DEPLOYED = """
from snakemake.utils import min_version
min_version("6.10.0")

configfile: "config/config.yaml"

module pixelmill:
    snakefile:
        "{snakefile}"
    config:
        config

use rule * from pixelmill
"""


def test_the_files_of_the_catalog_exist(repository):
    for name in (
        "LICENSE", "README.md", "workflow/Snakefile", "config/README.md", "config/config.yaml",
        ".snakemake-workflow-catalog.yml", ".test/config/config.yaml",
    ):  # fmt: skip
        assert (repository / name).is_file(), name
    catalog = yaml.safe_load((repository / ".snakemake-workflow-catalog.yml").read_text("utf-8"))
    assert {"mandatory-flags", "software-stack-deployment", "report"} <= catalog["usage"].keys()


def test_the_config_of_the_catalog_is_that_of_a_clone(repository):
    config, other = repository / "config/config.yaml", repository / "config.yaml"
    assert config.read_text("utf-8") == other.read_text("utf-8")


@pytest.mark.slow
def test_the_small_run_succeeds_from_the_root_folder(repository, snakemake, tmp_path):
    project = tmp_path / "clone"
    for name in ("workflow", "scripts", "profiles", "envs", ".test"):
        shutil.copytree(repository / name, project / name)
    shutil.copyfile(repository / "Snakefile", project / "Snakefile")
    ran = snakemake(project / ".test", code=project, cwd=project)
    assert ran.status == 0, ran.text
    assert ran.text.splitlines()[-1] == "Success: 8 of 8 images processed."
    assert (project / ".test/results/.verdict-ok").exists()


@pytest.mark.slow
def test_a_deployed_copy_runs_with_its_own_config(repository, snakemake, tmp_path):
    (tmp_path / "workflow").mkdir()
    shutil.copytree(repository / ".test/config", tmp_path / "config")
    text = DEPLOYED.format(snakefile=(repository / "workflow/Snakefile").as_posix())
    (tmp_path / "workflow/Snakefile").write_text(text, encoding="utf-8")
    ran = snakemake(tmp_path, code=tmp_path / "workflow", cwd=tmp_path)
    assert ran.status == 0, ran.text
    assert (tmp_path / "results/.verdict-ok").exists()
    assert len(list((tmp_path / "results/demo/light/threads/images").iterdir())) == 8


#: Another workflow that uses the results of this one.
AROUND = """
configfile: "my.yaml"

module pixelmill:
    snakefile: "{snakefile}"
    config: config

use rule * from pixelmill as images_*

rule count:
    default_target: True
    input: "output/.verdict-ok", "output/mine/tiny/sequential/manifest.csv"
    output: "count.txt"
    shell: "wc -l < {{input[1]}} > {{output}}"
"""


@pytest.mark.slow
def test_another_workflow_uses_the_results_with_a_config_of_its_own(
    repository, snakemake, photos, tmp_path
):
    photos(tmp_path / "pictures", 3)
    config = {
        "datasets": {"mine": {"folder": "pictures"}},
        "recipes": {"tiny": {"steps": [{"resize": {"longest": 24}}]}},
        "run": {"datasets": ["mine"], "recipes": ["tiny"], "engines": ["threads"]},
        "results": "output",
    }
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    text = AROUND.format(snakefile=(repository / "workflow/Snakefile").as_posix())
    (tmp_path / "Snakefile").write_text(text, encoding="utf-8")
    ran = snakemake(tmp_path, code=tmp_path, cwd=tmp_path)
    assert ran.status == 0, ran.text
    assert (tmp_path / "count.txt").read_text("utf-8").strip() == "4"  # with the header
    assert "Nothing to be done" in snakemake(tmp_path, code=tmp_path, cwd=tmp_path).text


@pytest.mark.slow
def test_the_list_of_targets_says_what_each_of_them_does(small, snakemake):
    lines = snakemake(small, "--list").text.splitlines()
    assert "plan (Show which images would be processed, and why.)" in lines
