"""A policy is read completely from a config, and its defaults are those of the schema."""

import dataclasses

import pytest

from pixelmill.app import config
from pixelmill.imaging.codecs.limits import PRESETS, Limits
from pixelmill.pipeline.policy import Policy


def test_the_defaults_by_hand_are_those_of_the_schema():
    assert Policy.from_config(config.complete({})) == Policy()


def test_every_limit_can_be_set_in_the_config():
    fields = {field.name for field in dataclasses.fields(Limits)}
    assert fields == set(config.schema()["properties"]["limits"]["properties"])


def test_limits_for_files_from_strangers_are_set_by_name():
    policy = Policy.from_config(config.complete({"limits": "untrusted"}))
    assert policy == Policy(limits=PRESETS["untrusted"])


@pytest.mark.parametrize("field", dataclasses.fields(Limits), ids=lambda field: field.name)
def test_each_limit_for_files_from_strangers_is_tighter(field):
    default, preset = getattr(Limits(), field.name), getattr(PRESETS["untrusted"], field.name)
    assert set(preset) < set(default) if field.name == "formats" else preset < default


def test_every_limit_for_files_from_strangers_is_documented(repository):
    text = (repository / "docs/policies.md").read_text(encoding="utf-8")
    for key, value in dataclasses.asdict(PRESETS["untrusted"]).items():
        shown = ", ".join(value) if key == "formats" else f"{value:,.0f}"
        assert f"| `{key}` | {shown} |" in text, key


def test_the_values_of_a_config_are_used():
    given = {
        "limits": {"max_pixels": 5, "formats": ["png"]},
        "removals": {"max_rate": 1},
        "collisions": "error",
        "durable": True,
        "run": {"check_outputs": True, "retry_failed": ["timed_out"]},
        "failures": {"stop_on_first": True},
    }
    assert Policy.from_config(config.complete(given)) == Policy(
        limits=Limits(max_pixels=5, formats=("png",)),
        check_outputs=True,
        retry_failed=("timed_out",),
        max_removal_rate=1,
        collisions="error",
        durable=True,
        stop_on_first=True,
    )
