"""A format must say how its files end; what it does not say is refused."""

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.codecs.formats import FORMATS, OUTPUT_FORMATS, OutputFormat
from pixelmill.imaging.codecs.ifd import Tags


def test_an_output_format_without_a_rule_for_its_end_cannot_be_defined():
    """It would otherwise accept every file that a full disk cut off."""

    class Unfinished(OutputFormat):
        name = "unfinished"
        suffixes = (".unf",)

    with pytest.raises(TypeError, match="is_whole"):
        Unfinished()


def test_what_a_format_cannot_do_is_refused_by_name():
    with pytest.raises(NotImplementedError, match="ppm"):
        FORMATS["ppm"].frames(Image.new("L", (1, 1)), b"")
    with pytest.raises(NotImplementedError, match="bmp"):
        OUTPUT_FORMATS["bmp"].encode_frames([], {}, [], 0)
    with pytest.raises(NotImplementedError, match="jpeg"):
        OUTPUT_FORMATS["jpeg"].encode_deep(np.zeros((1, 1, 3), np.uint16), {}, None, Tags())
