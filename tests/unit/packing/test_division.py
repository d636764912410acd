"""The number of shards, and the shard of a sample."""

import pytest

from pixelmill.core.errors import UserError
from pixelmill.packing.division import DEFAULT, Division, byte_count, shard_of


@pytest.mark.parametrize(
    ("division", "images", "size", "shards"),
    [
        (DEFAULT, 10_000, 0, 1),
        (DEFAULT, 10_001, 0, 2),
        (Division(images=10), 1, 0, 1),
        (Division(images=10), 95, 0, 10),
        (Division(bytes=1000), 5, 1001, 2),
        (Division(bytes=1000), 5, 0, 1),
    ],
)
def test_there_are_as_many_shards_as_are_needed(division, images, size, shards):
    assert division.shards(images, lambda: size) == shards


def test_too_many_shards_are_refused():
    with pytest.raises(UserError, match="2,000,000 shards; ask for more images"):
        Division(images=1).shards(2_000_000, lambda: 0)


def test_samples_are_spread_over_the_shards():
    counts = [0] * 7
    for number in range(7000):
        counts[shard_of(f"photos/{number}", 7)] += 1
    assert min(counts) > 900 and max(counts) < 1100


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5X", "1e9", "10 000", True, 0, None, 1.2345])
def test_what_is_no_number_of_bytes_is_told(value):
    with pytest.raises(ValueError, match="give a number of bytes such as 500M or 1G"):
        byte_count(value)
