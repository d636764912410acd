"""Lost and altered outputs are noticed by their names and sizes, without opening any of them."""

import os

import pytest

from pixelmill.core.errors import UserError
from pixelmill.dataset import ledger_backup, outputs_state
from pixelmill.dataset.ledger import Ledger
from pixelmill.dataset.outputs_state import NAME, record, token

OUTPUTS = [("a.jpg", 3), ("below/b.jpg", 4), ("below/\udcff.jpg", 0)]


@pytest.fixture
def tree(tmp_path):
    """A tree whose outputs are as they were recorded, with the token "first"."""
    for path, size in OUTPUTS:
        file = tmp_path / "images" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(size))
    record(str(tmp_path), reversed(OUTPUTS), "first")
    return tmp_path


def test_the_token_stays_as_long_as_the_outputs_do(tree):
    assert token(str(tree)) == token(str(tree)) == "first"


def test_times_do_not_matter(tree):
    os.utime(tree / "images/a.jpg", (1, 1))
    assert token(str(tree)) == "first"


def linked(images):
    """Put a link in the place of an output; it leads to a file of the same size."""
    (images / "a.jpg").rename(images.with_name("moved.jpg"))
    (images / "a.jpg").symlink_to("../moved.jpg")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda images: (images / "a.jpg").unlink(), "2 outputs were found, not 3"),
        (lambda images: (images / "a.jpg").write_bytes(b"four"), "outputs were altered"),
        (lambda images: (images / "a.jpg").rename(images / "c.jpg"), "outputs were altered"),
        (linked, "outputs were altered"),
        (lambda images: (images / "more.jpg").touch(), "4 outputs were found, not 3"),
        (lambda images: (images / ".pixelmill-0a-1-2.tmp").touch(), "4 outputs were found, not 3"),
        (lambda images: images.rename(images.with_name("moved")), "0 outputs were found, not 3"),
    ],
    ids=[
        "lost",
        "another size",
        "another name",
        "a link",
        "a stray",
        "an unfinished file",
        "all lost",
    ],
)
def test_a_change_gives_a_new_token_that_says_what_was_found(tree, change, words):
    change(tree / "images")
    first, second = token(str(tree)), token(str(tree))
    assert first.startswith(f"{words} (") and first != second


def test_outputs_that_cannot_be_looked_at_give_a_new_token(tree, monkeypatch):
    """The job that runs then says what is wrong."""

    def refuse(folder):
        raise UserError("no")

    monkeypatch.setattr(outputs_state, "walk", refuse)
    first, second = token(str(tree)), token(str(tree))
    assert first.startswith("outputs cannot be looked at (") and first != second


def test_a_repaired_tree_has_the_token_of_its_repair(tree):
    (tree / "images/a.jpg").unlink()
    record(str(tree), OUTPUTS[1:], token(str(tree)))
    assert token(str(tree)).startswith("2 outputs were found, not 3 (")
    assert token(str(tree)) == token(str(tree))


def test_a_pass_by_hand_keeps_the_token_of_the_workflow(tree):
    (tree / "images/a.jpg").unlink()
    record(str(tree), OUTPUTS[1:])
    assert token(str(tree)) == "first"


def test_nothing_is_recorded_for_those_who_have_no_workflow(tmp_path):
    record(str(tmp_path), OUTPUTS)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("text", [None, "", "[]", '{"token": 5}', '{"novel": 1}'])
def test_a_missing_or_damaged_record_gives_a_new_token(tree, text):
    if text is None:
        (tree / NAME).unlink()
    else:
        (tree / NAME).write_text(text)
    assert token(str(tree)) not in (token(str(tree)), "first")


def test_outputs_under_suspicion_give_a_new_token_until_a_pass_has_ended(tree):
    path = str(tree / "ledger.sqlite")
    with Ledger(path):
        pass
    ledger_backup.suspect(path)
    assert token(str(tree)).startswith("outputs were altered (")
    with Ledger(path) as ledger:
        assert ledger.in_doubt
        ledger.settle()
    assert token(str(tree)) == "first"


def test_a_suspicion_needs_a_ledger_and_leaves_it_closed(tmp_path):
    path = str(tmp_path / "ledger.sqlite")
    ledger_backup.suspect(path)
    assert not list(tmp_path.iterdir())
    with Ledger(path):
        pass
    ledger_backup.suspect(path)
    assert ledger_backup.readable(path) == (str(tmp_path / "ledger.backup.sqlite"), True, False, "")


def test_no_output_is_opened(tree, monkeypatch):
    monkeypatch.setattr(outputs_state, "read_json", lambda path: {"token": "t", "digest": "?"})
    opened = []
    monkeypatch.setattr("builtins.open", lambda *arguments, **options: opened.append(arguments))
    token(str(tree))
    assert opened == []
