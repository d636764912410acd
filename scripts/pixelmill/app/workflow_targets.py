"""Workflow targets: which words of a command line of Snakemake name something that can be made."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass

from pixelmill.core.errors import UserError
from pixelmill.core.suggestions import followed, nearest

#: Environment variable with the command by which a user started the workflow, if it was not
#: Snakemake's own.
COMMAND = "PIXELMILL_COMMAND"

#: Options of Snakemake whose values are rules of any kind, or files.
_OPTIONS = ("forcerun", "until", "omit_from")


@dataclass(frozen=True)
class Rules:
    """What a workflow can make.

    Attributes
    ----------
    targets : collection of str
        Rules without wildcards.
    patterns : collection of str
        Rules with wildcards, which are no targets by themselves.
    can_make : callable
        Whether a rule makes a file of this path.
    """

    targets: Collection[str]
    patterns: Collection[str]
    can_make: Callable[[str], bool]


def require_cores(cores: int | None) -> None:
    """Require a number of cores, without which the rules have no number of threads.

    Raises
    ------
    UserError
        With the command line to use instead.
    """
    if cores is None:
        line = shlex.join(["snakemake", "--cores", "all", *_arguments()])
        raise UserError(f"The number of cores is missing; run: {line}")


def command_for(target: str) -> list[str | None]:
    """Return the words of the command that runs, with None in the place of its target.

    Parameters
    ----------
    target : str
        The target that this run was asked for.
    """
    given = os.environ.get(COMMAND)
    words = shlex.split(given) if given else ["snakemake", *_arguments()]
    if words.count(target) != 1:
        return ["snakemake", "--cores", "all", None]
    return [None if word == target else word for word in words]


def check(rules: Rules, parser: Callable[[], argparse.ArgumentParser]) -> None:
    """Check the targets and rules on the command line of Snakemake.

    It would take an unknown one for a file, and say that no rule makes it. Its parser is built
    slowly, so that it is used only if a word could be an unknown target.

    Parameters
    ----------
    rules : Rules
    parser : callable
        Makes the parser of Snakemake.

    Raises
    ------
    UserError
        With the nearest right target.
    """
    arguments = _arguments()
    if all(_is_harmless(word, rules.targets) for word in arguments):
        return
    given, _ = parser().parse_known_args(arguments)
    for target in given.targets:
        if target in rules.patterns:
            raise UserError(
                f"'{target}' is not a target, because it is done for each dataset; {_advice(rules)}"
            )
        _check(target, rules, rules.targets)
    for option in _OPTIONS:
        for name in getattr(given, option) or ():
            _check(name, rules, [*rules.targets, *rules.patterns])


def _check(word: str, rules: Rules, names: Collection[str]) -> None:
    if not (word in names or os.path.lexists(word) or rules.can_make(word)):
        question = followed(nearest(word, names), _advice(rules))
        raise UserError(f"'{word}' is not a target{question}")


def _advice(rules: Rules) -> str:
    return f"targets are {', '.join(rules.targets)}, or the path of a file to make."


def _is_harmless(word: str, names: Collection[str]) -> bool:
    return (
        word in names
        or word.startswith("-")
        or "=" in word
        or word.isdigit()
        or os.path.lexists(word)
    )


def _arguments() -> list[str]:
    """Return the arguments of this process if it is Snakemake's own command; else none."""
    name = os.path.basename(sys.argv[0])
    return sys.argv[1:] if name.startswith(("snakemake", "__main__")) else []
