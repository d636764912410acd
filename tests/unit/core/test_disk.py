"""A full disk is detected, and enough room remains to report it."""

import errno
import os

import pytest

from pixelmill.core.disk import Reserve
from pixelmill.core.errors import UserError
from tests.helpers.limited import room_for


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_reserve_takes_room_and_releases_it(tmp_path):
    with Reserve(str(tmp_path)):
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 2**20
    assert names_in(tmp_path) == []


def test_a_reserve_can_be_released_early(tmp_path):
    with Reserve(str(tmp_path)) as reserve:
        reserve.release()
        assert names_in(tmp_path) == []


def test_a_reserve_that_finds_no_room_says_so(tmp_path):
    with pytest.raises(UserError, match=r"absent.*cannot be written: .*; free some space"):
        Reserve(str(tmp_path / "absent")).__enter__()


def test_what_a_killed_run_left_of_its_reserve_is_replaced(tmp_path):
    (tmp_path / ".reserve").write_bytes(b"a part")
    with Reserve(str(tmp_path)):
        assert (tmp_path / ".reserve").stat().st_size == 2**20
    assert names_in(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="files have no limits there")
def test_a_reserve_that_finds_room_for_a_part_leaves_nothing(tmp_path):
    with room_for(1000), pytest.raises(UserError, match="cannot be written: File too large"):
        Reserve(str(tmp_path)).__enter__()
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_an_error_that_affects_all_images_stops_the_run(tmp_path, number):
    with pytest.raises(UserError, match=os.strerror(number)):
        Reserve(str(tmp_path)).check(["cannot identify", os.strerror(number)])


def test_an_error_that_affects_one_image_does_not_stop_the_run(tmp_path):
    Reserve(str(tmp_path)).check(["", "no space for such an image", os.strerror(errno.EISDIR)])
