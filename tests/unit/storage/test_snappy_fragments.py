"""Any part of Snappy's output is decompressed from the beginning of its fragment on."""

import random

import imagecodecs
import pytest

from pixelmill.storage.snappy_fragments import (
    FRAGMENT,
    SnappyError,
    beginning,
    largest,
    starts,
    uncompressed_size,
)
from tests.helpers.parquets import varint

NOISE = random.Random(1).randbytes(300_000)

CONTENTS = {
    "nothing": b"",
    "one": b"x",
    "noise": NOISE,
    "zeros": bytes(300_000),
    "text": b" ".join(b"%d" % number for number in range(60_000)),
    "mixed": (NOISE[:40_000] + bytes(50_000)) * 3,
    "one fragment": NOISE[:FRAGMENT],
    "two fragments": bytes(2 * FRAGMENT),
    "a little more": NOISE[: FRAGMENT + 1],
}


@pytest.mark.parametrize("name", CONTENTS)
def test_parts_are_those_of_the_whole(name):
    content = CONTENTS[name]
    packed = imagecodecs.snappy_encode(content)
    assert uncompressed_size(packed)[0] == len(content)
    found = starts(packed)
    assert len(found) == -(-len(content) // FRAGMENT)
    chance = random.Random(name)
    for _ in range(20 if content else 0):
        begin = chance.randrange(len(content))
        size = chance.randint(1, min(100_000, len(content) - begin))
        part, skipped = divmod(begin, FRAGMENT)
        data = packed[found[part] : found[part] + largest(skipped + size)]
        made = imagecodecs.snappy_decode(beginning(data, skipped + size))
        assert made[skipped : skipped + size] == content[begin : begin + size]


def literal(data):
    """An element that is bytes, with its length in two more bytes."""
    return bytes([61 << 2]) + (len(data) - 1).to_bytes(2, "little") + data


def copy(length, distance):
    """An element that copies earlier bytes."""
    return bytes([(length - 1) << 2 | 2]) + distance.to_bytes(2, "little")


FAR = bytes([3 << 2 | 3]) + (70_000).to_bytes(4, "little")

WHOLE = literal(NOISE[:FRAGMENT])

#: Elements that decompress, but not without what precedes them.
TOGETHER = {
    "a copy from the fragment before": WHOLE + literal(b"ab") + copy(10, 5),
    "a distant copy": WHOLE + WHOLE + FAR,
    "an element in two fragments": literal(NOISE[: FRAGMENT - 1]) + literal(b"abcd"),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_fragments_that_refer_to_each_other_are_noticed(name):
    sizes = {"a copy from the fragment before": FRAGMENT + 12, "a distant copy": 2 * FRAGMENT + 4}
    packed = varint(sizes.get(name, FRAGMENT + 3)) + TOGETHER[name]
    assert len(imagecodecs.snappy_decode(packed)) == sizes.get(name, FRAGMENT + 3)
    assert starts(packed) is None


def test_a_wrong_size_is_noticed():
    assert starts(varint(7) + literal(b"abc")) is None
    assert starts(varint(0) + literal(b"abc")) is None
    with pytest.raises(SnappyError, match="its size is missing"):
        uncompressed_size(b"\xff" * 9)
    with pytest.raises(SnappyError, match="its size is missing"):
        starts(b"")


@pytest.mark.parametrize("name", ["noise", "text", "mixed"])
def test_data_that_are_cut_off_are_told(name):
    packed = imagecodecs.snappy_encode(CONTENTS[name])
    _, at = uncompressed_size(packed)
    for size in (0, 1, 2, 3, 100, 2000):
        with pytest.raises(SnappyError, match="ends too early"):
            beginning(packed[at : at + size], 65_536)
    for size in range(at + 1, 3000):
        try:
            assert starts(packed[:size]) is None
        except SnappyError:
            continue
