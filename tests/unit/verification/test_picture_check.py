"""The single questions of the picture check, at the limits between right and wrong."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS
from pixelmill.verification import picture_check, similarity
from pixelmill.verification.expectations import expectations_of
from pixelmill.verification.file_structure import Notes
from pixelmill.verification.second_decoder import Seen
from tests.helpers.imaging import ADOBE_RGB, icc_profile


def flat(level, channels=3):
    return np.full((40, 60, channels), level, np.uint8)


def expectation(**recipe):
    return expectations_of(recipe)[""]


@pytest.mark.parametrize(
    ("level", "fault"),
    [
        (133, None),  # from the second frame's 150 by 17 levels, from its own 100 by 33: 5.8 dB
        (134, "frames are out of order: frame 1 looks like frame 2"),  # 16 and 34: 6.5 dB
    ],
)
def test_a_frame_is_misplaced_if_it_fits_in_another_place_by_6_db_better(level, fault):
    found, expected = [flat(level), flat(150)], [flat(100), flat(150)]
    assert picture_check._order_fault(expectation(), found, expected, 60) == fault


def test_a_wrong_frame_counts_even_if_a_right_one_is_less_similar(photo, encoded):
    sharp, wide = photo(96, 64), photo(98, 64, 2).filter(ImageFilter.GaussianBlur(8))
    smooth = wide.crop((0, 0, 96, 64))
    clouds = np.random.default_rng(1).normal(0, 8, (8, 12, 3)).repeat(8, axis=0).repeat(8, axis=1)
    cloudy = np.clip(np.asarray(sharp) + clouds, 0, 255).astype(np.uint8)  # far, but right
    moved = np.asarray(wide.crop((2, 0, 98, 64)))  # close, but wrong
    compared = [
        similarity.compare(one, [np.asarray(other)], 28.0, 96)
        for one, other in ((cloudy, sharp), (moved, smooth))
    ]
    assert compared[0].why is None and compared[1].why is not None
    assert compared[0].similarity_db < compared[1].similarity_db
    source, output = (
        encoded(Image.fromarray(np.asarray(one)), "PNG", save_all=True, append_images=[other])
        for one, other in ((sharp, smooth), (cloudy, Image.fromarray(moved)))
    )
    asked = expectation(animation="all", output={"format": "png"})
    assert picture_check.check_pictures(asked, source, output, 28.0).why == compared[1].why


def test_half_transparent_pixels_may_be_shown_or_not_in_a_gif():
    exact = np.dstack([flat(10), flat(0, 1)])
    exact[0, :4, 3] = 95, 96, 160, 161
    output = flat(200)
    decided = picture_check._decided(exact, exact, output)
    assert decided[0, :5].tolist() == [
        [10, 10, 10, 95], [200, 200, 200, 255], [200, 200, 200, 255], [10, 10, 10, 161],
        [10, 10, 10, 0],
    ]  # fmt: skip
    hidden = np.dstack([output, flat(0, 1)])
    assert picture_check._decided(exact, exact, hidden)[0, 1].tolist() == [200, 200, 200, 0]
    assert picture_check._decided(output, output, output) is output


def test_frames_that_change_nothing_may_be_left_out_and_their_times_are_added():
    one, two = flat(1), flat(2)
    frames, times = picture_check._merged([one, two, two, one], (10.0, 20.0, 30.0, 40.0), 3)
    assert [int(frame[0, 0, 0]) for frame in frames] == [1, 2, 1]
    assert times == [10.0, 50.0, 40.0]


def test_frames_that_change_nothing_stay_if_the_output_has_as_many():
    one = flat(1)
    frames, times = picture_check._merged([one, one], (10.0, 20.0), 2)
    assert (len(frames), times) == (2, [10.0, 20.0])
    assert picture_check._merged([one], (), 1)[1] == [0.0]


@pytest.mark.parametrize(
    ("kind", "found", "expected", "as_gif", "fault"),
    [
        ("gif", 30.0, 15.0, False, None),  # the shortest time is 20 ms, and the unit 10
        ("gif", 40.0, 15.0, False, "frame 2 is shown for 40 ms, not 20"),
        ("gif", 100.0, 10.0, True, None),  # browsers show 10 ms for 100
        ("gif", 10.0, 10.0, True, "frame 2 is shown for 10 ms, not 100"),
        ("gif", 20.0, 11.0, True, None),
        ("avif", 2.0, 0.0, False, None),
        ("avif", 3.0, 0.0, False, "frame 2 is shown for 3 ms, not 1"),
        ("webp", 81.0, 80.0, False, None),
        ("webp", 82.0, 80.0, False, "frame 2 is shown for 82 ms, not 80"),
    ],
)
def test_times_are_those_of_the_source_but_for_rounding(kind, found, expected, as_gif, fault):
    made = picture_check._times_fault(kind, (200.0, found), [200.0, expected], as_gif)
    assert made == fault


def test_times_are_not_compared_of_one_frame_or_of_another_number_of_frames():
    assert picture_check._times_fault("webp", (9.0,), [80.0], False) is None
    assert picture_check._times_fault("webp", (9.0, 9.0), [80.0, 80.0, 80.0], False) is None


def seen(kind="png", orientation=1, profile=None, gray=False, inks=False, frame=None, colors=None):
    colors = dict(colors or {})
    if kind == "png" and profile:
        colors[b"iCCP"] = b"packed"
    notes = Notes(kind, orientation, profile, colors)
    return Seen([flat(9) if frame is None else frame], (), notes, gray, inks)


@pytest.mark.parametrize(
    ("recipe", "output", "source", "fault"),
    [
        ({}, seen(orientation=6), seen(orientation=6), "records orientation 6, not 1"),
        ({}, seen(), seen(orientation=6), None),
        ({"orientation": "keep"}, seen(), seen(orientation=6), "records orientation 1, not 6"),
        ({"orientation": "keep"}, seen("bmp"), seen(orientation=6), None),
    ],
)
def test_the_orientation_is_written_as_the_recipe_says(recipe, output, source, fault):
    assert picture_check._notes_fault(expectation(**recipe), output, source) == fault


@pytest.mark.parametrize("kind", OUTPUT_FORMATS)
def test_whatever_a_format_can_hold_is_asked_of_it(kind):
    """The code that makes images knows that too, and verification does not ask it."""
    known, profile = OUTPUT_FORMATS[kind], icc_profile(ADOBE_RGB, 2.2)
    stale = picture_check._notes_fault(expectation(), seen(kind, orientation=6), seen())
    assert (stale is not None) is known.exif
    lost = picture_check._notes_fault(expectation(color="keep"), seen(kind), seen(profile=profile))
    assert (lost is not None) is known.icc
    clear = np.dstack([flat(10), flat(0, 1)])
    prepared = picture_check._prepared(expectation(), kind, clear, seen(kind))
    assert (prepared.shape[2] == 4) is known.alpha
    assert (kind in picture_check._MOVING) is known.animation


def test_a_profile_that_is_to_be_kept_must_be_there():
    profile, keep = icc_profile(ADOBE_RGB, 2.2), expectation(color="keep")
    source, without, kept = seen(profile=profile), seen(), seen(profile=profile)
    lost = "the colour profile is lost"
    assert picture_check._notes_fault(keep, without, source) == lost
    assert picture_check._notes_fault(keep, kept, source) is None
    assert picture_check._notes_fault(expectation(), without, source) is None
    assert picture_check._notes_fault(keep, seen("gif"), source) is None
    gray = expectation(color="keep", steps=["grayscale"])
    assert picture_check._notes_fault(gray, without, source) is None
    inks = seen(profile=profile, inks=True)
    assert picture_check._notes_fault(keep, without, inks) is None


#: Colorants of sRGB, adapted to D50.
SRGB = ((0.43607, 0.22250, 0.01393), (0.38506, 0.71688, 0.09710), (0.14308, 0.06062, 0.71417))
WIDE = icc_profile(ADOBE_RGB, 2.2)
LINEAR = {b"gAMA": struct.pack(">I", 100_000)}


@pytest.mark.parametrize(
    ("source", "output", "lost"),
    [
        # What applies is the first of cICP, iCCP, sRGB and gAMA (PNG 3rd edition, 4.3).
        (seen(profile=WIDE, colors={b"cICP": bytes((1, 13, 0, 1))}), seen(), False),
        (seen(profile=WIDE, colors={b"cICP": bytes((12, 13, 0, 1))}), seen(), True),
        (seen(profile=WIDE, colors=LINEAR), seen("jpeg", profile=WIDE), False),
        (seen(colors={b"sRGB": b"\0", **LINEAR}), seen(), False),
        (seen(colors=LINEAR), seen(), True),
        (seen(colors=LINEAR), seen("tiff", profile=icc_profile((), 1.0)), True),
        (seen(colors=LINEAR), seen("tiff", profile=icc_profile(SRGB, 1.0)), False),
        (seen(colors=LINEAR, gray=True), seen("jpeg", profile=icc_profile(SRGB, 1.0)), False),
        (seen("avif", colors={b"nclx": struct.pack(">3H", 12, 13, 6)}), seen("webp"), True),
        (seen("jpeg"), seen("jpeg", profile=WIDE), True),
    ],
)
def test_kept_colours_are_described_as_in_the_source(source, output, lost):
    fault = picture_check._notes_fault(expectation(color="keep"), output, source)
    assert fault == ("the colour profile is lost" if lost else None)


def test_a_profile_of_grey_that_is_to_be_kept_must_be_there():
    profile = icc_profile(ADOBE_RGB, 2.2)
    source = seen(profile=profile, gray=True)  # of colours: it means nothing for grey
    assert picture_check._notes_fault(expectation(color="keep"), seen(), source) is None


def deep(levels):
    return np.repeat(np.asarray(levels, np.uint16)[None, :, None], 3, axis=2)


@pytest.mark.parametrize(
    ("kind", "levels", "kept", "fault"),
    [
        ("png", np.arange(0, 65536, 17), True, None),
        ("png", np.arange(0, 65536, 17), False, "has 16 bits a channel, but only the upper 8"),
        ("webp", np.arange(0, 65536, 17), False, None),
        ("png", np.arange(0, 65536, 257), False, None),  # no more was in the source
    ],
)
def test_16_bits_that_are_to_be_kept_must_be_there(kind, levels, kept, fault):
    source = seen(frame=deep(levels), gray=True)
    output = seen(kind, frame=deep(levels if kept else np.asarray(levels) // 257 * 257))
    assert picture_check._depth_fault(expectation(depth="keep"), kind, output, source) == fault


def test_a_kernel_may_give_only_the_levels_of_8_bits_if_the_source_has_no_others():
    """Four columns of a level become three; Lanczos overshoots at the edges, averaging does not."""
    source = seen(frame=deep(np.repeat([30, 220, 200, 40], 16) * 257))
    output = seen(frame=deep(np.repeat([30, 220, 200, 40], 12) * 257))
    shrink = expectation(depth="keep", steps=[{"resize": {"width": 48, "height": 1}}])
    assert picture_check._depth_fault(shrink, "png", output, source) is None
    fine = seen(frame=deep(np.arange(64) * 1001))
    fault = picture_check._depth_fault(shrink, "png", output, fine)
    assert fault == "has 16 bits a channel, but only the upper 8"


def test_16_bits_of_grey_in_a_png_may_not_become_8():
    source, output = seen(frame=deep(np.arange(0, 65536, 17)), gray=True), seen()
    fault = picture_check._depth_fault(expectation(depth="keep"), "png", output, source)
    assert fault == "has 8 bits a channel, not 16"
    colors = seen(frame=deep(np.arange(0, 65536, 17)))
    assert picture_check._depth_fault(expectation(depth="keep"), "png", output, colors) is None


def test_a_gif_may_differ_more_than_other_formats(encoded):
    """By 9 levels: 29 dB."""
    source = encoded(Image.new("RGB", (60, 40), (100, 100, 100)), "PNG")
    other = Image.new("RGB", (60, 40), (109, 109, 109))
    verdicts = {
        format: picture_check.check_pictures(
            expectation(output={"format": format}), source, encoded(other, format.upper()), 30.0
        )
        for format in ("gif", "png")
    }
    assert verdicts["gif"].why is None
    assert verdicts["png"].why == "does not look like its source"
    assert verdicts["gif"].similarity_db == pytest.approx(29.05, abs=0.01)


@pytest.mark.parametrize(("written", "fault"), [(2, None), (1, "has 1 frames, not 2")])
def test_a_page_that_equals_the_one_before_is_missed_if_it_is_not_there(
    photo, encoded, written, fault
):
    """Frames of an animation that change nothing may be left out, but no pages."""
    page = photo(40, 30)
    source, output = (
        encoded(page, "TIFF", save_all=True, append_images=[page] * (count - 1))
        for count in (2, written)
    )
    asked = expectation(pages="all", output={"format": "tiff"})
    assert picture_check.check_pictures(asked, source, output, 28.0).why == fault
