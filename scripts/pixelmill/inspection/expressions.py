"""Expressions: which images to select, such as ``sharpness > 80 and not duplicate``.

The grammar, in the notation of Python's reference::

    either     = both ("or" both)*
    both       = negation ("and" negation)*
    negation   = "not" negation | comparison
    comparison = "(" either ")" | finding | value operator value
    value      = metric | number | text
    operator   = "<" | "<=" | ">" | ">=" | "==" | "!="

Nothing is evaluated by Python. A comparison with a missing value is false, whatever the operator.
So ``not (sharpness > 80)`` selects images without sharpness, while ``sharpness <= 80`` does not.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from pixelmill.core.errors import UserError, shown
from pixelmill.core.suggestions import followed, nearest
from pixelmill.inspection.columns import Columns, Mask

#: Longest expression, in characters.
LONGEST = 2_000

#: Deepest nesting of parentheses and ``not``, far below the limit of Python's stack.
DEEPEST = 50

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    | (?P<word>[A-Za-z_]\w*)
    | (?P<text>"[^"]*"|'[^']*')
    | (?P<operator><=|>=|==|!=|<|>)
    | (?P<bracket>[()])
    | (?P<end>$)
    )""",
    re.VERBOSE | re.ASCII,
)

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}

#: What other languages write, with the right word.
_OTHER_SPELLINGS = {
    "=": "==",
    "&&": "and",
    "&": "and",
    "||": "or",
    "|": "or",
    "!": "not",
    "<>": "!=",
    "=>": ">=",
    "=<": "<=",
}

_WORDS = ("and", "or", "not")


class _Node(Protocol):
    def mask(self, columns: Columns, findings: Mapping[str, Mask]) -> Mask:
        """Return for which images it is true."""


@dataclass(frozen=True)
class _Value:
    """A metric or a constant."""

    name: str | None
    constant: float | str | None
    is_text: bool

    def array(self, columns: Columns) -> NDArray[Any]:
        if self.name is None:
            return np.array([self.constant], object if self.is_text else np.float64)
        return columns.texts(self.name) if self.is_text else columns.numbers(self.name)


@dataclass(frozen=True)
class _Comparison:
    left: _Value
    sign: str
    right: _Value

    def mask(self, columns: Columns, findings: Mapping[str, Mask]) -> Mask:
        left, right = self.left.array(columns), self.right.array(columns)
        is_missing: Callable[[NDArray[Any]], Any] = (
            (lambda array: array == "") if self.left.is_text else np.isnan
        )
        missing = np.zeros(len(columns), bool)
        for value, array in ((self.left, left), (self.right, right)):
            if value.name is not None:
                missing |= is_missing(array)
        true = np.asarray(_OPERATORS[self.sign](left, right), bool)
        return np.asarray(true & ~missing, bool)


@dataclass(frozen=True)
class _HasFinding:
    name: str

    def mask(self, columns: Columns, findings: Mapping[str, Mask]) -> Mask:
        return findings[self.name]


@dataclass(frozen=True)
class _Not:
    operand: _Node

    def mask(self, columns: Columns, findings: Mapping[str, Mask]) -> Mask:
        return ~self.operand.mask(columns, findings)


@dataclass(frozen=True)
class _All:
    operands: tuple[_Node, ...]
    is_any: bool = False

    def mask(self, columns: Columns, findings: Mapping[str, Mask]) -> Mask:
        result = self.operands[0].mask(columns, findings)
        for operand in self.operands[1:]:
            other = operand.mask(columns, findings)
            result = result | other if self.is_any else result & other
        return result


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Attributes
    ----------
    text : str
        As it was written.
    names : frozenset of str
        The metrics and findings that it uses.
    """

    text: str
    names: frozenset[str]
    _root: _Node

    def mask(self, columns: Columns, findings: Mapping[str, Mask]) -> Mask:
        """Return for which images the expression is true.

        Parameters
        ----------
        columns : Columns
        findings : mapping of str to ndarray of shape (images,), bool
            Which images have each finding.
        """
        return self._root.mask(columns, findings)


def parse(
    text: object,
    numbers: Iterable[str],
    texts: Iterable[str],
    findings: Iterable[str],
    where: str = "select",
) -> Expression:
    """Parse an expression.

    Parameters
    ----------
    text : str
    numbers, texts : iterable of str
        Names of the metrics that are numbers, and of those that are texts.
    findings : iterable of str
        Names of findings.
    where : str
        The key of the expression, for messages.

    Raises
    ------
    UserError
        With the position of the mistake, and the nearest right name.

    Examples
    --------
    >>> sorted(parse("sharpness < 80 or blurred", ["sharpness"], [], ["blurred"]).names)
    ['blurred', 'sharpness']
    >>> parse("sharpnes < 80", ["sharpness"], [], [])
    Traceback (most recent call last):
    pixelmill.core.errors.UserError: select: 'sharpnes < 80', character 1: 'sharpnes' is unknown; \
did you mean 'sharpness'? Use a metric, a finding, a number or a quoted text.
    """
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"{where}: found {shown(text)}; give a text such as 'sharpness > 80'.")
    if len(text) > LONGEST:
        raise UserError(
            f"{where}: the expression has {len(text):,} characters; give at most {LONGEST:,}."
        )
    return _Parser(text, set(numbers), set(texts), set(findings), where).parse()


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(
        self, text: str, numbers: set[str], texts: set[str], findings: set[str], where: str
    ) -> None:
        self._text = text
        self._numbers, self._texts, self._findings = numbers, texts, findings
        self._where = where
        self._names: set[str] = set()
        self._depth = 0
        self._next = 0
        self._advance()

    def parse(self) -> Expression:
        root = self._either()
        if self._kind != "end":
            self._fail(f"found {shown(self._token)}; join comparisons with 'and' or 'or'.")
        return Expression(self._text, frozenset(self._names), root)

    def _fail(self, problem: str, place: int | None = None) -> NoReturn:
        column = (self._place if place is None else place) + 1
        raise UserError(f"{self._where}: {shown(self._text)}, character {column}: {problem}")

    def _advance(self) -> None:
        match = _TOKEN.match(self._text, self._next)
        if match is None or match.lastgroup is None:
            rest = self._text[self._next :]
            self._place = self._next + len(rest) - len(rest.lstrip())
            self._fail_at_sign(rest.lstrip())
        self._kind = match.lastgroup
        self._token = match[self._kind]
        self._place = match.start(self._kind)
        self._next = match.end()

    def _fail_at_sign(self, rest: str) -> NoReturn:
        if rest[0] in "'\"":
            self._fail(f"the text that begins with {rest[0]} does not end; close the quote.")
        signs = re.match(r"[=&|!<>]+|[\w.+-]+|.", rest, re.DOTALL)
        found = signs[0] if signs else rest[0]
        if found in _OTHER_SPELLINGS:
            self._fail(f"found {shown(found)}; write '{_OTHER_SPELLINGS[found]}'.")
        self._fail(
            f"found {shown(found)}; use names, numbers, quoted texts, comparisons, 'and', 'or', "
            "'not' and parentheses."
        )

    def _takes(self, token: str) -> bool:
        if self._kind in ("word", "bracket") and self._token == token:
            self._advance()
            return True
        return False

    def _either(self) -> _Node:
        operands = [self._both()]
        while self._takes("or"):
            operands.append(self._both())
        return operands[0] if len(operands) == 1 else _All(tuple(operands), is_any=True)

    def _both(self) -> _Node:
        operands = [self._negation()]
        while self._takes("and"):
            operands.append(self._negation())
        return operands[0] if len(operands) == 1 else _All(tuple(operands))

    def _negation(self) -> _Node:
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(f"it is nested more than {DEEPEST} deep; write it with fewer parentheses.")
        node: _Node = _Not(self._negation()) if self._takes("not") else self._comparison()
        self._depth -= 1
        return node

    def _comparison(self) -> _Node:
        begun = self._place
        if self._takes("("):
            inside = self._either()
            if not self._takes(")"):
                self._fail(
                    f"the parenthesis of character {begun + 1} is not closed here; write ')', or "
                    "join comparisons with 'and' or 'or'."
                )
            return inside
        if self._kind == "word" and self._token in self._findings:
            name = self._token
            self._advance()
            self._names.add(name)
            if self._kind == "operator":
                self._fail(f"'{name}' is a finding; write '{name}' or 'not {name}'.", begun)
            return _HasFinding(name)
        left = self._value()
        if self._kind != "operator":
            self._fail_without_operator(left, begun)
        sign = self._token
        self._advance()
        right = self._value()
        if left.is_text != right.is_text:
            self._fail("a number is compared with a text; quote only texts.", begun)
        if left.name is None and right.name is None:
            self._fail("two constants are compared; one side must be a metric.", begun)
        if self._kind == "operator":
            self._fail(f"found a second {shown(self._token)}; write 'a < b and b < c'.")
        return _Comparison(left, sign, right)

    def _fail_without_operator(self, left: _Value, begun: int) -> NoReturn:
        example = "== 'jpeg'" if left.is_text else "> 1"
        written = shown(self._text[begun : self._place].strip())
        if self._kind == "end":
            self._fail(f"{written} is not compared with anything; add {example}, say.", begun)
        self._fail(f"found {shown(self._token)}; compare {written}, for example {example}.")

    def _value(self) -> _Value:
        kind, token = self._kind, self._token
        if kind == "number":
            value = _Value(None, float(token), is_text=False)
        elif kind == "text":
            value = _Value(None, token[1:-1], is_text=True)
        elif kind == "word" and token in self._numbers | self._texts:
            value = _Value(token, None, is_text=token in self._texts)
            self._names.add(token)
        elif kind == "word" and token in self._findings:
            self._fail(
                f"'{token}' is a finding, which has no value; write it without a comparison."
            )
        elif kind == "word" and token not in _WORDS:
            advice = "use a metric, a finding, a number or a quoted text."
            known = sorted(self._numbers | self._texts | self._findings)
            self._fail(f"{shown(token)} is unknown{followed(nearest(token, known), advice)}")
        else:
            found = "the end" if kind == "end" else shown(token)
            self._fail(f"found {found}; here must be a metric, a finding, a number or a text.")
        self._advance()
        return value
