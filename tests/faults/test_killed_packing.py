"""A packing that is killed, or whose disk is full, is continued and ends with the same bytes."""

import os
import shutil
import signal
import subprocess
import sys
from functools import partial

import pytest

from pixelmill.core.errors import UserError
from pixelmill.packing.check import check
from pixelmill.packing.pack import _WORTHWHILE
from tests.conftest import REPOSITORY
from tests.faults.test_full_disk import room_for
from tests.helpers.trees import FORMATS, files_of, make_tree, packed, packed_afresh, shards_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows neither forks nor limits files")

BEFORE = {f"{number}.jpg": b"%d" % number * 5000 for number in range(9)}
AFTER = BEFORE | {"3.jpg": b"other" * 5000, "new.jpg": b"new" * 5000}

#: What Python reports of each access to the disk, just before it.
EVENTS = ("open", "os.rename", "os.remove", "os.mkdir")


def killed(work, prepare):
    """Do work in a process of its own, which may be killed; return whether it was."""
    process = os.fork()
    if process == 0:
        try:
            prepare()
            work()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(process, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def kill_at(number):
    """Kill this process before its access to the disk of this number."""
    left = number

    def count(event, arguments):
        nonlocal left
        if event in EVENTS:
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def kill_beyond(size):
    """Kill this process when it writes more than so many bytes to a file."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.fixture(params=FORMATS)
def form(request):
    return request.param


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "tree", BEFORE)


@pytest.fixture
def wanted(tmp_path, form):
    """The files before and after outputs were added and changed."""
    first = make_tree(tmp_path / "first", BEFORE)
    second = make_tree(tmp_path / "second", AFTER)
    packed(first, tmp_path / "before", 3, format=form)
    packed_afresh(second, tmp_path / "after", like=tmp_path / "before")
    return files_of(tmp_path / "before"), files_of(tmp_path / "after")


@pytest.mark.slow
def test_a_packing_that_is_killed_at_any_moment_is_continued(tree, tmp_path, form, wanted):
    folder = tmp_path / "shards"
    whole = {data for files in wanted for name, data in files.items() if "images-" in name}
    for contents, files in zip((BEFORE, AFTER), wanted, strict=True):
        make_tree(tree, contents)
        start = tmp_path / "start"
        if folder.exists():
            folder.rename(start)
        moment, was_killed = 0, True
        while was_killed:
            moment += 1
            shutil.rmtree(folder, ignore_errors=True)
            if start.exists():
                shutil.copytree(start, folder)
            was_killed = killed(
                lambda: packed(tree, folder, 3, format=form), partial(kill_at, moment)
            )
            if folder.exists():
                assert set(shards_of(folder).values()) <= whole, moment
            packed(tree, folder, 3, format=form)
            assert files_of(folder) == files, moment
            assert not [path for path in folder.iterdir() if path.suffix == ".tmp"]
        assert moment > 20
        shutil.rmtree(start, ignore_errors=True)


@pytest.mark.slow
def test_packings_that_are_killed_again_and_again_come_to_an_end(tree, tmp_path, form):
    """Each continues where the one before ended: what one of them may do is not enough for all."""
    folder = tmp_path / "shards"
    attempts = 1
    while killed(lambda: packed(tree, folder, 1, format=form), lambda: kill_at(36)):
        attempts += 1
        assert attempts < 20
    assert attempts > 2
    packed(tree, folder)
    assert check(str(folder)) == (len(BEFORE), [])


@pytest.mark.slow
def test_processes_write_the_same_shards_although_they_are_killed(tmp_path):
    """There are as many outputs as processes are started for."""
    contents = {f"{number:05}.jpg": b"%d" % number for number in range(_WORTHWHILE + 1)}
    tree = make_tree(tmp_path / "tree", contents)
    packed(tree, tmp_path / "alone", 500)
    folder = tmp_path / "shards"
    command = [sys.executable, "-m", "pixelmill", "pack", tree, folder]
    command += ["--images", "500", "--workers", "2"]
    for count in (1, 5, 20, 35):
        process = subprocess.Popen(command, env={"PYTHONPATH": str(REPOSITORY / "scripts")})
        while process.poll() is None:
            if len(list(folder.glob("images-*"))) >= count:
                process.kill()
                process.wait()
    assert process.returncode == -signal.SIGKILL
    (tree / "images/00007.jpg").rename(tmp_path / "aside")
    for path in sorted(folder.glob("images-*"))[:30]:
        path.unlink()
    with pytest.raises(UserError, match=r"00007\.jpg' cannot be read"):
        packed(tree, folder, workers=2)
    assert not [path for path in folder.iterdir() if path.suffix == ".tmp"]
    (tmp_path / "aside").rename(tree / "images/00007.jpg")
    packed(tree, folder, workers=2)
    assert files_of(folder) == files_of(tmp_path / "alone")


@pytest.mark.parametrize("size", [0, 1, 600, 5000, 20_000])
def test_a_packing_that_is_killed_in_the_middle_of_a_file_is_continued(
    tree, tmp_path, form, wanted, size
):
    folder = tmp_path / "shards"
    assert killed(lambda: packed(tree, folder, 3, format=form), lambda: kill_beyond(size))
    assert not folder.exists() or set(shards_of(folder).values()) <= set(wanted[0].values())
    packed(tree, folder, 3, format=form)
    assert files_of(folder) == wanted[0]


@pytest.mark.parametrize("size", [0, 1, 600, 5000, 20_000])
def test_a_full_disk_leaves_the_earlier_shards(tree, tmp_path, form, wanted, size):
    folder = tmp_path / "shards"
    packed(tree, folder, 3, format=form)
    make_tree(tree, AFTER)
    with room_for(size), pytest.raises(UserError, match=r"cannot be written: .*File too large"):
        packed(tree, folder)
    assert set(shards_of(folder).values()) <= set(wanted[0].values()) | set(wanted[1].values())
    assert len(shards_of(folder)) == 3
    assert not [path for path in folder.iterdir() if path.suffix == ".tmp"]
    packed(tree, folder)
    assert files_of(folder) == wanted[1]
    assert check(str(folder))[1] == []
