"""The configuration: fill in defaults, check it, and refuse mistakes with one sentence."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import difflib
import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import yaml

from pixelmill.app.config_schema import allowed, resolved, schema
from pixelmill.core import documents, schemas
from pixelmill.core.errors import UserError, shown
from pixelmill.core.files import is_inside
from pixelmill.imaging import recipe, recipe_parser
from pixelmill.imaging.codecs.limits import PRESETS

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

#: Names that stand for something else below the results.
RESERVED = ("report",)


def default_recipes() -> dict[str, Any]:
    """Return the built-in recipes."""
    recipes = schema()["properties"]["recipes"]["properties"]
    return {name: copy.deepcopy(entry["default"]) for name, entry in recipes.items()}


def complete(config: Mapping[str, Any], base: str = ".") -> dict[str, Any]:
    """Check a config and fill in its defaults.

    Parameters
    ----------
    config : mapping
        As read from YAML.
    base : str
        Folder of the config, in which own steps are searched.

    Raises
    ------
    UserError
        With the key, what was found and what is allowed.
    """
    if not isinstance(config, Mapping):
        raise UserError(f"The config is {shown(config)}; give a map of keys and values.")
    documents.check(config, "the config")
    given = _with_preset(_with_names(copy.deepcopy(dict(config))))
    if isinstance(given.get("sandbox"), bool):  # YAML takes the words on and off for truth values
        given["sandbox"] = "auto" if given["sandbox"] else "off"
    filled: dict[str, Any] = _fill(given, schema())
    error = schemas.first_error(schema(), filled)
    if error is not None:
        raise UserError(_sentence(error))
    if set(filled["results"]) & set("{}"):
        raise UserError(
            f"results: found {shown(filled['results'])}; Snakemake reads braces as wildcards, so "
            "choose a path without them."
        )
    _check_names(filled)
    for name, dataset in filled["datasets"].items():
        if name in filled["run"]["datasets"]:
            _check_dataset(name, dataset, filled["results"])
    for name, data in filled["recipes"].items():
        recipe_parser.parse(data, f"recipes.{name}", base)
    return filled


def _with_names(config: dict[str, Any]) -> dict[str, Any]:
    """Convert names that YAML parses as numbers or dates, such as a dataset ``2024``."""

    def name(value: Any) -> Any:
        numeric = isinstance(value, int | float | datetime.date) and not isinstance(value, bool)
        return str(value) if numeric else value

    for kind in ("datasets", "recipes"):
        if isinstance(entries := config.get(kind), Mapping):
            config[kind] = {name(key): value for key, value in entries.items()}
        run = config.get("run")
        if isinstance(run, dict) and isinstance(names := run.get(kind), list):
            run[kind] = [name(value) for value in names]
    return config


def _with_preset(config: dict[str, Any]) -> dict[str, Any]:
    """Replace the name of a preset with its limits."""
    name = config.get("limits")
    if isinstance(name, str):
        if name not in PRESETS:
            near = difflib.get_close_matches(name.lower(), PRESETS, n=1)
            meant = f"did you mean '{near[0]}'? Else " if near else ""
            raise UserError(
                f"limits: found {shown(name)}; {meant}give {' or '.join(PRESETS)}, or a map "
                "of limits."
            )
        limits = dataclasses.asdict(PRESETS[name])
        config["limits"] = {**limits, "formats": list(limits["formats"])}
    return config


#: Texts that YAML may interpret as another type if they are not quoted.
_WORD = re.compile(r"[\w.+~:-]{1,64}", re.ASCII)


def typed(value: Any) -> Any:
    """Parse texts as YAML scalars at every depth: numbers, true, false and null.

    Raises
    ------
    UserError
        If there are too many values.

    Examples
    --------
    >>> typed({"failures": {"max_rate": "0.5"}, "durable": "true", "results": "out"})
    {'failures': {'max_rate': 0.5}, 'durable': True, 'results': 'out'}
    """
    documents.check(value, "--config")
    return _typed(value)


def _typed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _typed(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_typed(entry) for entry in value]
    if isinstance(value, str) and _WORD.fullmatch(value.strip()):
        try:
            read = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError):  # as of a date that there is not
            return value
        if isinstance(read, bool | int | float) or value in ("null", "~"):
            return read
    return value


def _fill(value: Any, part: Mapping[str, Any]) -> Any:
    """Fill in the defaults of a schema at every depth."""
    part = resolved(part)
    if not isinstance(value, dict):
        return value
    for key, entry in part.get("properties", {}).items():
        if value.get(key) is None and "default" in entry:
            value[key] = copy.deepcopy(entry["default"])
        if key in value:
            value[key] = _fill(value[key], entry)
    extra = part.get("additionalProperties")
    if isinstance(extra, Mapping):
        for key in value.keys() - part.get("properties", {}).keys():
            value[key] = _fill(value[key], extra)
    return value


def _sentence(error: ValidationError) -> str:
    key = _path(error.absolute_path)
    rule, value = error.validator, cast(Any, error.validator_value)
    found = shown(error.instance)
    part = cast(Mapping[str, Any], error.schema)
    if rule == "additionalProperties":
        known = list(part.get("properties", {}))
        unknown = next(str(k) for k in cast(Any, error.instance) if k not in known)
        place = f"{key}.{unknown}" if key else unknown
        return f"{place}: unknown key; allowed are {', '.join(known)}."
    if rule in ("type", "minimum", "maximum", "exclusiveMinimum", "minItems", "maxItems"):
        return f"{key}: found {found}; give {allowed(part)}."
    if rule == "enum":
        return f"{key}: found {found}; allowed are {allowed(part)}."
    if rule == "pattern":
        return (
            f"{key}: the name {found} is not allowed; "
            "use letters, digits, '_' and '-', beginning with a letter or digit."
        )
    if rule == "maxLength":
        return f"{key}: the name {found} is too long; use at most {value} characters."
    if rule == "uniqueItems":
        return f"{key}: found {found}; name each only once."
    if rule == "required":
        missing = next(name for name in value if name not in cast(Any, error.instance))
        return f"{key}: found {found}; it needs the key '{missing}'."
    if rule == "oneOf":
        return f"{key}: found {found}; {part.get('description', '')}"
    if rule in ("minProperties", "minLength"):
        return f"{key}: found {found}; it must not be empty."
    return f"{key}: {error.message}."


def _path(parts: Any) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _check_names(config: Mapping[str, Any]) -> None:
    for kind in ("datasets", "recipes"):
        for name in RESERVED:
            if name in config[kind]:
                raise UserError(f"{kind}.{name}: this name is reserved; choose another.")
        for name in config["run"][kind]:
            if name not in config[kind]:
                known = ", ".join(config[kind])
                raise UserError(f"run.{kind}: '{name}' is not defined; defined are {known}.")
        if not config["run"][kind]:
            raise UserError(f"run.{kind}: the list is empty; name at least one.")


def _check_dataset(name: str, dataset: Mapping[str, Any], results: str) -> None:
    key = f"datasets.{name}"
    if ("folder" in dataset) == ("generate" in dataset):
        raise UserError(f"{key}: give either 'folder' or 'generate'.")
    if "generate" in dataset:
        for side in ("width", "height"):
            low, high = dataset["generate"][side]
            if low > high:
                raise UserError(
                    f"{key}.generate.{side}: found [{low}, {high}]; give the smaller number first."
                )
        for glob in ("include", "exclude"):
            if glob in dataset:
                raise UserError(f"{key}.{glob}: is only for datasets with 'folder'; leave it out.")
        return
    folder = dataset["folder"]
    if not os.path.isdir(folder):
        raise UserError(f"{key}.folder: '{folder}' is not a folder; correct the path or mount it.")
    if is_inside(folder, results):
        raise UserError(
            f"{key}.folder: '{folder}' is inside the results '{results}'; choose separate folders."
        )
    if is_inside(results, folder):
        raise UserError(
            f"{key}.folder: '{folder}' contains the results '{results}'; "
            "choose separate folders, or set 'results' to a place outside it."
        )


def recipe_files(config: Mapping[str, Any], name: str, base: str) -> Iterator[str]:
    """Return the paths of the files that define own steps, and of those that steps read."""
    parsed = recipe_parser.parse(config["recipes"][name], f"recipes.{name}", base)
    yield from parsed.own_files()
    yield from parsed.files()


def uses_opencv(config: Mapping[str, Any], name: str, base: str) -> bool:
    """Whether OpenCV computes some of the pixels or files of a recipe."""
    return recipe_parser.parse(config["recipes"][name], f"recipes.{name}", base).uses_opencv


def has_rivals(config: Mapping[str, Any], name: str, base: str) -> bool:
    """Whether other tools support what a recipe does."""
    from pixelmill.benchmark.competitors import why_not

    return not why_not(recipe_parser.parse(config["recipes"][name], f"recipes.{name}", base))


def named_recipe(text: str, folder: str = ".") -> recipe.Recipe:
    """Read a recipe given by name, as a YAML file or as JSON.

    Parameters
    ----------
    text : str
        ``light`` or another built-in recipe, ``FILE.yaml``, or a JSON object.
    folder : str
        Folder in which own steps are searched; by default that of the YAML file.

    Raises
    ------
    UserError
        If there is no such recipe, or something is wrong with it.
    """
    if text.lstrip().startswith("{"):
        return recipe_parser.parse(documents.from_json(text, "recipe"), "recipe", folder)
    if text.endswith((".yaml", ".yml")):
        data = documents.read_yaml(text, f"recipe: '{text}'")
        beside = os.path.dirname(text) or "."
        return recipe_parser.parse(data, text, beside if folder == "." else folder)
    recipes = default_recipes()
    if text not in recipes:
        raise UserError(
            f"recipe: '{text}' is unknown; give {', '.join(recipes)} or a file that ends in .yaml."
        )
    return recipe_parser.parse(recipes[text], text)
