"""Inspection page: what the images of a dataset are, with pictures of what was found."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pixelmill import __version__
from pixelmill.core.filenames import escape, unescape
from pixelmill.core.files import atomic
from pixelmill.dataset.catalog import find
from pixelmill.dataset.globs import chosen
from pixelmill.dataset.places import Places
from pixelmill.inspection.columns import Columns
from pixelmill.inspection.findings import FINDINGS, SEVERITIES, Finding
from pixelmill.inspection.inspect import Inspection
from pixelmill.inspection.statistics import Normalization
from pixelmill.report import templating
from pixelmill.report.charts.base import NARROW, WIDE
from pixelmill.report.charts.distributions import Dot, histogram, scatter
from pixelmill.report.svg import short
from pixelmill.report.thumbnails import data_url, thumbnail
from pixelmill.storage.archives import is_archive

#: Name of the page.
PAGE = "inspection.html"

#: Most pictures that are shown of a finding, most groups of one, and most pictures of a group.
MOST_SHOWN, MOST_GROUPS, MOST_OF_GROUP = 8, 6, 4

#: Longer side of each picture in pixels.
SIDE = 200

#: Most dots of the scatter plot, which are evenly spread over the images.
MOST_DOTS = 1_500


@dataclass(frozen=True)
class Tile:
    """A picture on the page.

    Attributes
    ----------
    number : int
        Of the image in the table.
    source : str
    url : str
        The picture, as a data URL.
    size : tuple of int
        Of the picture, in pixels.
    value : str
        What was compared with the threshold.
    """

    number: int
    source: str
    url: str
    size: tuple[int, int]
    value: str


@dataclass
class Shown:
    """All images with one finding.

    Attributes
    ----------
    name, title : str
    finding : Finding
    count : int
        Number of images.
    groups : int
        Number of groups; 0 for a finding without groups.
    threshold : str
    tiles : list of list of Tile
        Pictures to show: those of a group in one list, or all in one.
    """

    name: str
    finding: Finding
    count: int
    groups: int
    threshold: str
    tiles: list[list[Tile]] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The name for people."""
        return self.name.replace("_", " ").capitalize()


def write(found: Inspection, source: str, target: str) -> str:
    """Write the page, and return its path.

    Parameters
    ----------
    found : Inspection
    source : str
        Folder of the images, archives of them, or one image.
    target : str
        Folder of the page.
    """
    path = os.path.join(target, PAGE)
    with atomic(path) as file:
        file.write(html(found, chosen(source)[0]))
    return path


def lines(found: Inspection) -> list[str]:
    """Return what was found: the number of images, and then those with each finding."""
    images, measured = len(found.table), found.done.images
    failed = sum(_failures(found).values())
    told = [f"{images:,} image{'s' * (images != 1)}, {measured:,} measured now, {failed:,} failed"]
    for one in _shown(found):
        groups = f" in {one.groups:,} group{'s' * (one.groups != 1)}" if one.groups else ""
        told.append(f"{one.title}: {one.count:,}{groups}")
    return told


def html(found: Inspection, folder: str) -> str:
    """Render the page; it needs no network and no other file.

    Parameters
    ----------
    found : Inspection
    folder : str
        Folder of the images, or archives of them.
    """
    shown, tiles = _shown(found), _Tiles(found, folder)
    for one in shown:
        one.tiles = tiles.of(one.name)
    columns, statistics = found.table, found.statistics
    now = time.localtime()
    script = templating.source("report.js")
    page = templating.environment().get_template(PAGE)
    dots = tiles.dots()
    return page.render(
        name=escape(os.path.basename(os.path.abspath(folder))),
        version=__version__,
        made=f"{now.tm_mday} {time.strftime('%B %Y, %H:%M %Z', now)}",
        images=len(columns),
        measured=found.done.images,
        bytes=int(np.nansum(columns.numbers("bytes"))),
        failed=_failures(found).most_common(),
        odd=_with_findings(found),
        found=shown,
        sentence=_sentence(shown),
        scatter=partial(scatter, dots, across="sharpness", up="mean luma") if dots else None,
        histograms=[chart for chart in _charts(columns) if chart.draw(WIDE)],
        normalization=_constants(statistics["normalization"]),
        formats=_named(statistics["formats"]),
        cameras=_named(statistics["cameras"]),
        months=_named(statistics["months"]),
        widths=(WIDE, NARROW),
        style=Markup(templating.source("report.css")),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _shown(found: Inspection) -> list[Shown]:
    """Return the findings that some image has, the most severe first, then the most frequent."""
    shown = []
    for name, one in found.findings.found.items():
        detected = one.detected
        count = int(detected.mask.sum())
        if not count:
            continue
        groups = 0 if detected.group is None else len(np.unique(detected.group[detected.mask]))
        limit = "" if one.limit is None else f"{one.limit:.4g}"
        shown.append(Shown(name, FINDINGS[name], count, groups, limit))
    severities = SEVERITIES[::-1]
    return sorted(shown, key=lambda one: (severities.index(one.finding.severity), -one.count))


def _failures(found: Inspection) -> Counter[str]:
    return Counter(reason for reason in found.table.texts("reason").tolist() if reason)


def _with_findings(found: Inspection) -> int:
    """Return the number of images with any finding."""
    masks = [one.detected.mask for one in found.findings.found.values()]
    return int(np.logical_or.reduce(masks).sum())


def _named(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return counts by name; what has none is called unknown."""
    return [(name or "unknown", count) for name, count in counts.items()]


def _constants(found: Normalization | None) -> str:
    """Write the constants as code that can be pasted."""
    return "" if found is None else f"mean = {found['mean']}\nstd = {found['std']}"


def _sentence(shown: Sequence[Shown]) -> str:
    """Say what was found, in one sentence."""
    if not shown:
        return "Nothing unusual was found."
    parts = [f"{one.title.lower()} ({one.count:,})" for one in shown[:4]]
    rest = len(shown) - len(parts)
    more = f", and {rest} other finding{'s' * (rest != 1)}" if rest else ""
    return f"Found: {', '.join(parts)}{more}."


class _Chart(NamedTuple):
    """A histogram of the page: its title, and a function that draws it at a width."""

    title: str
    draw: Callable[[float], Markup]


def _charts(columns: Columns) -> list[_Chart]:
    """Return the histograms of the page."""
    megapixels = columns.numbers("width") * columns.numbers("height") / 1e6
    kilobytes = columns.numbers("bytes") / 1e3
    drawn = (
        ("Size", megapixels, "megapixels", True),
        ("Size of the file", kilobytes, "kB", True),
        ("Aspect ratio", columns.numbers("aspect"), "width divided by height", True),
        ("Brightness", columns.numbers("luma_mean"), "mean luma, 0 to 255", False),
        ("Sharpness", columns.numbers("sharpness"), "variance of the Laplacian", True),
    )
    return [
        _Chart(title, partial(histogram, values, label=label, what="images", log=log))
        for title, values, label, log in drawn
    ]


def _places(found: Inspection, folder: str) -> Places:
    """Return where the images with findings are read."""
    if not is_archive(folder):
        return Places(folder)
    masks = [one.detected.mask for one in found.findings.found.values()]
    wanted = np.flatnonzero(np.logical_or.reduce(masks)).tolist()
    return Places(folder, find(folder, {unescape(found.table.sources[n]) for n in wanted}))


class _Tiles:
    """The pictures of the page; each source is opened once."""

    def __init__(self, found: Inspection, folder: str) -> None:
        self._found = found
        self._places = _places(found, folder)
        self._pictures: dict[int, tuple[str, tuple[int, int]] | None] = {}

    def of(self, name: str) -> list[list[Tile]]:
        """Return the pictures that are shown of a finding."""
        one = self._found.findings.found[name]
        detected = one.detected
        numbers = np.flatnonzero(detected.mask)
        if detected.group is None:
            beyond = np.abs(detected.value[numbers] - (one.limit or 0.0))
            lists = [numbers[np.argsort(-beyond, kind="stable")[:MOST_SHOWN]].tolist()]
        else:
            groups = detected.group[numbers]
            first = np.unique(groups)[:MOST_GROUPS]
            lists = [numbers[groups == group][:MOST_OF_GROUP].tolist() for group in first]
        value = None if detected.group is not None else detected.value
        found = [[self._tile(n, value) for n in members] for members in lists]
        return [tiles for members in found if (tiles := [tile for tile in members if tile])]

    def _tile(self, number: int, value: NDArray[np.float64] | None) -> Tile | None:
        source = self._found.table.sources[number]
        if number not in self._pictures:
            self._pictures[number] = self._picture(unescape(source))
        if (known := self._pictures[number]) is None:
            return None
        told = "" if value is None or not np.isfinite(value[number]) else short(value[number])
        return Tile(number, source, *known, told)

    def _picture(self, source: str) -> tuple[str, tuple[int, int]] | None:
        try:
            picture = thumbnail(self._places.of(source), SIDE)
        except FileNotFoundError:
            return None
        return None if picture is None else (data_url(picture), picture.size)

    def dots(self) -> list[Dot]:
        """Return the dots of the scatter plot; those with a picture on the page show it."""
        columns = self._found.table
        sharpness, luma = columns.numbers("sharpness"), columns.numbers("luma_mean")
        measured = np.flatnonzero(np.isfinite(sharpness) & np.isfinite(luma))
        picked = {*measured[:: max(1, -(-len(measured) // MOST_DOTS))].tolist()}
        picked |= {number for number, picture in self._pictures.items() if picture}
        return [
            Dot(
                float(sharpness[number]),
                float(luma[number]),
                columns.sources[number],
                number if self._pictures.get(number) else None,
            )
            for number in sorted(picked & {*measured.tolist()})
        ]
