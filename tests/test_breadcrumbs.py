"""Breadcrumbs outlive the worker that left them."""

import subprocess
import sys

import pytest

from pixelmill import breadcrumbs

NAMES = ["plain.jpg", 'with "quotes"/and\nnewline.png', "undecodable \udcff.gif", "é/" * 100 + "x"]


@pytest.fixture
def folder(tmp_path):
    breadcrumbs.clear(str(tmp_path / "crumbs"))
    return str(tmp_path / "crumbs")


@pytest.mark.parametrize("name", NAMES, ids=["plain", "quoted", "undecodable", "deep"])
def test_the_image_in_hand_can_be_read_meanwhile(folder, name):
    with breadcrumbs.trail(folder) as leave:
        leave("an earlier and much longer name than most others.jpg")
        leave(name)
        assert [crumb.source for crumb in breadcrumbs.read(folder)] == [name]


def test_nothing_is_left_of_a_batch_that_ended(folder):
    with breadcrumbs.trail(folder) as leave:
        leave("a.jpg")
    assert breadcrumbs.read(folder) == []


def test_a_worker_that_has_not_begun_names_nothing(folder):
    with breadcrumbs.trail(folder):
        assert breadcrumbs.read(folder) == []


def test_a_killed_worker_is_survived_by_its_crumb(folder, repository):
    program = (
        "import os, signal, sys\n"
        "from pixelmill import breadcrumbs\n"
        "with breadcrumbs.trail(sys.argv[1]) as leave:\n"
        "    leave('killer.jpg')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", program, folder]
    subprocess.run(command, cwd=repository / "scripts", check=False)
    assert [crumb.source for crumb in breadcrumbs.read(folder)] == ["killer.jpg"]


def test_without_a_folder_none_are_left(tmp_path):
    with breadcrumbs.trail(None) as leave:
        leave("a.jpg")
    assert list(tmp_path.iterdir()) == []
