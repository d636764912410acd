"""Documents: YAML and JSON from users, read within bounds.

A few hundred bytes of YAML can stand for billions of values, and deeply nested brackets exhaust
the stack of a parser. Both are refused in a sentence before anything is built, and so is a map
that has a key twice, of which the parsers would keep one.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from pixelmill.core import regular_files
from pixelmill.core.errors import UserError, shown

#: The most characters of a document, values in it including those that aliases repeat, and levels
#: of nesting. The largest config that comes with pixelmill has 2,000 characters, 150 values, and 7
#: levels.
MOST_CHARACTERS = 1_000_000
MOST_VALUES = 100_000
MOST_DEPTH = 50


def loader() -> Any:
    """Return the safe loader of libyaml, which is ten times as fast, if it is available."""
    import yaml  # imported here, because most scripts read only JSON

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: str, where: str) -> Any:
    """Read a YAML file as `from_yaml` reads its text."""
    try:
        with open(regular_files.opened(path), encoding="utf-8") as file:
            text = file.read(MOST_CHARACTERS + 1)
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{where} cannot be read as YAML: {error}.") from error
    return from_yaml(text, where)


def from_yaml(text: str, where: str) -> Any:
    """Parse YAML.

    Parameters
    ----------
    text : str
    where : str
        Name of the document for messages.

    Raises
    ------
    UserError
        If it cannot be parsed, or exceeds a bound.

    Examples
    --------
    >>> from_yaml("a: [1, two]", "it")
    {'a': [1, 'two']}
    """
    import yaml

    if len(text) > MOST_CHARACTERS:
        raise UserError(_too_much(where, f"more than {MOST_CHARACTERS:,} characters"))
    try:
        _check_events(yaml.parse(text, loader()), where)
        return yaml.load(text, loader())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise UserError(f"{where} cannot be read as YAML: {why}.") from error


def from_json(text: str, where: str) -> Any:
    """Parse JSON; parameters and errors are those of `from_yaml`."""
    try:
        value = json.loads(text, object_pairs_hook=lambda pairs: _without_double(pairs, where))
    except RecursionError as error:
        raise UserError(_too_deep(where)) from error
    except ValueError as error:
        raise UserError(f"{where}: the JSON given cannot be read: {error}.") from error
    check(value, where)
    return value


def require(value: Any, keys: Mapping[str, type], where: str) -> None:
    """Check that a value is a map with these keys and types of values.

    Raises
    ------
    UserError
        If it is not.
    """
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: found {shown(value)}; give a map of keys and values.")
    for key, kind in keys.items():
        if key not in value:
            raise UserError(f"{where}: the key '{key}' is missing; give the complete config.")
        if not isinstance(value[key], kind):
            wanted = "a text" if kind is str else "a map of keys and values"
            raise UserError(f"{where}.{key}: found {shown(value[key])}; give {wanted}.")


def check(value: Any, where: str) -> None:
    """Check the number of values in a document, counting shared ones each time, and their nesting.

    Parameters
    ----------
    value : object
        A document that was parsed elsewhere.
    where : str
        Name of the document for messages.

    Raises
    ------
    UserError
        If there are too many, or if they are nested too deeply.
    """
    pending: list[Iterator[Any]] = [iter((value,))]
    for _ in range(MOST_VALUES):
        while pending:
            try:
                entry = next(pending[-1])
                break
            except StopIteration:
                pending.pop()
        else:
            return
        if isinstance(entry, Mapping):
            pending.append(iter(entry.values()))
        elif isinstance(entry, Sequence) and not isinstance(entry, str | bytes):
            pending.append(iter(entry))
        if len(pending) > MOST_DEPTH:
            raise UserError(_too_deep(where))
    raise UserError(_too_much(where, f"more than {MOST_VALUES:,} values"))


def _without_double(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise UserError(_double(where, next(key for key, count in counts.items() if count > 1)))
    return made


@dataclasses.dataclass
class _Collection:
    """A map or a list of YAML that was begun: its anchor, number of values so far, and keys."""

    anchor: str | None = None
    size: int = 1
    keys: set[str] | None = None  # only for a map
    at_key: bool = True


def _check_events(events: Iterable[Any], where: str) -> None:
    """Count the values of a YAML document before it is built, and check the keys of its maps.

    `sizes` are the numbers of values that anchors stand for.
    """
    import yaml

    sizes: dict[str, int] = {}
    open_ = [_Collection()]
    for event in events:
        line = f"{where}, line {cast(Any, event.start_mark).line + 1}"
        if isinstance(event, yaml.CollectionStartEvent):
            is_map = isinstance(event, yaml.MappingStartEvent)
            open_.append(_Collection(event.anchor, keys=set() if is_map else None))
            if len(open_) > MOST_DEPTH:
                raise UserError(_too_deep(where))
            continue
        outer = open_[-1]
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = outer.anchor, outer.size
            open_.pop()
            outer = open_[-1]
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
            if outer.keys is not None and outer.at_key:
                if event.value in outer.keys:
                    raise UserError(_double(line, event.value))
                outer.keys.add(event.value)
        elif isinstance(event, yaml.AliasEvent):
            name = str(event.anchor)
            if any(name == collection.anchor for collection in open_):
                raise UserError(f"{line}: '*{name}' contains itself.")
            anchor, size = None, sizes.get(name, 1)
        else:
            continue
        if anchor is not None:
            sizes[anchor] = size
        outer.size += size
        outer.at_key = not outer.at_key
        if outer.size > MOST_VALUES:
            raise UserError(_too_much(where, f"more than {MOST_VALUES:,} values"))


def _double(where: str, key: str) -> str:
    return f"{where}: the key {shown(key)} occurs twice; remove one of them, or rename it."


def _too_deep(where: str) -> str:
    return _too_much(where, f"maps and lists more than {MOST_DEPTH} deep within one another")


def _too_much(where: str, what: str) -> str:
    return f"{where}: it has {what}; give a smaller one."
