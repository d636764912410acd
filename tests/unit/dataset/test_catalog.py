"""The catalog lists all images of a folder and nothing else, and opens each once."""

import contextlib
import hashlib
import os
import random

import pytest

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape
from pixelmill.dataset import catalog
from pixelmill.dataset.catalog import fingerprints, scan
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.globs import Selection
from pixelmill.dataset.paths import CHUNK
from pixelmill.dataset.shards import Shard
from tests.helpers.catalogued import TEXT, put
from tests.helpers.packed import pack
from tests.helpers.permissions import obeying_permissions
from tests.helpers.replacing import needs_changes, replace_preserving


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


PLACES = [f"{folder}{number:02}{suffix}" for folder in ("", "a/", "b b/") for number in range(9)
          for suffix in (".jpg", ".txt")]  # fmt: skip


@pytest.mark.parametrize("chunk", [1, 4, CHUNK])
def test_a_scan_is_the_same_with_and_without_memory(tmp_path, jpeg, png, monkeypatch, chunk):
    """Whatever was added, removed, written or touched in the meantime."""
    monkeypatch.setattr(catalog, "CHUNK", chunk)
    draw, known, folder = random.Random(chunk), Entries(), str(tmp_path)
    for _ in range(40):
        for path in draw.sample(PLACES, draw.choice([0, 0, 1, 3, 20])):
            match draw.choice(["write", "remove", "touch"]):
                case "write":
                    put(tmp_path, path, draw.choice([jpeg, png, TEXT]))
                case "remove":
                    (tmp_path / path).unlink(missing_ok=True)
                case "touch" if (tmp_path / path).exists():
                    os.utime(tmp_path / path, ns=(1, draw.randrange(10**18)))
        dated = draw.random() < 0.2
        found, seen = scan(folder, known=known, dated=dated)
        expected, all_seen = scan(folder, dated=dated)
        assert (found, seen) == (expected, all_seen)
        assert {*seen.paths} == {path for path in PLACES if (tmp_path / path).exists()}
        known = seen


def test_files_that_are_all_as_they_were_are_not_listed_again(tmp_path, jpeg, unopenable):
    """Otherwise there would be two lists in memory at once."""
    for number in range(3):
        put(tmp_path, f"{number}.jpg", jpeg)
    _, known = scan(str(tmp_path))
    unopenable()
    found, seen = scan(str(tmp_path), known=known)
    assert seen is found.entries is known
    (tmp_path / "2.jpg").unlink()
    assert [*scan(str(tmp_path), known=known)[1]] == [*known[:2]]


def digest(entries):
    return catalog.digest(Entries(entries).columns())


def test_the_digest_of_a_set_does_not_depend_on_times():
    later = [entry._replace(mtime_ns=99) for entry in ENTRIES]
    assert digest(later) == digest(ENTRIES)


@pytest.mark.parametrize(
    "other",
    [ENTRIES[:1], [ENTRIES[0]._replace(bytes=11), ENTRIES[1]],
     [ENTRIES[0]._replace(path="c.jpg"), ENTRIES[1]],
     [Entry("a.jpg\t10\nb.jpg", 20, 1, "jpeg")]],
    ids=["fewer", "size", "path", "path-that-looks-like-two-entries"],
)  # fmt: skip
def test_the_digest_of_another_set_differs(other):
    assert digest(other) != digest(ENTRIES)


def test_the_digest_is_that_of_escaped_paths_and_sizes_whatever_is_read_at_once():
    names = ["plain", "caf\udce9", "two\nlines", "back\\slash", "é", "tab\t9", "\x7f"]
    entries = [Entry(f"{n:04}{names[n % 7]}", n, 1, "jpeg") for n in range(2 * CHUNK + 5)]
    lines = "".join(f"{escape(entry.path)}\t{entry.bytes}\n" for entry in entries)
    assert digest(entries) == hashlib.blake2b(lines.encode(), digest_size=16).hexdigest()


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
