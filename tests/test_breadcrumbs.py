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


def test_the_image_in_hand_can_be_read_meanwhile(folder):
    with breadcrumbs.trail(folder, NAMES) as leave:
        for number, name in enumerate(NAMES):
            leave(number)
            assert [crumb.source for crumb in breadcrumbs.read(folder)] == [name]


def test_nothing_is_left_of_a_batch_that_ended(folder):
    with breadcrumbs.trail(folder, ["a.jpg"]) as leave:
        leave(0)
    assert breadcrumbs.read(folder) == []


def test_a_worker_that_has_not_begun_names_nothing(folder):
    with breadcrumbs.trail(folder, ["a.jpg"]):
        assert breadcrumbs.read(folder) == []


def test_a_killed_worker_is_survived_by_its_crumb(folder, repository):
    program = (
        "import os, signal, sys\n"
        "from pixelmill import breadcrumbs\n"
        "with breadcrumbs.trail(sys.argv[1], ['a.jpg', 'killer.jpg']) as leave:\n"
        "    leave(1)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", program, folder]
    subprocess.run(command, cwd=repository / "scripts", check=False)
    assert [crumb.source for crumb in breadcrumbs.read(folder)] == ["killer.jpg"]
