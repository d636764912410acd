"""The tables of the members."""

import pytest

from pixelmill.core.errors import UserError
from pixelmill.core.root import Root
from pixelmill.packing.tables import MemberRow, read, remove, writing
from tests.helpers.optional import if_installed
from tests.helpers.trees import write_packed

ROWS = [
    MemberRow("a", "a.jpg", "images-000000.tar", 3, "0" * 64, r"two\u000alines.png"),
    MemberRow("=1+1", "=1+1.jpg", "images-000001.tar", 0, "f" * 64, '"quoted", é.png'),
]


def test_a_table_is_read_as_it_was_written_and_no_cell_is_a_formula(tmp_path):
    write_packed(tmp_path, ROWS)
    assert list(read(str(tmp_path))) == ROWS
    lines = (tmp_path / "packed.csv").read_text("utf-8").splitlines()
    assert lines[0] == "key,member,shard,bytes,digest,source"
    assert lines[2].startswith(r"\u003d1+1,")


def test_tables_are_removed_before_what_they_describe_changes(tmp_path):
    write_packed(tmp_path, ROWS)
    remove(Root(tmp_path))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match=r"packed\.csv' is missing"):
        list(read(str(tmp_path)))


def test_rows_of_shards_may_come_in_any_order_and_are_written_as_soon_as_possible(tmp_path):
    made = []

    def rows(number):
        def make():
            made.append(number)
            return f"{number}\n"

        return make

    with writing(str(tmp_path)) as put:
        put(2, rows(2))
        put(1, rows(1))
        assert made == []
        put(0, rows(0))
        assert made == [0, 1, 2]
    assert (tmp_path / "packed.csv").read_text().splitlines()[1:] == ["0", "1", "2"]


@pytest.mark.parametrize("line", ["a,a.jpg,images-000000.tar,many,0,a.png", "a", "1,2,3,4,5,6,7"])
def test_a_damaged_table_is_told(tmp_path, line):
    (tmp_path / "packed.csv").write_text(f"key,member,shard,bytes,digest,source\n{line}\n")
    with pytest.raises(UserError, match=r"is damaged; pack again|more cells than the first"):
        list(read(str(tmp_path)))


@if_installed("pyarrow")
def test_the_table_is_written_as_parquet_too(tmp_path):
    from pyarrow import parquet

    write_packed(tmp_path, ROWS)
    rows = parquet.read_table(tmp_path / "packed.parquet").to_pylist()
    assert rows == [row._asdict() for row in ROWS]
