"""Files are whole or absent, and a walk sees each file once."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

import pixelmill
from pixelmill.core import files
from pixelmill.core.errors import UserError
from pixelmill.core.files import (
    TEMPORARY,
    atomic,
    is_inside,
    open_log,
    sweep,
    temporary_beside,
    walk,
    walk_unordered,
)
from pixelmill.core.tables import read_json, write_json


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_only_when_it_is_complete(tmp_path):
    target = tmp_path / "table.csv"
    with atomic(target) as file:
        file.write("half")
        file.flush()
        assert not target.exists()
    assert target.read_text() == "half"
    assert names_in(tmp_path) == ["table.csv"]


def test_the_old_file_is_kept_until_the_new_one_is_complete(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with atomic(target) as file:
        file.write("new")
        file.flush()
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(error), atomic(target) as file:
        file.write("half")
        raise error
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["table.csv"]


def test_a_rename_that_fails_leaves_nothing_behind(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(UserError, match="taken"), atomic(tmp_path / "taken") as file:
        file.write("text")
    assert names_in(tmp_path) == ["taken"]


def test_the_folder_of_a_file_is_made(tmp_path):
    with atomic(tmp_path / "a" / "b" / "c.txt") as file:
        file.write("text")
    assert (tmp_path / "a" / "b" / "c.txt").exists()


def test_a_file_in_the_current_folder_needs_no_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic("here.txt") as file:
        file.write("text")
    assert names_in(tmp_path) == ["here.txt"]


def test_text_is_utf_8_with_unix_line_ends(tmp_path):
    with atomic(tmp_path / "text") as file:
        file.write("é\n")
    assert (tmp_path / "text").read_bytes() == b"\xc3\xa9\n"


def test_bytes_are_written_as_they_are(tmp_path):
    with atomic(tmp_path / "bytes", "wb") as file:
        file.write(b"\r\n\xff")
    assert (tmp_path / "bytes").read_bytes() == b"\r\n\xff"


def test_one_of_many_writers_wins_completely(tmp_path):
    target = tmp_path / "table.json"
    values = [[number] * 5000 for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda value: write_json(target, value), values))
    assert read_json(target) in values
    assert names_in(tmp_path) == ["table.json"]


def test_a_temporary_file_is_beside_its_target_with_a_recognisable_name(tmp_path):
    temporary = temporary_beside(str(tmp_path / ("a" * 255)))
    assert os.path.dirname(temporary) == str(tmp_path)
    assert TEMPORARY.fullmatch(os.path.basename(temporary))
    Path(temporary).touch()  # short enough whatever the target's name


def test_temporary_names_differ_each_time():
    assert len({temporary_beside("a") for _ in range(100)}) == 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not copied there")
def test_temporary_names_differ_in_copies_of_a_process():
    """The workers are copies of one server, and write into one folder."""
    reading, writing = os.pipe()
    for _ in range(2):
        if not (copy := os.fork()):
            os.write(writing, f"{temporary_beside('a')}\n".encode())
            os._exit(0)
        os.waitpid(copy, 0)
    os.close(writing)
    with open(reading, encoding="utf-8") as file:
        assert len(set(file)) == 2


@pytest.mark.parametrize(
    "name",
    ["a.tmp", ".pixelmill.tmp", ".pixelmill-notes.tmp", "x.pixelmill-1-2-3.tmp",
     ".pixelmill-1-2-3.tmp.jpg", ".pixelmill-1-2-3", "Xpixelmill-1-2-3.tmp"],
)  # fmt: skip
def test_a_file_of_a_user_is_not_mistaken_for_a_temporary_one(name):
    assert not TEMPORARY.fullmatch(name)


WRITER = """
import sys
from pixelmill.core.files import atomic
with atomic(sys.argv[1]) as file:
    print("writing", flush=True)
    sys.stdin.read()
"""


def start_writer(path):
    """Start another process that writes a file until its input ends."""
    return start_program(WRITER, path)


def test_a_sweep_removes_only_files_of_killed_writers(tmp_path):
    (tmp_path / "mine.tmp").touch()
    (tmp_path / ".pixelmill-notes").touch()
    with start_writer(tmp_path / "table.csv") as writer:
        assert writer.stdout.readline() == "writing\n"
        writer.kill()
    assert len(list(tmp_path.iterdir())) == 3
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.tmp", ".pixelmill-notes"}


def test_a_sweep_leaves_a_file_that_is_being_written(tmp_path):
    with start_writer(tmp_path / "table.csv") as writer:
        assert writer.stdout.readline() == "writing\n"
        sweep(tmp_path)
        writer.stdin.close()
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


#: Write to the path given as argument what does not fit into the room that there is.
TOO_LONG = """
import os, resource, sys
from pixelmill.core import files
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    files.write_all(os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY), bytes(10_000))
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(os.name == "nt", reason="files have no limits there")
def test_a_partial_write_is_not_a_success(tmp_path):
    with start_program(TOO_LONG, tmp_path / "made") as program:
        assert program.stdout.read() == "File too large\n"
    assert (tmp_path / "made").stat().st_size == 4096


def start_program(program, argument):
    library = str(Path(pixelmill.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", program, str(argument)],
        env={**os.environ, "PYTHONPATH": library},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [("a/b", "a", True), ("a", "a", True), ("a/../a/b/c", "a", True), ("a", "a/b", False),
     ("a-b", "a", False), ("b", "a", False), ("link/x", "a", True), ("link", "b", False)],
)  # fmt: skip
def test_containment_of_paths_follows_links(tmp_path, inner, outer, expected):
    make_tree(tmp_path, "a/b/x", "b/x", "a-b/x")
    (tmp_path / "link").symlink_to("a/b", target_is_directory=True)
    assert is_inside(tmp_path / inner, tmp_path / outer) is expected


def make_tree(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def test_a_folder_that_has_two_paths_contains_what_is_below_either(tmp_path, monkeypatch):
    """As one that is mounted twice, or on a file system that ignores case."""
    twice = [str(tmp_path / "one"), str(tmp_path / "other")]
    monkeypatch.setattr(files, "_is_same", lambda *paths: sorted(paths) == twice)
    assert is_inside(tmp_path / "one", tmp_path / "other")
    assert is_inside(tmp_path / "one/a/b", tmp_path / "other")
    assert not is_inside(tmp_path / "third/a", tmp_path / "other")


both_walks = pytest.mark.parametrize("walk", [walk, walk_unordered])


@both_walks
def test_a_walk_sees_each_file_once_with_its_path_below_the_root(tmp_path, walk):
    paths = ["a.txt", "b/a.txt", "b/c/d.txt", "b/c/.hidden", "e f/g.txt"]
    make_tree(tmp_path, *paths)
    assert sorted(path for path, _ in walk(tmp_path)) == sorted(paths)
    for path, entry in walk(tmp_path):
        assert Path(entry.path).read_text() == path


def test_paths_are_sorted(tmp_path):
    paths = ["b/x", "a", "z", "b/c/y", "b.jpg", "b-/x", "b0/x", "b/c-/y", "b/c.jpg", "Z", "é/a"]
    make_tree(tmp_path, *paths)
    assert [path for path, _ in walk(tmp_path)] == sorted(paths)


@both_walks
def test_a_walk_does_not_follow_links(tmp_path, walk):
    make_tree(tmp_path, "tree/a", "elsewhere/b")
    (tmp_path / "tree" / "out").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "tree" / "loop").symlink_to(tmp_path / "tree", target_is_directory=True)
    assert sorted(path for path, _ in walk(tmp_path / "tree")) == ["a", "loop", "out"]


@both_walks
def test_a_walk_of_a_missing_folder_is_empty(tmp_path, walk):
    assert list(walk(tmp_path / "absent")) == []


@both_walks
def test_a_folder_that_cannot_be_read_ends_a_walk(tmp_path, walk):
    make_tree(tmp_path, "a")
    with pytest.raises(UserError, match="a' cannot be read: Not a directory; correct its perm"):
        list(walk(tmp_path / "a"))


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("of no number"), "of no number"),
    ],
)
def test_a_file_that_cannot_be_written_is_named_with_the_reason(tmp_path, error, why):
    message = f"'{tmp_path / 'a'}' cannot be written: {why}; free some space"
    with pytest.raises(UserError, match=re.escape(message)), atomic(tmp_path / "a"):
        raise error


def test_an_error_is_that_of_the_writer_though_its_temporary_is_gone(tmp_path):
    with pytest.raises(ValueError, match="of the writer"), atomic(tmp_path / "a"):
        next(tmp_path.iterdir()).unlink()
        raise ValueError("of the writer")


@pytest.mark.skipif(os.name == "nt", reason="there is no time of change there")
@pytest.mark.parametrize(
    ("time", "limited"),
    [(-(2**70), 1 - 2**63), (-5, -5), (2**63 - 1, 2**63 - 1), (2**70, 2**63 - 1)],
)
def test_times_of_files_are_limited_to_what_a_ledger_holds(time, limited):
    """Some file systems have times of any year."""
    state = SimpleNamespace(st_mtime_ns=time, st_ctime_ns=time)
    assert files.modified_ns(state) == files.changed_ns(state) == limited


def test_a_change_time_that_is_the_creation_time_is_ignored(tmp_path, monkeypatch):
    state = tmp_path.stat()
    assert files.changed_ns(state) == state.st_ctime_ns
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "name", "nt")
        seen = files.changed_ns(state)
    assert seen == 0


def log(path, text):
    descriptor = open_log(str(path))
    os.write(descriptor, text)
    os.close(descriptor)


def test_a_log_starts_empty_and_its_folder_is_created(tmp_path):
    log(tmp_path / "logs/a.log", b"first")
    log(tmp_path / "logs/a.log", b"new")
    assert (tmp_path / "logs/a.log").read_bytes() == b"new"


def test_several_writers_append_to_a_log(tmp_path):
    log = open_log(str(tmp_path / "log"))
    os.write(log, b"one ")
    with (tmp_path / "log").open("ab") as other:
        other.write(b"two ")
    os.write(log, b"three")
    os.close(log)
    assert (tmp_path / "log").read_bytes() == b"one two three"


def test_a_log_with_a_hard_link_leaves_the_other_name_unchanged(tmp_path):
    (tmp_path / "a.log").write_bytes(b"first")
    os.link(tmp_path / "a.log", tmp_path / "backup.log")
    log(tmp_path / "a.log", b"new")
    assert (tmp_path / "a.log").read_bytes() == b"new"
    assert (tmp_path / "backup.log").read_bytes() == b"first"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_log_that_is_a_pipe_is_refused_without_waiting_unless_it_is_read(tmp_path):
    os.mkfifo(tmp_path / "log")
    with pytest.raises(UserError, match=r"'.*log' cannot be written: it is a pipe that no program"):
        open_log(str(tmp_path / "log"))
    reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    descriptor = open_log(str(tmp_path / "log"))
    os.write(descriptor, b"a line")
    assert os.read(reader, 99) == b"a line"
    assert os.get_blocking(descriptor)
    os.close(descriptor)
    os.close(reader)


def test_a_log_that_is_a_link_or_cannot_be_written_is_refused_with_the_reason(tmp_path):
    (tmp_path / "link").symlink_to("elsewhere")
    for name, why in (("link", "it is a link"), (".", "Is a directory")):
        path = f"{tmp_path}/{name}"
        with pytest.raises(
            UserError, match=re.escape(f"--log: '{path}' cannot be written: {why};")
        ):
            open_log(path)
