"""The guard stops a pass whose source folder disappears, and no other."""

import contextlib
import os
import subprocess

import pytest

from pixelmill.core.jobs import Job, failed
from pixelmill.pipeline.source_guard import SourceGuard
from pixelmill.storage.archives import identity


def outcomes(count, reason):
    return [failed(Job(f"{n}.jpg", ()), "read", reason, "gone", "") for n in range(count)]


@pytest.fixture
def source(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.mark.parametrize(("most", "vanished"), [(0.5, 5), (1.0, 10), (0.0, 0)])
def test_sources_may_vanish_up_to_the_limit(source, most, vanished):
    guard = SourceGuard(str(source), 10, most)
    guard.observe(outcomes(vanished, "vanished"))
    assert guard.verdict == ""
    if most < 1:
        guard.observe(outcomes(1, "vanished"))
        assert f"{vanished + 1} of 10 images vanished" in guard.verdict


@pytest.mark.parametrize(("most", "lost"), [(0.5, 5), (1.0, 10), (0.0, 0)])
def test_outputs_may_be_removed_up_to_the_limit(source, most, lost):
    guard = SourceGuard(str(source), 10, most)
    assert all(guard.may_lose_one() for _ in range(lost))
    assert guard.verdict == ""
    if most < 1:
        assert not guard.may_lose_one()
        assert f"{lost + 1} of 10 images failed in this pass" in guard.verdict


@pytest.mark.parametrize("reason", ["corrupt", "unreadable", "crashed"])
def test_other_failures_do_not_stop_the_pass(source, reason):
    guard = SourceGuard(str(source), 10, 0.1)
    guard.observe(outcomes(10, reason))
    assert guard.verdict == ""


def test_an_archive_that_changed_after_it_was_listed_is_reported(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(bytes(1024))
    listed = identity(str(path))
    path.write_bytes(bytes(2048))
    guard = SourceGuard(str(path), 1000, 1.0, listed)
    guard.observe(outcomes(1, "unreadable"))
    assert "was changed, removed or unmounted during the run" in guard.verdict


@pytest.mark.parametrize("reason", ["vanished", "unreadable"])
@pytest.mark.parametrize("replaced", [False, True], ids=["gone", "empty"])
def test_a_replaced_folder_is_reported(source, reason, replaced):
    guard = SourceGuard(str(source), 1000, 1.0)
    source.rename(source.with_name("away"))
    if replaced:
        source.mkdir()
    guard.observe(outcomes(1, reason))
    assert "was removed or unmounted during the run" in guard.verdict


@contextlib.contextmanager
def mounted(folder):
    """Mount an empty disk in the place of a folder."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    try:
        yield folder.stat()
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a disk takes root"
)
def test_another_disk_in_the_place_of_the_first_is_reported(source):
    """The top folders of both have the same number."""
    with mounted(source) as first:
        guard = SourceGuard(str(source), 1000, 1.0)
        with mounted(source) as second:
            assert first.st_ino == second.st_ino
            guard.observe(outcomes(1, "vanished"))
    assert "was removed or unmounted during the run" in guard.verdict
