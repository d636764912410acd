"""Levels of Netpbm's formats are read by the largest one that the header states."""

import numpy as np
import pytest

from pixelmill.core.errors import ImageError
from pixelmill.imaging.backends.registry import backend
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.limits import Limits

HEADS = [b"P5 2 1 %d\n", b"P5\n# by hand 7 7\n2 1 # more\n%d ", b"P6\t2\n1\r\n%d\n"]


def first_level(data, name):
    frame = backend(name).decode(data, None, DecodeOptions(), Limits()).frames[0]
    return int(np.asarray(frame).ravel()[0])


@pytest.mark.parametrize("name", ["pillow", "opencv"])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("most", [1, 10, 254, 255, 256, 1023, 65534, 65535])
def test_levels_above_the_largest_one_are_corrupt(head, most, name):
    size = 1 if most < 256 else 2
    count = 6 if head.startswith(b"P6") else 2

    def file(level):
        return head % most + level.to_bytes(size, "big") * count + b" more of the next picture"

    assert first_level(file(most), name) == 255
    if most not in (255, 65535):
        begin = len(head % most)
        last = begin + (count - 1) * size
        for place in (begin, last):  # one level is too large
            levels = bytearray(file(most))
            levels[place : place + size] = (most + 1).to_bytes(size, "big")
            with pytest.raises(ImageError, match=f"its header allows {most:,}") as refusal:
                first_level(bytes(levels), name)
            assert refusal.value.reason == "corrupt"


@pytest.mark.parametrize("head", HEADS)
def test_a_file_without_levels_is_truncated(head):
    for most in (10, 255, 1023):
        with pytest.raises(ImageError) as refusal:
            first_level(head % most, "pillow")
        assert refusal.value.reason == "truncated"
