"""Files that users name must be regular and of limited size; others are refused at once."""

import contextlib
import json
import os
import threading

import pytest

from pixelmill.app.config import named_recipe
from pixelmill.core import documents, regular_files
from pixelmill.core.errors import UserError
from pixelmill.dataset import catalog_table
from pixelmill.imaging.recipe_parser import parse
from tests.helpers.descriptors import assert_closes_what_it_opens

#: What is in the place of a file, and words of the error.
SPECIALS = {"folder": ".", "huge": "more than"}
if os.name == "posix":
    SPECIALS |= {"pipe": "not a regular file", "device": "not a regular file"}


def lay(kind, path):
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to(os.devnull)
    else:
        with path.open("wb") as file:
            file.truncate(2**30)  # of no block on the disk


def recipe_with(step):
    return lambda path: parse({"steps": [{step[0]: {step[1]: str(path)}}]})


def own_step(path):
    return parse({"steps": [{"call": {"function": "mine:change"}}]}, "recipe", str(path.parent))


#: Documents by kind: their name, and what reads them.
DOCUMENTS = {
    "config": ("config.yaml", lambda path: documents.read(str(path))),
    "recipe": ("mine.yaml", lambda path: named_recipe(str(path))),
    "catalog": ("catalog.csv", catalog_table.read),
    "lookup table": ("table.cube", recipe_with(("lookup", "file"))),
    "overlay": ("mark.png", recipe_with(("watermark", "image"))),
    "own step": ("mine.py", own_step),
}


def error_of(call, path):
    """The error of a call for a document; the call must not block."""
    found = []

    def try_it():
        try:
            call(path)
        except UserError as error:
            found.append(str(error))

    trial = threading.Thread(target=try_it, daemon=True)
    trial.start()
    trial.join(20)
    waited = trial.is_alive()
    if waited and path.is_fifo():  # let it go on, and end
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        trial.join(20)
    assert not waited, "it waits"
    (sentence,) = found
    return sentence


@pytest.mark.parametrize("kind", SPECIALS)
@pytest.mark.parametrize(("name", "call"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_is_a_regular_file_of_bounded_size(tmp_path, name, call, kind):
    lay(kind, tmp_path / name)
    sentence = error_of(call, tmp_path / name)
    assert len(sentence.splitlines()) == 1
    assert sentence.endswith(".")
    assert name in sentence or name.removesuffix(".py") in sentence or "config" in sentence


@pytest.mark.parametrize("kind", SPECIALS)
def test_content_is_that_of_a_regular_file_within_bounds(tmp_path, kind):
    lay(kind, tmp_path / "it")
    with assert_closes_what_it_opens(), pytest.raises(OSError, match=SPECIALS[kind]):
        regular_files.content(tmp_path / "it", 1_000)
    (tmp_path / "file").write_bytes(b"x" * 1_000)
    assert regular_files.content(tmp_path / "file", 1_000) == b"x" * 1_000
    with pytest.raises(OSError, match="more than 999 bytes"):
        regular_files.content(tmp_path / "file", 999)


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n1,2\n", "path,bytes\nx.jpg,many\n", "path\nx.jpg\n", f"path\n{'x' * 2_000_000}",
     "\0", "path,bytes,mtime_ns,format,width,height\nx.jpg,1,2\n"],
    ids=["empty", "of-others", "no-number", "too-few-columns", "one-long-line", "nul", "short-row"],
)  # fmt: skip
def test_a_table_that_is_not_a_catalog_is_refused_in_a_sentence(tmp_path, text):
    path = tmp_path / "catalog.csv"
    path.write_text(text, encoding="utf-8")
    try:
        assert list(catalog_table.iterate(path)) == []
        assert text in ("", "\0")  # nothing but a header, at most
    except UserError as error:
        sentence = str(error)
        assert "catalog.csv" in sentence and len(sentence.splitlines()) == 1


CONFIGS = {
    "empty": {},
    "of-results-alone": {"results": "results"},
    "without-recipes": {"results": "results", "datasets": {}},
    "results-of-a-number": {"results": 5, "datasets": {}, "recipes": {}},
    "datasets-of-a-list": {"results": "results", "datasets": ["mine"], "recipes": {}},
    "a-dataset-of-nothing": {"results": "results", "datasets": {"mine": None}, "recipes": {}},
    "a-list": [1, 2],
    "a-text": "results",
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("name", ["plan", "clean", "verify_results"])
def test_a_partial_config_is_completed_or_refused_in_a_sentence(
    tmp_path, monkeypatch, call, name, config
):
    monkeypatch.chdir(tmp_path)
    try:
        call(f"{name}.py", "--config", json.dumps(config))
    except UserError as error:  # any other one would be told as an unexpected one
        assert len(str(error).splitlines()) == 1
