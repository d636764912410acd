"""Documents: YAML and JSON from users, read within bounds.

A few hundred bytes of YAML can stand for billions of values, and deeply nested brackets exhaust
the stack of a parser. Both are refused in a sentence before anything is built, and so is a map
that has a key twice, of which the parsers would keep one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from pixelmill.core import regular_files, yaml_errors
from pixelmill.core.errors import UserError, shown
from pixelmill.core.suggestions import followed
from pixelmill.core.user_paths import lookalike

#: The most characters of a document, values in it including those that aliases repeat, and levels
#: of nesting. The largest config that comes with pixelmill has 2,000 characters, 150 values, and 7
#: levels.
MOST_CHARACTERS = 1_000_000
MOST_VALUES = 100_000
MOST_DEPTH = 50

#: Bytes of that many characters in UTF-8.
_MOST_BYTES = 4 * MOST_CHARACTERS


def loader() -> Any:
    """Return the safe loader of libyaml, which is ten times as fast, if it is available."""
    import yaml  # imported here, because most scripts read only JSON

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclasses.dataclass(frozen=True)
class Document:
    """A document that was read, which can name the place of its keys.

    Attributes
    ----------
    where : str
        Name of the document for messages, such as its path.
    text : str or None
        None if the data do not come from a text, whose lines could be named.
    data : object
        What the text stands for.
    """

    where: str
    text: str | None
    data: Any

    def find(self, path: str) -> tuple[int, str] | None:
        """Return how many keys of a path the document has, and the place of the last of them.

        Examples
        --------
        >>> Document("it", "a: {b: 1}", {"a": {"b": 1}}).find("a.b.c: unknown")
        (2, 'it, line 1, column 5')
        """
        import yaml

        text = yaml.safe_dump(self.data) if self.text is None else self.text
        try:
            root = yaml.compose(text, loader())
        except yaml.YAMLError:  # JSON that is indented with tabs
            return None
        found = yaml_errors.find(root, path)
        if found is None:
            return None
        depth, (line, column) = found
        named = self.where if self.text is None else yaml_errors.place(self.where, line, column)
        return depth, named


@contextlib.contextmanager
def named_in(documents: Sequence[Document], prefix: str = "") -> Iterator[None]:
    """Add file, line and column to errors whose message begins with a key of the documents.

    Parameters
    ----------
    documents : sequence of Document
        Of those that have the same keys, the last one counts.
    prefix : str, optional
        What messages have before the key.

    Raises
    ------
    UserError
        The error that was raised within, with its place.
    """
    try:
        yield
    except UserError as error:
        path = str(error).removeprefix(prefix).removeprefix(".")
        found = [known for document in documents if (known := document.find(path))]
        if not found:
            raise
        _, place = max(reversed(found), key=lambda one: one[0])
        raise type(error)(f"{place}: {path}") from error


def read(path: str, where: str = "") -> Document:
    """Read a YAML or JSON file.

    Parameters
    ----------
    path : str
    where : str, optional
        Name of the document for messages; by default the path.

    Raises
    ------
    UserError
        If it cannot be read or parsed, or exceeds a bound.
    """
    where = where or path
    try:
        with open(regular_files.opened(path), "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError as error:
        advice = followed(lookalike(path), "correct the path.")
        raise UserError(f"'{path}' does not exist{advice}") from error
    except OSError as error:
        what = "a folder" if os.path.isdir(path) else f"unreadable: {error.strerror}"
        raise UserError(f"'{path}' is {what}; give the path of a YAML file.") from error
    if len(data) > _MOST_BYTES:
        raise UserError(_too_much(where, f"more than {MOST_CHARACTERS:,} characters"))
    text = _decoded(data, where)
    if path.endswith(".json"):
        return Document(where, text, from_json(text, where))
    return Document(where, text, from_yaml(text, where))


def _decoded(data: bytes, where: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{where} is encoded in UTF-16; save it as UTF-8.")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        place = yaml_errors.place(where, before.count("\n"), len(before) - (before.rfind("\n") + 1))
        raise UserError(
            f"{place}: found the byte 0x{data[error.start]:02x}, which is not UTF-8; "
            "save the file as UTF-8."
        ) from error


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
        trouble = yaml_errors.explain(error, text)
        if trouble is not None:
            place = yaml_errors.place(where, trouble.line, trouble.column)
            raise UserError(f"{place}: {trouble.what}.") from error
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

    Texts are checked too: paths are among them, and no path has the character NUL.

    Parameters
    ----------
    value : object
        A document that was parsed elsewhere.
    where : str
        Name of the document for messages.

    Raises
    ------
    UserError
        If there are too many, if they are nested too deeply, or if a text has a character that no
        path can have.
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
        if isinstance(entry, str) and not _may_be_path(entry):
            raise UserError(f"{where}: found {shown(entry)}; give a text without such characters.")
        if isinstance(entry, Mapping):
            pending.append(iter(entry.values()))
        elif isinstance(entry, Sequence) and not isinstance(entry, str | bytes):
            pending.append(iter(entry))
        if len(pending) > MOST_DEPTH:
            raise UserError(_too_deep(where))
    raise UserError(_too_much(where, f"more than {MOST_VALUES:,} values"))


def _may_be_path(text: str) -> bool:
    """Whether the system can be asked for a path: without NUL, and without half a character."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


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
        mark = cast(Any, event.start_mark)
        place = yaml_errors.place(where, mark.line, mark.column)
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
                    raise UserError(_double(place, event.value))
                outer.keys.add(event.value)
        elif isinstance(event, yaml.AliasEvent):
            name = str(event.anchor)
            if any(name == collection.anchor for collection in open_):
                raise UserError(f"{place}: '*{name}' contains itself.")
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
