"""A root gives access to what is below it, and to nothing else."""

import os
import pickle

import psutil
import pytest

from pixelmill.core import root as roots
from pixelmill.core.errors import TreeError
from pixelmill.core.root import Root
from tests.helpers.descriptors import assert_closes_what_it_opens

needs_links = pytest.mark.skipif(os.name == "nt", reason="making links needs a privilege there")

#: Calls that access ``a/b/file``, and those that would create it.
REACHING = {
    "lstat": lambda root: root.lstat("a/b/file"),
    "sizes": lambda root: root.sizes(["a/b/file"]),
    "read": lambda root: root.read("a/b/file"),
    "unlink": lambda root: root.unlink("a/b/file"),
    "remove_tree": lambda root: root.remove_tree("a/b/file"),
    "set_mtime": lambda root: root.set_mtime("a/b/file", 1),
    "replace from": lambda root: root.replace("a/b/file", "kept"),
    "replace to": lambda root: root.replace("kept", "a/b/file"),
    "create": lambda root: root.create("a/b/new"),
    "write": lambda root: root.write("a/b/file", b"lost"),
    "make_folder": lambda root: root.make_folder("a/b/c"),
    "sync": lambda root: root.sync("a/b"),
    "check": lambda root: root.check("a/b"),
    "device_and_inode": lambda root: root.device_and_inode("a/b"),
    "walk": lambda root: list(root.walk("a/b")),
}

#: What must be unchanged if nothing leaves the tree.
OUTSIDE = {"file": b"original", "b/file": b"original", "b/c/file": b"original"}


def fill(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def content(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes()
            for p in folder.rglob("*") if p.is_file()}  # fmt: skip


@pytest.fixture
def outside(tmp_path):
    folder = fill(tmp_path / "outside", OUTSIDE)
    yield folder
    assert content(folder) == OUTSIDE
    assert {p.stat().st_mtime_ns for p in folder.rglob("file")} != {1}


@pytest.fixture
def tree(tmp_path):
    return fill(tmp_path / "tree", {"a/b/file": b"ours", "kept": b"kept"})


@needs_links
@pytest.mark.parametrize("level", ["a", "a/b"])
@pytest.mark.parametrize("call", REACHING)
def test_a_folder_that_is_a_link_is_refused(tree, outside, call, level):
    (tree / level).rename(tree / "away")
    (tree / level).symlink_to(outside / ("b" if level == "a/b" else ""))
    with pytest.raises(TreeError, match=f"{level}' is a link.*move it away"):
        REACHING[call](Root(tree))
    assert content(tree)["kept"] == b"kept"


@needs_links
@pytest.mark.parametrize(
    "call", sorted(REACHING.keys() - {"check", "device_and_inode", "sync", "walk"})
)
def test_a_link_that_appears_later_is_refused_from_the_next_batch_on(tree, outside, call):
    root = Root(tree)
    root.lstat("a/b/file")
    (tree / "a").rename(tree / "away")
    (tree / "a").symlink_to(outside)
    root.refresh()
    with pytest.raises(TreeError):
        REACHING[call](root)


@needs_links
def test_a_link_that_appears_in_a_batch_is_not_written_through(tree, outside):
    root = Root(tree)
    root.write("a/b/file", b"first")
    (tree / "a").rename(tree / "away")
    (tree / "a").symlink_to(outside)
    root.write("a/b/file", b"second")
    assert (tree / "away/b/file").read_bytes() == b"second"


@pytest.mark.parametrize("call", REACHING)
def test_a_folder_that_is_a_file_is_refused(tree, call):
    (tree / "a/b/file").unlink()
    (tree / "a/b").rmdir()
    (tree / "a/b").write_bytes(b"a file")
    with pytest.raises(TreeError, match=r"a/b' is not a folder"):
        REACHING[call](Root(tree))
    assert (tree / "a/b").read_bytes() == b"a file"


PATHS_OUT = [
    "../outside/file", "..", ".", "", "a/../../outside/file", "a/..", "a//b", "a/./b", "a/",
    "{outside}/file", "//{outside}/file", "a/b/../../../outside/file",
]  # fmt: skip

#: Paths that only Windows treats as other paths.
PATHS_OUT += ["C:/file", "C:file", "..\\outside\\file", "a\\..\\..\\x"] * (os.name == "nt")


@pytest.mark.parametrize("path", PATHS_OUT)
def test_a_path_that_leads_out_is_refused(tree, outside, path):
    path = path.replace("{outside}", str(outside))
    root = Root(tree)
    for call in (root.lstat, root.unlink, root.create, root.read, root.remove_tree):
        with pytest.raises(TreeError, match="leads out of"):
            call(path)
    with pytest.raises(TreeError, match="leads out of"):
        root.replace("kept", path)
    assert content(tree) == {"a/b/file": b"ours", "kept": b"kept"}


@needs_links
def test_a_file_that_is_a_link_is_replaced_or_removed_itself(tree, outside):
    root = Root(tree)
    for name in ("one", "two", "three"):
        (tree / name).symlink_to(outside / "file")
    root.write("one", b"new")
    root.unlink("two")
    assert root.remove_tree("three") == 1
    root.set_mtime("one", 1)
    (tree / "four").symlink_to(outside / "file")
    root.set_mtime("four", 1)
    assert (tree / "four").lstat().st_mtime_ns == 1
    (tree / "four").unlink()
    assert content(tree) == {"a/b/file": b"ours", "kept": b"kept", "one": b"new"}


@needs_links
def test_a_file_that_is_a_link_is_not_read_or_written(tree, outside):
    (tree / "link").symlink_to(outside / "file")
    with pytest.raises(OSError):
        Root(tree).read("link")
    with pytest.raises(FileExistsError):
        Root(tree).create("link")


@needs_links
def test_the_root_itself_may_be_a_link_unless_links_are_forbidden(tree, tmp_path):
    (tmp_path / "link").symlink_to(tree)
    assert Root(tmp_path / "link").read("kept") == b"kept"
    with pytest.raises(TreeError, match="is a link"):
        Root(tmp_path / "link", follow=False).read("kept")


@needs_links
def test_removing_a_tree_keeps_the_targets_of_its_links(tree, outside):
    (tree / "a/b/link").symlink_to(outside)
    (tree / "a/dangling").symlink_to("nowhere")
    assert Root(tree).remove_tree("a") == 3
    assert content(tree) == {"kept": b"kept"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_an_output_that_is_a_pipe_does_not_block(tree):
    os.mkfifo(tree / "pipe")
    with assert_closes_what_it_opens(), pytest.raises(OSError, match="not a regular file"):
        Root(tree).read("pipe")


@pytest.mark.parametrize("call", ["create", "read", "write", "lstat"])
def test_a_missing_root_is_reported(tree, call):
    root = Root(tree)
    root.remove_tree("a")
    root.unlink("kept")
    tree.rmdir()
    root.refresh()
    calls = {"read": root.read, "lstat": root.lstat, "create": root.create,
             "write": lambda path: root.write(path, b"lost")}  # fmt: skip
    with pytest.raises(TreeError, match="was removed while it was in use"):
        calls[call]("a/b/file")


def test_a_folder_that_was_removed_is_created_again(tree):
    root = Root(tree)
    root.write("a/b/file", b"first")
    Root(tree).remove_tree("a")
    root.write("a/b/file", b"second")
    assert content(tree) == {"a/b/file": b"second", "kept": b"kept"}


def test_removing_a_missing_file_is_not_an_error(tree):
    root = Root(tree)
    for path in ("none", "a/none", "none/none"):
        root.unlink(path)
        root.set_mtime(path, 1)
        assert root.lstat(path) is None
        assert root.remove_tree(path) == 0
        assert not root.remove_empty(path)


def test_a_walk_yields_the_deepest_folders_first(tree):
    fill(tree, {"c/d/e": b"", "c/f": b""})
    found = [(folder, sorted(names)) for folder, names in Root(tree).walk()]
    assert found[-1] == ("", ["kept"])
    order = [folder for folder, _ in found]
    assert order.index("a/b") < order.index("a")
    assert order.index("c/d") < order.index("c")
    assert dict(found)["c"] == ["f"]


@pytest.mark.skipif(os.name == "nt", reason="no descriptors are kept there")
def test_only_a_few_folders_stay_open_and_none_after_the_root_is_closed(tree):
    before = psutil.Process().num_fds()
    root = Root(tree)
    for number in range(100):
        root.write(f"{number}/file", b"")
    assert psutil.Process().num_fds() - before <= 32
    copy = pickle.loads(pickle.dumps(root))
    assert copy._open == {}  # of another process
    assert copy.read("7/file") == b""
    del root, copy
    assert psutil.Process().num_fds() == before


def test_a_file_that_is_written_leaves_nothing_else_behind(tree):
    root = Root(tree)
    root.write("a/b/file", b"first")
    root.write("a/b/file", b"second")
    (tree / "a/full").mkdir()
    (tree / "a/full/file").write_bytes(b"")
    with pytest.raises(OSError):
        root.write("a/full", b"a folder is there")
    assert content(tree) == {"a/b/file": b"second", "a/full/file": b"", "kept": b"kept"}


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_write_that_is_interrupted_leaves_nothing(tree, monkeypatch, error):
    def interrupt(descriptor, data):
        raise error

    monkeypatch.setattr(roots, "write_all", interrupt)
    with assert_closes_what_it_opens(), pytest.raises(error):
        Root(tree).write("a/b/file", b"lost")
    assert content(tree) == {"a/b/file": b"ours", "kept": b"kept"}


@pytest.mark.parametrize("call", ["replace", "write"])
def test_a_folder_in_the_place_of_a_file_is_named(tree, call):
    fill(tree, {"a/full/file": b"theirs"})
    root = Root(tree)
    calls = {"replace": lambda: root.replace("kept", "a/full"),
             "write": lambda: root.write("a/full", b"lost")}  # fmt: skip
    with pytest.raises(IsADirectoryError, match="a folder has the name 'a/full'; move it away"):
        calls[call]()
    root.unlink("a/full")
    assert content(tree) == {"a/b/file": b"ours", "a/full/file": b"theirs", "kept": b"kept"}


@pytest.fixture
def deep(tree):
    """A tree with more folders within one another than a path can name."""
    here = os.getcwd()
    os.chdir(tree)
    for _ in range(3000):
        os.mkdir("d")
        os.chdir("d")
    os.chdir(here)
    return tree


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="paths are shorter there")
def test_folders_deeper_than_any_path_are_walked_in_part_and_removed_whole(deep):
    folders = [folder for folder, _ in Root(deep).walk()]
    assert max(folder.count("/") for folder in folders) == 256
    Root(deep).remove_tree("d")
    assert sorted(path.name for path in deep.iterdir()) == ["a", "kept"]


@needs_links
def test_a_removed_tree_leaves_what_its_deep_links_lead_to(tree, outside):
    (tree / "a/b/c").mkdir()
    (tree / "a/b/c/link").symlink_to(outside)
    (tree / "a/b/c/folder").mkdir()
    Root(tree).remove_tree("a")
    assert content(tree) == {"kept": b"kept"}


def test_sizes_of_many_files_are_those_of_each(tmp_path):
    fill(tmp_path, {"a": b"1", "b/c": b"22", "b/d/e": b"333", "f.jpg": b""})
    root = Root(str(tmp_path))
    paths = ["a", "b/c", "b/d/e", "b/missing", "missing/c", "b", "b/d", "f.jpg", "b/c", "a"]
    assert root.sizes(paths) == [1, 2, 3, None, None, None, None, 0, 2, 1]
    assert root.sizes([]) == []


@pytest.mark.parametrize("path", ["../a", "/a", "", ".", "a\0b", "c/"])
def test_sizes_are_not_told_of_what_lies_elsewhere(path, tmp_path):
    fill(tmp_path, {"a": b"1", "b/c": b"22"})
    with pytest.raises(TreeError):
        Root(str(tmp_path / "b")).sizes(["c", path])
