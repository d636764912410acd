"""The configuration: fill in defaults, check it, and refuse mistakes with one sentence."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import yaml

from pixelmill.app import list_settings, source_settings
from pixelmill.app.config_schema import allowed, resolved, schema
from pixelmill.app.source_settings import expanded_at_key
from pixelmill.core import documents, schemas, suggestions
from pixelmill.core.errors import UserError, shown
from pixelmill.core.suggestions import followed, nearest
from pixelmill.core.user_paths import expanded
from pixelmill.dataset import left_out
from pixelmill.dataset.file_names import INSPECTION, LISTS
from pixelmill.dataset.image_list import ImageList
from pixelmill.imaging import recipe, recipe_parser
from pixelmill.imaging.codecs.formats import format_name
from pixelmill.imaging.codecs.limits import PRESETS

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

#: Names that stand for something else below the results.
RESERVED = ("report", INSPECTION, LISTS)

#: The dataset that is run if there are no others.
_DEFAULT_DATASET = "demo"


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
    given = _with_preset(_with_formats(_with_names(copy.deepcopy(dict(config)))))
    _run_all_datasets(given)
    if isinstance(given.get("sandbox"), bool):  # YAML takes the words on and off for truth values
        given["sandbox"] = "auto" if given["sandbox"] else "off"
    filled: dict[str, Any] = _fill(given, schema())
    error = schemas.first_error(schema(), filled)
    if error is not None:
        raise UserError(_sentence(error))
    filled["results"] = expanded_at_key(filled["results"], "results")
    scale = filled["scale"]
    scale["scheduler"] = expanded_at_key(scale["scheduler"], "scale.scheduler")
    for part, path in (scale["tls"] or {}).items():
        scale["tls"][part] = expanded_at_key(path, f"scale.tls.{part}")
    if set(filled["results"]) & set("{}"):
        raise UserError(
            f"results: found {shown(filled['results'])}; Snakemake reads braces as wildcards, so "
            "choose a path without them."
        )
    _check_names(filled)
    _check_inspection(filled)
    _check_packing(filled)
    _check_destination(filled["destination"])
    for name, dataset in filled["datasets"].items():
        if name in filled["run"]["datasets"]:
            filled["datasets"][name] = source_settings.checked(name, dataset, filled["results"])
            if (listed := ImageList.of(dataset)) is not None:
                filled["datasets"][name]["list"] = list_settings.checked(name, listed, filled)
    for name, data in filled["recipes"].items():
        parsed = recipe_parser.parse(data, f"recipes.{name}", base)
        if scale["shards"] > 1:
            from pixelmill.dataset.output_names import refuse_templates

            refuse_templates(parsed, f"recipes.{name}")
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


def _with_formats(config: dict[str, Any]) -> dict[str, Any]:
    """Convert other spellings of formats, such as ``jpg``; recipes do so for themselves."""
    limits, datasets = config.get("limits"), config.get("datasets")
    if isinstance(limits, dict) and isinstance(formats := limits.get("formats"), list):
        limits["formats"] = [format_name(name) for name in formats]
    for dataset in datasets.values() if isinstance(datasets, dict) else ():
        generate = dataset.get("generate") if isinstance(dataset, dict) else None
        if isinstance(generate, dict) and "format" in generate:
            form = generate["format"]
            generate["format"] = (
                {format_name(name): weight for name, weight in form.items()}
                if isinstance(form, dict)
                else format_name(form)
            )
    return config


def _run_all_datasets(config: dict[str, Any]) -> None:
    """Let all datasets be run if none is named, and the default one is not among them."""
    datasets, run = config.get("datasets"), config.get("run")
    if not isinstance(datasets, dict) or _DEFAULT_DATASET in datasets:
        return
    if run is None or (isinstance(run, dict) and run.get("datasets") is None):
        names = [name for name in datasets if isinstance(name, str)]
        config["run"] = {**(run or {}), **({"datasets": names} if names else {})}


def _with_preset(config: dict[str, Any]) -> dict[str, Any]:
    """Replace the name of a preset with its limits."""
    name = config.get("limits")
    if isinstance(name, str):
        if name not in PRESETS:
            advice = f"give {' or '.join(PRESETS)}, or a map of limits."
            raise UserError(
                f"limits: found {shown(name)}{followed(nearest(name, PRESETS), advice)}"
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
        if read is None or isinstance(read, bool | int | float):
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
        return f"{place}: unknown key{suggestions.allowed(unknown, known)}"
    if rule in ("type", "minimum", "maximum", "exclusiveMinimum", "minItems", "maxItems"):
        text = error.instance if isinstance(error.instance, str) else ""
        hint = ", without quotes" * recipe_parser.unquoted(text, _checker(part))
        return f"{key}: found {found}; give {allowed(part)}{hint}."
    if rule == "enum":
        return f"{key}: found {found}{suggestions.allowed(error.instance, map(str, value))}"
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


def _checker(part: Mapping[str, Any]) -> Callable[[Any], None]:
    """Return a function that raises ValueError for what a part of the schema does not allow."""

    def check(value: Any) -> None:
        if schemas.first_error(part, value) is not None:
            raise ValueError

    return check


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
                advice = f"defined are {', '.join(config[kind])}."
                raise UserError(
                    f"run.{kind}: '{name}' is not defined"
                    f"{followed(nearest(name, config[kind]), advice)}"
                )
        if not config["run"][kind]:
            raise UserError(f"run.{kind}: the list is empty; name at least one.")


def _check_inspection(config: Mapping[str, Any]) -> None:
    """Check thresholds, and what datasets make of metrics; only then NumPy is imported."""
    if config["findings"]:
        from pixelmill.inspection.findings import thresholds

        thresholds(config["findings"])
    for name, dataset in config["datasets"].items():
        key = f"datasets.{name}"
        if "select" in dataset:
            from pixelmill.inspection.selection import parse

            parse(dataset["select"], f"{key}.select")
        if "split" in dataset:
            from pixelmill.inspection.split import check_ratios

            check_ratios(dataset["split"]["ratios"], f"{key}.split.ratios")
        if left_out.is_selective(dataset) and config["scale"]["shards"] > 1:
            choice = next(key for key in ("list", "select", "on_duplicate") if key in dataset)
            raise UserError(
                f"{key}.{choice}: images of a dataset in shards cannot be selected; leave "
                f"'{choice}' out, or set scale.shards to 1."
            )


def _check_packing(config: Mapping[str, Any]) -> None:
    """Check how outputs are packed, and convert a number of bytes that has a unit."""
    pack = config["pack"]
    if pack is None:
        return
    from pixelmill.packing.division import byte_count
    from pixelmill.packing.shard_formats import require

    require(pack["format"])
    if pack.get("bytes") is None:
        return
    if pack.get("images") is not None:
        raise UserError("pack: found 'images' and 'bytes'; give one of them.")
    try:
        pack["bytes"] = byte_count(pack["bytes"])
    except ValueError as error:
        raise UserError(f"pack.bytes: {error}.") from error


def _check_destination(url: str | None) -> None:
    """Check the bucket to which outputs are uploaded."""
    if url is not None:
        source_settings.check_bucket("destination", url)


def recipe_files(config: Mapping[str, Any], name: str, base: str) -> Iterator[str]:
    """Return the paths of the files that define own steps, and of those that steps read."""
    parsed = recipe_parser.parse(config["recipes"][name], f"recipes.{name}", base)
    yield from parsed.own_files()
    yield from parsed.files()


def uses_opencv(config: Mapping[str, Any], name: str, base: str) -> bool:
    """Whether OpenCV computes some of the pixels or files of a recipe."""
    return recipe_parser.parse(config["recipes"][name], f"recipes.{name}", base).uses_opencv


def needs_dates(config: Mapping[str, Any], base: str) -> bool:
    """Whether a recipe of the run names outputs by the dates of pictures."""
    recipes = config["recipes"]
    return any(
        recipe_parser.parse(recipes[name], f"recipes.{name}", base).needs_dates
        for name in config["run"]["recipes"]
    )


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
    recipes = default_recipes()
    if text in recipes:
        return recipe_parser.parse(recipes[text], text)
    path = expanded(text)
    if path.endswith((".yaml", ".yml", ".json")) or os.path.lexists(path):
        document = documents.read(path)
        beside = os.path.dirname(path) or "."
        return parse_document(document, beside if folder == "." else folder)
    advice = f"give {', '.join(recipes)} or a file that ends in .yaml."
    raise UserError(f"recipe: '{text}' is unknown{followed(nearest(text, recipes), advice)}")


def parse_document(document: documents.Document, folder: str) -> recipe.Recipe:
    """Parse the recipe of a file.

    Raises
    ------
    UserError
        With the file, line and column of the mistake.
    """
    if not isinstance(document.data, Mapping):
        raise UserError(
            f"{document.where}: found {shown(document.data)}; give a map with 'steps' and "
            "'output', as `pixelmill presets web` shows."
        )
    with documents.named_in([document], "recipe"):
        return recipe_parser.parse(document.data, "recipe", folder)
