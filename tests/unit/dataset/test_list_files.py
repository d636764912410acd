"""Lists are read line by line within bounds; what cannot be read is told with its line."""

import io
import sys

import pytest

from pixelmill.core.errors import UserError
from pixelmill.dataset import list_files
from pixelmill.dataset.list_files import STANDARD_INPUT, cells, is_parquet, opened_list
from pixelmill.storage import parquet_format
from tests.helpers.parquets import table_of


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Function that writes a list, and returns its name."""
    monkeypatch.chdir(tmp_path)

    def write(content, name="list.txt"):
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
        return name

    return write


def texts(file, what="path"):
    with opened_list(file, what) as lines:
        return list(lines.texts(next(lines, "")))


def rows(file, delimiter=","):
    with opened_list(file) as lines:
        next(lines)
        return list(lines.rows(delimiter))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a\nb c\n", [(1, "a"), (2, "b c")]),
        ("\ufeffa\r\n\r\n \t\n b \n", [(1, "a"), (4, " b ")]),
        ("", []),
    ],
)
def test_a_text_has_lines_that_are_not_blank(written, content, expected):
    assert texts(written(content)) == expected


def test_a_table_has_rows_of_one_or_several_lines(written):
    content = 'path,note\na.jpg,"two\nlines"\n\n,\nb.jpg,";"\n'
    assert rows(written(content)) == [(2, ["a.jpg", "two\nlines"]), (6, ["b.jpg", ";"])]


def test_cells_of_a_header_have_no_blanks_around_them():
    assert cells('path ,"a ""b"""\r\n', ",") == ["path", 'a "b"']
    assert cells("", ",") == []


def test_standard_input_is_read_once(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a.jpg\n")))
    assert (texts(STANDARD_INPUT), texts(STANDARD_INPUT)) == ([(1, "a.jpg")], [])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a.jpg\0b.jpg\0", "line 1: found the character NUL, as no text has it; give a text with "
         "one URL a line, or a CSV, in UTF-8."),
        (b"a.jpg\ncaf\xe9.jpg\n", r"line 2: 'caf\xe9.jpg' is not UTF-8; give a text"),
        ("a.jpg\n".encode("utf-16"), "line 1: found the character NUL"),
        ("a" * 2_000_000, "line 1: a row has more than 1,000,000 bytes"),
    ],
    ids=["NUL", "Latin-1", "UTF-16", "long"],
)  # fmt: skip
def test_what_is_no_text_is_told_with_its_line(written, content, told):
    with pytest.raises(UserError) as error:
        texts(written(content), "URL")
    assert str(error.value).startswith(f"'list.txt', {told}")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('path,x\na.jpg,"' + f"{'x' * 999}\n" * 1001, "a row has more than 1,000,000 bytes"),
        ('path\n\n"a.jpg', "line 3: the row cannot be read: unexpected end of data; quote its"),
    ],
    ids=["long", "open quote"],
)
def test_a_row_that_cannot_be_read_is_told_with_its_line(written, content, told):
    with pytest.raises(UserError) as error:
        rows(written(content))
    assert told in str(error.value)


def test_only_a_single_row_of_a_table_may_be_too_long(written, monkeypatch):
    monkeypatch.setattr(list_files, "_LONGEST", 30)
    table = "source,split\n" + 20 * "gone.jpg,train\n" + "a.jpg,train\n"
    assert len(rows(written(table))) == 21
    with pytest.raises(UserError, match="a row has more than 30 bytes"):
        rows(written(table.replace("gone.jpg", '"' + 20 * "x\n" + '"', 1)))


def test_a_list_that_cannot_be_read_is_told(written, tmp_path):
    written("", "train.txt")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=r"does not exist; did you mean 'train.txt'\? Correct"):
        texts("tran.txt")
    with pytest.raises(UserError, match=r"'folder' cannot be read: .*; give a file, or '-'"):
        texts("folder")


@pytest.mark.parametrize("cut", [0, 5, 40, -1])
def test_a_damaged_parquet_file_is_told(written, cut):
    name = written(table_of({"path": ["a.jpg"], "fold": ["1"]})[:cut], "list.PARQUET")
    assert is_parquet(name)
    with (
        pytest.raises(UserError, match=r"The list 'list\.PARQUET' (is not|has) .*; write it again"),
        list_files.opened_parquet(name) as file,
    ):
        list(parquet_format.texts(file, ["path"]))
