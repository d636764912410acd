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
