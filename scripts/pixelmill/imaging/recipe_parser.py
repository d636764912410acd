"""Recipe parser: checks YAML and JSON, fills in defaults, and returns recipes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pixelmill.core.errors import UserError, shown
from pixelmill.core.suggestions import allowed, followed, nearest
from pixelmill.imaging.backends import opencv_steps
from pixelmill.imaging.codecs import tag_names
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS, QUALITY, SAME, format_name
from pixelmill.imaging.parameters import REQUIRED, Choice, ChoiceOrNames, EncodingTarget, Parameter
from pixelmill.imaging.recipe import (
    DELIVERY,
    SETTINGS,
    Output,
    Recipe,
    Step,
    file_keys,
    find_file,
)
from pixelmill.imaging.steps import STEPS, custom

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def parse(data: Any, where: str = "recipe", folder: str = ".") -> Recipe:
    """Check a recipe as read from YAML or JSON.

    Parameters
    ----------
    data : mapping
        ``steps``, ``output`` or ``outputs``, and any of `SETTINGS`.
    where : str
        Key of the recipe, for messages.
    folder : str
        Where own steps are searched for first.

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
    _check_tags(data.get("metadata"), where)
    settings = {key: _value(data, key, kind, where) for key, kind in SETTINGS.items()}
    recipe = Recipe(
        steps=_parse_steps(data, where, folder),
        outputs=_parse_outputs(data, where, folder),
        settings=settings,
        folder=folder,
    )
    _check_together(recipe, where)
    return recipe


def _check_tags(given: Any, where: str) -> None:
    """Refuse a list with a name that stands for no metadata."""
    for name in given if isinstance(given, list) else ():
        if name not in tag_names.NAMES:
            known = ("strip", "keep", "none", *tag_names.NAMES)
            question = nearest(name, known) if isinstance(name, str) else ""
            advice = "give names of docs/metadata.md, as exiftool prints them."
            raise UserError(f"{where}.metadata: found {shown(name)}{followed(question, advice)}")


def _value(data: Mapping[str, Any], key: str, kind: Parameter, where: str) -> Any:
    try:
        return kind.check(data.get(key, kind.default))
    except ValueError as error:
        raise _refusal(f"{where}.{key}", kind, data.get(key), error) from error


def _refusal(where: str, kind: Parameter, value: Any, error: ValueError) -> UserError:
    """Return the error about a value that is not allowed."""
    if isinstance(value, str):
        if isinstance(kind, ChoiceOrNames):
            question = nearest(value, kind.choices)
            return UserError(f"{where}: found {shown(value)}{followed(question, f'give {error}.')}")
        if isinstance(kind, Choice):
            return UserError(f"{where}: found {shown(value)}{allowed(value, kind.names)}")
        if unquoted(value, kind.check):
            return UserError(f"{where}: found {shown(value)}; give {error}, without quotes.")
    return UserError(f"{where}: found {shown(value)}; give {error}.")


def unquoted(text: str, check: Callable[[Any], Any]) -> bool:
    """Return whether a text would be allowed as the number or truth value that it looks like."""
    words = {"true": True, "false": False}
    try:
        value = words[text.lower()] if text.lower() in words else float(text)
        check(int(value) if isinstance(value, float) and value.is_integer() else value)
    except (ValueError, OverflowError):
        return False
    return True


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
            raise UserError(f"{place}.name: '{name}' occurs twice; give each output its own name.")
        rest = {key: value for key, value in entry.items() if key not in ("name", "steps")}
        steps = _parse_steps(entry, place, folder)
        outputs.append(replace(_parse_output(rest, place), name=name, steps=steps))
    return tuple(outputs)


def _parse_output(data: Any, where: str) -> Output:
    if not isinstance(data, Mapping):
        raise UserError(f"{where}: found {shown(data)}; give a map such as {{format: jpeg}}.")
    format_ = format_name(data.get("format", "jpeg"))
    formats = (*OUTPUT_FORMATS, SAME)
    if not isinstance(format_, str) or format_ not in formats:
        raise UserError(f"{where}.format: found {shown(format_)}{allowed(format_, formats)}")
    # The quality may stay where it is when another format is tried.
    if "quality" in data:
        _value(data, "quality", QUALITY, where)
    parameters = {} if format_ == SAME else OUTPUT_FORMATS[format_].options
    _only(data, tuple(dict.fromkeys(("format", "quality", *parameters, *DELIVERY))), where)
    delivery = _parse_delivery(data, format_, where)
    if format_ == SAME:
        options = {key: value for key, value in data.items() if key == "quality"}
    else:
        options = {key: _value(data, key, kind, where) for key, kind in parameters.items()}
    return Output(format=format_, options=options, delivery=delivery)


def _parse_delivery(data: Mapping[str, Any], format_: str, where: str) -> dict[str, Any]:
    """Return what differs from the defaults of `DELIVERY`."""
    if isinstance(data.get("target"), Mapping):
        _only(data["target"], EncodingTarget.keys, f"{where}.target")
    values = {key: _value(data, key, kind, where) for key, kind in DELIVERY.items()}
    delivery = {key: value for key, value in values.items() if value != DELIVERY[key].default}
    able = [name for name, known in OUTPUT_FORMATS.items() if known.copies]
    keys = [key for key in delivery if key in ("if_larger", "min_saving")]
    if keys and format_ not in (*able, SAME):
        raise UserError(
            f"{where}.{keys[0]}: the picture of a source cannot be copied to {format_}; leave the "
            f"key out, or give a format of {', '.join(able)} or {SAME}."
        )
    if "min_saving" in delivery and data.get("if_larger") == "write":
        raise UserError(
            f"{where}.min_saving: found {shown(data['min_saving'])}, but if_larger is 'write', "
            "which writes every file; leave one of them out."
        )
    if "target" in delivery:
        _check_target(data, format_, where)
    return delivery


def _check_target(data: Mapping[str, Any], format_: str, where: str) -> None:
    """Refuse a target for files whose quality cannot be chosen."""
    lossy = [name for name, known in OUTPUT_FORMATS.items() if "quality" in known.options]
    if format_ not in lossy:
        raise UserError(
            f"{where}.target: the format '{format_}' has no quality to search; leave the key out, "
            f"or give a format of {', '.join(lossy)}."
        )
    if data.get("lossless"):
        raise UserError(f"{where}.target: lossless is true; leave one of them out.")
    if "quality" in data:
        raise UserError(
            f"{where}.target: decides the quality, and quality is {shown(data['quality'])}; leave "
            "one of them out."
        )


def _check_path(template: str, sides: tuple[int | None, int | None], where: str) -> None:
    """Refuse a side in the path of an output that is not the same for all images."""
    for side, pixels in zip(("width", "height"), sides, strict=True):
        if f"{{{side}}}" in template and pixels is None:
            raise UserError(
                f"{where}.output.path: found {shown(template)}, but the {side} is not the same for "
                f"all images; write a number instead of {{{side}}}, or resize to a {side} and "
                "allow enlarging."
            )


def _check_together(recipe: Recipe, where: str) -> None:
    """Refuse settings that the outputs or the steps do not support."""
    settings = recipe.settings
    wanted = {
        "orientation": ("keep", "exif", "the tag"),
        "animation": ("all", "animation", "moving pictures"),
        "pages": ("all", "several_pages", "several pages"),
        "depth": ("keep", "deep", "16 bits"),
    }
    for key, (value, ability, what) in wanted.items():
        if settings[key] != value:
            continue
        able = [name for name, known in OUTPUT_FORMATS.items() if getattr(known, ability)]
        for output in recipe.outputs:
            if output.format not in (*able, SAME):
                raise UserError(
                    f"{where}.{key}: found '{value}', but {output.format} cannot hold {what}; "
                    f"give an output format of {', '.join(able)} or {SAME}."
                )
    for output in recipe.outputs:
        _check_path(output.delivery.get("path", ""), recipe.sides_of(output), where)
    if settings["animation"] == "all":
        for output in recipe.outputs:
            if "ssim" in output.delivery.get("target", {}):
                raise UserError(
                    f"{where}.animation: found 'all', but target.ssim compares single pictures; "
                    "give target.bytes, or leave animation out."
                )
    if settings["backend"] == "opencv":
        for step in recipe.all_steps:
            try:
                opencv_steps.check(step.name, step.params, deep=settings["depth"] == "keep")
            except ValueError as error:
                raise UserError(
                    f"{where}.backend: opencv does not support {step.name}; {error}."
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
        return Step("call", custom.check(params, where, folder))
    if name not in STEPS:
        raise UserError(f"{where}: no such step{allowed(name, (*STEPS, 'call'))}")
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
            raise _refusal(f"{where}.{key}", parameter, value, error) from error
    step, paths = Step(name, checked), {}
    for key in file_keys(step):
        paths[key] = find_file(checked[key], folder)
        try:
            kind.parameters[key].read(paths[key])  # type: ignore[attr-defined]
        except ValueError as error:
            found = checked[key]
            raise UserError(f"{where}.{key}: found {shown(found)}; give {error}.") from error
    if kind.check is not None:
        try:
            kind.check({**checked, **paths})
        except ValueError as error:
            raise UserError(f"{where}: give {error}.") from error
    return step


def _only(data: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    unknown = [key for key in data if key not in known]
    if unknown:
        raise UserError(f"{where}.{unknown[0]}: unknown key{allowed(unknown[0], known)}")
