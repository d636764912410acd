"""Recipes: what to do with an image, and the fingerprint of that."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pixelmill.core.path_templates import DATE_FIELD, fields_of
from pixelmill.core.user_paths import expanded
from pixelmill.imaging.codecs import tag_names
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS, SAME
from pixelmill.imaging.parameters import (
    Choice,
    ChoiceOrNames,
    Color,
    EncodingTarget,
    File,
    Flag,
    Margin,
    Parameter,
    PathTemplate,
    Percent,
)
from pixelmill.imaging.steps import STEPS, custom

#: A reduced decode stays this many times larger than the result, so that it cannot be seen: real
#: photos are at 49.8 dB or more; with a factor of 2.0, they would be at 42.8.
DEFAULT_SHRINK_MARGIN = 2.5

#: What a recipe may contain besides steps and outputs.
SETTINGS: dict[str, Parameter] = {
    "backend": Choice(("pillow", "opencv"), "pillow"),
    "orientation": Choice(("apply", "keep"), "apply"),
    "color": Choice(("srgb", "keep", "drop"), "srgb"),
    "depth": Choice((8, "keep"), 8),
    "animation": Choice(("first", "all", "error"), "first"),
    "pages": Choice(("first", "all"), "first"),
    "metadata": ChoiceOrNames(("strip", "keep", "none"), tag_names.NAMES, "strip"),
    "background": Color("#ffffff"),
    "keep_mtime": Flag(False),
    "shrink_margin": Margin(DEFAULT_SHRINK_MARGIN),
}

#: Those that earlier versions did not have. A recipe as data has them only if they differ from the
#: defaults, so that its fingerprint stays the same.
_LATER = ("pages",)

#: What an output may contain in several formats; a recipe as data has only what differs from the
#: defaults.
DELIVERY: dict[str, Parameter] = {
    "if_larger": Choice(("write", "keep_source"), "write"),
    "min_saving": Percent(0.0),
    "target": EncodingTarget(None),
    "path": PathTemplate(None),
    "sidecar": Choice(("none", "json"), "none"),
}

#: Suffix of sidecars, which is also added to the name of the output; no such name contains a dot.
SIDECAR = ".json"

#: Steps that change the size, and ways of fitting that may leave a side smaller than the frame.
_RESIZING = ("resize", "crop", "rotate", "trim", "border", "call")
_FITTING = ("contain", "outside")


@dataclass(frozen=True)
class Step:
    """One step with all its parameters."""

    name: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Output:
    """One of the outputs of a source.

    Attributes
    ----------
    name : str
        Name of the variant and of its folder; empty if the recipe has one output.
    format : str
        A key of `pixelmill.imaging.codecs.formats.OUTPUT_FORMATS`, or ``same`` for that of
        the source.
    options : mapping
        Values of all options of the format; for ``same``, only those that were given.
    steps : tuple of Step
        Steps for this output only, after those of the recipe.
    delivery : mapping
        Values of the keys of `DELIVERY` that differ from their defaults.
    """

    name: str = ""
    format: str = "jpeg"
    options: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    delivery: Mapping[str, Any] = field(default_factory=dict)

    @property
    def keeps_source(self) -> bool:
        """Whether the picture of the source is copied if encoding it again saves too little."""
        return "if_larger" in self.delivery or "min_saving" in self.delivery

    @property
    def has_sidecar(self) -> bool:
        """Whether a file beside each output describes it."""
        return "sidecar" in self.delivery

    @property
    def min_saving(self) -> float:
        """By how many percent an encoded file must be smaller than a copy."""
        return float(self.delivery.get("min_saving", 0.0))

    def as_data(self) -> dict[str, Any]:
        """Return the format and everything about it, as a recipe has it."""
        data = {"format": self.format, **self.options, **self.delivery}
        if "target" in data:  # it decides the quality
            del data["quality"]
        return data


@dataclass(frozen=True)
class Recipe:
    """What to do with an image; without outputs, it is only measured.

    Attributes
    ----------
    steps : tuple of Step
        Steps for all outputs.
    outputs : tuple of Output
    settings : mapping
        A value for each key of `SETTINGS`.
    folder : str
        Where own steps are searched for. Not part of the fingerprint.
    """

    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    settings: Mapping[str, Any]
    folder: str = field(default=".", compare=False)

    @functools.cached_property
    def decode_options(self) -> DecodeOptions:
        """How sources are decoded."""
        keys = ("orientation", "color", "depth", "animation", "metadata", "background")
        formats = [output.format for output in self.outputs]
        return DecodeOptions(
            **{key: self.settings[key] for key in keys},
            alpha=not formats or any(n == SAME or OUTPUT_FORMATS[n].alpha for n in formats),
            shrink_margin=self.settings["shrink_margin"],
        )

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the files of each source: of its outputs, and then of their sidecars."""
        sidecars = (f"{output.name}{SIDECAR}" for output in self.outputs if output.has_sidecar)
        return (*(output.name for output in self.outputs), *sidecars)

    @property
    def needs_dates(self) -> bool:
        """Whether the names of outputs depend on when the pictures were taken."""
        templates = (output.delivery.get("path", "{name}") for output in self.outputs)
        return any(DATE_FIELD in fields_of(template) for template in templates)

    @property
    def all_steps(self) -> Iterator[Step]:
        """Return the steps of the recipe and of its outputs."""
        yield from self.steps
        for output in self.outputs:
            yield from output.steps

    def as_data(self, only: Output | None = None) -> dict[str, Any]:
        """Return the recipe as plain data with all defaults; `parse` reads it.

        Parameters
        ----------
        only : Output, optional
            Leave out what decides other outputs and not this one: how they are encoded, named and
            delivered. Their steps and formats stay, because sources are decoded for all of them.
        """
        named = [
            {
                "name": output.name,
                "steps": _plain(output.steps),
                **(output.as_data() if only in (None, output) else {"format": output.format}),
            }
            for output in self.outputs
        ]
        written: dict[str, Any] = {"outputs": named}
        if self.outputs and not self.outputs[0].name:
            written = {"output": self.outputs[0].as_data()}
        settings = {
            key: value
            for key, value in self.settings.items()
            if key not in _LATER or value != SETTINGS[key].default
        }
        return {"steps": _plain(self.steps), **written, **settings}

    def sides_of(self, output: Output) -> tuple[int | None, int | None]:
        """Return width and height of an output in pixels, where they are the same for all images.

        Examples
        --------
        >>> from pixelmill.imaging.recipe_parser import parse
        >>> recipe = parse({"steps": [{"resize": {"width": 640}}, "sharpen"]})
        >>> recipe.sides_of(recipe.outputs[0])
        (640, None)
        """
        steps = [step for step in (*self.steps, *output.steps) if step.name in _RESIZING]
        if not steps or steps[-1].name != "resize":
            return None, None
        params = steps[-1].params
        width, height = params["width"], params["height"]
        if params["upscale"] == "never" or (width and height and params["fit"] in _FITTING):
            return None, None
        return width, height

    def fingerprint(self, only: Output | None = None) -> str:
        """Digest of everything that decides the pixels, of all outputs or only of one.

        It is the same for equal recipes.
        """
        files = [hashlib.blake2b(Path(path).read_bytes()).hexdigest() for path in self.files()]
        text = json.dumps([self.as_data(only), files], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def fingerprints(self) -> dict[str, str]:
        """Return the fingerprint of each variant; a sidecar has that of its output."""
        found = {output.name: self.fingerprint(output) for output in self.outputs}
        return {name: found[name.removesuffix(SIDECAR)] for name in self.variants}

    @property
    def scales_on_threads(self) -> bool:
        """Whether no step holds the GIL for most of its time; own steps are assumed to do so."""
        return all(step.name in STEPS and not STEPS[step.name].holds_gil for step in self.all_steps)

    @property
    def uses_opencv(self) -> bool:
        """Whether OpenCV decides some of the pixels or writes some of the files."""
        return (
            self.settings["backend"] == "opencv"
            or any(step.name in STEPS and STEPS[step.name].opencv for step in self.all_steps)
            or any(
                output.format == SAME or OUTPUT_FORMATS[output.format].by_opencv
                for output in self.outputs
            )
        )

    def files(self) -> Iterator[str]:
        """Return the paths of the files that steps read, such as a watermark."""
        for step in self.all_steps:
            for key in file_keys(step):
                yield find_file(step.params[key], self.folder)

    def with_files(self) -> Recipe:
        """Return the recipe with the resolved paths of the files that its steps read."""

        def found(step: Step) -> Step:
            paths = {key: find_file(step.params[key], self.folder) for key in file_keys(step)}
            return Step(step.name, {**step.params, **paths}) if paths else step

        return replace(
            self,
            steps=tuple(map(found, self.steps)),
            outputs=tuple(replace(o, steps=tuple(map(found, o.steps))) for o in self.outputs),
        )

    def own_files(self) -> Iterator[str]:
        """Paths of the files that define own steps."""
        for step in self.all_steps:
            if step.name == "call":
                yield str(custom.find(step.params["function"], self.folder))


def file_keys(step: Step) -> list[str]:
    """Names of the parameters of a step that are files, if they are given."""
    parameters = STEPS[step.name].parameters if step.name in STEPS else {}
    return [
        key
        for key, kind in parameters.items()
        if isinstance(kind, File) and step.params[key] is not None
    ]


def find_file(path: str, folder: str) -> str:
    """Path of a file that a recipe names, in the folders where own steps are searched for."""
    path = expanded(path)
    places = [Path(place, path) for place in folder.split(os.pathsep)]
    return str(next(filter(os.path.isfile, places), places[0]))  # False for a name too long


def _plain(steps: tuple[Step, ...]) -> list[dict[str, Any]]:
    return [{step.name: dict(step.params)} for step in steps]
