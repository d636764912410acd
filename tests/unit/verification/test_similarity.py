"""Similar pictures pass; others are reported with the likely cause."""

import numpy as np
import pytest

from pixelmill.verification import similarity, suspected_faults


def array(image):
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize(
    ("difference", "expected"), [(0, 100.0), (255, 0.0), (1, 48.13), (16, 24.05)]
)
def test_psnr_is_that_of_the_textbook(difference, expected):
    a = np.zeros((5, 7, 3), np.uint8)
    assert similarity.psnr(a, a + np.uint8(difference)) == pytest.approx(expected, abs=0.01)


def test_psnr_ends_at_that_of_equal_pictures():
    a, b = np.zeros((1000, 1000, 3), np.uint8), np.zeros((1000, 1000, 3), np.uint8)
    b[0, 0, 0] = 1
    assert similarity.psnr(a, b) == 100.0


def test_psnr_does_not_wrap_around():
    a, b = np.full((2, 2, 3), 250, np.uint8), np.full((2, 2, 3), 5, np.uint8)
    assert similarity.psnr(a, b) == similarity.psnr(b, a) == pytest.approx(0.35, abs=0.01)


@pytest.mark.parametrize(
    ("size", "reduced"),
    [((64, 64), (16, 16)), ((640, 320), (64, 32)), ((256, 256), (64, 64)), ((5000, 3), (64, 1)),
     ((8, 20), (2, 5)), ((1, 1), (1, 1))],
)  # fmt: skip
def test_pictures_are_reduced_to_what_is_seen_at_a_glance(size, reduced):
    made = similarity.reduce(np.full((size[1], size[0], 3), 77, np.uint8))
    assert made.shape == (reduced[1], reduced[0], 3)
    assert (made == 77).all()


#: ITU-R BT.601.
LUMA = np.array((0.299, 0.587, 0.114))

#: Errors that a processor may make, and how they are told.
ERRORS = {
    "swapped": (lambda a: a[..., ::-1], "channels are swapped"),
    "rotated channels": (lambda a: a[..., [1, 2, 0]], "channels are swapped"),
    "upside-down": (lambda a: a[::-1], "mirrored"),
    "mirrored": (lambda a: a[:, ::-1], "mirrored"),
    "half-a-turn": (lambda a: a[::-1, ::-1], "180 degrees"),
    "a-quarter-turn": (lambda a: np.rot90(a), "degrees"),
    "transposed": (lambda a: a.swapaxes(0, 1), "mirrored"),
    "inverted": (lambda a: 255 - a, "inverted"),
    "gamma": (lambda a: np.rint(255 * (a / 255) ** 2.2).astype(np.uint8), "gamma"),
    "grey": (lambda a: np.repeat((a @ LUMA).astype(np.uint8)[..., None], 3, 2), "lost"),
    "black": (np.zeros_like, "does not look like its source"),
    "darker": (lambda a: a // 3, "does not look like its source"),
    "moved by 3": (lambda a: np.roll(a, 3, axis=1), "displaced by 3 pixels across and 0 down"),
    "moved up by 2": (lambda a: np.roll(a, -2, axis=0), "displaced by 0 pixels across and 2 down"),
}


@pytest.mark.parametrize(("spoil", "words"), ERRORS.values(), ids=ERRORS)
def test_an_error_is_noticed_and_explained(photo, spoil, words):
    expected = array(photo(200, 200))
    spoiled = np.ascontiguousarray(spoil(expected))
    assert words in similarity.compare(spoiled, [expected], 30, 200).why


@pytest.mark.parametrize("noise", [0, 4])
def test_a_picture_that_is_right_but_for_noise_is_not_suspected(photo, noise):
    expected = array(photo(200, 150))
    noisy = expected + np.random.default_rng(0).normal(0, noise, expected.shape)
    found = similarity.compare(noisy.clip(0, 255).astype(np.uint8), [expected], 30, 200)
    assert found.why is None
    assert found.similarity_db >= 40


def test_a_picture_of_another_shape_is_explained_too(photo):
    expected = array(photo(64, 48))
    found = similarity.compare(np.ascontiguousarray(np.rot90(expected)), [expected], 30, 64)
    assert found.similarity_db == 0
    assert "degrees" in found.why


def test_one_right_rendering_is_enough():
    dark, light = (np.full((64, 64, 3), level, np.uint8) for level in (60, 160))
    assert similarity.compare(light, [dark], 30, 64).why is not None
    assert similarity.compare(light, [dark, light], 30, 64)[:2] == (100.0, None)
    between = np.full((64, 64, 3), 110, np.uint8)
    assert similarity.compare(between, [dark, light], 30, 64).why is not None


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_alpha_is_compared_itself(photo, kind):
    scale = kind(1 if kind == np.uint8 else 257)
    colors = array(photo(120, 90)).astype(kind) * scale
    ramp = np.tile(np.linspace(0, 255, 120).astype(kind)[None, :, None] * scale, (90, 1, 1))
    right = np.dstack([colors, ramp])
    for wrong, words in (
        (colors, "transparency is lost"),
        (np.dstack([colors, 255 * scale - ramp]), "does not look like its source"),
        (np.dstack([(colors * (ramp / (255 * scale))).astype(kind), ramp]), "by alpha twice"),
    ):
        assert words in similarity.compare(wrong, [right], 30, 120).why
    assert similarity.compare(right, [right], 30, 120)[:2] == (100.0, None)


def test_a_small_fault_is_found(photo):
    expected = array(photo(256, 256))
    spoiled = expected.copy()
    spoiled[100:116, 100:116] = 255 - spoiled[100:116, 100:116] // 4
    found = similarity.compare(spoiled, [expected], 30, 256)
    assert found.similarity_db >= 30
    assert "in one place" in found.why


@pytest.mark.parametrize(("color", "named"), [(10, False), (15, True)])
def test_colours_multiplied_twice_are_named_if_they_differ_by_more_than_two_levels(color, named):
    """Of an alpha of 0.8, levels of 10 become 8, and those of 15 become 12."""
    expected = np.dstack([np.full((8, 8, 3), color), np.full((8, 8), 204)]).astype(np.float32)
    output = expected.copy()
    output[..., :3] = color * 4 // 5
    fault = suspected_faults.of_alpha(output, expected)
    assert fault == ("colours are multiplied by alpha twice" if named else None)


def test_invisible_pixels_say_nothing_about_multiplied_colours():
    """A pixel of a GIF is opaque or transparent; with an alpha of 0.3 it is transparent."""
    expected = np.dstack([np.full((8, 8, 3), 60), np.full((8, 8), 76)]).astype(np.float32)
    output = np.dstack([np.full((8, 8, 3), 18), np.zeros((8, 8))]).astype(np.float32)
    assert suspected_faults.of_alpha(output, expected) is None


def test_without_a_rendering_there_is_no_result():
    with pytest.raises(ValueError, match="no rendering to compare with"):
        similarity.compare(np.zeros((8, 8, 3), np.uint8), [], 30, 8)


def test_a_rendering_that_fits_much_better_dispels_the_suspicion_of_a_fault(photo):
    picture = array(photo(120, 90))
    swapped = np.ascontiguousarray(picture[..., ::-1])
    assert similarity.compare(picture, [swapped], 30, 120).why == "channels are swapped"
    assert similarity.compare(picture, [swapped, picture], 30, 120)[:2] == (100.0, None)
    assert similarity.compare(picture, [swapped, swapped], 30, 120).why == "channels are swapped"


def test_of_several_renderings_the_one_that_fits_best_counts():
    """A level of 109 differs from 100 by 29.0 dB, of 108 by 30.1."""
    output, far, near = (np.full((40, 60, 3), level, np.uint8) for level in (100, 109, 108))
    assert similarity.compare(output, [far], 30, 60).why == "does not look like its source"
    assert similarity.compare(output, [far, near], 30, 60).why is None


@pytest.mark.parametrize(("by", "why"), [(16, None), (17, "does not look like its source closely")])
def test_single_pixels_may_differ_by_16_levels(by, why):
    expected = np.full((80, 80, 3), 128, np.uint8)
    signs = np.where(np.indices((80, 80)).sum(axis=0) % 2, 1, -1)
    output = (expected + by * signs[..., None]).astype(np.uint8)
    assert similarity.compare(output, [expected], 30, 80).why == why


def test_a_wrong_gamma_of_what_is_partly_transparent_is_named(photo):
    """Gamma applies to the colours before they are multiplied by alpha."""
    alpha = np.tile(np.linspace(60, 255, 200).astype(np.uint8)[None, :, None], (150, 1, 1))
    expected = np.dstack([array(photo(200, 150)), alpha])
    wrong = expected.copy()
    wrong[..., :3] = np.rint(255 * (expected[..., :3] / 255) ** 1.4)
    assert similarity.compare(wrong, [expected], 30, 200).why == "gamma is wrong"


@pytest.mark.parametrize(("extent", "named"), [(0.4, False), (0.8, True), (1.0, True)])
def test_a_fault_is_named_if_the_difference_contains_all_of_it(extent, named):
    """What only tends towards swapped channels, as paler colours do, has another cause."""
    generator = np.random.default_rng(0)
    expected = generator.uniform(90, 110, (16, 16, 3)).astype(np.float32)
    expected[..., 0] += 8
    output = expected + extent * (expected[..., [1, 0, 2]] - expected)
    output += generator.normal(0, 1, output.shape).astype(np.float32)
    found = suspected_faults.found(output, expected, [])
    assert found == ("channels are swapped" if named else None)


@pytest.mark.parametrize(("noise", "named"), [(5, True), (10, False)])
def test_a_fault_is_named_if_it_explains_half_of_the_difference(noise, named):
    """With noise of 5 levels it fits 5.3 dB better, with 10 levels 2.1 dB."""
    generator = np.random.default_rng(0)
    expected = generator.uniform(90, 110, (24, 24, 3)).astype(np.float32)
    expected[..., 0] += 4
    swapped = expected[..., [1, 0, 2]]
    output = swapped + generator.normal(0, noise, expected.shape).astype(np.float32)
    found = suspected_faults.found(output, expected, [])
    assert found == ("channels are swapped" if named else None)
