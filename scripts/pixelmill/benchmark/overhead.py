"""Overhead: the time that the library needs in addition to the calls of codecs and steps."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from PIL import Image

from pixelmill.core.jobs import Job, Outcome
from pixelmill.dataset.entries import Entry
from pixelmill.imaging.backends.base import Backend, Prepared
from pixelmill.imaging.backends.registry import backend
from pixelmill.imaging.codecs import jpeg
from pixelmill.imaging.codecs.decoded import Decoded
from pixelmill.imaging.codecs.formats import output_format
from pixelmill.imaging.codecs.reading import content_digest
from pixelmill.imaging.parameters import Box
from pixelmill.imaging.recipe import Recipe
from pixelmill.imaging.renderer import Renderer, size_hint_of

#: Without metadata for the file.
_NOTHING_MORE = Decoded([], None, 0, "")


def overhead(
    source: str, target: str, recipe: Recipe, entries: Sequence[Entry]
) -> dict[str, float]:
    """Measure the library and the same bare calls, in turns for each image.

    Returns
    -------
    dict
        Seconds of ``library``, ``bare`` and ``digests`` for all images together.

    Notes
    -----
    Only the first output of a recipe is made.
    """
    first = recipe.outputs[0]
    delivery = {key: value for key, value in first.delivery.items() if key != "sidecar"}
    recipe = replace(recipe.with_files(), outputs=(replace(first, delivery=delivery),))
    renderer = Renderer(source, target, recipe)
    library = backend(recipe.settings["backend"])
    steps = [library.prepare(step, recipe.folder) for step in recipe.all_steps]
    seconds = {"library": 0.0, "bare": 0.0, "digests": 0.0}
    os.makedirs(target, exist_ok=True)
    for number, entry in enumerate(entries):
        path = os.path.join(source, entry.path)
        ours, theirs = os.path.join(target, f"{number}"), os.path.join(target, f"{number}-bare")
        turns: list[tuple[str, Callable[[], Any]]] = [
            ("library", partial(_render, renderer, entry.path, ours)),
            ("bare", partial(_bare, path, theirs, recipe, library, steps)),
        ]
        for name, turn in turns if number % 2 else reversed(turns):
            began = time.perf_counter()
            with contextlib.suppress(Exception):  # a damaged image fails in both
                turn()
            seconds[name] += time.perf_counter() - began
        for data, digest in _digested(path, ours):
            began = time.perf_counter()
            digest(data)
            seconds["digests"] += time.perf_counter() - began
    return seconds


def _render(renderer: Renderer, source: str, output: str) -> Outcome:
    return renderer.render(Job(source, (os.path.relpath(output, renderer.output_root),)))


def _bare(
    path: str, path_out: str, recipe: Recipe, library: Backend, steps: list[Prepared]
) -> None:
    """Make an image with only the necessary calls, directly at its final place."""
    with open(path, "rb") as file:
        data = file.read()
    picture, box, kind = _opened(data, recipe)
    for step in steps:
        picture, box = step(picture, box), None
    output = recipe.outputs[0]
    name = output_format(output.format, kind)
    encode = library.encoder(name, output.options, "#ffffff")
    with open(path_out, "w+b", buffering=0) as file:
        encode([picture], file.fileno(), _NOTHING_MORE)


def _opened(data: bytes, recipe: Recipe) -> tuple[Any, Box | None, str]:
    """Decode with only the necessary calls; return picture, region to use, and format."""
    size_hint = size_hint_of(recipe)
    plain = jpeg.header(data)
    if plain is not None and jpeg.turbo() is not None:
        mode, full, _ = plain
        scale = jpeg.scale_for(full, size_hint, recipe.settings["shrink_margin"])
        return jpeg.decode(data, mode, full, scale), jpeg.region(full, scale), "jpeg"
    with Image.open(io.BytesIO(data)) as image:
        picture = image if image.mode in ("RGB", "L") else image.convert("RGB")
        picture.load()
        return picture, None, (image.format or "").lower()


def _digested(source: str, output: str) -> Iterator[tuple[bytes, Callable[[bytes], Any]]]:
    with open(source, "rb") as file:
        yield file.read(), content_digest
    if not os.path.exists(output):
        return
    with open(output, "rb") as file:
        yield file.read(), lambda data: hashlib.sha256(data).hexdigest()
