"""Damaged files give an image or a failure reason, and nothing else.

500 by default; ``PIXELMILL_FUZZ=10000 make test-all`` tries more.
"""

import io
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pixelmill.core.errors import ImageError
from pixelmill.core.reasons import REASONS
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.steps.resize import scaled_size

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
    """A file with some changed bytes, and possibly truncated."""
    data = bytearray(WHOLE[draw(st.sampled_from(sorted(WHOLE)))])
    places = st.integers(0, len(data) - 1)
    for place, byte in draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=12)):
        data[place] = byte
    return bytes(data[: draw(st.one_of(st.just(len(data)), places))])


@st.composite
def readings(draw):
    """Settings of a recipe."""
    choices = {
        "orientation": ("apply", "keep"),
        "color": ("srgb", "keep", "drop"),
        "depth": (8, "keep"),
        "animation": ("first", "all", "error"),
        "metadata": ("strip", "keep", "none"),
        "alpha": (True, False),
        "shrink_margin": (0, 2.5),
    }
    return {key: draw(st.sampled_from(values)) for key, values in choices.items()}


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(damaged(), st.booleans(), readings())
def test_a_damaged_file_gives_an_image_or_a_reason(data, shrink, reading):
    def target(size):
        return scaled_size(size, {"longest": 16})

    try:
        decoded = decode(data, target if shrink else None, DecodeOptions(**reading), LIMITS)
    except ImageError as error:
        assert error.reason in REASONS
        assert error.stage == "decode"
    else:
        allowed = {"RGB", "L"}
        allowed |= {"RGBA", "LA"} if reading["alpha"] else set()
        allowed |= {"I;16"} if reading["depth"] == "keep" else set()
        for frame in decoded.frames:
            assert frame.mode in allowed
            assert frame.width * frame.height <= LIMITS.max_pixels
