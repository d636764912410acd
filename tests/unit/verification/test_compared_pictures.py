"""What the picture check compares: every frame, at its depth, in its colours and for its time."""

import io

import numpy as np
import pytest
from PIL import Image

from pixelmill.verification import picture_check, similarity
from pixelmill.verification.expectations import expectations_of
from pixelmill.verification.file_structure import Notes
from pixelmill.verification.second_decoder import Seen
from tests.helpers.imaging import ADOBE_RGB, icc_profile

RESIZE = {"resize": {"width": 30, "height": 20}}


def expectation(**recipe):
    return expectations_of(recipe)[""]


def moving(format, frames, milliseconds=80):
    """An animation that loses nothing."""
    file = io.BytesIO()
    options = {"lossless": True} if format == "WEBP" else {}
    first, *others = frames
    first.save(file, format, save_all=True, append_images=others, duration=milliseconds, **options)
    return file.getvalue()


@pytest.fixture
def frames(photo):
    return [photo(60, 40, seed) for seed in range(3)]


ANIMATED = {"animation": "all", "output": {"format": "webp", "lossless": True}}


def verdict_of(source, made, /, least=30.0, **recipe):
    return picture_check.check_pictures(expectation(**recipe), source, made, least)


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_one_wrong_frame_makes_an_animation_wrong(frames, photo, wrong):
    source = moving("WEBP", frames)
    right = verdict_of(source, source, **ANIMATED)
    assert right.why is None and right.similarity_db > 50
    changed = [photo(60, 40, 9) if n == wrong else frame for n, frame in enumerate(frames)]
    found = verdict_of(source, moving("WEBP", changed), **ANIMATED)
    assert found.why == "does not look like its source"
    assert found.similarity_db < 25
    assert not np.array_equal(*found.pictures)


def test_frames_in_another_order_are_called_so(frames):
    first, second, third = frames
    found = verdict_of(moving("WEBP", frames), moving("WEBP", [second, first, third]), **ANIMATED)
    assert found.why == "frames are out of order: frame 1 looks like frame 2"


def test_a_missing_frame_is_counted(frames):
    found = verdict_of(moving("WEBP", frames), moving("WEBP", frames[:2]), **ANIMATED)
    assert found.why == "has 2 frames, not 3"


@pytest.mark.parametrize(
    ("milliseconds", "why"), [(100, None), (10, "frame 1 is shown for 10 ms, not 100")]
)
def test_frames_of_a_gif_are_shown_as_long_as_browsers_show_them(frames, milliseconds, why):
    """Its shortest times stand for 100 ms, also in an output of another format."""
    gray = [frame.convert("L").convert("RGB") for frame in frames]
    source = moving("GIF", gray, 10)
    found = verdict_of(source, moving("WEBP", gray, milliseconds), least=20.0, **ANIMATED)
    assert found.why == why


def test_colours_of_a_kept_profile_are_compared_as_they_are_stored(photo):
    """Converted, they would differ from those of the source, which is not converted either."""
    file = io.BytesIO()
    vivid = Image.fromarray(255 - np.asarray(photo(60, 40)) // 3 * np.uint8([3, 1, 2]))
    vivid.save(file, "PNG", icc_profile=icc_profile(ADOBE_RGB, 2.2))
    recipe = {"color": "keep", "output": {"format": "png"}}
    found = verdict_of(file.getvalue(), file.getvalue(), least=60.0, **recipe)
    assert found.why is None and found.similarity_db > 60


def test_sixteen_bits_are_rounded_to_eight():
    levels = np.array([0, 128, 129, 385, 386, 65406, 65407, 65535], np.uint16)
    frame = np.repeat(levels[None, :, None], 3, axis=2)
    output = np.zeros((1, 8, 3), np.uint8)
    prepared = picture_check._prepared(expectation(depth="keep"), "png", frame, output)
    assert prepared[0, :, 0].tolist() == [0, 0, 1, 1, 2, 254, 255, 255]


@pytest.mark.parametrize(
    ("levels", "shallow"),
    [
        (np.arange(256) * 257, True),  # repeated
        (np.arange(256) * 256, True),  # shifted
        (np.arange(256) * 251, False),
        (np.array([0, 65535] * 8), True),  # of black and white, nobody can tell
    ],
    ids=["repeated", "shifted", "deep", "black and white"],
)
def test_levels_of_eight_bits_are_recognised_in_sixteen(levels, shallow):
    picture = np.repeat(levels.astype(np.uint16)[None, :, None], 3, axis=2)
    assert picture_check._is_shallow(picture) is shallow


def test_a_gif_of_another_size_is_compared_as_it_is():
    exact = np.zeros((4, 6, 4), np.uint8)
    exact[..., 3] = 128
    output = np.full((2, 3, 3), 9, np.uint8)
    assert picture_check._decided(exact, exact, output) is exact


@pytest.mark.parametrize(
    ("recipe", "kind", "count"),
    [
        ({}, "png", 1),
        ({}, "jpeg", 2),  # plain, and compressed
        ({"steps": [RESIZE]}, "png", 4),  # with each kernel
        ({"steps": [RESIZE]}, "jpeg", 8),
    ],
)
def test_an_output_may_be_like_the_rendering_by_any_kernel_with_or_without_compression(
    photo, recipe, kind, count
):
    frame = np.asarray(photo(60, 40))
    expected = expectation(output={"format": kind}, **recipe)
    made = list(picture_check._renderings(expected, kind, frame, frame))
    assert len(made) == len({one.tobytes() for one in made}) == count


def test_pictures_are_compared_in_the_detail_of_their_longer_side(monkeypatch, photo, encoded):
    asked = []

    def compare(output, renderings, least, detail):
        asked.append((least, detail))
        return similarity.Likeness(50.0, None, (output, output))

    monkeypatch.setattr(similarity, "compare", compare)
    data = encoded(photo(60, 40), "PNG")
    verdict_of(data, data, least=33.0, output={"format": "png"})
    verdict_of(encoded(photo(40, 60), "PNG"), data, least=33.0, output={"format": "png"})
    assert asked == [(33.0, 60)] * 2


@pytest.mark.parametrize(("kept", "given"), [(6, 8), (8, 6), (3, 3), (5, 5), (1, 1)])
def test_frames_of_a_sequence_are_turned_back_to_how_they_were_stored(kept, given):
    """A sequence records no orientation, so that its frames are turned instead."""
    frame = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    upright = picture_check.turned(frame, kept)
    seen = Seen([upright, upright], (), Notes("avif", 1, None), False, False)
    back = picture_check._turned_back(seen, kept)
    assert back.notes.orientation == kept
    np.testing.assert_array_equal(back.frames[0], frame)
    np.testing.assert_array_equal(picture_check.turned(upright, given), frame)
