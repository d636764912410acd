"""Contact sheet: a dozen images before and after: the slowest, the least similar, and others."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
from PIL import Image

from pixelmill.core.errors import UserError
from pixelmill.dataset.catalog import find
from pixelmill.dataset.file_names import LEDGER
from pixelmill.dataset.layout import Layout, Tree
from pixelmill.dataset.ledger import Example, open_to_read
from pixelmill.dataset.places import Places
from pixelmill.report.collect import by_recipe
from pixelmill.report.thumbnails import LARGEST_PIXELS, data_url, thumbnail
from pixelmill.storage.archives import is_archive

#: Largest number of pairs of one dataset and recipe, and of a whole page, which stays small.
SHOWN = 12
MOST_PAIRS = 36

#: Longer side of each picture in pixels: sharp on a phone, and large enough to be enlarged.
SIDE = 320

#: How many images are shown as the slowest, the least similar, and so on.
OF_EACH = 3

#: Largest number of images that are compared, and of their pixels together: half a second of work.
MOST_EXAMPLES = 48
MOST_PIXELS = 100_000_000

#: Both pictures are stretched to a square of this side, in pixels, to be compared.
_COMPARED = 48


@dataclass(frozen=True)
class Pair:
    """An image before and after.

    Attributes
    ----------
    source : str
    difference : float
        Mean absolute difference at thumbnail size, 0..1.
    facts : Example
    before, after : str
        JPEG as data URLs.
    before_size, after_size : tuple of int
        Sizes of the pictures, in pixels.
    kinds : tuple of str
        Why it is shown: "slowest", "least similar", "largest savings", or "sample".
    link : str
        Relative address of the output from the page; empty if it does not lie beside the page.
    """

    source: str
    difference: float
    facts: Example
    before: str
    after: str
    before_size: tuple[int, int]
    after_size: tuple[int, int]
    kinds: tuple[str, ...] = ("sample",)
    link: str = ""


class Chosen(NamedTuple):
    """An image to show: why, its pictures, and how different they are."""

    kinds: tuple[str, ...]
    facts: Example
    before: Image.Image
    after: Image.Image
    difference: float


def contact_sheets(
    trees: Iterable[Tree], config: Mapping[str, Any], page: str = ""
) -> dict[tuple[str, str], list[Pair]]:
    """Return contact sheets by dataset and recipe, for datasets whose folder is in the config.

    Parameters
    ----------
    trees : iterable of Tree
    config : mapping
    page : str
        Folder of the page, for links.
    """
    groups = [group for _, group in by_recipe(trees)]
    shown = max(4, min(SHOWN, MOST_PAIRS // max(1, len(groups))))
    found = {}
    for tree, *_ in groups:
        if tree.dataset in config.get("datasets", {}):
            folder, _ = Layout({"results": "", **config}).source(tree.dataset)
            found[tree.dataset, tree.recipe] = contact_sheet(tree.path, folder, page, shown)
    return found


def contact_sheet(tree: str, folder: str, page: str = "", shown: int = SHOWN) -> list[Pair]:
    """Choose a dozen images of an output tree, each with its source.

    Parameters
    ----------
    tree : str
        Folder of the output tree.
    folder : str
        Folder of its sources, or their archives.
    page : str
        Folder of the page, for links.
    shown : int
        Number of images.

    Returns
    -------
    list of Pair
        The largest difference first. Images that cannot be read or are gone are left out; only
        the first variant is shown.
    """
    pairs = []
    for kinds, facts, before, after, different in _chosen(tree, folder, shown):
        link = link_to(os.path.join(tree, "images", facts.output), page)
        urls, sizes = (data_url(before), data_url(after)), (before.size, after.size)
        pairs.append(Pair(facts.source, round(different, 4), facts, *urls, *sizes, kinds, link))
    return sorted(pairs, key=lambda pair: (-pair.difference, pair.source))


def _chosen(tree: str, folder: str, shown: int) -> list[Chosen]:
    """Choose the images to show: extremes first, then others evenly spread."""
    with open_to_read(os.path.join(tree, LEDGER)) as ledger:
        if ledger is None:
            return []
        count, pixels = ledger.extent(LARGEST_PIXELS)
        affordable = max(shown, min(MOST_EXAMPLES, int(MOST_PIXELS / max(1.0, pixels))))
        spread = ledger.sample(max(1, math.ceil(count / affordable)), LARGEST_PIXELS)
        slowest = ledger.extremes("seconds", OF_EACH, LARGEST_PIXELS)
        smallest = ledger.extremes("saved", OF_EACH, LARGEST_PIXELS)
    smallest = [facts for facts in smallest if facts.bytes_out < facts.bytes_in]
    known = {facts.source: facts for facts in (*slowest, *smallest, *spread)}
    try:
        places = Places(folder, find(folder, known) if is_archive(folder) else ())
        opened = {
            source: found
            for source, facts in known.items()
            if (found := _opened(tree, places, facts)) is not None
        }
    except UserError:  # an archive is gone or damaged
        return []
    differences = {source: difference(*pictures) for source, pictures in opened.items()}
    different = sorted(differences, key=lambda source: (-differences[source], source))
    kinds: dict[str, list[str]] = {}
    extremes = (
        ("least similar", different[:OF_EACH]),
        ("slowest", [facts.source for facts in slowest]),
        ("largest savings", [facts.source for facts in smallest]),
    )
    for kind, sources in extremes:
        for source in sources:
            if source in differences:
                kinds.setdefault(source, []).append(kind)
    others = [source for facts in spread if (source := facts.source) in differences]
    others = [source for source in others if source not in kinds]
    room = max(0, shown - len(kinds))
    for source in others[:: max(1, len(others) // max(1, room))][:room]:
        kinds[source] = ["sample"]
    return [
        Chosen(tuple(why), known[source], *opened[source], differences[source])
        for source, why in kinds.items()
    ][:shown]


def _opened(tree: str, places: Places, facts: Example) -> tuple[Image.Image, Image.Image] | None:
    """Return an image before and after, reduced; None if one of them cannot be read."""
    try:
        before = thumbnail(places.of(facts.source), SIDE)
    except FileNotFoundError:
        return None
    after = thumbnail(os.path.join(tree, "images", facts.output), SIDE) if before else None
    return None if before is None or after is None else (before, after)


def link_to(path: str, page: str) -> str:
    """Return the address of a file, if it lies below the folder that has the page's folder.

    Parameters
    ----------
    path : str
    page : str
        Folder of the page; empty if it is not known.
    """
    beside = os.path.dirname(os.path.abspath(page)) if page else ""
    path = os.path.abspath(path)
    if not beside or not path.startswith(os.path.join(beside, "")):
        return ""
    relative = os.path.relpath(path, os.path.abspath(page)).replace(os.sep, "/")
    return quote(os.fsencode(relative))  # a name may have bytes that are no text


def difference(before: Image.Image, after: Image.Image) -> float:
    """Return the mean absolute difference of two pictures stretched to the same size, 0..1.

    Examples
    --------
    >>> difference(Image.new("RGB", (9, 5)), Image.new("RGB", (20, 20), "white"))
    1.0
    """
    one, other = (
        np.asarray(picture.resize((_COMPARED, _COMPARED), Image.Resampling.BOX), np.float32)
        for picture in (before, after)
    )
    return float(np.mean(np.abs(one - other)) / 255)
