"""Recipes: what to do to an image, parsed, checked and fingerprinted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pixelmill import own_steps
from pixelmill.errors import UserError
from pixelmill.operations import STEPS
from pixelmill.parameters import REQUIRED

#: Suffix of the outputs, by format.
SUFFIXES = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "bmp": ".bmp"}

#: A shrunken decode stays this many times larger than the result, so that the
#: shrinking cannot be seen: 49.8 dB or more on real photos, against 42.8 at 2.0.
DEFAULT_SHRINK_MARGIN = 2.5


@dataclass(frozen=True)
class Step:
    """One step with all its parameters."""

    name: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """An ordered list of steps and an output encoding.

    Attributes
    ----------
    steps : tuple of Step
    format : str
        A key of `SUFFIXES`.
    quality : int
        1..100, for JPEG and WebP.
    shrink_margin : float
        How many times larger than the first resize's result a JPEG is decoded at
        least; 0 always decodes in full.
    folder : str
        Where own steps are looked for. Not part of the fingerprint.
    """

    steps: tuple[Step, ...]
    format: str = "jpeg"
    quality: int = 85
    shrink_margin: float = DEFAULT_SHRINK_MARGIN
    folder: str = field(default=".", compare=False)

    @property
    def suffix(self) -> str:
        """Suffix of the outputs, with its dot."""
        return SUFFIXES[self.format]

    def as_data(self) -> dict[str, Any]:
        """Return the recipe as plain data with every default written out."""
        return {
            "steps": [{step.name: dict(step.params)} for step in self.steps],
            "output": {"format": self.format, "quality": self.quality},
            "shrink_margin": self.shrink_margin,
        }

    def fingerprint(self) -> str:
        """Digest of all that decides the pixels; equal recipes have equal ones."""
        text = json.dumps(self.as_data(), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def own_files(self) -> Iterator[str]:
        """Paths of the files that own steps come from."""
        for step in self.steps:
            if step.name == "call":
                yield str(own_steps.find(step.params["function"], self.folder))


def parse(data: Any, where: str = "recipe", folder: str = ".") -> Recipe:
    """Check a recipe as read from YAML or JSON.

    Parameters
    ----------
    data : mapping
        ``steps``, ``output`` and ``shrink_margin``, as in the config.
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
    pixelmill.errors.UserError: recipe.steps[0].resize: give width, height, percent, longest \
or shortest.
    """
    if not isinstance(data, Mapping):
        raise UserError(f"{where}: found {data!r}; give a map with steps and output.")
    _only(data, ("steps", "output", "shrink_margin"), where)
    steps = data.get("steps", [])
    if not isinstance(steps, list):
        raise UserError(f"{where}.steps: found {steps!r}; give a list of steps.")
    output = data.get("output", {})
    if not isinstance(output, Mapping):
        raise UserError(f"{where}.output: found {output!r}; give a map such as {{format: jpeg}}.")
    _only(output, ("format", "quality"), f"{where}.output")
    format_ = output.get("format", "jpeg")
    if not isinstance(format_, str) or format_ not in SUFFIXES:
        raise UserError(
            f"{where}.output.format: found {format_!r}; allowed are {', '.join(SUFFIXES)}."
        )
    quality = output.get("quality", 85)
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise UserError(f"{where}.output.quality: found {quality!r}; give 1 to 100.")
    margin = data.get("shrink_margin", DEFAULT_SHRINK_MARGIN)
    if (
        isinstance(margin, bool)
        or not isinstance(margin, int | float)
        or not (margin == 0 or 1 <= margin <= 100)
    ):
        raise UserError(
            f"{where}.shrink_margin: found {margin!r}; give 1 to 100, or 0 to decode in full."
        )
    return Recipe(
        steps=tuple(_parse_step(s, f"{where}.steps[{k}]", folder) for k, s in enumerate(steps)),
        format=format_,
        quality=quality,
        shrink_margin=float(margin),
        folder=folder,
    )


def _parse_step(data: Any, where: str, folder: str) -> Step:
    if isinstance(data, str):
        data = {data: {}}
    if not isinstance(data, Mapping) or len(data) != 1:
        raise UserError(
            f"{where}: found {data!r}; give one step, such as {{gaussian_blur: {{radius: 1}}}}."
        )
    ((name, params),) = data.items()
    params = {} if params is None else params
    if not isinstance(params, Mapping):
        raise UserError(f"{where}.{name}: found {params!r}; give its parameters as a map.")
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
            raise UserError(f"{where}.{key}: found {value!r}; give {error}.") from error
    if kind.check is not None:
        try:
            kind.check(checked)
        except ValueError as error:
            raise UserError(f"{where}: give {error}.") from error
    return Step(name, checked)


def _only(data: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    unknown = [key for key in data if key not in allowed]
    if unknown:
        raise UserError(
            f"{where}.{unknown[0]}: unknown key; allowed are {', '.join(allowed) or 'none'}."
        )
