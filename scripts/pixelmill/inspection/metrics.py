"""Metrics: the columns of the table of metrics, with type, unit and meaning of each.

Everything that writes, reads or explains a metric takes it from this registry. `docs/metrics.md`
has the formulas with their sources; a test compares it with the registry.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

#: Longer side in pixels to which a picture is reduced before it is measured.
LONGEST_SIDE = 512


class Kind(enum.Enum):
    """The type of a metric: how it is held in memory and written."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    HASH = "hash of 64 bits"
    DIGEST = "digest of 128 bits"


class Origin(enum.Enum):
    """What a metric is known from."""

    SOURCE = "the list of sources"
    FILE = "the bytes of the file"
    PICTURE = "the reduced picture"
    PIXELS = "the whole picture"


class Metric(NamedTuple):
    """A column of the table.

    Attributes
    ----------
    name : str
    kind : Kind
    origin : Origin
    unit : str
        Empty for texts, hashes and digests.
    description : str
        One sentence.
    """

    name: str
    kind: Kind
    origin: Origin
    unit: str
    description: str


def _luma_percentile(percent: int) -> Metric:
    description = f"The luma that {percent} % of the pixels do not exceed."
    return Metric(f"luma_p{percent}", Kind.INTEGER, Origin.PICTURE, "level", description)


def _of_channel(color: str, statistic: str, word: str) -> Metric:
    description = f"{word} of the {color} channel, for normalization."
    return Metric(f"{color}_{statistic}", Kind.NUMBER, Origin.PICTURE, "share", description)


#: Percentiles of luma that are measured.
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)

#: Colours in the order of the columns.
COLORS = ("red", "green", "blue")

_ALL = (
    Metric("source", Kind.TEXT, Origin.SOURCE, "", "The path below the folder of the images."),
    Metric("reason", Kind.TEXT, Origin.SOURCE, "", "Why the image could not be measured."),
    Metric("bytes", Kind.INTEGER, Origin.SOURCE, "byte", "The size of the file."),
    Metric("content_digest", Kind.DIGEST, Origin.SOURCE, "", "XXH3 of the bytes of the file."),
    Metric("format", Kind.TEXT, Origin.FILE, "", "The format that the first bytes show."),
    Metric("mode", Kind.TEXT, Origin.FILE, "", "The channels as they are coded."),
    Metric("bits", Kind.INTEGER, Origin.FILE, "bit", "The bits of a channel as it is coded."),
    Metric("width", Kind.INTEGER, Origin.PIXELS, "px", "The width of the upright picture."),
    Metric("height", Kind.INTEGER, Origin.PIXELS, "px", "The height of the upright picture."),
    Metric("aspect", Kind.NUMBER, Origin.PIXELS, "ratio", "Width divided by height."),
    Metric(
        *("bytes_per_pixel", Kind.NUMBER, Origin.PIXELS, "byte/px"),
        "The size of the file divided by width times height.",
    ),
    Metric(
        *("taken", Kind.TEXT, Origin.FILE, ""),
        "When the picture was taken according to EXIF, in ISO 8601 and the time of the camera.",
    ),
    Metric("camera", Kind.TEXT, Origin.FILE, "", "Maker and model according to EXIF."),
    Metric("luma_mean", Kind.NUMBER, Origin.PICTURE, "level", "Mean luma."),
    Metric("luma_std", Kind.NUMBER, Origin.PICTURE, "level", "Standard deviation of luma."),
    *map(_luma_percentile, PERCENTILES),
    *(_of_channel(color, "mean", "Mean") for color in COLORS),
    *(_of_channel(color, "std", "Standard deviation") for color in COLORS),
    Metric(
        *("colorfulness", Kind.NUMBER, Origin.PICTURE, "level"),
        "How far the colours are from grey and from each other; 0 for grey.",
    ),
    Metric("entropy", Kind.NUMBER, Origin.PICTURE, "bit", "Entropy of the histogram of luma."),
    Metric(
        "sharpness", Kind.NUMBER, Origin.PICTURE, "level²", "Variance of the Laplacian of luma."
    ),
    Metric(
        *("jpeg_quality", Kind.INTEGER, Origin.FILE, "1 to 100"),
        "The quality of libjpeg whose quantization table is nearest to that of the file.",
    ),
    Metric(
        *("blockiness", Kind.NUMBER, Origin.PICTURE, "ratio"),
        "Steps at the edges of 8x8 blocks divided by those within; 1 without visible blocks.",
    ),
    Metric(
        *("clipped_highlights", Kind.NUMBER, Origin.PICTURE, "share"),
        "Share of the pixels whose luma is white.",
    ),
    Metric(
        *("clipped_shadows", Kind.NUMBER, Origin.PICTURE, "share"),
        "Share of the pixels whose luma is black.",
    ),
    Metric(
        *("transparent", Kind.NUMBER, Origin.PICTURE, "share"),
        "Share of the pixels that are not opaque.",
    ),
    Metric(
        *("border", Kind.NUMBER, Origin.PICTURE, "share"),
        "Share of the area that uniform borders take.",
    ),
    Metric("dhash", Kind.HASH, Origin.PICTURE, "", "Perceptual hash of horizontal differences."),
    Metric("phash", Kind.HASH, Origin.PICTURE, "", "Perceptual hash of low frequencies."),
    Metric("pixel_digest", Kind.DIGEST, Origin.PIXELS, "", "XXH3 of the size and the pixels."),
)

#: All metrics by name, in the order of the columns.
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}


def names_from(*origins: Origin) -> tuple[str, ...]:
    """Return the names of the metrics that are known from the given origins, in their order.

    Examples
    --------
    >>> names_from(Origin.SOURCE)
    ('source', 'reason', 'bytes', 'content_digest')
    """
    return tuple(metric.name for metric in _ALL if metric.origin in origins)
