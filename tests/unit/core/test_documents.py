"""YAML and JSON are read within limits; documents beyond them are refused in one sentence."""

import collections

import pytest
import yaml

from pixelmill.app import config
from pixelmill.core import documents
from pixelmill.core.documents import from_json, from_yaml
from pixelmill.core.errors import UserError


def laughs(form):
    """Ten levels, each ten times as large as the one before: ten billion values."""
    lines = ["a: &a " + form.format(", ".join(["x"] * 10))]
    for one, other in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{other}: &{other} " + form.format(", ".join([f"*{one}"] * 10)))
    return "\n".join(lines)


def maps():
    lines = ["a: &a {k: 1}"]
    for one, other in zip("abcdefghi", "bcdefghij", strict=True):
        entries = ", ".join(f"k{number}: *{one}" for number in range(10))
        lines.append(f"{other}: &{other} {{{entries}}}")
    return "\n".join(lines)


def merges():
    lines = ["a: &a {k: 1}"]
    for one, other in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{other}: &{other} {{<<: [{', '.join([f'*{one}'] * 10)}]}}")
    return "\n".join(lines)


BOMBS = {
    "lists-by-aliases": (laughs("[{}]"), "more than 100,000 values"),
    "maps-by-aliases": (maps(), "more than 100,000 values"),
    "merged-maps": (merges(), "more than 100,000 values"),
    "within-itself": ("a: &a [*a]", "line 1, column 8: '*a' contains itself"),
    "map-within-itself": ("a: &a {b: *a}", "contains itself"),
    "merged-within-itself": ("a: &a\n  <<: *a", "line 2, column 7: '*a' contains itself"),
    "deep-lists": ("a: " + "[" * 100_000, "more than 50 deep"),
    "deep-maps": ("a: " + "{a: " * 100_000, "more than 50 deep"),
    "deep-blocks": ("\n".join(" " * depth + "-" for depth in range(500)), "more than 50 deep"),
    "many-values": ("[" + "1, " * 100_000 + "1]", "more than 100,000 values"),
    "many-characters": ("#" * 1_000_001, "more than 1,000,000 characters"),
    "key-twice": ("a: 1\nb: 2\na: 3", "line 3, column 1: the key 'a' occurs twice"),
    "inner-key-twice": (
        "a:\n- {b: [1, 2], 'b': {c: 1}}",
        "line 2, column 15: the key 'b' occurs twice",
    ),
    "impossible-date": ("a: 2024-13-45", "cannot be read as YAML"),
    "two-documents": ("a: 1\n---\nb: 2", "line 2, column 1: the document ends before this"),
    "code": (
        "!!python/object/apply:os.getcwd []",
        "line 1, column 1: found '!!python/object/apply:os.getcwd' without quotes",
    ),
}


def refusal(call, *arguments):
    with pytest.raises(UserError) as refused:
        call(*arguments)
    sentence = str(refused.value)
    assert len(sentence.splitlines()) == 1
    assert len(sentence) < 500
    return sentence


@pytest.mark.parametrize("by_libyaml", [True, False])
@pytest.mark.parametrize(("text", "words"), BOMBS.values(), ids=BOMBS)
def test_a_yaml_bomb_is_refused_before_it_is_expanded(monkeypatch, text, words, by_libyaml):
    if not by_libyaml:
        monkeypatch.setattr(documents, "loader", lambda: yaml.SafeLoader)
    sentence = refusal(from_yaml, text, "it")
    assert sentence.startswith("it")
    assert words in sentence


@pytest.mark.parametrize(("text", "words"), BOMBS.values(), ids=BOMBS)
def test_a_recipe_of_a_file_is_bounded(tmp_path, text, words):
    (tmp_path / "bomb.yaml").write_text(text, encoding="utf-8")
    assert words in refusal(config.named_recipe, str(tmp_path / "bomb.yaml"))


def test_small_aliases_are_read():
    text = "base: &base {width: 8}\none: {<<: *base, height: 9}\ntwo: [*base, *base]"
    assert from_yaml(text, "it")["one"] == {"width": 8, "height": 9}
    assert from_yaml("a: &a 1\nb: *a", "it") == {"a": 1, "b": 1}


DEEP = {
    "lists": "[" * 100_000 + "]" * 100_000,
    "maps": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "somewhat": "[" * 51 + "]" * 51,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_deep_json_is_refused(text):
    assert "deep" in refusal(from_json, text, "it")


def test_a_repeated_key_of_json_is_reported():
    assert "the key 'b' occurs twice" in refusal(from_json, '{"a": {"b": 1, "b": 2}}', "it")


@pytest.mark.parametrize("text", ["{", "nonsense", '{"a": 1} 2', "1" * 10_000], ids=ascii)
def test_broken_json_is_reported(text):
    assert refusal(from_json, text, "--policy").startswith("--policy: ")


def nested(levels):
    shared = ["x"] * 10
    for _ in range(levels):
        shared = [shared] * 10
    return shared


def within_itself():
    value = {}
    value["a"] = value
    return value


GRAPHS = {
    "shared-lists": {"a": nested(9)},
    "shared-maps": {"a": [collections.OrderedDict(a=nested(5))]},
    "within-itself": within_itself(),
    "deep": {"a": from_json("[" * 49 + "]" * 49, "it")},
}


@pytest.mark.parametrize("call", [config.complete, config.typed])
@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_what_snakemake_has_read_is_bounded_before_it_is_copied(call, graph):
    assert refusal(call, graph)


@pytest.mark.parametrize(
    "text", ["[" * 10_000, "&a [*a]", "!!python/name:os.getcwd", "2024-13-45", "x" * 10**6], ids=len
)
def test_a_text_given_with_config_is_not_a_document(text):
    assert config.typed({"a": text}) == {"a": text}


def test_a_bomb_beside_the_workflow_is_refused(new_project, snakemake, tmp_path):
    folder = new_project(tmp_path / "project", {}, 1)
    (folder / "config.yaml").write_text(merges(), encoding="utf-8")
    ran = snakemake(folder, "--dry-run", "all")
    assert ran.status != 0
    assert "config.yaml: it has" in ran.text
    assert "Traceback" not in ran.text


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\ud800/x"])
@pytest.mark.parametrize(
    "config_",
    [
        lambda text: {"results": text},
        lambda text: {"datasets": {"mine": {"folder": text}}},
        lambda text: {"datasets": {"mine": {"folder": ".", "list": text}}},
        lambda text: {"datasets": {"mine": {"folder": ".", "list": {"file": text}}}},
        lambda text: {"scale": {"tls": {"ca": text, "cert": text, "key": text}}},
        lambda text: {"sandbox": {"allow": {"read": [text]}}},
        lambda text: {"recipes": {"own": {"steps": [{"watermark": {"image": text}}]}}},
    ],
    ids=["results", "folder", "list", "file", "tls", "allow", "watermark"],
)
def test_no_text_has_characters_that_a_path_cannot_have(config_, text):
    assert "give a text without such characters" in refusal(config.complete, config_(text))
