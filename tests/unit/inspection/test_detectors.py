"""Detectors: each finding on small datasets whose right answer is known."""

import numpy as np
import pytest

from pixelmill.inspection import detectors
from tests.helpers.columns import ArrayColumns


def dataset(count=None, hashes=None, names=None, **values):
    arrays = {
        name: np.array(column, object if isinstance(column[0], str) else np.float64)
        for name, column in values.items()
    }
    count = count or len(next(iter(arrays.values()), hashes))
    known = {}
    if hashes is not None:
        valid = np.array([one is not None for one in hashes])
        array = np.array([one or 0 for one in hashes], np.uint64)
        known = {"phash": (array, valid), "dhash": (array, valid)}
    return ArrayColumns(names or [f"{place}.jpg" for place in range(count)], arrays, known)


def images(detected):
    return np.flatnonzero(detected.mask).tolist()


def groups_of(detected):
    members = {}
    for image in images(detected):
        members.setdefault(int(detected.group[image]), []).append(image)
    return sorted(members.values())


def test_duplicates_have_the_same_bytes():
    found = detectors.duplicates(dataset(content_digest=["a", "b", "a", "", "", "a"]))
    assert groups_of(found) == [[0, 2, 5]]
    assert found.value[[0, 2, 5]].tolist() == [3, 3, 3]


def test_the_same_pixels_in_another_file_are_no_duplicate_but_told():
    columns = dataset(content_digest=list("abccde"), pixel_digest=["p", "p", "q", "q", "", ""])
    assert groups_of(detectors.same_pixels(columns)) == [[0, 1]]
    assert groups_of(detectors.duplicates(columns)) == [[2, 3]]


def test_near_duplicates_are_told_unless_all_are_copies():
    near, far = [0, 1, 3], [1 << 60 | 0b1111 << 20, 1 << 60 | 0b1111 << 20]
    columns = dataset(
        hashes=near + far, content_digest=list("abcdd"), pixel_digest=["", "", "", "x", "x"]
    )
    found = detectors.near_duplicate(columns, detectors.similar(columns, 1))
    assert groups_of(found) == [[0, 1, 2]]
    assert found.value[:3].tolist() == [1, 0, 1]  # the second one is near both others


def test_near_duplicates_with_the_same_pixels_in_all_are_not_told_again():
    columns = dataset(hashes=[5, 5], content_digest=["a", "b"], pixel_digest=["p", "p"])
    assert images(detectors.near_duplicate(columns, detectors.similar(columns, 8))) == []
    assert images(detectors.same_pixels(columns)) == [0, 1]


def test_flat_pictures_and_those_that_failed_are_no_near_duplicates():
    columns = dataset(hashes=[0, 0, 0, None], luma_std=[1, 2, 30, np.nan])
    assert images(detectors.near_duplicate(columns, detectors.similar(columns, 8))) == []


def test_blurred_pictures_have_little_sharpness_for_their_contrast():
    """The third one is flat, and the fourth one dark: its edges are weak, but sharp."""
    sharpness = [10, 90, 5, 8, np.nan, *[300] * 5]
    contrast = [40, 40, 2, 12, np.nan, *[50] * 5]
    columns = dataset(sharpness=sharpness, luma_std=contrast)
    found = detectors.blurred(columns, 25)
    assert images(found) == [0]
    assert found.limit == 25


def test_a_set_of_soft_pictures_is_not_blurred_as_a_whole():
    columns = dataset(sharpness=[20, 22, 24, 24, 23, 5.4], luma_std=[60] * 6)
    found = detectors.blurred(columns, 25)
    assert images(found) == [5]
    assert found.limit == 22.5 / 4


def test_a_threshold_above_the_default_decides_alone():
    columns = dataset(sharpness=[90, 110, 150, 80], luma_std=[9, 60, 60, 2])
    assert images(detectors.blurred(columns, 120)) == [0, 1]


def test_a_set_of_blurred_pictures_is_blurred_as_a_whole():
    columns = dataset(sharpness=[2.0, 3, 4], luma_std=[60] * 3)
    assert images(detectors.blurred(columns, 25)) == [0, 1, 2]


def test_limits_are_exclusive_and_missing_values_are_never_found():
    columns = dataset(luma_p5=[10, 20, 30, np.nan])
    assert images(detectors.below(columns, 20, "luma_p5")) == [0]
    assert images(detectors.above(columns, 20, "luma_p5")) == [2]
    assert images(detectors.above(columns, 20, "luma_p95")) == []


def test_upright_pictures_among_pictures_across_have_no_odd_aspect():
    columns = dataset(aspect=[1.5] * 10 + [1 / 1.5] + [6.0] + [1 / 6])
    assert images(detectors.odd_aspect(columns, 3.5)) == [11, 12]


def test_odd_sizes_are_far_larger_or_smaller():
    side = [1000, 1010, 990, 1100, 900, 1000, 40, 20_000]
    assert images(detectors.odd_size(dataset(width=side, height=side), 8)) == [6, 7]


def test_a_set_of_one_size_and_one_aspect_has_nothing_odd():
    columns = dataset(width=[256] * 9 + [255], height=[256] * 10, aspect=[1] * 9 + [255 / 256])
    assert images(detectors.odd_size(columns, 3.5)) == []
    assert images(detectors.odd_aspect(columns, 3.5)) == []


def test_gray_pictures_are_told_among_colors_only():
    assert images(detectors.gray(dataset(colorfulness=[0, 30, 40, 1, np.nan]), 3)) == [0, 3]
    assert images(detectors.gray(dataset(colorfulness=[0, 0, 40, 1]), 3)) == []


def picture_hash(picture):
    """Perceptual hash of 32x32 values from the definition of the cosine transform."""
    cosines = np.cos(np.pi / 32 * np.outer(np.arange(8), np.arange(32) + 0.5))
    block = cosines @ (picture - picture.mean()) @ cosines.T
    return int("".join("01"[int(bit)] for bit in (block > np.median(block)).ravel()), 2)


def scenes(count, seed=1):
    random = np.random.default_rng(seed)
    return [np.cumsum(np.cumsum(random.normal(size=(32, 32)), 0), 1) for _ in range(count)]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_picture_that_is_also_there_turned_is_suspicious(quarters):
    pictures = scenes(30)
    pictures += [np.rot90(pictures[7], quarters)] * 2
    columns = dataset(hashes=[*map(picture_hash, pictures)])
    found = detectors.suspicious_orientation(columns, 6)
    assert groups_of(found) == [[7, 30, 31]]  # the last one is a copy
    assert (found.value[[7, 30, 31]] <= 6).all()
    assert np.isnan(found.value[:7]).all()


def test_copies_of_a_picture_that_looks_the_same_when_turned_are_not_suspicious():
    (scene,) = scenes(1)
    symmetric = sum(np.rot90(scene, quarters) for quarters in range(4))
    hashes = [picture_hash(symmetric)] * 2
    assert images(detectors.suspicious_orientation(dataset(hashes=hashes), 4)) == []


def test_a_picture_that_was_cut_off_is_told_but_not_the_margin_of_a_page():
    """The third one is a page, the fourth one uniform, the last one an empty page with noise."""
    columns = dataset(
        border=[0, 0.3, 0.6, 1, 0.04, np.nan, 0.99],
        entropy=[7, 5.5, 2.2, 0, 7, np.nan, 3],
        luma_std=[50, 50, 50, 0, 50, np.nan, 2],
    )
    assert images(detectors.truncated_edges(columns, 0.05)) == [1]


def test_the_entropy_within_a_border_is_that_of_the_picture_without_it():
    """Photos that are cut off are told however much is missing; here within the border is noise."""
    random = np.random.default_rng(1)
    for share in (0.1, 0.5, 0.9):
        luma = random.integers(0, 60, 100_000)
        luma[: int(share * luma.size)] = 128
        counts = np.bincount(luma) / luma.size
        entropy = -float(sum(p * np.log2(p) for p in counts if p))
        columns = dataset(border=[share], entropy=[entropy])
        assert images(detectors.truncated_edges(columns, 0.05)) == [0]


#: A JPEG of quality 90 with 0.15 bytes per pixel and some detail.
JPEG = {"bytes_per_pixel": [0.15], "jpeg_quality": [90], "sharpness": [30], "entropy": [7.2]}


@pytest.mark.parametrize(
    ("changed", "is_told"),
    [
        ({}, False),
        ({"bytes_per_pixel": [0.06]}, True),
        ({"bytes_per_pixel": [0.06], "camera": ["Canon"]}, False),
        ({"bytes_per_pixel": [0.06], "colorfulness": [0]}, False),
        ({"bytes_per_pixel": [0.06], "border": [0.4]}, False),
        ({"bytes_per_pixel": [0.06], "entropy": [4]}, False),
        ({"bytes_per_pixel": [0.06], "jpeg_quality": [40]}, False),
        ({"bytes_per_pixel": [0.06], "jpeg_quality": [np.nan]}, False),
    ],
)
def test_an_enlarged_jpeg_has_few_bytes_for_its_pixels(changed, is_told):
    values = {"colorfulness": [40], "border": [0], **JPEG, **changed}
    assert detectors.upscaled(dataset(**values), 0.65).mask.tolist() == [is_told]


SCREEN = {"width": [1920], "height": [1080], "format": ["png"], "entropy": [4.0]}


@pytest.mark.parametrize(
    ("name", "changed", "signs", "is_told"),
    [
        ("a.png", {}, 4, True),
        ("Screenshot 2026-01-01.png", {}, 5, True),
        ("a.png", {"width": [1080], "height": [1920]}, 4, True),
        ("Bildschirmfoto 1.png", {"width": [777]}, 4, True),
        ("a.png", {"width": [777]}, 3, False),
        ("a.jpg", {"format": ["jpeg"], "entropy": [7.0], "camera": ["Canon"]}, 1, False),
        ("a.jpg", {"format": ["jpeg"], "entropy": [7.0]}, 2, False),
    ],
)
def test_a_screenshot_has_several_signs_and_a_size_or_name(name, changed, signs, is_told):
    found = detectors.screenshot(dataset(names=[name], **{**SCREEN, **changed}), 3)
    assert found.value.tolist() == [signs]
    assert found.mask.tolist() == [is_told]


def test_an_image_that_failed_is_no_screenshot():
    columns = dataset(names=["screenshot.png"], width=[np.nan], height=[np.nan], entropy=[np.nan])
    assert images(detectors.screenshot(columns, 1)) == []


def test_blank_scans_are_light_pale_and_uniform():
    columns = dataset(
        luma_std=[3, 3, 30, 6, 3],
        luma_p5=[235, 60, 235, 235, 235],
        luma_p1=[230, 55, 20, 100, 230],
        colorfulness=[5, 5, 5, 5, 30],
    )
    assert images(detectors.blank_scan(columns, 8)) == [0]


def test_an_empty_dataset_has_no_findings():
    columns = ArrayColumns([], {})
    for detect in (
        detectors.duplicates,
        detectors.same_pixels,
        lambda columns: detectors.near_duplicate(columns, detectors.similar(columns, 8)),
    ):
        assert images(detect(columns)) == []
    for detect in (
        detectors.blurred,
        detectors.odd_aspect,
        detectors.odd_size,
        detectors.gray,
        detectors.suspicious_orientation,
        detectors.upscaled,
        detectors.truncated_edges,
        detectors.screenshot,
        detectors.blank_scan,
    ):
        assert images(detect(columns, 4)) == []
