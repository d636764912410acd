"""Mistakes in YAML are told with their place, and with what people did and should do."""

import pytest
import yaml

from pixelmill.core import documents
from pixelmill.core.documents import from_yaml, named_in, read
from pixelmill.core.errors import UserError

#: The text, line and column of the mistake, and words of the sentence.
MISTAKES = {
    "tab": ("run:\n\tdatasets: [a]", 2, 1, "found a tab; indent with spaces only"),
    "tab-after-spaces": ("run:\n  a: 1\n \tb: 2", 3, 2, "found a tab"),
    "windows-path": ('folder: "C:\\Users\\me"', 1, 12, "found '\\U' in double quotes"),
    "other-windows-path": ('folder: "D:\\photos"', 1, 12, "put the path in single quotes"),
    "indented-less": ("run:\n   a: 1\n  b: 2", 3, 3, "found 'b:', which does not fit here"),
    "indented-more": ("run:\n  a: 1\n   b: 2", 3, 4, "found the key 'b'"),
    "key-below-a-value": ("run: x\n  a: 1", 2, 3, "found the key 'a' within the value"),
    "key-in-a-list": ("- a\nb: 1", 2, 1, "the same indentation"),
    "bracket-not-closed": ("a: [1, 2\nb: 3", 1, 4, "after this '[', a ',' or the ']' is missing"),
    "brace-not-closed": ("a: {b: 1\nc: 2", 1, 4, "after this '{', a ',' or the '}' is missing"),
    "quotes-not-closed": ('a: "x\nb: 1\n', 1, 4, "the quotation mark has no second one"),
    "colon-missing": ("a: 1\nrun\nb: 2", 2, 1, "found 'run' without a value"),
    "two-colons": ("name: a: b", 1, 8, "found a second ':'"),
    "star": ("include: [*.jpg]", 1, 11, "found '*.jpg' without quotes"),
    "at-sign": ("folder: @photos", 1, 9, "found '@photos' without quotes"),
    "percent": ("rate: %5", 1, 7, "found '%5' without quotes"),
    "exclamation-mark": ("name: !best", 1, 7, "found '!best' without quotes"),
    "undefined-alias": ("name: *best", 1, 7, "found '*best' without quotes"),
    "bracket-too-many": ("a: ]", 1, 4, "found ']' without quotes"),
    "two-documents": ("a: 1\n---\nb: 2", 2, 1, "the document ends before this"),
    "text-after-a-map": ("{a: 1}}", 1, 7, "the document ends before this"),
    "control-character": ("a: 1\nb: \x07", 2, 4, "found the character '\\x07'; remove it"),
    "unhashable-key": ("[a]: 1", 1, 1, "correct the YAML there"),
    "block-scalar": ("a: |x\n  y", 1, 5, "put texts with special characters in quotes"),
}


@pytest.mark.parametrize("by_libyaml", [True, False])
@pytest.mark.parametrize(("text", "line", "column", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_place(monkeypatch, by_libyaml, text, line, column, words):
    if not by_libyaml:
        monkeypatch.setattr(documents, "loader", lambda: yaml.SafeLoader)
    with pytest.raises(UserError) as refusal:
        from_yaml(text, "config.yaml")
    sentence = str(refusal.value)
    assert sentence.startswith(f"config.yaml, line {line}, column {column}: ")
    assert words in sentence
    assert sentence.endswith(".")
    assert len(sentence.splitlines()) == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: 1\nb: caf\xe9\n", "line 2, column 7: found the byte 0xe9, which is not UTF-8"),
        ("a: 1\n".encode("utf-16"), "is encoded in UTF-16; save it as UTF-8"),
    ],
)
def test_another_encoding_is_told(tmp_path, data, message):
    (tmp_path / "it.yaml").write_bytes(data)
    with pytest.raises(UserError, match=message):
        read(str(tmp_path / "it.yaml"), "it")


@pytest.mark.parametrize("data", ["\ufeffa: 1\nb: 2\n", "a: 1\r\nb: 2\r\n"])
def test_marks_and_line_ends_of_windows_are_read(tmp_path, data):
    (tmp_path / "it.yaml").write_bytes(data.encode())
    assert read(str(tmp_path / "it.yaml")).data == {"a": 1, "b": 2}


def test_a_missing_file_is_told_with_the_nearest_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "other.yaml").touch()
    with pytest.raises(UserError, match=r"^'mien.yaml' does not exist; did you mean 'mine.yaml'\?"):
        read("mien.yaml")
    with pytest.raises(UserError, match=r"^'zzz.yaml' does not exist; correct the path\.$"):
        read("zzz.yaml")


def test_a_folder_is_no_document(tmp_path):
    with pytest.raises(UserError, match="is a folder; give the path of a YAML file"):
        read(str(tmp_path))


TEXT = """\
run:
  datasets: [a, b]
recipes:
  mine:
    steps:
      - resise: {width: 3}
      - blur
"""


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ("run: found", 1, 1),
        ("run.datasets: found", 2, 3),
        ("run.datasets[1]: found", 2, 17),
        ("run.enginse: unknown key", 1, 1),  # the map that should have it
        ("recipes.mine.steps[0].resise: no such step", 6, 9),
        ("recipes.mine.steps[0].resise.width: found 3", 6, 18),
        ("recipes.mine.steps[1].blur: no such step", 7, 9),
    ],
)
def test_a_key_is_found_in_a_document(tmp_path, path, line, column):
    (tmp_path / "config.yaml").write_text(TEXT, encoding="utf-8")
    document = read(str(tmp_path / "config.yaml"), "config.yaml")
    with pytest.raises(UserError) as refusal, named_in([document]):
        raise UserError(path)
    assert str(refusal.value) == f"config.yaml, line {line}, column {column}: {path}"


def test_the_document_that_has_most_of_a_key_is_named_and_the_last_of_equals():
    one, two = (
        documents.Document(name, text, yaml.safe_load(text))
        for name, text in (("one", "a: {b: 1}"), ("two", "a: {c: 1}"))
    )
    for path, expected in (("a.b", "one, line 1, column 5"), ("a.d", "two, line 1, column 1")):
        with pytest.raises(UserError, match=f"^{expected}: {path}: wrong"), named_in([one, two]):
            raise UserError(f"{path}: wrong")


def test_data_without_a_text_have_no_lines():
    given = documents.Document("--config", None, {"run": {"engine": 1}})
    with pytest.raises(UserError, match=r"^--config: run\.engine: unknown key"), named_in([given]):
        raise UserError("run.engine: unknown key")
