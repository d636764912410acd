"""Parameters of steps and options of formats: which values are allowed, checked before a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from pixelmill.core.path_templates import fields_of

#: The default of a parameter that a recipe must give.
REQUIRED: Any = object()

_NAMED_COLORS = {"white": "#ffffff", "black": "#000000", "gray": "#808080"}

Size: TypeAlias = tuple[int, int]

Box: TypeAlias = tuple[float, float, float, float]


class Parameter(Protocol):
    """One parameter of a step."""

    @property
    def default(self) -> Any:
        """The value if a recipe gives none; `REQUIRED` if it must give one.

        None means that the parameter is left out; a recipe may give null too.
        """

    @property
    def allowed(self) -> str:
        """Which values are allowed, to complete the sentence "give ..."."""

    def check(self, value: Any) -> Any:
        """Return the value in its normal form.

        Raises
        ------
        ValueError
            If it is not allowed.
        """


class _WithDefault:
    """A parameter of which only the default differs from step to step.

    Parameters
    ----------
    default : object
    """

    def __init__(self, default: Any = REQUIRED) -> None:
        self.default = default


class Integer(NamedTuple):
    """An integer between two bounds, both inclusive."""

    minimum: int
    maximum: int
    default: Any = REQUIRED

    @property
    def allowed(self) -> str:
        """The bounds in words."""
        return f"a whole number from {self.minimum} to {self.maximum}"

    def check(self, value: Any) -> int:
        """Return the value, if it is a whole number within the bounds."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(self.allowed)
        if not self.minimum <= value <= self.maximum:
            raise ValueError(self.allowed)
        return value


class Number(NamedTuple):
    """A real number between two bounds, both inclusive.

    Examples
    --------
    >>> Number(0, 10).check(3)
    3.0
    """

    minimum: float
    maximum: float
    default: Any = REQUIRED

    @property
    def allowed(self) -> str:
        """The bounds in words."""
        return f"a number from {self.minimum:g} to {self.maximum:g}"

    def check(self, value: Any) -> float:
        """Return the value as a float, if it is within the bounds."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(self.allowed)
        if not self.minimum <= value <= self.maximum:  # infinities and NaN neither
            raise ValueError(self.allowed)
        return float(value)


class Percent(_WithDefault):
    """A share from 0 to 100 %, as a number or as a text such as ``5 %``.

    Examples
    --------
    >>> Percent().check("5 %"), Percent().check(2.5)
    (5.0, 2.5)
    """

    allowed = "a percentage from 0 to 100, such as 5 %"

    def check(self, value: Any) -> float:
        """Return the number of percent."""
        if isinstance(value, str):
            found = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", value.strip())
            value = float(found[1]) if found else None
        try:
            return Number(0, 100).check(value)
        except ValueError as error:
            raise ValueError(self.allowed) from error


class EncodingTarget(_WithDefault):
    """What an encoded file must reach: at most so many bytes, or at least such a similarity.

    Examples
    --------
    >>> EncodingTarget().check({"bytes": "200k"}), EncodingTarget().check({"ssim": 0.98})
    ({'bytes': 200000}, {'ssim': 0.98})
    """

    allowed = "{bytes: 200k} or {ssim: 0.98}"

    #: Which keys a target may have.
    keys = ("bytes", "ssim")

    def check(self, value: Any) -> dict[str, float] | None:
        """Return the target with its bytes as a number."""
        if value is None:
            return None
        if not isinstance(value, Mapping) or len(value) != 1:
            raise ValueError(self.allowed)
        ((key, aim),) = value.items()
        if key == "bytes":
            return {key: _byte_count(aim)}
        if key != "ssim":
            raise ValueError(self.allowed)
        try:
            return {key: Number(0.01, 0.9999).check(aim)}
        except ValueError as error:
            raise ValueError(f"{{ssim: ...}} with {error}") from error


def _byte_count(value: Any) -> int:
    if isinstance(value, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kM]?)B?", value.strip())
        value = round(float(found[1]) * {"": 1, "k": 1e3, "M": 1e6}[found[2]]) if found else None
    try:
        return Integer(1, 10**12).check(value)
    except ValueError as error:
        raise ValueError("{bytes: ...} with a number of bytes such as 200k or 1.5M") from error


class PathTemplate(_WithDefault):
    """The path of an output, with fields; see `pixelmill.core.path_templates`.

    Examples
    --------
    >>> PathTemplate().check("{stem}.{ext}")
    '{stem}.{ext}'
    """

    allowed = "a path such as {folder}/{stem}.{ext}"

    def check(self, value: Any) -> str | None:
        """Return the template, if it is one."""
        if value is None:
            return None
        if not isinstance(value, str):
            raise ValueError(self.allowed)
        fields_of(value)
        return value


class Flag(_WithDefault):
    """Yes or no."""

    allowed = "true or false"

    def check(self, value: Any) -> bool:
        """Return the value, if it is one of the two."""
        if not isinstance(value, bool):
            raise ValueError(self.allowed)
        return value


class Margin(_WithDefault):
    """A factor from 1 to 100, or 0 to decode at full size."""

    allowed = "1 to 100, or 0 to decode in full"

    def check(self, value: Any) -> float:
        """Return the value as a float, if it is allowed."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(self.allowed)
        if value != 0 and not 1 <= value <= 100:
            raise ValueError(self.allowed)
        return float(value)


class Choice(NamedTuple):
    """One of a few values, some of which may have synonyms from other tools.

    Examples
    --------
    >>> Choice(("contain", "cover"), synonyms={"inside": "contain"}).check("inside")
    'contain'
    """

    choices: tuple[Any, ...]
    default: Any = REQUIRED
    synonyms: Mapping[str, Any] = {}

    @property
    def allowed(self) -> str:
        """The choices in words."""
        return "one of " + ", ".join(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The choices and their synonyms as they are written."""
        return tuple(map(str, (*self.choices, *self.synonyms)))

    def check(self, value: Any) -> Any:
        """Return the value, if it is one of the choices."""
        value = self.synonyms.get(value, value) if isinstance(value, str) else value
        if not any(type(value) is type(choice) and value == choice for choice in self.choices):
            raise ValueError(self.allowed)
        return value


class ChoiceOrNames(NamedTuple):
    """One of a few values, or a list of names.

    Examples
    --------
    >>> kind = ChoiceOrNames(("strip", "none"), ("Artist", "Copyright"), "strip")
    >>> kind.check("none"), kind.check(["Copyright", "Artist", "Copyright"])
    ('none', ('Artist', 'Copyright'))
    """

    choices: tuple[str, ...]
    known: tuple[str, ...]
    default: Any = REQUIRED

    @property
    def allowed(self) -> str:
        """The choices in words."""
        return f"one of {', '.join(self.choices)}, or a list of tags such as [Artist, Copyright]"

    def check(self, value: Any) -> Any:
        """Return the value; names are sorted, and each occurs once."""
        if isinstance(value, str) and value in self.choices:
            return value
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(self.allowed)
        if not all(isinstance(name, str) and name in self.known for name in value):
            raise ValueError(self.allowed)
        return tuple(sorted(set(value)))


class Color(NamedTuple):
    """A colour as ``#rrggbb``, or white, black or gray, or one of the words in `also`.

    Examples
    --------
    >>> Color().check("white")
    '#ffffff'
    >>> Color(also=("transparent",)).check("transparent")
    'transparent'
    """

    default: Any = REQUIRED
    also: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """The form and the names."""
        *names, last = *_NAMED_COLORS, *self.also
        return f'a colour such as "#ffffff", or {", ".join(names)} or {last}'

    def check(self, value: Any) -> str:
        """Return the colour as ``#rrggbb`` in lower case, or the word."""
        if isinstance(value, str) and value in self.also:
            return value
        value = _NAMED_COLORS.get(value, value) if isinstance(value, str) else value
        if not isinstance(value, str) or not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            raise ValueError(self.allowed)
        return value.lower()


class Matrix(_WithDefault):
    """Three rows of three numbers, or of four, of which the last is an offset in levels."""

    allowed = "3 rows of 3 numbers, or of 4 where the last is an offset, each from -1000 to 1000"

    def check(self, value: Any) -> tuple[tuple[float, ...], ...]:
        """Return the matrix as tuples of floats."""
        number = Number(-1000, 1000)
        if not _is_list(value, (3,)) or not all(_is_list(row, (3, 4)) for row in value):
            raise ValueError(self.allowed)
        if len({len(row) for row in value}) != 1:
            raise ValueError(self.allowed)
        try:
            return tuple(tuple(number.check(entry) for entry in row) for row in value)
        except ValueError as error:
            raise ValueError(self.allowed) from error


class Sides(NamedTuple):
    """A width in pixels for all four sides, or one for each: top, right, bottom, left.

    Examples
    --------
    >>> Sides(100).check(3)
    (3, 3, 3, 3)
    """

    maximum: int
    default: Any = REQUIRED

    @property
    def allowed(self) -> str:
        """The bounds in words."""
        return (
            f"a whole number from 0 to {self.maximum}, or a list of four: top, right, bottom, left"
        )

    def check(self, value: Any) -> tuple[int, ...]:
        """Return the four widths."""
        number = Integer(0, self.maximum)
        sides = value if _is_list(value, (4,)) else [value] * 4
        try:
            return tuple(number.check(side) for side in sides)
        except ValueError as error:
            raise ValueError(self.allowed) from error


class Text(_WithDefault):
    """A text with at least one visible character."""

    allowed = "a text"

    def check(self, value: Any) -> str:
        """Return the text, if it is one."""
        if not isinstance(value, str) or not value.strip():
            raise ValueError(self.allowed)
        return value


class File(NamedTuple):
    """A file that a step reads; its content is a part of the recipe.

    The value is the path as the recipe gives it. The function of the step takes the path of the
    file itself.

    Attributes
    ----------
    what : str
        What the file must be, such as "an image".
    read : callable
        Reads the file at a path as the step does. Raises ValueError if the file is missing or
        something else; the message completes the sentence "give ...".
    """

    what: str
    read: Callable[[str], Any]
    default: Any = REQUIRED

    @property
    def allowed(self) -> str:
        """What the path must lead to, in words."""
        return f"the path of {self.what}"

    def check(self, value: Any) -> str:
        """Return the path, if it may be one."""
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise ValueError(self.allowed)
        return value


def _is_list(value: Any, lengths: tuple[int, ...]) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) in lengths
