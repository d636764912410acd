"""Each shard of a tree has a folder of its own for its files."""

import os

import pytest

from pixelmill.dataset.file_names import state_folder
from pixelmill.dataset.shards import Shard


@pytest.mark.parametrize("shard", [Shard(1, 1), Shard(1, 2), Shard(11, 11), Shard(3, 11)])
def test_the_folder_of_a_shard_is_told_from_its_text_too(shard):
    assert state_folder("out", str(shard)) == shard.below("out")
    expected = "out" if shard.is_whole else os.path.join("out", "shards", str(shard))
    assert shard.below("out") == expected
