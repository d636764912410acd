"""Damaged files give an image or a reason, never anything else.

500 by default; ``PIXELMILL_FUZZ=10000 make test-all`` tries more.
"""

import io
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pixelmill import codec
from pixelmill.errors import REASONS, ImageError
from pixelmill.limits import Limits
from pixelmill.operations import scaled_size

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("PIXELMILL_FUZZ", "500"))

#: Small enough that no damaged header makes a test slow.
LIMITS = Limits(max_pixels=4_000_000)

FORMATS = {
    "JPEG": {"quality": 80},
    "JPEG progressive": {"progressive": True},
    "PNG": {},
    "GIF": {},
    "BMP": {},
    "WEBP": {},
    "TIFF": {"compression": "tiff_lzw"},
    "TIFF jpeg": {"compression": "jpeg"},
    "PPM": {},
    "ICO": {},
    "AVIF": {},
}


def encoded(name):
    image = Image.radial_gradient("L").resize((96, 64)).convert("RGB")
    file = io.BytesIO()
    image.save(file, name.split()[0], **FORMATS[name])
    return file.getvalue()


WHOLE = {name: encoded(name) for name in FORMATS}


@st.composite
def damaged(draw):
    """A file with some bytes changed, and perhaps its end cut off."""
    data = bytearray(WHOLE[draw(st.sampled_from(sorted(WHOLE)))])
    places = st.integers(0, len(data) - 1)
    for place, byte in draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=12)):
        data[place] = byte
    return bytes(data[: draw(st.one_of(st.just(len(data)), places))])


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(damaged(), st.booleans())
def test_a_damaged_file_gives_an_image_or_a_reason(data, shrink):
    def target(size):
        return scaled_size(size, {"longest": 16})

    try:
        decoded = codec.decode(data, target if shrink else None, 2.5 * shrink, LIMITS)
    except ImageError as error:
        assert error.reason in REASONS
        assert error.stage == "decode"
    else:
        assert decoded.image.mode in ("RGB", "L")
        assert decoded.image.width * decoded.image.height <= LIMITS.max_pixels
