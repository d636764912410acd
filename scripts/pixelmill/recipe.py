"""Recipes: what to do to an image, parsed, checked and fingerprinted."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pixelmill import opencv_steps, own_steps
from pixelmill.core.errors import UserError, shown
from pixelmill.decoding import Reading
from pixelmill.encoding import ENCODERS, SAME
from pixelmill.operations import STEPS
from pixelmill.parameters import REQUIRED, Choice, Color, File, Flag, Margin, Parameter

#: A shrunken decode stays this many times larger than the result, so that the
#: shrinking cannot be seen: 49.8 dB or more on real photos, against 42.8 at 2.0.
DEFAULT_SHRINK_MARGIN = 2.5

#: What a recipe may say beside its steps and outputs.
SETTINGS: dict[str, Parameter] = {
    "backend": Choice(("pillow", "opencv"), "pillow"),
    "orientation": Choice(("apply", "keep"), "apply"),
    "color": Choice(("srgb", "keep", "drop"), "srgb"),
    "depth": Choice((8, "keep"), 8),
    "animation": Choice(("first", "all", "error"), "first"),
    "metadata": Choice(("strip", "keep", "none"), "strip"),
    "background": Color("#ffffff"),
    "keep_mtime": Flag(False),
    "shrink_margin": Margin(DEFAULT_SHRINK_MARGIN),
}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Step:
    """One step with all its parameters."""

    name: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Output:
    """One of the images that come out of a source.

    Attributes
    ----------
    name : str
        Of the variant, and of its folder; empty where a recipe has one output.
    format : str
        A key of `pixelmill.encoding.ENCODERS`, or ``same`` for that of the source.
    options : mapping
        Of the encoder; all of them, but for ``same`` only those that were given.
    steps : tuple of Step
        What is done for this output alone, after the recipe's steps.
    """

    name: str = ""
    format: str = "jpeg"
    options: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """What to do to an image.

    Attributes
    ----------
    steps : tuple of Step
        Done for all outputs.
    outputs : tuple of Output
    settings : mapping
        A value for each key of `SETTINGS`.
    folder : str
        Where own steps are looked for. Not part of the fingerprint.
    """

    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    settings: Mapping[str, Any]
    folder: str = field(default=".", compare=False)

    @functools.cached_property
    def reading(self) -> Reading:
        """How sources are taken in."""
        keys = ("orientation", "color", "depth", "animation", "metadata", "background")
        encoders = [ENCODERS.get(output.format) for output in self.outputs]
        return Reading(
            **{key: self.settings[key] for key in keys},
            alpha=any(encoder is None or encoder.alpha for encoder in encoders),
            shrink_margin=self.settings["shrink_margin"],
        )

    @property
    def all_steps(self) -> Iterator[Step]:
        """Steps of the recipe and of its outputs."""
        yield from self.steps
        for output in self.outputs:
            yield from output.steps

    def as_data(self) -> dict[str, Any]:
        """Return the recipe as plain data with every default written out; `parse` reads it."""
        named = [
            {
                "name": output.name,
                "steps": _plain(output.steps),
                "format": output.format,
                **output.options,
            }
            for output in self.outputs
        ]
        written: dict[str, Any] = {"outputs": named}
        if not self.outputs[0].name:
            first = self.outputs[0]
            written = {"output": {"format": first.format, **first.options}}
        return {"steps": _plain(self.steps), **written, **self.settings}

    def fingerprint(self) -> str:
        """Digest of all that decides the pixels; equal recipes have equal ones."""
        files = [hashlib.blake2b(Path(path).read_bytes()).hexdigest() for path in self.files()]
        text = json.dumps([self.as_data(), files], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @property
    def scales_on_threads(self) -> bool:
        """Whether no step holds the GIL for most of its time; of own steps nobody knows."""
        return all(step.name in STEPS and not STEPS[step.name].holds_gil for step in self.all_steps)

    @property
    def uses_opencv(self) -> bool:
        """Whether OpenCV makes some of the pixels or files."""
        return (
            self.settings["backend"] == "opencv"
            or any(step.name in STEPS and STEPS[step.name].opencv for step in self.all_steps)
            or any(output.format in ("jpeg", SAME) for output in self.outputs)
        )

    def files(self) -> Iterator[str]:
        """Paths of the files that steps read, such as a watermark."""
        for step in self.all_steps:
            for key in _file_keys(step):
                yield find_file(step.params[key], self.folder)

    def with_files(self) -> Recipe:
        """Return the recipe as its steps are called: with the paths of the files they read."""

        def found(step: Step) -> Step:
            paths = {key: find_file(step.params[key], self.folder) for key in _file_keys(step)}
            return Step(step.name, {**step.params, **paths}) if paths else step

        return replace(
            self,
            steps=tuple(map(found, self.steps)),
            outputs=tuple(replace(o, steps=tuple(map(found, o.steps))) for o in self.outputs),
        )

    def own_files(self) -> Iterator[str]:
        """Paths of the files that own steps come from."""
        for step in self.all_steps:
            if step.name == "call":
                yield str(own_steps.find(step.params["function"], self.folder))


def _file_keys(step: Step) -> list[str]:
    parameters = STEPS[step.name].parameters if step.name in STEPS else {}
    return [
        key
        for key, kind in parameters.items()
        if isinstance(kind, File) and step.params[key] is not None
    ]


def find_file(path: str, folder: str) -> str:
    """Path of a file that a recipe names, looked for where own steps are; else beside them."""
    places = [Path(place, path) for place in folder.split(os.pathsep)]
    return str(next((place for place in places if place.is_file()), places[0]))


def _plain(steps: tuple[Step, ...]) -> list[dict[str, Any]]:
    return [{step.name: dict(step.params)} for step in steps]


def parse(data: Any, where: str = "recipe", folder: str = ".") -> Recipe:
    """Check a recipe as read from YAML or JSON.

    Parameters
    ----------
    data : mapping
        ``steps``, ``output`` or ``outputs``, and any of `SETTINGS`.
    where : str
        Key of the recipe, for messages.
    folder : str
        Where own steps are looked for first.

    Raises
    ------
    UserError
        With the key, what was found and what is allowed.

    Examples
    --------
    >>> parse({"steps": [{"resize": {"width": 64, "height": 48}}]}).steps[0].params["filter"]
    'lanczos'
    >>> parse({"steps": [{"resize": {"fit": "cover"}}]})
    Traceback (most recent call last):
    pixelmill.core.errors.UserError: recipe.steps[0].resize: give width, height, percent, longest \
or shortest.
    """
    if not isinstance(data, Mapping):
        raise UserError(f"{where}: found {shown(data)}; give a map with steps and output.")
    _only(data, ("steps", "output", "outputs", *SETTINGS), where)
    settings = {key: _value(data, key, kind, where) for key, kind in SETTINGS.items()}
    recipe = Recipe(
        steps=_parse_steps(data, where, folder),
        outputs=_parse_outputs(data, where, folder),
        settings=settings,
        folder=folder,
    )
    _check_together(recipe, where)
    return recipe


def _value(data: Mapping[str, Any], key: str, kind: Parameter, where: str) -> Any:
    try:
        return kind.check(data.get(key, kind.default))
    except ValueError as error:
        raise UserError(f"{where}.{key}: found {shown(data.get(key))}; give {error}.") from error


def _parse_steps(data: Mapping[str, Any], where: str, folder: str) -> tuple[Step, ...]:
    steps = data.get("steps", [])
    if not isinstance(steps, list):
        raise UserError(f"{where}.steps: found {shown(steps)}; give a list of steps.")
    return tuple(_parse_step(s, f"{where}.steps[{k}]", folder) for k, s in enumerate(steps))


def _parse_outputs(data: Mapping[str, Any], where: str, folder: str) -> tuple[Output, ...]:
    if "outputs" not in data:
        return (_parse_output(data.get("output", {}), f"{where}.output"),)
    if "output" in data:
        raise UserError(f"{where}: has both 'output' and 'outputs'; leave one of them out.")
    where, given = f"{where}.outputs", data["outputs"]
    if not isinstance(given, list) or not given:
        raise UserError(f"{where}: found {shown(given)}; give a list such as [{{name: thumb}}].")
    outputs: list[Output] = []
    for number, entry in enumerate(given):
        place = f"{where}[{number}]"
        if not isinstance(entry, Mapping):
            raise UserError(f"{place}: found {shown(entry)}; give a map such as {{name: thumb}}.")
        name = entry.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UserError(
                f"{place}.name: found {shown(name)}; give at most 64 letters, digits, '_' and '-', "
                "beginning with a letter or digit."
            )
        if name.lower() in (output.name.lower() for output in outputs):
            raise UserError(f"{place}.name: '{name}' is there twice; give each output its own.")
        rest = {key: value for key, value in entry.items() if key not in ("name", "steps")}
        steps = _parse_steps(entry, place, folder)
        outputs.append(replace(_parse_output(rest, place), name=name, steps=steps))
    return tuple(outputs)


def _parse_output(data: Any, where: str) -> Output:
    if not isinstance(data, Mapping):
        raise UserError(f"{where}: found {shown(data)}; give a map such as {{format: jpeg}}.")
    format_ = data.get("format", "jpeg")
    if not isinstance(format_, str) or format_ not in (*ENCODERS, SAME):
        raise UserError(
            f"{where}.format: found {shown(format_)}; allowed are {', '.join((*ENCODERS, SAME))}."
        )
    # Whoever tries another format need not take the quality out: it says nothing there.
    quality = ENCODERS["jpeg"].options["quality"]
    if "quality" in data:
        _value(data, "quality", quality, where)
    if format_ == SAME:
        _only(data, ("format", "quality"), where)
        return Output(format=SAME, options={k: v for k, v in data.items() if k == "quality"})
    parameters = ENCODERS[format_].options
    _only(data, tuple(dict.fromkeys(("format", "quality", *parameters))), where)
    options = {key: _value(data, key, kind, where) for key, kind in parameters.items()}
    return Output(format=format_, options=options)


def _check_together(recipe: Recipe, where: str) -> None:
    """Refuse settings that the outputs or the steps cannot live up to."""
    settings = recipe.settings
    wanted = {
        "orientation": ("keep", "exif", "the tag"),
        "animation": ("all", "frames", "moving pictures"),
        "depth": ("keep", "deep", "16 bits"),
    }
    for key, (value, ability, what) in wanted.items():
        if settings[key] != value:
            continue
        able = [name for name, encoder in ENCODERS.items() if getattr(encoder, ability)]
        for output in recipe.outputs:
            if output.format not in (*able, SAME):
                raise UserError(
                    f"{where}.{key}: found '{value}', but {output.format} cannot hold {what}; "
                    f"give an output format of {', '.join(able)} or {SAME}."
                )
    if settings["backend"] == "opencv":
        for step in recipe.all_steps:
            try:
                opencv_steps.check(step.name, step.params, deep=settings["depth"] == "keep")
            except ValueError as error:
                raise UserError(
                    f"{where}.backend: opencv cannot do {step.name}; {error}."
                ) from error
    elif settings["depth"] == "keep":
        for step in recipe.all_steps:
            if step.name not in STEPS or not STEPS[step.name].deep:
                deep = ", ".join(name for name, kind in STEPS.items() if kind.deep)
                raise UserError(
                    f"{where}.depth: found 'keep', but {step.name} works on 8 bits; "
                    f"leave it out, or use {deep} only."
                )


def _parse_step(data: Any, where: str, folder: str) -> Step:
    if isinstance(data, str):
        data = {data: {}}
    if not isinstance(data, Mapping) or len(data) != 1:
        raise UserError(
            f"{where}: found {shown(data)}; give one step, such as "
            "{gaussian_blur: {radius: 1}}."
        )
    ((name, params),) = data.items()
    params = {} if params is None else params
    if not isinstance(params, Mapping):
        raise UserError(f"{where}.{name}: found {shown(params)}; give its parameters as a map.")
    where = f"{where}.{name}"
    if name == "call":
        return Step("call", own_steps.check(params, where, folder))
    if name not in STEPS:
        raise UserError(f"{where}: no such step; allowed are {', '.join((*STEPS, 'call'))}.")
    kind = STEPS[name]
    _only(params, tuple(kind.parameters), where)
    checked: dict[str, Any] = {}
    for key, parameter in kind.parameters.items():
        value = params.get(key, parameter.default)
        if value is None and parameter.default is None:
            checked[key] = None
            continue
        if value is REQUIRED:
            raise UserError(f"{where}.{key}: missing; give {parameter.allowed}.")
        try:
            checked[key] = parameter.check(value)
        except ValueError as error:
            raise UserError(f"{where}.{key}: found {shown(value)}; give {error}.") from error
    if kind.check is not None:
        try:
            kind.check(checked)
        except ValueError as error:
            raise UserError(f"{where}: give {error}.") from error
    step = Step(name, checked)
    for key in _file_keys(step):
        try:
            kind.parameters[key].read(find_file(checked[key], folder))  # type: ignore[attr-defined]
        except ValueError as error:
            found = checked[key]
            raise UserError(f"{where}.{key}: found {shown(found)}; give {error}.") from error
    return step


def _only(data: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    unknown = [key for key in data if key not in allowed]
    if unknown:
        raise UserError(
            f"{where}.{unknown[0]}: unknown key; allowed are {', '.join(allowed) or 'none'}."
        )
