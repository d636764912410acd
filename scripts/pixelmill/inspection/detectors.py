"""Detectors: which images of a dataset have a finding, by their metrics."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelmill.inspection import near_duplicates
from pixelmill.inspection.columns import Columns, Mask, Numbers, robust_z, same
from pixelmill.inspection.near_duplicates import NearDuplicates


class Detected(NamedTuple):
    """Images with a finding.

    Attributes
    ----------
    mask : ndarray of shape (images,), bool
        Which images have it.
    value : ndarray of shape (images,), float64
        What was compared with the threshold; NaN if nothing was.
    group : ndarray of shape (images,), int64, optional
        Images with the same number belong together.
    limit : float, optional
        What the values were compared with, if it was not the threshold but followed from it and
        from the set.
    """

    mask: Mask
    value: Numbers
    group: NDArray[np.int64] | None = None
    limit: float | None = None


#: Pictures with less contrast than this are flat: the standard deviation of their luma.
FLAT = 4.0

#: A picture is gray if its colorfulness is below this: JPEG noise in a gray picture stays below.
_MOST_COLOR_OF_GRAY = 3.0

#: Share of gray pictures in a set of which the others are in color.
_MOST_GRAY = 0.5

#: Least deviation for robust scores: a tenth, of sides and of pixels, is no unusual difference.
_LEAST_DEVIATION = 0.1

#: Bits by which two difference hashes of near-duplicates may differ more than their
#: perceptual hashes. Cropping by 2 % moves edges across the 9x8 grid of the former.
DHASH_MARGIN = 4

#: Sides of screens in pixels, the longer one first: of desktops, laptops, tablets and phones
#: (StatCounter, "Screen resolution stats worldwide", 2024 to 2026, and data sheets of phones).
SCREENS = frozenset(
    {
        *((1024, 768), (1280, 720), (1280, 800), (1280, 1024), (1366, 768), (1440, 900)),
        *((1536, 864), (1600, 900), (1680, 1050), (1920, 1080), (1920, 1200), (2048, 1152)),
        *((2048, 1536), (2160, 1440), (2224, 1668), (2256, 1504), (2266, 1488), (2360, 1640)),
        *((2388, 1668), (2560, 1080), (2560, 1440), (2560, 1600), (2732, 2048), (2736, 1824)),
        *((2880, 1800), (2880, 1920), (3000, 2000), (3024, 1964), (3072, 1920), (3440, 1440)),
        *((3456, 2234), (3840, 2160), (3840, 2400), (5120, 2880), (6016, 3384)),
        *((1136, 640), (1334, 750), (1560, 720), (1600, 720), (1612, 720), (1792, 828)),
        *((2208, 1242), (2280, 1080), (2340, 1080), (2400, 1080), (2408, 1080), (2412, 1080)),
        *((2436, 1125), (2448, 1080), (2460, 1080), (2532, 1170), (2556, 1179), (2622, 1206)),
        *((2688, 1242), (2778, 1284), (2796, 1290), (2868, 1320), (2960, 1440), (2992, 1344)),
        *((3088, 1440), (3120, 1440), (3200, 1440)),
    }
)

#: Names that systems and browsers give to screenshots, in several languages.
_SCREENSHOT_NAME = re.compile(
    r"screen[ _-]?shot|screen[ _-]?cap|bildschirmfoto|capture d.{1,3}cran|captura de pantalla"
    r"|captura de tela",
    re.IGNORECASE,
)

_LOSSLESS = frozenset({"png", "bmp", "webp", "tiff", "gif"})


def duplicates(columns: Columns) -> Detected:
    """Find images whose files have the same bytes."""
    group = same(columns.texts("content_digest"))
    return Detected(group >= 0, _sizes(group), group)


def same_pixels(columns: Columns) -> Detected:
    """Find images whose files differ, while their decoded pixels are the same."""
    group = same(columns.texts("pixel_digest"))
    group = _without_copies(group, columns)
    return Detected(group >= 0, _sizes(group), group)


def similar(columns: Columns, distance: float) -> NearDuplicates:
    """Find the pairs of pictures that are near each other; flat pictures are not compared."""
    phash, has_phash = columns.hashes("phash")
    dhash, has_dhash = columns.hashes("dhash")
    flat = columns.numbers("luma_std") < FLAT
    return near_duplicates.find(
        phash, dhash, has_phash & has_dhash & ~flat, int(distance), int(distance) + DHASH_MARGIN
    )


def near_duplicate(columns: Columns, near: NearDuplicates) -> Detected:
    """Find groups of pictures that look nearly the same, unless all are copies of one file."""
    representative, bits = near_duplicates.groups(near)
    compared = near.node >= 0
    group = np.full(len(columns), -1, np.int64)
    value = np.full(len(columns), np.nan)
    group[compared] = representative[near.node[compared]]
    value[compared] = bits[near.node[compared]]
    group = np.where(_sizes(group) > 1, group, -1)
    group = _without_copies(group, columns, "pixel_digest")
    return Detected(group >= 0, value, group)


def _sizes(group: NDArray[np.int64]) -> Numbers:
    """Return the number of images in the group of each image; NaN for those in none."""
    counts = np.bincount(group[group >= 0], minlength=1)
    return np.where(group >= 0, counts[np.maximum(group, 0)], np.nan)


def _without_copies(group: NDArray[np.int64], columns: Columns, *names: str) -> NDArray[np.int64]:
    """Leave out groups in which all images have the same bytes, or the same text in a column."""
    for name in ("content_digest", *names):
        texts = columns.texts(name)
        first: dict[int, str] = {}
        differing = set()
        for number, text in zip(group.tolist(), texts.tolist(), strict=True):
            if number >= 0 and (not text or first.setdefault(number, text) != text):
                differing.add(number)
        group = np.where(np.isin(group, np.fromiter(differing, np.int64)), group, -1)
    return group


def below(columns: Columns, threshold: float, metric: str) -> Detected:
    """Find images of which a metric is below the threshold."""
    value = columns.numbers(metric)
    return Detected(value < threshold, value)


def above(columns: Columns, threshold: float, metric: str) -> Detected:
    """Find images of which a metric is above the threshold."""
    value = columns.numbers(metric)
    return Detected(value > threshold, value)


#: Default threshold of `blurred`.
BLURRED = 25.0


def blurred(columns: Columns, threshold: float) -> Detected:
    """Find pictures without sharp edges.

    Drawings, scans and generated pictures may all be softer than photos. So a picture must also be
    softer than a quarter of the median of its set, unless it is softer than any picture that is in
    focus. Dark and pale pictures have weak edges, even if these are sharp: the sharpness must also
    be small for the contrast. A threshold above the default was chosen for the set, and so it
    decides alone.
    """
    value, contrast = columns.numbers("sharpness"), columns.numbers("luma_std")
    if threshold > BLURRED:
        return Detected((value < threshold) & ~(contrast < FLAT), value)
    measured = value[np.isfinite(value)]
    median = float(np.median(measured)) if measured.size else 0.0
    limit = min(threshold, max(_BLURRED_SHARE * median, _ALWAYS_BLURRED))
    mask = (value < limit) & (value < _MOST_BLURRED_CONTRAST * contrast**2)
    return Detected(mask & ~(contrast < FLAT), value, limit=limit)


#: Share of the median of a set, below which the sharpness of a blurred picture is; what is always
#: blurred; and the largest ratio of the variances of the Laplacian and of the luma of a picture
#: that is. 79 photos in focus have ratios of at least 0.025.
_BLURRED_SHARE, _ALWAYS_BLURRED, _MOST_BLURRED_CONTRAST = 0.25, 5.0, 0.01


def odd_aspect(columns: Columns, threshold: float) -> Detected:
    """Find pictures that are more elongated than others, upright or across."""
    value = robust_z(np.abs(np.log(columns.numbers("aspect"))), _LEAST_DEVIATION)
    return Detected(value > threshold, value)


def odd_size(columns: Columns, threshold: float) -> Detected:
    """Find pictures with far more or far fewer pixels than others."""
    pixels = columns.numbers("width") * columns.numbers("height")
    value = robust_z(np.log(pixels), _LEAST_DEVIATION)
    return Detected(np.abs(value) > threshold, value)


def gray(columns: Columns, threshold: float) -> Detected:
    """Find gray pictures in a set of which most are in color."""
    value = columns.numbers("colorfulness")
    mask = value < threshold
    measured = np.isfinite(value)
    if mask.sum() > _MOST_GRAY * measured.sum():
        mask = np.zeros(len(columns), bool)
    return Detected(mask, value)


def suspicious_orientation(columns: Columns, threshold: float) -> Detected:
    """Find pictures that are also there turned by a quarter or a half: one of them lies wrong."""
    phash, usable = columns.hashes("phash")
    usable = usable & ~(columns.numbers("luma_std") < FLAT)
    count = len(columns)
    bits = np.full(count, near_duplicates.BITS, np.int64)
    pairs = []
    for quarters in (1, 2):  # turning one picture by three quarters is turning the other by one
        turned = near_duplicates.turned(phash, quarters)
        both = np.concatenate((phash, turned))
        near = near_duplicates.find(
            both, np.zeros_like(both), np.tile(usable, 2), int(threshold), near_duplicates.BITS
        )
        upright, other = _across(near, count)
        is_other = (
            np.bitwise_count(phash[upright] ^ phash[other]) > near_duplicates.LARGEST_DISTANCE
        )
        upright, other = upright[is_other], other[is_other]
        differing = np.bitwise_count(phash[upright] ^ turned[other])
        np.minimum.at(bits, upright, differing)
        np.minimum.at(bits, other, differing)
        pairs.append((upright, other))
    root = near_duplicates.components(count, *map(np.concatenate, zip(*pairs, strict=True)))
    # Only one image stands for those with the same hash.
    found = np.flatnonzero(bits < near_duplicates.BITS)
    of_hash = dict(zip(phash[found].tolist(), found.tolist(), strict=True))
    rows = zip(phash.tolist(), usable.tolist(), strict=True)
    like = np.array([of_hash.get(one, -1) if is_usable else -1 for one, is_usable in rows], int)
    mask = like >= 0
    return Detected(mask, np.where(mask, bits[like], np.nan), np.where(mask, root[like], -1))


def _across(near: NearDuplicates, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the pairs of an upright image and another one that was turned.

    Only the first image stands for those with equal hashes.
    """
    upright = _first_of_each_node(near.node[:count], len(near.phash))
    turned = _first_of_each_node(near.node[count:], len(near.phash))
    nodes = np.arange(len(near.phash), dtype=np.int32)  # for those with the same hash
    left = upright[np.concatenate((near.first, near.second, nodes))]
    right = turned[np.concatenate((near.second, near.first, nodes))]
    valid = (left >= 0) & (right >= 0) & (left != right)
    return left[valid], right[valid]


def _first_of_each_node(node: NDArray[np.int32], nodes: int) -> NDArray[np.int32]:
    """Return the first image of each node; -1 for nodes without one."""
    first = np.full(nodes, -1, np.int32)
    compared = np.flatnonzero(node >= 0)[::-1]  # so that the first image is written last
    first[node[compared]] = compared
    return first


def upscaled(columns: Columns, threshold: float) -> Detected:
    """Find JPEGs with few bytes for their pixels, sharpness and quality.

    Enlarging adds pixels, but no detail to code. Cameras have more pixels than detail too, so
    photos that name their camera are left out; so are gray ones, which have no color to code.
    """
    quality, sharpness = columns.numbers("jpeg_quality"), columns.numbers("sharpness")
    base, linear, square, by_sharpness = _LOG_BYTES_PER_PIXEL
    expected = base + quality * (linear + quality * square) + by_sharpness * np.log1p(sharpness)
    value = columns.numbers("bytes_per_pixel") / np.exp(expected)
    applies = (quality >= _LEAST_QUALITY) & ~(columns.numbers("colorfulness") < _MOST_COLOR_OF_GRAY)
    applies &= (columns.texts("camera") == "") & (columns.numbers("border") < _LEAST_FRAME)
    applies &= columns.numbers("entropy") > _ENTROPY_OF_PHOTOS
    return Detected((value < threshold) & applies, np.where(applies, value, np.nan))


#: Least squares fit to 979 pictures that were not enlarged, of the logarithm of bytes per pixel: a
#: constant, the factors of the quality and of its square, and that of the logarithm of 1 plus the
#: sharpness. Below the quality, the fit does not hold.
_LOG_BYTES_PER_PIXEL = (8.14686, -0.293722, 0.00196867, 0.172270)
_LEAST_QUALITY = 70

#: Least entropy of photos that are exposed well, in bits; areas of one color make that of screens
#: smaller. The 979 pictures have 6.2 or more.
_ENTROPY_OF_PHOTOS = 6.0

#: A border that takes a larger share needs no bytes, and so is no sign of a picture's detail.
_LEAST_FRAME = 0.02


def truncated_edges(columns: Columns, threshold: float) -> Detected:
    """Find photos of which a uniform border takes a part: a file that was cut off, or a frame.

    Pages and screenshots have margins by design: what is within them has far fewer levels than
    a photo. The entropy within a border follows from that of the whole picture, because the border
    has one level: H = H(share) + (1 - share) H(within).
    """
    value = columns.numbers("border")
    inner = np.clip(1 - value, 1e-9, 1)
    share = np.clip(value, 1e-9, 1)
    of_share = -share * np.log2(share) - inner * np.log2(inner)
    within = (columns.numbers("entropy") - of_share) / inner
    # A border has some levels of noise. In a flat picture, they are all there is.
    is_photo = (within > _ENTROPY_WITHIN_BORDER) & ~(columns.numbers("luma_std") < FLAT)
    return Detected((value > threshold) & (value < 1) & is_photo, value)


#: Least entropy of a part of a photo, in bits; the pages and screens of the set have at most 3.3.
_ENTROPY_WITHIN_BORDER = 5.0


def screenshot(columns: Columns, threshold: float) -> Detected:
    """Find screenshots by how many of five signs they have."""
    width, height = columns.numbers("width"), columns.numbers("height")
    sides = zip(np.fmax(width, height).tolist(), np.fmin(width, height).tolist(), strict=True)
    has_screen = np.array([side in SCREENS for side in sides], bool)
    named = np.array([bool(_SCREENSHOT_NAME.search(source)) for source in columns.sources], bool)
    lossless = np.isin(columns.texts("format"), list(_LOSSLESS))
    no_camera = (columns.texts("camera") == "") & (columns.texts("taken") == "")
    few_levels = columns.numbers("entropy") < _ENTROPY_OF_PHOTOS
    signs = [has_screen, named, lossless, no_camera, few_levels]
    value = np.stack(signs).sum(axis=0).astype(np.float64)
    mask = (value >= threshold) & (has_screen | named) & np.isfinite(width)
    return Detected(mask, value)


def blank_scan(columns: Columns, threshold: float) -> Detected:
    """Find scans of empty pages: light, without color, and nearly uniform."""
    value = columns.numbers("luma_std")
    light = (columns.numbers("luma_p5") > _PAPER) & (columns.numbers("luma_p1") > _INK)
    pale = columns.numbers("colorfulness") < _MOST_COLOR_OF_PAPER
    return Detected((value < threshold) & light & pale, value)


#: Luma that nearly all of an empty page exceeds, and that no ink of a page with text does.
_PAPER, _INK = 180.0, 140.0

#: Colorfulness of yellowed paper is up to 6; that of plain areas in a light color is 19 or more.
_MOST_COLOR_OF_PAPER = 12.0
