"""A folder has one holder, and is free again when the holder ends, in whatever way."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pixelmill
from pixelmill.core import locks
from pixelmill.core.errors import TreeError, UserError
from pixelmill.core.locks import exclusive


@pytest.fixture
def impatient(monkeypatch):
    """Do not wait for a folder that is locked."""
    monkeypatch.setattr(locks, "LOCK_PATIENCE", 0.0)


HOLDER = """
import sys
from pixelmill.core import locks
from pixelmill.core.errors import UserError
locks.LOCK_PATIENCE = 0.0
try:
    with locks.exclusive(sys.argv[1]):
        print("held", flush=True)
        sys.stdin.read()
except UserError as error:
    print(error, flush=True)
"""


def start_holder(folder):
    """Start another process that locks a folder until its input ends."""
    return start_program(HOLDER, folder)


def start_program(program, argument):
    library = str(Path(pixelmill.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", program, str(argument)],
        env={**os.environ, "PYTHONPATH": library},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_second_process_is_refused(tmp_path):
    with exclusive(tmp_path), start_holder(tmp_path) as other:
        message, _ = other.communicate()
    assert message == f"Another run is writing to '{tmp_path}'; wait for it to end, or stop it.\n"


def test_a_folder_is_free_again_when_its_holder_is_killed(tmp_path, impatient):
    with start_holder(tmp_path) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError), exclusive(tmp_path):
            pass
        other.kill()
        other.wait()
        with exclusive(tmp_path):
            pass


def test_a_lock_waits_for_a_holder_that_is_about_to_end(tmp_path, monkeypatch):
    holder = contextlib.ExitStack()
    holder.enter_context(exclusive(tmp_path))
    monkeypatch.setattr(locks.time, "sleep", lambda seconds: holder.close())
    with exclusive(tmp_path):
        pass


def test_a_folder_is_free_again_after_an_error(tmp_path, impatient):
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path):
        raise ZeroDivisionError
    with exclusive(tmp_path):
        pass


def test_other_folders_are_not_locked(tmp_path):
    with exclusive(tmp_path / "a"), exclusive(tmp_path / "b"):
        pass


def test_a_folder_that_cannot_be_made_is_named_with_the_reason(tmp_path):
    taken = tmp_path / "taken"
    taken.write_bytes(b"in the way")
    with pytest.raises(UserError, match=r"taken.*cannot be written: \w+"), exclusive(taken):
        pass


def test_an_error_of_the_holder_is_not_mistaken_for_a_lock(tmp_path):
    with pytest.raises(PermissionError), exclusive(tmp_path):
        raise PermissionError


@pytest.mark.skipif(os.name == "nt", reason="needs links, named pipes and shared locks")
@pytest.mark.parametrize(
    ("lay", "what"),
    [(os.mkfifo, "no file"), (lambda path: path.symlink_to("other"), "a link")],
    ids=["pipe", "link"],
)
def test_a_lock_that_is_no_file_of_its_own_is_refused(tmp_path, lay, what):
    lay(tmp_path / ".lock")
    with pytest.raises(TreeError, match=rf"\.lock' is {what}; remove it"), exclusive(tmp_path):
        pass
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(os.name == "nt", reason="there are no shared locks there")
def test_a_folder_is_shared_only_by_those_who_all_agree(tmp_path, impatient):
    with exclusive(tmp_path, together=True):
        with exclusive(tmp_path, together=True):
            pass
        with pytest.raises(UserError, match="Another run"), exclusive(tmp_path):
            pass
    with (
        exclusive(tmp_path),
        pytest.raises(UserError, match="Another run"),
        exclusive(tmp_path, together=True),
    ):
        pass
