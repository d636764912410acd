"""The code of a script is everything that it imports, and nothing else."""

import pytest

from pixelmill.core.fingerprints import code_of
from tests.helpers.imports import reached_from


def scripts_of(repository):
    return sorted((repository / "scripts").glob("*.py"))


@pytest.mark.parametrize(
    "name",
    [
        "catalog", "clean", "compare_engines", "gather", "gather_catalog", "generate", "verdict",
    ],
)  # fmt: skip
def test_the_code_of_steps_is_no_part_of_a_script_whose_work_they_do_not_change(name):
    """Otherwise, an edited step would generate and catalog all images again."""
    modules = {path.stem for path in code_of(f"{name}.py")}
    assert not modules & {
        "decoding", "encoding", "filters", "geometry", "plan", "recipe", "renderer", "tones",
    }  # fmt: skip


def test_the_code_of_a_script_is_all_that_it_imports_itself_first(repository):
    """Snakemake does not see imports: a missing file would not rerun its rule."""
    for script in scripts_of(repository):
        first, *modules = code_of(script.name)
        assert first == script
        assert set(modules) == reached_from(script), script.name
