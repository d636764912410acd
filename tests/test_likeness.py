"""What is alike passes; what is not is told from it, with the likely cause."""

import numpy as np
import pytest

from pixelmill import likeness


def array(image):
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize(
    ("difference", "expected"), [(0, 100.0), (255, 0.0), (1, 48.13), (16, 24.05)]
)
def test_psnr_is_that_of_the_textbook(difference, expected):
    a = np.zeros((5, 7, 3), np.uint8)
    assert likeness.psnr(a, a + np.uint8(difference)) == pytest.approx(expected, abs=0.01)


def test_psnr_ends_at_that_of_equal_pictures():
    a, b = np.zeros((1000, 1000, 3), np.uint8), np.zeros((1000, 1000, 3), np.uint8)
    b[0, 0, 0] = 1
    assert likeness.psnr(a, b) == 100.0


def test_psnr_does_not_wrap_around():
    a, b = np.full((2, 2, 3), 250, np.uint8), np.full((2, 2, 3), 5, np.uint8)
    assert likeness.psnr(a, b) == likeness.psnr(b, a) == pytest.approx(0.35, abs=0.01)


@pytest.mark.parametrize(
    ("size", "reduced"),
    [((64, 64), (16, 16)), ((640, 320), (64, 32)), ((256, 256), (64, 64)), ((5000, 3), (64, 1)),
     ((8, 20), (2, 5)), ((1, 1), (1, 1))],
)  # fmt: skip
def test_pictures_are_reduced_to_what_is_seen_at_a_glance(size, reduced):
    made = likeness.reduce(np.full((size[1], size[0], 3), 77, np.uint8))
    assert made.shape == (reduced[1], reduced[0], 3)
    assert (made == 77).all()


#: Errors that a processor may make, and how they are told.
ERRORS = {
    "swapped": (lambda a: a[..., ::-1], "channels are swapped"),
    "upside-down": (lambda a: a[::-1], "mirrored"),
    "mirrored": (lambda a: a[:, ::-1], "mirrored"),
    "half-a-turn": (lambda a: a[::-1, ::-1], "180 degrees"),
    "a-quarter-turn": (lambda a: np.rot90(a), "degrees"),
    "transposed": (lambda a: a.swapaxes(0, 1), "mirrored"),
    "black": (np.zeros_like, "does not look like its source"),
    "darker": (lambda a: a // 2, "does not look like its source"),
    "shifted": (lambda a: np.roll(a, 12, axis=1), "does not look like its source"),
}


@pytest.mark.parametrize(("spoil", "words"), ERRORS.values(), ids=ERRORS)
def test_an_error_is_noticed_and_explained(photo, spoil, words):
    expected = array(photo(64, 64))
    spoiled = np.ascontiguousarray(spoil(expected))
    assert likeness.psnr(spoiled, expected) < 30
    assert words in likeness.explain(spoiled, expected, 30)


def test_a_picture_of_another_shape_is_explained_too(photo):
    expected = array(photo(64, 48))
    turned = np.ascontiguousarray(np.rot90(expected))
    assert "degrees" in likeness.explain(turned, expected, 30)
