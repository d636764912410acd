"""Breadcrumbs survive the worker that wrote them."""

import functools
import os
import struct
import subprocess
import sys
import threading

import pytest

from pixelmill.pipeline import breadcrumbs

NAMES = ["plain.jpg", 'with "quotes"/and\nnewline.png', "undecodable \udcff.gif", "é/" * 100 + "x"]


@pytest.fixture
def folder(tmp_path):
    breadcrumbs.clear(str(tmp_path / "breadcrumbs"))
    return str(tmp_path / "breadcrumbs")


def test_the_image_in_progress_can_be_read(folder):
    with breadcrumbs.record(folder, NAMES) as mark:
        for number, name in enumerate(NAMES):
            mark(number)
            assert [breadcrumb.source for breadcrumb in breadcrumbs.read(folder)] == [name]


def test_a_breadcrumb_names_the_rest_of_its_batch(folder):
    with breadcrumbs.record(folder, NAMES) as mark:
        mark(1)
        assert [breadcrumb.rest for breadcrumb in breadcrumbs.read(folder)] == [tuple(NAMES[2:])]


def test_each_thread_of_a_process_has_its_own(folder):
    both, read = threading.Barrier(2), threading.Event()

    def other():
        with breadcrumbs.record(folder, ["other.jpg"]) as mark:
            mark(0)
            both.wait(60)
            read.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    with breadcrumbs.record(folder, ["mine.jpg"]) as mark:
        mark(0)
        both.wait(60)
        found = sorted(breadcrumb.source for breadcrumb in breadcrumbs.read(folder))
    read.set()
    thread.join()
    assert found == ["mine.jpg", "other.jpg"]


def test_what_a_process_of_the_same_number_left_is_replaced(folder):
    with open(os.path.join(folder, "1-2"), "wb") as file:
        file.write(GARBAGE["no names"])
    with breadcrumbs.record(folder, ["a.jpg"], "1-2") as mark:
        mark(0)
        assert [breadcrumb.source for breadcrumb in breadcrumbs.read(folder)] == ["a.jpg"]


GARBAGE = {
    "nothing": b"",
    "too short": b"\0" * 15,
    "a number beyond all names": struct.pack("<dq", 0.0, 7) + b"a.jpg",
    "no names": struct.pack("<dq", 0.0, 0) + b"\xff\xff",
    "much too large": struct.pack("<dq", 0.0, 0) + bytes(5 * 2**20),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_an_invalid_breadcrumb_is_ignored(folder, what):
    """Workers may write what they want there."""
    with open(os.path.join(folder, "x"), "wb") as file:
        file.write(GARBAGE[what])
    assert breadcrumbs.read(folder) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither")
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, functools.partial(os.symlink, "/dev/zero")])
def test_special_files_are_ignored(folder, make):
    make(os.path.join(folder, "x"))
    assert breadcrumbs.read(folder) == []


def test_a_missing_folder_has_no_breadcrumbs(folder):
    os.rmdir(folder)
    assert breadcrumbs.read(folder) == []


def test_nothing_is_left_of_a_batch_that_ended(folder):
    with breadcrumbs.record(folder, ["a.jpg"]) as mark:
        mark(0)
    assert breadcrumbs.read(folder) == []


def test_a_worker_that_has_not_begun_names_nothing(folder):
    with breadcrumbs.record(folder, ["a.jpg"]):
        assert breadcrumbs.read(folder) == []


#: Begin an image while the disk is full, and continue.
ON_A_FULL_DISK = """
import os, sys
from pixelmill.pipeline import breadcrumbs
folder = os.path.join(sys.argv[1], "breadcrumbs")
breadcrumbs.clear(folder)
with open(os.path.join(sys.argv[1], "rest"), "wb", buffering=0) as rest:
    try:
        while rest.write(bytes(4096)):
            pass
    except OSError:
        pass
for turn in range(2):
    with breadcrumbs.record(folder, ["a.jpg", "b.jpg"]) as mark:
        mark(0)
        mark(1)
print("went on")
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a small disk takes root"
)
def test_a_full_disk_disables_breadcrumbs_but_kills_no_process(tmp_path, repository):
    """Writing to a mapped page without disk space would end the process with SIGBUS."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
    try:
        done = subprocess.run(
            [sys.executable, "-c", ON_A_FULL_DISK, disk],
            cwd=repository / "scripts", stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "went on\n")
        assert breadcrumbs.read(str(disk / "breadcrumbs")) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_breadcrumb_survives_a_killed_worker(folder, repository):
    program = (
        "import os, signal, sys\n"
        "from pixelmill.pipeline import breadcrumbs\n"
        "with breadcrumbs.record(sys.argv[1], ['a.jpg', 'killer.jpg']) as mark:\n"
        "    mark(1)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", program, folder]
    subprocess.run(command, cwd=repository / "scripts", check=False)
    assert [breadcrumb.source for breadcrumb in breadcrumbs.read(folder)] == ["killer.jpg"]
