"""What a config allows to own steps, and how mistakes in it are reported."""

import pytest

from pixelmill.app import config
from pixelmill.core.errors import UserError
from pixelmill.core.sandbox import Confinement, Sandbox
from pixelmill.pipeline.policy import Policy
from tests.helpers.sandboxed import policy_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("auto", Sandbox()),
        (True, Sandbox()),
        ("off", Sandbox(on=False)),
        (False, Sandbox(on=False)),  # as YAML reads a plain off
        ({"allow": {"read": ["a", "b"]}}, Sandbox(read=("a", "b"))),
        ({"allow": {"write": ["a"], "exec": True}}, Sandbox(write=("a",), execute=True)),
        ({"allow": {"network": True}}, Sandbox(network=True)),
    ],
)
def test_a_config_can_be_short(value, expected):
    assert Policy.from_config(config.complete({"sandbox": value})).sandbox == expected


@pytest.mark.parametrize("keeps", [False, True])
def test_what_a_config_allows_is_added_to_what_a_pass_needs(monkeypatch, tmp_path, keeps):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    allowed = Sandbox(read=("~/fonts",), write=("~/made",), network=True)
    for name in ("fonts", "made"):
        with pytest.raises(UserError, match=f"'~/{name}' does not exist"):
            allowed.check()
        (tmp_path / name).mkdir()
    allowed.check()
    found = allowed.confine(["in"], ["out"], keeps)
    assert found == Confinement(
        read=(str(tmp_path / "in"), str(tmp_path / "fonts")),
        write=(str(tmp_path / "out"),),
        granted=(str(tmp_path / "made"),),
        network=True,
        times=True,  # a step that writes may set them
    )
    assert Sandbox(execute=True).confine([], [], keeps) == Confinement(
        (), execute=True, times=keeps
    )
    assert Sandbox(on=False).confine(["in"], ["out"], keeps) is None


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("strict", "sandbox: found 'strict'; One of auto"),
        ({}, "sandbox: found {}; it needs the key 'allow'."),
        ({"allow": {}}, "sandbox.allow: found {}; it must not be empty."),
        (
            {"allow": {"read": "models"}},
            "sandbox.allow.read: found 'models'; give a list of texts.",
        ),
        ({"allow": {"exec": "yes"}}, "sandbox.allow.exec: found 'yes'; give true or false."),
        (
            {"allow": {"net": True}},
            "sandbox.allow.net: unknown key; did you mean 'network'? Allowed are read, write",
        ),
    ],
)
def test_a_wrong_value_is_refused_in_a_sentence(value, sentence):
    with pytest.raises(UserError) as caught:
        config.complete({"sandbox": value})
    assert str(caught.value).startswith(sentence)


def test_a_path_that_does_not_exist_is_refused_before_the_pass(tmp_path, photos, script):
    source = photos(tmp_path / "source", 1)
    done = script(
        "process_sequential.py", source, tmp_path / "tree", *policy_of(read=["models"]),
        cwd=tmp_path,
    )  # fmt: skip
    assert done.status == 2
    assert "sandbox.allow.read: 'models' does not exist; correct the path" in done.text
