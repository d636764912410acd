"""What the workflow does before Snakemake looks for jobs."""

import os

import pytest

from pixelmill.app.workflow_setup import folders_of


@pytest.mark.parametrize(
    ("configfiles", "folders"),
    [
        ([], ["."]),
        (["config.yaml"], ["."]),
        (["settings/config.yaml"], ["settings"]),
        (["one/a.yaml", "two/b.yaml", "config.yaml"], ["two", "one", "."]),
        (["one/a.yaml", "one/b.yaml", "one/config.yaml"], ["one"]),
    ],
)
def test_own_steps_are_searched_beside_the_last_config_first(
    tmp_path, monkeypatch, configfiles, folders
):
    """Its keys override those of the others; the config of the project comes last."""
    monkeypatch.chdir(tmp_path)
    assert folders_of(configfiles) == os.pathsep.join(folders)
