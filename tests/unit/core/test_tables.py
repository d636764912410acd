"""Tables and JSON are read back as they were written, and no cell is a formula."""

import csv
import json
import random
import re
from functools import partial

import pytest

from pixelmill.core import tables
from pixelmill.core.errors import UserError
from pixelmill.core.tables import (
    iterate_cells,
    iterate_columns,
    read_json,
    read_table,
    write_json,
    write_table,
)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_json_is_read_back_as_written(tmp_path):
    value = {"b": [1, 2.5, None, True], "a": "é\n\u2028"}
    write_json(tmp_path / "value.json", value)
    assert read_json(tmp_path / "value.json") == value
    assert (tmp_path / "value.json").read_bytes().endswith(b"}\n")


def test_json_that_is_nested_too_deeply_is_none(tmp_path):
    (tmp_path / "value.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(tmp_path / "value.json")


def test_json_that_other_readers_would_refuse_is_not_written(tmp_path):
    write_json(tmp_path / "value.json", 1)
    with pytest.raises(ValueError):
        write_json(tmp_path / "value.json", {"rate": float("nan")})
    assert json.loads((tmp_path / "value.json").read_text()) == 1
    assert names_in(tmp_path) == ["value.json"]


def test_a_table_is_read_back_as_written(tmp_path):
    cells = ["plain", 'say "a", b', " spaces ", "two\nlines", "é\u2028", "", "=1", r"\u003d1"]
    write_table(tmp_path / "t.csv", ("name", "number"), [(cell, 7) for cell in cells])
    assert read_table(tmp_path / "t.csv") == [{"name": cell, "number": "7"} for cell in cells]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@a", "  =1", "a;=1", "\uff1d1"])
def test_texts_in_a_table_are_never_formulas_and_numbers_are_unchanged(tmp_path, cell):
    write_table(tmp_path / "t.csv", ("text", "number"), [(cell, -1.5)])
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        _, (written, number) = csv.reader(file)
    assert not re.search(r"(^|;) *[-=+@\uff1d]", written)
    assert number == "-1.5"


def test_a_table_is_the_same_whatever_is_written_at_once(tmp_path, monkeypatch):
    draw = random.Random(4)
    texts = ["a", "b.jpg", "", "=1", "a;+1", "\\", 'quo"te', "two\nlines", " -1", 7, -1.5, None]
    rows = [draw.choices(texts, k=3) for _ in range(500)]

    def written(at_once):
        monkeypatch.setattr(tables, "_AT_ONCE", at_once)
        write_table(tmp_path / "t.csv", ("x", "y", "z"), iter(rows))
        return (tmp_path / "t.csv").read_bytes()

    assert written(1) == written(2) == written(3) == written(1000)
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    assert [list(row.values()) for row in read_table(tmp_path / "t.csv")] == cells


def test_a_cell_of_any_length_can_be_read(tmp_path):
    write_table(tmp_path / "t.csv", ("message",), [("x" * 200_000,)])
    assert read_table(tmp_path / "t.csv") == [{"message": "x" * 200_000}]


def test_a_table_keeps_the_line_ends_in_its_cells(tmp_path):
    write_table(tmp_path / "t.csv", ("message",), [("one\r\ntwo\rthree",)])
    assert read_table(tmp_path / "t.csv") == [{"message": "one\r\ntwo\rthree"}]


def test_a_table_whose_rows_fail_leaves_the_old_one(tmp_path):
    def rows(count):
        for number in range(count):
            yield [10 // (5 - number)]

    write_table(tmp_path / "t.csv", ("number",), rows(2))
    with pytest.raises(ZeroDivisionError):
        write_table(tmp_path / "t.csv", ("number",), rows(9))
    assert read_table(tmp_path / "t.csv") == [{"number": "2"}, {"number": "2"}]
    assert names_in(tmp_path) == ["t.csv"]


def test_a_row_that_lacks_cells_is_read_and_one_with_more_cells_is_told(tmp_path):
    (tmp_path / "t.csv").write_text("name,number\na\n\nb,1\n")
    assert read_table(tmp_path / "t.csv") == [
        {"name": "a", "number": None},
        {"name": "b", "number": "1"},
    ]
    (tmp_path / "t.csv").write_text("name,number\na,1\nb,1,2\n")
    with pytest.raises(UserError, match="line 3 has more cells than the first one"):
        read_table(tmp_path / "t.csv")


def test_some_columns_of_a_table_are_read(tmp_path):
    write_table(tmp_path / "t.csv", ("name", "number", "note"), [("=1", 7, "x")])
    assert list(iterate_cells(tmp_path / "t.csv", ("note", "name"))) == [("x", "=1")]
    columns = ("other", "name", "number")
    assert list(iterate_cells(tmp_path / "t.csv", columns, {"other": "0"})) == [("0", "=1", "7")]
    with pytest.raises(KeyError, match="other"):
        next(iterate_cells(tmp_path / "t.csv", columns))
    (tmp_path / "t.csv").write_text("name,number\na\n")
    with pytest.raises(UserError, match="is damaged"):
        next(iterate_cells(tmp_path / "t.csv", ("name", "number")))
    cells = iterate_cells(tmp_path / "t.csv", ("number", "other", "name"), {"other": "0"}, "-")
    assert list(cells) == [("-", "0", "a")]
    (tmp_path / "t.csv").write_text("")
    assert list(iterate_cells(tmp_path / "t.csv", columns, lacking="-")) == []


def test_a_table_without_rows_has_its_header(tmp_path):
    write_table(tmp_path / "t.csv", ("name", "number"), [])
    assert (tmp_path / "t.csv").read_bytes() == b"name,number\n"
    assert read_table(tmp_path / "t.csv") == []


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.csv.*missing"):
        read_table(tmp_path / "absent.csv")


def test_a_table_of_others_is_told(tmp_path, request):
    request.addfinalizer(partial(csv.field_size_limit, csv.field_size_limit(10_000)))
    path = tmp_path / "table.csv"
    for text, why in (
        ("a,b\n1,2,3,\\\n", "line 2 has more cells than the first one"),
        ('a,b\n"1,' + "x\n" * 9000, "field larger than field limit"),
        (b"\xff", "'utf-8' codec can't decode"),
    ):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(UserError, match=f"'{path}' was not written by pixelmill: {why}"):
            read_table(path)


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_columns_have_the_cells_of_the_rows(tmp_path, rows):
    cells = ["plain", "=1", r"\u003d1", "two\nlines", "back\\slash", "", "é"]
    table = [(cell, number, "x") for number, cell in enumerate(cells)]
    write_table(tmp_path / "t.csv", ("name", "number", "more"), table)
    columns, lacking = ("number", "name", "other"), {"other": "0"}
    parts = list(iterate_columns(tmp_path / "t.csv", columns, lacking, rows))
    assert [len(part[0]) for part in parts][:-1] == [rows] * (len(parts) - 1)
    found = [row for part in parts for row in zip(*part, strict=True)]
    assert found == list(iterate_cells(tmp_path / "t.csv", columns, lacking))


def test_columns_of_a_damaged_table_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("name,number\na,1\nb\n", encoding="utf-8")
    with pytest.raises(UserError, match="is damaged"):
        list(iterate_columns(tmp_path / "t.csv", ("name", "number"), {}, 9))
    with pytest.raises(KeyError):
        list(iterate_columns(tmp_path / "t.csv", ("name", "other"), {}, 9))
    (tmp_path / "t.csv").write_text("", encoding="utf-8")
    with pytest.raises(KeyError):
        list(iterate_columns(tmp_path / "t.csv", ("name", "number"), {}, 9))
