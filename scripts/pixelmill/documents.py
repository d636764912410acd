"""Documents: YAML and JSON that people give, read within bounds.

A few hundred bytes of YAML can stand for billions of values, and brackets in brackets
end a reader by recursion; either is refused in a sentence before anything is built.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from pixelmill.errors import UserError

#: Most characters of a document, values in it with those that aliases repeat, and maps and
#: lists within one another. The largest config that comes with pixelmill has 2,000
#: characters, 150 values, and a depth of 7.
MOST_CHARACTERS = 1_000_000
MOST_VALUES = 100_000
MOST_DEPTH = 50


def loader() -> Any:
    """Return libyaml's safe loader, which is ten times as fast, where it is there."""
    import yaml  # here, since most scripts read JSON alone

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: str, where: str) -> Any:
    """Read a YAML file.

    Raises
    ------
    UserError
        If it cannot be read, or exceeds a bound.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MOST_CHARACTERS + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{where} cannot be read as YAML: {error}.") from error
    return from_yaml(text, where)


def from_yaml(text: str, where: str) -> Any:
    """Read YAML.

    Parameters
    ----------
    text : str
    where : str
        What to call it, for messages.

    Raises
    ------
    UserError
        If it cannot be read, or exceeds a bound.

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
    """Read JSON.

    Parameters
    ----------
    text : str
    where : str
        What to call it, for messages.

    Raises
    ------
    UserError
        If it cannot be read, or exceeds a bound.
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise UserError(_too_deep(where)) from error
    except ValueError as error:
        raise UserError(f"{where}: the JSON given cannot be read: {error}.") from error
    check(value, where)
    return value


def check(value: Any, where: str) -> None:
    """Refuse a value with too many values in it, or too deep; shared ones count each time.

    Parameters
    ----------
    value : object
        As somebody else has read it.
    where : str
        What to call it, for messages.

    Raises
    ------
    UserError
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


def _check_events(events: Iterable[Any], where: str) -> None:
    """Count what a YAML document stands for, before it is built.

    `sizes` are the numbers of values that anchors stand for, and `open_` the maps and
    lists that have begun: the anchor of each, and its number of values so far.
    """
    import yaml

    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = [(None, 0)]
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, 1))
            if len(open_) > MOST_DEPTH:
                raise UserError(_too_deep(where))
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_.pop()
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        elif isinstance(event, yaml.AliasEvent):
            name, mark = str(event.anchor), cast(Any, event.start_mark)
            if any(name == outer for outer, _ in open_):
                raise UserError(f"{where}, line {mark.line + 1}: '*{name}' stands within itself.")
            anchor, size = None, sizes.get(name, 1)
        else:
            continue
        if anchor is not None:
            sizes[anchor] = size
        outer, total = open_[-1]
        open_[-1] = outer, total + size
        if total + size > MOST_VALUES:
            raise UserError(_too_much(where, f"more than {MOST_VALUES:,} values"))


def _too_deep(where: str) -> str:
    return _too_much(where, f"maps and lists more than {MOST_DEPTH} deep within one another")


def _too_much(where: str, what: str) -> str:
    return f"{where}: it has {what}; give a smaller one."
