"""The catalog lists all images of a folder and nothing else, and opens each once."""

import contextlib
import os
import re

import pytest
from PIL import Image

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape
from pixelmill.dataset import catalog
from pixelmill.dataset.catalog import fingerprints, refresh, scan
from pixelmill.dataset.entries import Entry
from pixelmill.dataset.globs import Selection
from pixelmill.dataset.shards import Shard
from tests.helpers.packed import pack
from tests.helpers.permissions import obeying_permissions
from tests.helpers.replacing import needs_changes, replace_preserving

TEXT = b"this is text and no image, whatever its name says"


@pytest.fixture
def jpeg(encoded):
    return encoded(Image.new("RGB", (12, 8), "teal"), "JPEG")


@pytest.fixture
def png(encoded):
    return encoded(Image.new("RGB", (8, 8), "teal"), "PNG")


def put(folder, path, content):
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


@pytest.fixture
def unopenable(monkeypatch):
    """Function after which no file can be opened."""

    def look(path, dated=False):
        raise AssertionError(f"{path} was opened")

    return lambda: monkeypatch.setattr(catalog, "_look", look)


def formats(folder, **options):
    found, _ = scan(str(folder), **options)
    return {entry.path: entry.format for entry in found.entries}


def test_content_decides_and_not_the_suffix(tmp_path, jpeg, png):
    put(tmp_path, "really-jpeg.png", jpeg)
    put(tmp_path, "no-suffix", png)
    put(tmp_path, "upper/CASE.JPG", jpeg)
    assert formats(tmp_path) == {
        "really-jpeg.png": "jpeg",
        "no-suffix": "png",
        "upper/CASE.JPG": "jpeg",
    }


def test_a_file_with_the_suffix_of_an_image_is_an_entry_without_format(tmp_path):
    put(tmp_path, "text.JPG", TEXT)
    put(tmp_path, "empty.png", b"")
    assert formats(tmp_path) == {"text.JPG": "", "empty.png": ""}


def test_other_files_are_left_out_and_counted(tmp_path, jpeg):
    for path in ("readme.txt", "deep/er/notes", "table.csv"):
        put(tmp_path, path, TEXT)
    put(tmp_path, "a.jpg", jpeg)
    found, _ = scan(str(tmp_path))
    assert [entry.path for entry in found.entries] == ["a.jpg"]
    assert found.left_out == {".txt files": 1, ".csv files": 1, "other files": 1}


def test_kinds_without_number_are_counted_together(tmp_path, jpeg, monkeypatch):
    monkeypatch.setattr(catalog, "_MOST_COUNTED", 2)
    for number, suffix in enumerate("aabcdb"):
        put(tmp_path, f"{number}.{suffix}", TEXT)
    left_out = {".a files": 2, ".b files": 2, "other files": 2}
    assert scan(str(tmp_path))[0].left_out == left_out


def test_the_kinds_of_files_that_are_left_out_are_told_the_most_frequent_first():
    many = {f".{letter} files": number for number, letter in enumerate("abcdefgh", 1)}
    told = catalog.told_left_out({**many, "special files": 2000})
    assert told.startswith("special files (2,000), .h files (8), .g files (7), ")
    assert told.endswith(".d files (4), files of other kinds (6)")


@pytest.mark.parametrize("suffix", ["", ".", ".a b", ".<b>", ".very long", ".\u202e"])
def test_a_suffix_that_names_no_kind_is_not_told(tmp_path, suffix):
    put(tmp_path, f"notes{suffix}", TEXT)
    assert scan(str(tmp_path))[0].left_out == {"other files": 1}


def test_hidden_files_and_folders_are_skipped(tmp_path, jpeg):
    for path in (".a.jpg", ".cache/b.jpg", "c/.d/e.jpg", "f/.g.jpg"):
        put(tmp_path, path, jpeg)
    put(tmp_path, "dots.in.name.jpg", jpeg)
    archive = pack(tmp_path, tmp_path / ".packed.zip")
    for source in (tmp_path, archive):
        found, _ = scan(str(source))
        assert [entry.path for entry in found.entries] == ["dots.in.name.jpg"]
        assert found.left_out == {}


def test_an_entry_has_size_and_time(tmp_path, jpeg):
    state = put(tmp_path, "a.jpg", jpeg).stat()
    found, _ = scan(str(tmp_path))
    changed = 0 if os.name == "nt" else state.st_ctime_ns
    entry = Entry("a.jpg", len(jpeg), state.st_mtime_ns, "jpeg", 12, 8, changed)
    assert found.entries == [entry]


def test_an_entry_has_no_size_in_pixels_if_its_header_has_none(tmp_path):
    put(tmp_path, "text.jpg", TEXT)
    found, _ = scan(str(tmp_path))
    assert found.entries[0][3:6] == ("", 0, 0)


def test_entries_are_sorted_by_path(tmp_path, jpeg):
    for path in ("b.jpg", "a/z.jpg", "a.jpg", "c/a.jpg", "B.jpg"):
        put(tmp_path, path, jpeg)
    assert list(formats(tmp_path)) == ["B.jpg", "a.jpg", "a/z.jpg", "b.jpg", "c/a.jpg"]


def test_an_empty_folder_has_no_entries(tmp_path):
    found, memory = scan(str(tmp_path))
    assert (found.entries, found.left_out, memory) == ([], {}, [])


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent.*does not exist"):
        scan(str(tmp_path / "absent"))
    with pytest.raises(UserError, match=r"absent.*does not exist"):
        fingerprints(str(tmp_path / "absent"))


def test_a_file_in_place_of_the_folder_is_refused(tmp_path, jpeg):
    with pytest.raises(UserError, match=r"a\.jpg"):
        scan(str(put(tmp_path, "a.jpg", jpeg)))


ODD_NAMES = {
    "newline": "two\nlines\r.jpg",
    "quote": "say \"a\", 'b'.jpg",
    "spaces": " a  b .jpg",
    "backslash": "back\\u0041slash.jpg",
    "formula": "=1+1.jpg",
    "line-separator": "a\u2028b.jpg",
    "undecodable": "caf\udce9.jpg",
    "255-bytes": "é" * 125 + "x.jpg",
    "folder": "a, b/c\nd/e.jpg",
}


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
def test_an_unusual_name_survives_the_table(tmp_path, jpeg, name):
    try:
        put(tmp_path / "in", name, jpeg)
    except OSError:
        pytest.skip("this file system refuses the name")
    found, _ = scan(str(tmp_path / "in"))
    assert [entry.path for entry in found.entries] == [name]
    catalog.write(tmp_path / "catalog.csv", found.entries)
    assert catalog.read(tmp_path / "catalog.csv") == found.entries


def test_a_link_within_the_folder_is_followed(tmp_path, jpeg):
    put(tmp_path, "a.jpg", jpeg)
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    assert formats(tmp_path) == {"a.jpg": "jpeg", "b.jpg": "jpeg"}


def test_a_link_that_leaves_the_folder_is_left_out_and_counted(tmp_path, jpeg):
    # "in" is also how the name of its neighbour begins.
    outside = put(tmp_path, "in-between/a.jpg", jpeg)
    put(tmp_path, "in/b.jpg", jpeg)
    (tmp_path / "in" / "out.jpg").symlink_to(outside)
    found, _ = scan(str(tmp_path / "in"))
    assert [entry.path for entry in found.entries] == ["b.jpg"]
    assert found.left_out == {"links that leave the folder": 1}


def test_a_folder_that_is_a_link_itself_is_read(tmp_path, jpeg):
    put(tmp_path, "real/a.jpg", jpeg)
    (tmp_path / "real" / "b.jpg").symlink_to("a.jpg")
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    assert formats(tmp_path / "link") == {"a.jpg": "jpeg", "b.jpg": "jpeg"}


def test_links_to_folders_are_counted_and_not_entered(tmp_path, jpeg):
    put(tmp_path, "a/b.jpg", jpeg)
    (tmp_path / "again").symlink_to("a", target_is_directory=True)
    (tmp_path / "a" / "loop").symlink_to("..", target_is_directory=True)
    found, _ = scan(str(tmp_path))
    assert [entry.path for entry in found.entries] == ["a/b.jpg"]
    assert found.left_out == {"links to folders": 2}


def test_a_link_to_itself_or_to_nothing_is_not_an_entry(tmp_path):
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    (tmp_path / "nothing.jpg").symlink_to("absent.jpg")
    assert formats(tmp_path) == {}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_named_pipe_is_counted_and_never_opened(tmp_path, jpeg):
    os.mkfifo(tmp_path / "pipe.jpg")
    # With a writer, opening the pipe gives a JPEG; without one it would block for ever.
    writer = os.open(tmp_path / "pipe.jpg", os.O_RDWR | os.O_NONBLOCK)
    os.write(writer, jpeg)
    found, _ = scan(str(tmp_path))
    os.close(writer)
    assert found.entries == []
    assert found.left_out == {"special files": 1}


@pytest.mark.parametrize(
    ("include", "exclude", "chosen"),
    [
        pytest.param([], [], ["a.jpg", "b/a.PNG", "b/c/a.jpg"], id="everything"),
        pytest.param(["*.jpg"], [], ["a.jpg", "b/c/a.jpg"], id="star-matches-slash"),
        pytest.param(["*.png"], [], ["b/a.PNG"], id="case-does-not-matter"),
        pytest.param(["b/*"], [], ["b/a.PNG", "b/c/a.jpg"], id="folder"),
        pytest.param(["a.jpg"], [], ["a.jpg"], id="whole-path"),
        pytest.param([], ["*/c/*"], ["a.jpg", "b/a.PNG"], id="exclude"),
        pytest.param(["*.jpg"], ["b/*"], ["a.jpg"], id="exclude-wins"),
        pytest.param(["a.*", "b/a.*"], [], ["a.jpg", "b/a.PNG"], id="any-of-two"),
        pytest.param(["[ab].jpg"], [], ["a.jpg"], id="set-of-characters"),
        pytest.param(["*.gif"], [], [], id="none"),
    ],
)
def test_globs_choose(tmp_path, jpeg, include, exclude, chosen):
    for path in ("a.jpg", "b/a.PNG", "b/c/a.jpg"):
        put(tmp_path, path, jpeg)
    assert list(formats(tmp_path, select=Selection(include, exclude))) == chosen


def test_a_file_that_is_not_chosen_is_not_counted(tmp_path):
    put(tmp_path, "a.txt", TEXT)
    found, _ = scan(str(tmp_path), Selection(["*.jpg"]))
    assert found.left_out == {}


def test_an_unchanged_file_is_not_opened_again(tmp_path, jpeg, unopenable):
    put(tmp_path, "a.jpg", jpeg)
    put(tmp_path, "notes", TEXT)
    _, memory = scan(str(tmp_path))
    unopenable()
    assert formats(tmp_path, known=memory) == {"a.jpg": "jpeg"}
    with pytest.raises(AssertionError, match="was opened"):
        scan(str(tmp_path))


@needs_changes
def test_a_file_that_was_replaced_is_opened_again_though_its_size_and_time_are_preserved(
    tmp_path, jpeg
):
    _, memory = scan(str(put(tmp_path, "a.jpg", jpeg).parent))
    before = fingerprints(str(tmp_path))
    replace_preserving(tmp_path / "a.jpg", TEXT)
    assert formats(tmp_path, known=memory) == {"a.jpg": ""}
    assert fingerprints(str(tmp_path)) != before


@pytest.mark.parametrize("change", ["size", "time"])
def test_a_file_of_another_size_or_time_is_opened_again(tmp_path, jpeg, change):
    path = put(tmp_path, "a.jpg", jpeg)
    _, memory = scan(str(tmp_path))
    time = path.stat().st_mtime_ns
    path.write_bytes(TEXT if change == "size" else TEXT.ljust(len(jpeg)))
    os.utime(path, ns=(time, time + (10**9 if change == "time" else 0)))
    assert formats(tmp_path, known=memory) == {"a.jpg": ""}


def test_a_refresh_remembers_though_its_table_was_deleted(tmp_path, jpeg, unopenable):
    put(tmp_path, "in/a.jpg", jpeg)
    table = tmp_path / "out" / "catalog.csv"
    first = refresh(str(table), str(tmp_path / "in"))
    written = table.read_bytes()
    table.unlink()  # as Snakemake does
    unopenable()
    assert refresh(str(table), str(tmp_path / "in")).entries == first.entries
    assert table.read_bytes() == written


def test_a_refresh_remembers_files_that_are_not_images(tmp_path, unopenable):
    put(tmp_path, "in/notes", TEXT)
    table = tmp_path / "catalog.csv"
    refresh(str(table), str(tmp_path / "in"))
    unopenable()
    found = refresh(str(table), str(tmp_path / "in"))
    assert (found.entries, found.left_out) == ([], {"other files": 1})


@pytest.mark.parametrize(
    "memory", ["", "path,bytes,mtime_ns,format\na.jpg,1,1,jpeg\n", "\0\0\0", "path,bytes\na,b\n"],
    ids=["empty", "of-an-older-version", "zeros", "damaged"],
)  # fmt: skip
def test_a_memory_that_cannot_be_read_is_forgotten(tmp_path, jpeg, memory):
    put(tmp_path, "in/a.jpg", jpeg)
    table = tmp_path / "catalog.csv"
    first = refresh(str(table), str(tmp_path / "in"))
    (tmp_path / "catalog.known.csv").write_text(memory)
    assert refresh(str(table), str(tmp_path / "in")) == first


def test_a_memory_is_written_again_only_if_something_changed(tmp_path, jpeg):
    put(tmp_path, "in/a.jpg", jpeg)
    table, memory = tmp_path / "catalog.csv", tmp_path / "catalog.known.csv"
    refresh(str(table), str(tmp_path / "in"))
    first = memory.stat().st_ino
    refresh(str(table), str(tmp_path / "in"))
    assert memory.stat().st_ino == first
    put(tmp_path, "in/b.jpg", jpeg)
    refresh(str(table), str(tmp_path / "in"))
    assert len(catalog.read(memory)) == 2


def test_a_refresh_follows_the_selection(tmp_path, jpeg):
    for path in ("in/a.jpg", "in/drafts/b.jpg"):
        put(tmp_path, path, jpeg)
    chosen = Selection(exclude=["drafts/*"])
    refresh(str(tmp_path / "catalog.csv"), str(tmp_path / "in"), chosen)
    assert [entry.path for entry in catalog.read(tmp_path / "catalog.csv")] == ["a.jpg"]


def test_a_refresh_keeps_what_it_is_asked_to_and_remembers_the_others(tmp_path, jpeg, unopenable):
    for name in ("a.jpg", "b.jpg"):
        put(tmp_path, f"in/{name}", jpeg)
    put(tmp_path, "in/notes.txt", TEXT)
    table = str(tmp_path / "catalog.csv")
    found = refresh(table, str(tmp_path / "in"), keep=lambda entries: entries[1:])
    assert [entry.path for entry in found.entries] == ["b.jpg"]
    assert found.left_out == {".txt files": 1}
    assert catalog.read(table) == found.entries
    unopenable()
    assert len(refresh(table, str(tmp_path / "in")).entries) == 2


def test_a_refresh_that_may_not_keep_what_it_found_writes_nothing(tmp_path, jpeg):
    put(tmp_path, "in/a.jpg", jpeg)

    def refuse(entries):
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        refresh(str(tmp_path / "out/catalog.csv"), str(tmp_path / "in"), keep=refuse)
    assert not (tmp_path / "out").exists()


def test_a_refresh_removes_missing_files_and_adds_new_ones(tmp_path, jpeg, png):
    table = tmp_path / "catalog.csv"
    old = put(tmp_path, "in/old.jpg", jpeg)
    refresh(str(table), str(tmp_path / "in"))
    old.unlink()
    put(tmp_path, "in/new.png", png)
    refresh(str(table), str(tmp_path / "in"))
    assert [entry.path for entry in catalog.read(table)] == ["new.png"]
    assert "old" not in "".join(path.read_text() for path in tmp_path.glob("*.csv"))


def test_nothing_is_written_to_the_folder(tmp_path, jpeg):
    put(tmp_path, "in/a/b.jpg", jpeg)
    before = sorted(path.stat().st_mtime_ns for path in (tmp_path / "in").rglob("*"))
    refresh(str(tmp_path / "catalog.csv"), str(tmp_path / "in"))
    fingerprints(str(tmp_path / "in"))
    assert sorted(path.stat().st_mtime_ns for path in (tmp_path / "in").rglob("*")) == before


def add(folder, jpeg):
    put(folder, "b/new.jpg", jpeg)


def grow(folder, jpeg):
    time = (folder / "b" / "a.jpg").stat().st_mtime_ns
    put(folder, "b/a.jpg", jpeg + b"\0")
    os.utime(folder / "b" / "a.jpg", ns=(time, time))


def remove(folder, jpeg):
    (folder / "b" / "a.jpg").unlink()


def rename(folder, jpeg):
    (folder / "b" / "a.jpg").rename(folder / "b" / "z.jpg")


def touch(folder, jpeg):
    os.utime(folder / "b" / "a.jpg", ns=(0, 0))


@pytest.mark.parametrize("happens", [add, grow, remove, rename, touch], ids=lambda f: f.__name__)
def test_the_fingerprint_changes_if_a_file_changes(tmp_path, jpeg, happens):
    put(tmp_path, "b/a.jpg", jpeg)
    before = fingerprints(str(tmp_path))
    assert fingerprints(str(tmp_path)) == before
    happens(tmp_path, jpeg)
    assert fingerprints(str(tmp_path)) != before


def test_the_fingerprint_does_not_depend_on_the_order_that_files_came_in(
    tmp_path, jpeg, monkeypatch
):
    monkeypatch.setattr(catalog, "changed_ns", lambda state: 0)  # a time that nobody can set
    names = [f"{number}.jpg" for number in range(20)]
    for folder, order in (("one", names), ("other", names[::-1])):
        for name in order:
            os.utime(put(tmp_path / folder, name, jpeg), ns=(0, 0))
    assert fingerprints(str(tmp_path / "one")) == fingerprints(str(tmp_path / "other"))


def test_there_is_one_fingerprint_of_the_whole_and_one_of_each_shard(tmp_path, jpeg):
    put(tmp_path, "a.jpg", jpeg)
    assert len(fingerprints(str(tmp_path))) == 1
    assert len(set(fingerprints(str(tmp_path), shards=3))) == 2  # one shard has the image


def test_the_fingerprint_leaves_out_what_does_not_belong(tmp_path, jpeg):
    put(tmp_path, "a.jpg", jpeg)
    before = fingerprints(str(tmp_path), Selection(exclude=["drafts/*"]))
    put(tmp_path, "drafts/b.jpg", jpeg)
    put(tmp_path, ".hidden.jpg", jpeg)
    assert fingerprints(str(tmp_path), Selection(exclude=["drafts/*"])) == before


ENTRIES = [Entry("a.jpg", 10, 1, "jpeg"), Entry("b.jpg", 20, 2, "jpeg")]


def test_the_digest_of_a_set_does_not_depend_on_times():
    later = [entry._replace(mtime_ns=99) for entry in ENTRIES]
    assert catalog.digest(later) == catalog.digest(ENTRIES)


@pytest.mark.parametrize(
    "other",
    [ENTRIES[:1], [ENTRIES[0]._replace(bytes=11), ENTRIES[1]],
     [ENTRIES[0]._replace(path="c.jpg"), ENTRIES[1]],
     [Entry("a.jpg\t10\nb.jpg", 20, 1, "jpeg")]],
    ids=["fewer", "size", "path", "path-that-looks-like-two-entries"],
)  # fmt: skip
def test_the_digest_of_another_set_differs(other):
    assert catalog.digest(other) != catalog.digest(ENTRIES)


def test_a_table_of_an_earlier_version_is_read(tmp_path):
    table = "path,bytes,mtime_ns,format,width,height\na.jpg,1,2,jpeg,3,4\n"
    (tmp_path / "catalog.csv").write_text(table)
    assert catalog.read(tmp_path / "catalog.csv") == [Entry("a.jpg", 1, 2, "jpeg", 3, 4, 0)]


@pytest.mark.parametrize("path", ["/x.jpg", "../x.jpg", "sub/../../x.jpg", r"a\u0000.jpg"])
def test_a_table_whose_paths_are_not_below_the_folder_is_refused(tmp_path, path):
    for cells in (f"{path},1,2,jpeg,3,4,x", f"a.jpg,1,2,jpeg,3,4,{path}"):
        table = f"path,bytes,mtime_ns,format,width,height,name\n{cells}\n"
        (tmp_path / "catalog.csv").write_text(table)
        with pytest.raises(UserError, match=f"names '{re.escape(path)}', which leads out of the"):
            catalog.read(tmp_path / "catalog.csv")


def test_a_table_in_another_order_is_sorted(tmp_path):
    table = tmp_path / "catalog.csv"
    catalog.write(table, [Entry(name, 1, 1, "jpeg") for name in ("b.jpg", "c.jpg", "a.jpg")])
    assert [entry.path for entry in catalog.read(table)] == ["a.jpg", "b.jpg", "c.jpg"]


@pytest.mark.parametrize(
    ("folder", "globs"),
    [
        ("private", {"exclude": ["private/*"]}),
        ("lost+found", {"exclude": ["lost+found/*"]}),
        ("a/b/private", {"exclude": ["*/private/*"]}),
        ("private", {"include": ["open/*"]}),
        (".Trash-0", {}),
        ("open/.hidden", {}),
    ],
    ids=["excluded", "lost+found", "excluded-deep", "not-included", "hidden", "hidden-deep"],
)
@pytest.mark.parametrize("mode", [0o000, 0o400], ids=["unreadable", "unsearchable"])
def test_a_folder_that_is_left_out_may_be_unreadable(tmp_path, jpeg, folder, globs, mode):
    put(tmp_path, "open/a.jpg", jpeg)
    put(tmp_path, f"{folder}/b.jpg", jpeg)
    (tmp_path / folder).chmod(mode)
    with obeying_permissions():
        assert formats(tmp_path, select=Selection(**globs)) == {"open/a.jpg": "jpeg"}
        assert fingerprints(str(tmp_path), Selection(**globs))
    (tmp_path / folder).chmod(0o700)


@pytest.mark.parametrize("mode", [0o000, 0o400], ids=["unreadable", "unsearchable"])
@pytest.mark.parametrize("folder", ["lost+found", "a/two\nlines"])
def test_the_error_for_an_unreadable_folder_says_how_to_exclude_it(tmp_path, jpeg, folder, mode):
    put(tmp_path, f"{folder}/b.jpg", jpeg)
    (tmp_path / folder).chmod(mode)
    with obeying_permissions(), pytest.raises(UserError) as refusal:
        scan(str(tmp_path))
    (tmp_path / folder).chmod(0o700)
    (sentence,) = str(refusal.value).splitlines()
    assert f"exclude it with '{escape(folder)}/" in sentence


def test_a_scan_for_a_shard_finds_its_images_alone(tmp_path, jpeg):
    names = {f"{number}.jpg" for number in range(20)}
    for name in names:
        put(tmp_path, name, jpeg)
    one, two = (set(formats(tmp_path, shard=Shard(number, 2))) for number in (1, 2))
    assert (one | two, one & two) == (names, set())
    assert one and two


def test_a_refresh_removes_temporaries_of_a_killed_one(tmp_path, jpeg):
    put(tmp_path, "in/a.jpg", jpeg)
    left = put(tmp_path, "tables/.pixelmill-1-2-3.tmp", b"half a table")
    refresh(str(tmp_path / "tables/catalog.csv"), str(tmp_path / "in"))
    assert not left.exists()


@pytest.mark.parametrize(
    ("files", "globs", "told"),
    [
        (["a.jpg", "b.txt"], {}, ""),
        (["sub/a.JPG"], {}, ""),
        ([".a.jpg", "sub/.b.jpg", ".sub/c.jpg"], {}, "no image; correct"),
        (["a.jpg/b.txt", "c"], {}, r"no image; left out: \.txt files \(1\), other files \(1\); "),
        (["a.jpg", "sub/b.jpg"], {"exclude": ["*.jpg"]}, "no image; correct"),
        (["a.jpg", "sub/b.jpg"], {"include": ["sub/*"]}, ""),
        (["a.jpg"], {"include": ["sub/*"]}, "no image; correct"),
        ([], {}, "no image; correct"),
    ],
)
def test_a_source_without_an_image_is_told_by_the_names_of_its_files(tmp_path, files, globs, told):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"of no known format")
    with pytest.raises(UserError, match=told) if told else contextlib.nullcontext():
        catalog.require_image(str(tmp_path), Selection(**globs))


def test_an_image_may_have_any_name_and_a_text_is_none(tmp_path, jpeg):
    (tmp_path / "notes").write_bytes(b"of no known format")
    with pytest.raises(UserError, match="notes' is not an image; give an image, or a folder"):
        catalog.require_image(str(tmp_path / "notes"))
    (tmp_path / "photo").write_bytes(jpeg)
    catalog.require_image(str(tmp_path / "photo"))
    catalog.require_image(str(tmp_path))


@pytest.mark.parametrize("source", ["s3://user:planted@photos", "https://example.org/a.jpg"])
def test_images_at_a_url_are_mirrored_first(source):
    with pytest.raises(UserError, match="pixelmill mirror URL FOLDER") as raised:
        catalog.require_image(source)
    assert "planted" not in str(raised.value)


@pytest.mark.parametrize("source", ["a b.tar.gz", "crawl/*.tgz"])
def test_compressed_tars_are_mirrored_first(source):
    with pytest.raises(UserError, match=r"`pixelmill mirror '.*' FOLDER`; then give 'FOLDER/\*"):
        catalog.require_image(source)
