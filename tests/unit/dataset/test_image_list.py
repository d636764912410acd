"""A list names images as a text or as a table; what it cannot mean is told with its line."""

import io
import os
import sys
import tracemalloc

import pytest

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape
from pixelmill.core.tables import write_table
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.image_list import ImageList
from pixelmill.dataset.list_files import STANDARD_INPUT
from tests.helpers.parquets import table_of

PATHS = ("a.jpg", "b/c d.jpg", "b/é.png", "caf\udce9.jpg", "two\nlines.jpg", "x\\y.jpg")
ENTRIES = Entries(Entry(path, 1, 1, "jpeg") for path in PATHS).sorted()


@pytest.fixture
def listing(tmp_path, monkeypatch):
    """Function that writes a list, and returns which images it names, and which are missing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()

    def find(content, name="list.txt", source="in", **where):
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
        found = ImageList(name, where).find(ENTRIES, source)
        flags = zip(ENTRIES, found.flags, strict=True)
        return [entry.path for entry, is_named in flags if is_named], found.missing

    return find


@pytest.fixture
def naming(tmp_path, monkeypatch):
    """Function that writes a list, and returns how it names outputs, by path."""
    monkeypatch.chdir(tmp_path)

    def find(content, name="list.csv", names="sku", **where):
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
        listed = ImageList(name, where, names)
        listed.check()
        return {e.path: e.name for e in listed.find(ENTRIES, "in").chosen(ENTRIES)}

    return find


@pytest.mark.parametrize(
    "text",
    [
        "a.jpg\nb/c d.jpg\n",
        "b/c d.jpg\n\na.jpg\na.jpg",
        "\ufeffa.jpg\r\nb/c d.jpg\r\n",
        "./a.jpg\nb//./c d.jpg\n",
    ],
    ids=["lines", "repeated", "windows", "as find prints them"],
)
def test_a_text_has_a_path_on_each_line(listing, text):
    assert listing(text) == (["a.jpg", "b/c d.jpg"], "")


@pytest.mark.skipif(os.name == "nt", reason="the backslash separates folders")
def test_a_text_is_literal_and_a_table_is_escaped(listing):
    assert listing("x\\y.jpg\n")[0] == ["x\\y.jpg"]
    assert listing("source\nx\\\\y.jpg\ntwo\\u000alines.jpg\n\\u0061.jpg")[0] == [
        *("a.jpg", "two\nlines.jpg", "x\\y.jpg"),
    ]


@pytest.mark.parametrize(
    "blank",
    [" ", "  ", "\t", "\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\u2028", "\u3000"],
    ids=ascii,
)
@pytest.mark.parametrize("place", ["{}a.jpg", "a.jpg{}", "b{}/c.jpg", "b/{}c.jpg"])
@pytest.mark.parametrize(
    "content", ["{}\n", "{}\r\n", "{}", "source\n{}\n", "label;source\r\ncat;{}\r\n"]
)
def test_blanks_belong_to_a_name(tmp_path, monkeypatch, blank, place, content):
    monkeypatch.chdir(tmp_path)
    path = place.format(blank)
    text = content.format(escape(path) if "source" in content else path)
    (tmp_path / "list.txt").write_bytes(text.encode())
    paths = sorted([path, path.replace(blank, ""), "d.jpg"])
    entries = Entries(Entry(one, 1, 1, "jpeg") for one in paths)
    found = ImageList("list.txt").find(entries, "in")
    assert [one for one, is_named in zip(paths, found.flags, strict=True) if is_named] == [path]
    assert found.missing == ""


def test_absolute_paths_are_those_below_the_folder(listing, tmp_path):
    assert listing(f"{tmp_path}/in/a.jpg\n{os.path.realpath(tmp_path)}/in/b/é.png\n") == (
        ["a.jpg", "b/é.png"],
        "",
    )


def test_absolute_paths_may_go_through_a_link_to_the_folder_or_not(listing, tmp_path):
    for link, place in (("link", "in"), ("above", ".")):
        (tmp_path / link).symlink_to(place, target_is_directory=True)
    real = os.path.realpath(tmp_path)
    for source, own in (("link", f"{real}/link"), ("above/in", f"{real}/above/in")):
        found = listing(f"{own}/a.jpg\n{real}/in/b/é.png\n", source=source)
        assert found == (["a.jpg", "b/é.png"], "")


@pytest.mark.parametrize(
    "table",
    [
        "path\na.jpg\n",
        "label,Path\ncat,a.jpg\n",
        "file_name;label\na.jpg;cat\n",
        "label\tfile\ncat\ta.jpg\n",
        '"label","filename"\r\n"a ""b"", c\n d","a.jpg"\r\n,\r\n',
        "path,source\nother.jpg,a.jpg\n",
    ],
    ids=["one column", "comma", "semicolon", "tab", "quotes", "two columns of paths"],
)
@pytest.mark.parametrize("name", ["list.txt", "list.csv"])
def test_a_header_makes_a_table(listing, table, name):
    assert listing(table, name) == (["a.jpg"], "")


def test_what_pixelmill_writes_is_read_as_it_is(listing, tmp_path):
    write_table(tmp_path / "made.csv", ("source", "finding"), [("\\u003da.jpg", "dark")])
    entries = Entries([Entry("=a.jpg", 1, 1, "jpeg")])
    for content in ("caf\\udce9.jpg", "two\\u000alines.jpg"):
        assert len(listing(f"source,output\n{content},x\n")[0]) == 1
    assert ImageList("made.csv").find(entries, "in").flags == b"\1"


def test_only_rows_with_the_values_are_read(listing):
    table = "source,split,fold\na.jpg,train,1\nb/é.png,train,2\nb/c d.jpg,test,1\nx\\\\y.jpg\n"
    assert listing(table, split="train")[0] == ["a.jpg", "b/é.png"]
    assert listing(table, split="train", fold="2")[0] == ["b/é.png"]


def test_paths_without_an_image_are_counted_and_the_first_are_named(listing, tmp_path):
    (tmp_path / "in/note.txt").touch()
    (tmp_path / "in/b").mkdir()
    found, missing = listing("a.jpg\ngone.jpg\nnote.txt\nb\n" + "gone.jpg\n" * 1996)
    assert found == ["a.jpg"]
    assert missing == (
        "1,999 of the 2,000 paths in 'list.txt' name no image of 'in': 'gone.jpg' (line 2) does "
        "not exist, 'note.txt' (line 3) is excluded, or is no image, 'b' (line 4) is a folder and "
        "1,996 more"
    )
    assert listing("a.jpg\ngone.jpg\n", source="in.zip")[1].endswith("is missing or excluded")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("../a.jpg", "line 1: '../a.jpg' has the part '..'; give the path below 'in'"),
        ("a.jpg\nb/../a.jpg", "line 2: 'b/../a.jpg' has the part '..'"),
        (os.path.abspath("other.jpg"), r"other.jpg' is not below 'in'; "),
        ("a.jpg\nhttps://host/a.jpg", "line 2: 'https://host/a.jpg' is an address"),
        ('path\n"a\\u0000b"', "line 2: 'a\\x00b' has the character NUL"),
        (b"a.jpg\ncaf\xe9.jpg\n", r"line 2: 'caf\xe9.jpg' is not UTF-8; give a text"),
        ('path\n\n"a.jpg', "line 3: the row cannot be read: unexpected end of data"),
        ("path,x\na.jpg,1\n,2", "line 3: the path is missing; add it, or remove the row."),
        ("", "'list.txt' names no image; correct the list."),
        ("path\n", "'list.txt' names no image; correct the list."),
        (
            "in/a.jpg",
            "'list.txt' names no image of 'in': 'in/a.jpg' (line 1) does not exist; give paths as "
            "the tables of pixelmill have them, such as 'a.jpg'.",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line(listing, content, told):
    with pytest.raises(UserError) as error:
        listing(content)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("header", "where", "told"),
    [
        (
            "image,label",
            {},
            "'image,label' names no column of paths; name a column source, path, file, file_name "
            "or filename in the first line.",
        ),
        ("flename;label", {}, "'flename;label' names no column of paths; did you mean 'filename'?"),
        ("", {}, "'' names no column of paths"),
        ("path,split", {"splt": "x"}, "there is no column 'splt'; did you mean 'split'? Its"),
    ],
)
def test_a_wrong_header_is_told_before_the_rows_are_read(tmp_path, header, where, told):
    path = tmp_path / "list.csv"
    path.write_bytes(header.encode() + b"\n\0")
    with pytest.raises(UserError) as error:
        ImageList(str(path), where).check()
    assert f"line 1: {told}" in str(error.value)


NAMED = {"path": ["b/é.png", "a.jpg", "b/c d.jpg"], "sku": ["shoes/12.v2", "X.JPG", None]}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_names_outputs(naming, kind):
    rows = zip(*NAMED.values(), strict=True)
    table = "path;sku\n" + "".join(f"{path};{name or ''}\n" for path, name in rows)
    content = table if kind == "csv" else table_of(NAMED)
    named = {"a.jpg": "X", "b/c d.jpg": "", "b/é.png": "shoes/12.v2"}
    assert naming(content, f"list.{kind}") == named
    assert naming(content, f"list.{kind}", names="") == dict.fromkeys(named, "")
    assert naming(content, f"list.{kind}", sku="X.JPG") == {"a.jpg": "X"}


def test_names_are_escaped_as_in_all_tables(naming):
    assert naming("path,sku\na.jpg,\\u003dA1\nb/é.png,\\u0020x") == {
        "a.jpg": "=A1", "b/é.png": " x",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("a.jpg,../x", "line 2: '../x' cannot name an output; give a relative path, without '..',"),
        *((f"a.jpg,{name}", "cannot name an output") for name in
          ("/x", "x//y", "./x", "x/", "C:x", "x|y", ".x", "x/.y", "x.", "x /y", "a\\\\b",
           "\\u000ax", "x" * 300)),
        ("a.jpg,x\na.jpg,y", "line 3: 'a.jpg' has another name in an earlier one; give one name."),
        ("a.jpg,x\na.jpg,", "line 3: 'a.jpg' has another name in an earlier one"),
        ("a.jpg,x\nb/é.png,X.webp", "line 3: an earlier one gives the name 'X.webp' to another"),
    ],
)  # fmt: skip
def test_a_name_that_no_output_can_have_is_told_with_its_line(naming, rows, told):
    with pytest.raises(UserError) as error:
        naming(f"path,sku\n{rows}\n")
    assert told in str(error.value)


def test_the_same_name_may_be_given_twice_to_an_image_and_to_missing_ones(naming):
    assert naming("path,sku\na.jpg,x\na.jpg,x\ngone.jpg,x\n") == {"a.jpg": "x"}


def test_a_missing_column_of_names_is_told(naming):
    with pytest.raises(UserError, match="line 1: there is no column 'sku'; did you mean 'skus'"):
        naming("path,skus\na.jpg,x")
    with pytest.raises(UserError, match="there is no column 'sku'"):
        naming(table_of({"path": ["a.jpg"]}), "list.parquet")
    with pytest.raises(UserError, match=r"'a.jpg' names no column of paths"):
        naming("a.jpg\n", "list.txt")
    with pytest.raises(UserError, match=r"--names: 'sku' is a column of a list; add --list."):
        ImageList.given(None, [], "sku")


def test_no_row_with_a_value_is_told(listing):
    with pytest.raises(UserError, match=r"'list.txt' has no row with split=trian; correct"):
        listing("path,split\na.jpg,train", split="trian")


def test_a_text_has_no_rows_to_choose(listing):
    with pytest.raises(UserError, match=r"'a.jpg' names no column of paths"):
        listing("a.jpg\n", split="train")


def test_standard_input_is_read_once(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a.jpg\n")))
    listed = ImageList(STANDARD_INPUT)
    listed.check()
    assert sum(listed.find(ENTRIES, "in").flags) == 1
    with pytest.raises(UserError, match="standard input names no image"):
        listed.find(ENTRIES, "in")


def test_rows_cannot_be_chosen_without_a_list():
    assert ImageList.given(None, []) is None
    with pytest.raises(UserError, match=r"--where: 'split' is a column of a list; add --list."):
        ImageList.given(None, [("split", "train")])


def test_a_list_that_a_command_names_is_checked_at_once(tmp_path):
    (tmp_path / "list.csv").write_text("path,split\na.jpg,train\n", encoding="utf-8")
    for name, where, told in (
        ("none.csv", [], "does not exist"), ("list.csv", [("fold", "3")], "no column 'fold'"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=told):
            ImageList.given(str(tmp_path / name), where)
    values = [("split", "train")] * 2
    assert ImageList.given(str(tmp_path / "list.csv"), values).where == {"split": "train"}


def test_a_column_has_one_value():
    with pytest.raises(UserError, match="'split' is given twice, with 'train' and 'val'; give one"):
        ImageList.given("list.csv", [("split", "train"), ("split", "val")])


def test_a_list_of_any_length_takes_the_memory_of_its_catalog(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"gone/%s.jpg\n" % (b"x" * 900) * 1_500 + b"a.jpg\n")
    listed = ImageList(str(path))
    listed.find(ENTRIES, str(tmp_path))
    tracemalloc.start()
    assert listed.find(ENTRIES, str(tmp_path)).flags.count(1) == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000 < path.stat().st_size


PARQUET = {
    "path": ["a.jpg", "b/c d.jpg", "b/é.png", "two\\u000alines.jpg"],
    "fold": ["1", "2", "1", None],
}


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd"])
@pytest.mark.parametrize("options", [{}, {"dictionary": True}, {"rows": 3}, {"version": 2}])
def test_a_parquet_file_is_a_table(listing, codec, options):
    data = table_of(PARQUET, codec=codec, **options)
    every = ["a.jpg", "b/c d.jpg", "b/é.png", "two\nlines.jpg"]
    assert listing(data, "list.parquet") == (every, "")
    assert listing(data, "list.parquet", fold="1") == (["a.jpg", "b/é.png"], "")


def test_names_of_columns_of_a_parquet_file_may_be_in_capitals(listing):
    assert listing(table_of({"URL": ["x"], "File_Name": ["a.jpg"]}), "l.parquet")[0] == ["a.jpg"]


@pytest.mark.parametrize(
    ("columns", "where", "told"),
    [
        ({"name": ["a.jpg"]}, {}, "'l.parquet' has no column of paths; its columns of texts are "
         "name; name one source, path, file, file_name or filename."),
        (PARQUET, {"flod": "1"}, "'l.parquet': there is no column 'flod'; did you mean 'fold'?"),
        (PARQUET, {"fold": "9"}, "'l.parquet' has no row with fold=9; correct the list."),
        ({"path": ["a.jpg", None]}, {}, "'l.parquet', row 2: the path is missing"),
        ({"path": ["../a.jpg"]}, {}, "'l.parquet', row 1: '../a.jpg' has the part '..'"),
        ({"path": ["x.jpg"]}, {}, "'x.jpg' (row 1) does not exist"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_parquet_file_is_told_with_its_row(listing, columns, where, told):
    with pytest.raises(UserError) as raised:
        listing(table_of(columns), "l.parquet", **where)
    assert told in str(raised.value)


def test_a_damaged_parquet_file_is_told_also_before_it_is_read(listing):
    data = table_of(PARQUET)[:-1]
    with pytest.raises(UserError, match=r"The list 'l\.parquet' (is not|has) .*; write it again"):
        listing(data, "l.parquet")
    with pytest.raises(UserError, match=r"The list 'l\.parquet'"):
        ImageList("l.parquet").check()


def test_a_parquet_file_is_checked_before_it_is_read(tmp_path):
    (tmp_path / "l.parquet").write_bytes(table_of({"name": ["a.jpg"]}))
    with pytest.raises(UserError, match="has no column of paths"):
        ImageList(str(tmp_path / "l.parquet")).check()
