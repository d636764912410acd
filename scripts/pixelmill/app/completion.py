"""Shell completion: scripts for bash, zsh and fish, written from the parser of the command."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

#: Targets and options of `pixelmill workflow`, whose arguments Snakemake parses.
_WORKFLOW = (
    *("all", "process", "plan", "verify", "report", "inspect", "pack", "scaling", "rivals"),
    *("steps", "clean", "--cores", "--dry-run", "--configfile", "--config", "--quiet"),
)


@dataclass(frozen=True)
class _Option:
    names: tuple[str, ...]
    help: str
    takes_value: bool
    values: tuple[str, ...]


@dataclass(frozen=True)
class _Command:
    name: str
    help: str
    options: tuple[_Option, ...]
    words: tuple[str, ...]  # what its other arguments may be; none means files


def script(shell: str, parser: argparse.ArgumentParser, names: Mapping[str, Sequence[str]]) -> str:
    """Return the completion script of a shell.

    Parameters
    ----------
    shell : {"bash", "zsh", "fish"}
    parser : argparse.ArgumentParser
        With a parser for each command.
    names : mapping
        Words for the values of options, and for the arguments of commands, by their names.
    """
    commands = list(_commands(parser, names))
    lines = {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](parser.prog, commands)
    return "\n".join(lines)


def _commands(
    parser: argparse.ArgumentParser, names: Mapping[str, Sequence[str]]
) -> Iterator[_Command]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, command in action.choices.items():
                options = tuple(
                    _option(one, names) for one in command._actions if one.option_strings
                )
                plain = [one for one in command._actions if not one.option_strings]
                words = names.get(name) or [word for one in plain for word in one.choices or ()]
                words = _WORKFLOW if name == "workflow" else tuple(words)
                yield _Command(name, helps[name], options, words)


def _option(action: argparse.Action, names: Mapping[str, Sequence[str]]) -> _Option:
    strings = tuple(action.option_strings)
    values = names.get(strings[0]) or action.choices or ()
    return _Option(strings, action.help or "", action.nargs != 0, tuple(values))


def _bash(prog: str, commands: Sequence[_Command]) -> Iterator[str]:
    yield f"_{prog}() {{"
    yield '  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=""'
    yield '  if [ "$COMP_CWORD" -eq 1 ]; then'
    yield f'    words="{" ".join(command.name for command in commands)} --help --version"'
    yield "  else"
    yield '    case "${COMP_WORDS[1]} $before" in'
    for command in commands:
        for option in command.options:
            if option.takes_value:
                patterns = "|".join(f'"{command.name} {name}"' for name in option.names)
                yield f'      {patterns}) words="{" ".join(option.values)}" ;;'
    for command in commands:
        known = [name for option in command.options for name in option.names]
        yield f'      "{command.name} "*) words="{" ".join([*command.words, *known])}" ;;'
    yield "    esac"
    yield "  fi"
    yield '  COMPREPLY=($(compgen -W "$words" -- "$word"))'
    yield "}"
    yield f"complete -o default -F _{prog} {prog}"


def _zsh(prog: str, commands: Sequence[_Command]) -> Iterator[str]:
    yield "autoload -U +X compinit && compinit -u"
    yield "autoload -U +X bashcompinit && bashcompinit"
    yield from _bash(prog, commands)


def _fish(prog: str, commands: Sequence[_Command]) -> Iterator[str]:
    for command in commands:
        about = _quoted(command.help)
        yield f"complete -c {prog} -n __fish_use_subcommand -f -a {command.name} -d {about}"
        seen = f"complete -c {prog} -n '__fish_seen_subcommand_from {command.name}'"
        if command.words:
            yield f"{seen} -f -a {_quoted(' '.join(command.words))}"
        for option in command.options:
            flags = " ".join(
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
                for name in option.names
            )
            values = f" -x -a {_quoted(' '.join(option.values))}" if option.values else " -r"
            about = _quoted(option.help)
            yield f"{seen} {flags}{values if option.takes_value else ''} -d {about}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
