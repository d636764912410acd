"""A full disk is detected, and enough room remains to report it."""

import errno
import os

import pytest

from pixelmill.core.disk import Reserve
from pixelmill.core.errors import UserError


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


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_an_error_that_affects_all_images_stops_the_run(tmp_path, number):
    with pytest.raises(UserError, match=os.strerror(number)):
        Reserve(str(tmp_path)).check(["cannot identify", os.strerror(number)])


def test_an_error_that_affects_one_image_does_not_stop_the_run(tmp_path):
    Reserve(str(tmp_path)).check(["", "no space for such an image", os.strerror(errno.EISDIR)])
