"""Step docs: a reference of every step, generated from the registry and the docstrings."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pixelmill.imaging.parameters import REQUIRED, Parameter
from pixelmill.imaging.steps import MODULES, STEPS
from pixelmill.imaging.steps.registry import StepKind

_HEADING = re.compile(r"\n\n(\w+)\n-+\n")
_NAMES = re.compile(r"^(\w+(?:, \w+)*) : ", re.MULTILINE)


@dataclass(frozen=True)
class Words:
    """The description of a parameter.

    Attributes
    ----------
    name : str
    meaning : str
        With its unit.
    allowed : str
        The allowed values.
    default : str
        As written in a recipe; "required" or "not given" if there is none.
    """

    name: str
    meaning: str
    allowed: str
    default: str


#: What a step does to the size and to the colours, if it does anything.
_SIZE_EFFECTS = {
    "by_parameters": "The size of the result depends on the parameters.",
    "by_content": "The size of the result depends on what the picture shows.",
}
_MODE_EFFECTS = {
    "gray": "The result is grey.",
    "color": "The result is in colour, even if the picture is grey.",
    "by_parameters": "The result gets colour or transparency if the parameters ask for it.",
}


@dataclass(frozen=True)
class Page:
    """The description of a step: a summary, a text with its effects, and its parameters."""

    name: str
    summary: str
    text: str
    parameters: tuple[Words, ...]


def pages() -> Iterator[tuple[str, list[Page]]]:
    """Yield each subject with its steps, in the order of `MODULES`."""
    for module in MODULES:
        yield subject(module), [describe(kind) for kind in kinds_of(module)]


def subject(module: ModuleType) -> str:
    """Return the title of a module of steps, from its docstring."""
    return (module.__doc__ or "").split(":")[0]


def kinds_of(module: ModuleType) -> list[StepKind]:
    """Return the steps of a module, in the order of their definition."""
    return [kind for kind in STEPS.values() if kind.function.__module__ == module.__name__]


def describe(kind: StepKind) -> Page:
    """Describe a step.

    Examples
    --------
    >>> describe(STEPS["gaussian_blur"]).parameters[0].meaning
    'Standard deviation, in pixels.'
    """
    head, *sections = _HEADING.split(inspect.getdoc(kind.function) or "")
    summary, _, text = head.partition("\n\n")
    meanings = _meanings(dict(zip(sections[::2], sections[1::2], strict=True)))
    words = (_words(*entry, meanings) for entry in kind.parameters.items())
    effects = (_SIZE_EFFECTS.get(kind.size_effect), _MODE_EFFECTS.get(kind.mode_effect))
    parts = (_joined(text), *effects)
    return Page(kind.name, _joined(summary), " ".join(filter(None, parts)), tuple(words))


def _meanings(sections: dict[str, str]) -> dict[str, str]:
    """Return the texts of a numpydoc section ``Parameters`` by name."""
    _, *parts = _NAMES.split(sections.get("Parameters", ""))
    found: dict[str, str] = {}
    for names, entry in zip(parts[::2], parts[1::2], strict=True):
        _, _, meaning = entry.partition("\n")
        found.update((name, _joined(meaning)) for name in names.split(", "))
    return found


def _joined(text: str) -> str:
    return " ".join(text.split())


def _words(name: str, parameter: Parameter, meanings: dict[str, str]) -> Words:
    return Words(name, meanings.get(name, ""), parameter.allowed, default_of(parameter))


def default_of(parameter: Parameter) -> str:
    """Describe the value of a parameter that a recipe does not give."""
    if parameter.default is REQUIRED:
        return "required"
    return "not given" if parameter.default is None else as_recipe(parameter.default)


def as_recipe(value: Any) -> str:
    """Format a value as in a recipe.

    Examples
    --------
    >>> as_recipe(True), as_recipe(2.0), as_recipe("#ffffff"), as_recipe("cover")
    ('true', '2', '"#ffffff"', 'cover')
    """
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(as_recipe, value))}]"
    if isinstance(value, str) and value.isidentifier():
        return value
    return json.dumps(value, ensure_ascii=False)


def markdown() -> str:
    """Write all steps as one page of Markdown."""
    parts = [_INTRODUCTION]
    for title, steps in pages():
        parts.append(f"## {title}")
        for page in steps:
            parts += [f"### {page.name}", _plain(page.summary)]
            if page.text:
                parts.append(_plain(page.text))
            if page.parameters:
                parts.append("\n".join((_TABLE, *map(_row, page.parameters))))
    return "\n\n".join(parts) + "\n"


def _row(words: Words) -> str:
    cells = (f"`{words.name}`", _plain(words.meaning), words.allowed, words.default)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _plain(text: str) -> str:
    return text.replace("``", "`")


_TABLE = "| parameter | meaning | allowed | default |\n|---|---|---|---|"

_INTRODUCTION = """\
# Steps

This page lists all steps that a recipe can name. `snakemake --cores 1 steps` writes a page that
shows each step on a picture (`results/report/steps.html`). [recipes.md](recipes.md) explains how to
write a recipe and steps of your own.

Every step accepts colour and grey, with or without alpha. Steps that change each pixel
independently leave alpha unchanged. Steps that mix neighbouring pixels work on premultiplied
colours, so that hidden colours do not bleed into edges. Geometric steps apply to alpha too.

`make docs` generates this page."""
