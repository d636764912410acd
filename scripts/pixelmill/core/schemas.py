"""Schemas: the structure of the config and of the files for machines, field by field."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml

from pixelmill.core import documents
from pixelmill.core.errors import UserError
from pixelmill.core.project import SCHEMAS

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError


@functools.cache
def schema(name: str) -> dict[str, Any]:
    """Return a schema: ``config``, ``scaling`` or ``benchmark``."""
    path = SCHEMAS / f"{name}.schema.yaml"
    loaded: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), documents.loader())
    return loaded


def first_error(part: Mapping[str, Any], data: Any) -> ValidationError | None:
    """Return the most telling difference between data and a schema; None if there is none."""
    from jsonschema.exceptions import best_match

    error: ValidationError | None = best_match(_validator()(part).iter_errors(data))
    return error


@functools.cache
def _validator() -> Any:
    """Return a validator that takes numbers as YAML does.

    JSON Schema takes 1000.0 for an integer, and knows no infinity.
    """
    # Its import takes 30 ms, and a recipe by name needs no validation.
    from jsonschema import Draft202012Validator, validators

    def is_integer(checker: object, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    def is_number(checker: object, value: object) -> bool:
        return is_integer(checker, value) or (isinstance(value, float) and math.isfinite(value))

    types = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": is_integer, "number": is_number}
    )
    return validators.extend(Draft202012Validator, type_checker=types)  # type: ignore[no-untyped-call]


def complete_section(name: str, given: Any, where: str) -> dict[str, Any]:
    """Check a section of the config and fill in its defaults.

    Parameters
    ----------
    name : str
        A section that contains no other sections, such as ``failures``.
    given : object
        The section as read from JSON.
    where : str
        Name of the section for messages.

    Raises
    ------
    UserError
        With the key and what is wrong with it.
    """
    part = schema("config")["properties"][name]
    error = first_error(part, given)
    if error is not None:
        key = error.json_path.removeprefix("$").removeprefix(".")
        raise UserError(f"{where}: {key + ': ' if key else ''}{error.message[:120]}.")
    return {**{key: entry["default"] for key, entry in part["properties"].items()}, **given}


def check(data: Any, name: str, where: str) -> None:
    """Check data against its schema.

    Parameters
    ----------
    data : object
        As read from JSON.
    name : str
        Name of the schema.
    where : str
        Name of the file for messages.

    Raises
    ------
    UserError
        With the field and what is wrong with it.
    """
    error = first_error(schema(name), data)
    if error is not None:
        field = error.json_path.removeprefix("$.")
        raise UserError(
            f"'{where}' is not a {name}.json of this version ({field}: {error.message[:120]}); "
            "measure again, or give another file."
        )
