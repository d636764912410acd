"""Argument parser: argparse whose errors are one sentence, with the nearest right word."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from pixelmill.core.errors import UserError
from pixelmill.core.suggestions import allowed, followed, nearest
from pixelmill.core.user_paths import expanded

#: Other spellings of formats; the registry of formats takes longer to import than help may take.
_SPELLINGS = {"jpg": "jpeg", "tif": "tiff"}

_NAMED = re.compile(r"argument ([^:]+): (.*)", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """A parser that shows an example, and tells a mistake in one sentence.

    Parameters
    ----------
    *args, **kwargs
        As for `argparse.ArgumentParser`.
    example : str
        Shown below the help.
    """

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        if example:
            kwargs["epilog"] = f"example:\n  {example}"
        kwargs["formatter_class"] = argparse.RawDescriptionHelpFormatter
        super().__init__(*args, **kwargs)
        self._given: list[str] = []

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as the base class does, and remember what was given for messages."""
        self._given = list(args or ())
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print one sentence, and exit with status 2."""
        self.exit(2, f"{self.prog}: {self._sentence(message)}\n")

    def _sentence(self, message: str) -> str:
        command = self._command()
        help_ = f"see `{command.prog} --help`."
        unknown = re.match(r"unrecognized arguments: (.*)", message)
        if option := self._unknown_option(unknown[1].split() if unknown else self._given):
            return (
                f"'{option}' is not an option{followed(nearest(option, command._options()), help_)}"
            )
        if unknown:
            images = "put several images into one folder, or " * ("SRC" in command._meanings())
            return f"'{unknown[1]}' is one argument too many; {images}{help_}"
        if missing := re.match(r"the following arguments are required: (.*)", message):
            names = missing[1].split(", ")
            meaning = self._meanings().get(names[0])
            told = f", the {meaning.partition(',')[0]}," if meaning else ""
            return f"{' and '.join(names)}{told} {_is(names)} missing; {help_}"
        if not (named := _NAMED.match(message)):
            return f"{message}; {help_}"
        name, what = named.groups()
        if choice := re.match(r"invalid choice: '?(.*?)'? \(choose from (.*)\)", what):
            choices = re.findall(r"[\w-]+", choice[2])
            if name == "COMMAND" and os.path.exists(choice[1]):
                return (
                    f"'{choice[1]}' is not a command; did you mean `{self.prog} run {choice[1]}`?"
                )
            if name == "COMMAND":
                return (
                    f"'{choice[1]}' is not a command{followed(nearest(choice[1], choices), help_)}"
                )
            return f"{name}: found '{choice[1]}'{allowed(choice[1], choices)}"
        if number := re.match(r"invalid \w+ value: (.*)", what):
            return f"{name}: found {number[1]}; give a number."
        if what.startswith("expected"):
            return f"{name}: {what.replace('expected', 'give')}; {help_}"
        return f"{name}: {what}."

    def _command(self) -> Parser:
        """Return the parser of the command that was given, or else this one."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction) and self._given:
                command: Parser = action.choices.get(self._given[0], self)
                return command
        return self

    def _meanings(self) -> dict[str, str]:
        """Return what the arguments that are not options mean, by how they are written."""
        return {
            str(action.metavar): (action.help or "").partition(";")[0]
            for action in self._actions
            if not action.option_strings
        }

    def _unknown_option(self, words: Sequence[str]) -> str | None:
        """Return the first word that looks like an option but is none."""
        options = self._command()._options()
        names = (word.split("=")[0] for word in words if re.match(r"--?[A-Za-z]", word))
        return next((name for name in names if not _abbreviates(name, options)), None)

    def _options(self) -> list[str]:
        return [option for action in self._all_actions() for option in action.option_strings]

    def _all_actions(self) -> Iterator[argparse.Action]:
        for action in self._actions:
            yield action
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    yield from parser._all_actions()


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _abbreviates(name: str, options: Sequence[str]) -> bool:
    return any(option.startswith(name) for option in options)


def format_name(text: str) -> str:
    """Return the name of a format that is given in capitals, or as file names end."""
    return _SPELLINGS.get(text.lower(), text.lower())


def path(text: str) -> str:
    """Expand `~` and variables in a path, where a shell did not."""
    try:
        return expanded(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error).removesuffix(".")) from error


def assignment(text: str) -> tuple[str, float]:
    """Parse a name with a number.

    Examples
    --------
    >>> assignment("train=0.8")
    ('train', 0.8)
    """
    name, sign, value = text.partition("=")
    try:
        return name.strip(), float(value if name and sign else "")
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"found '{text}'; give a name and a number, joined by an equals sign"
        ) from error


def cell(text: str) -> tuple[str, str]:
    """Parse the name of a column with a value.

    Examples
    --------
    >>> cell("split=train")
    ('split', 'train')
    """
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise argparse.ArgumentTypeError(
            f"found '{text}'; give a column and a value, joined by an equals sign"
        )
    return name, value


def byte_count(text: str) -> int:
    """Parse a number of bytes, which may have a decimal unit.

    Examples
    --------
    >>> byte_count("1.5G")
    1500000000
    """
    from pixelmill.packing import division

    try:
        return division.byte_count(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def number(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a function that parses an integer between two bounds.

    Examples
    --------
    >>> number(1, 100)("82")
    82
    """
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"found '{text}'; give a whole number {bounds}")
        return value

    return parse
