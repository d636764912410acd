"""The reference page describes every config key as the schema does."""

import re

import pytest
import yaml

from pixelmill.app import config_docs
from pixelmill.app.config_schema import schema


def test_the_docs_match_the_schema(repository):
    text = (repository / "docs/configuration.md").read_text(encoding="utf-8")
    assert text == config_docs.markdown(), "say: make docs"


def test_the_config_has_every_key_already(repository):
    text = (repository / "config.yaml").read_text(encoding="utf-8")
    assert config_docs.with_missing_keys(text) == text, "say: make docs"


@pytest.mark.parametrize(
    "missing",
    [r"^  sample: .*\n", r"^durable: .*\n", r"^verify:\n(  .*\n)+", r"(?<=^verify:\n)(  .*\n)+"],
)
def test_keys_that_a_config_lacks_are_added_with_their_defaults(repository, missing):
    text = (repository / "config.yaml").read_text(encoding="utf-8")
    shorter = re.sub(missing, "", text, count=1, flags=re.MULTILINE)
    assert shorter != text
    completed = config_docs.with_missing_keys(shorter)
    assert yaml.safe_load(completed) == yaml.safe_load(text)
    assert set(shorter.splitlines()) <= set(completed.splitlines())


def keys_of(part):
    """Names of all keys below a part of the schema."""
    if isinstance(part, dict):
        for name, entry in part.get("properties", {}).items():
            yield name
            yield from keys_of(entry)
        yield from keys_of(part.get("additionalProperties"))


def test_every_key_is_listed_with_its_description():
    rows = [line for line in config_docs.markdown().splitlines() if line.startswith("| `")]
    told = {row.split("`")[1].split(".")[-1] for row in rows}
    everything = schema()
    expected = {*keys_of(everything), *keys_of(everything["$defs"]["dataset"])}
    held = {"datasets", "recipes", "generate", "run", "failures", "removals"}
    held |= set(everything["properties"]["recipes"]["properties"])  # docs/recipes.md lists them
    held |= {"limits", "verify", "benchmark", "report", "scale", "tls", "jpeg", "png", "bmp", "gif"}
    held |= {"split", "pack"}
    assert expected - told - held == set()
    for row in rows:
        assert all(cell.strip() for cell in row.strip("|").split("|")), row


def test_the_page_on_recipes_lists_the_presets_with_their_descriptions(repository):
    page = (repository / "docs/recipes.md").read_text(encoding="utf-8")
    for name, entry in schema()["properties"]["recipes"]["properties"].items():
        assert f"| `{name}` | {entry['description']} |" in page
