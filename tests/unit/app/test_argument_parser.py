"""A mistake on a command line is one sentence with the nearest right word."""

import pytest

from pixelmill.app import command
from pixelmill.app.argument_parser import Parser, number, path
from pixelmill.engines.registry import CHOICES


@pytest.fixture
def parser():
    made = Parser(prog="it", example="it a")
    made.add_argument("source", metavar="SRC")
    made.add_argument("--workers", type=number(1))
    made.add_argument("--quality", type=number(1, 100))
    made.add_argument("--ratio", type=float)
    made.add_argument("--engine", choices=("threads", "processes"))
    made.add_argument("--log", type=path)
    return made


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "SRC is missing; see `it --help`."),
        (["a", "b"], "'b' is one argument too many; put several images into one folder, or see"),
        (
            ["--workesr", "2"],
            "'--workesr' is not an option; did you mean '--workers'? See `it --help`.",
        ),
        (["a", "--zzz"], "'--zzz' is not an option; see `it --help`."),
        (["a", "-x"], "'-x' is not an option; see `it --help`."),
        (["a", "--workers", "0"], "--workers: found '0'; give a whole number of at least 1."),
        (["a", "--workers", "two"], "--workers: found 'two'; give a whole number of at least 1."),
        (
            ["a", "--quality", "101"],
            "--quality: found '101'; give a whole number from 1 to 100.",
        ),
        (["a", "--ratio", "x"], "--ratio: found 'x'; give a number."),
        (["a", "--workers"], "--workers: give one argument; see `it --help`."),
        (
            ["a", "--engine", "thread"],
            "--engine: found 'thread'; did you mean 'threads'? Allowed are threads, processes.",
        ),
        (
            ["a", "--log", "$PIXELMILL_NO_SUCH/x"],
            "--log: '$PIXELMILL_NO_SUCH/x': the variable 'PIXELMILL_NO_SUCH' is not set; ",
        ),
    ],
    ids=" ".join,
)
def test_a_mistake_is_one_sentence(parser, capsys, arguments, sentence):
    with pytest.raises(SystemExit) as exit_:
        parser.parse_args(arguments)
    assert exit_.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"it: {sentence}")
    assert len(shown.splitlines()) == 1


def test_options_may_be_shortened_and_numbers_negative(parser):
    parser.add_argument("--offset", type=int)
    assert parser.parse_args(["a", "--work", "3", "--offset", "-5"]).workers == 3


def test_the_command_offers_every_engine():
    assert command._ENGINES == CHOICES
