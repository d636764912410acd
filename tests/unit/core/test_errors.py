"""A message of an error is one line that says something, of bounded length."""

import errno

import pytest

from pixelmill.core.errors import (
    LONGEST_MESSAGE,
    ImageError,
    StoppedError,
    TreeError,
    UserError,
    describe,
    sentence,
    shown,
)


@pytest.mark.parametrize("kind", [UserError, TreeError, StoppedError])
def test_a_sentence_is_one_line_that_a_terminal_shows_as_it_is(kind):
    assert str(kind("two\nlines, \x1b[31mred\r")) == r"two\u000alines, \u001b[31mred\u000d"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No room"), "An operation failed: No room; correct this"),
        (OSError("of no number"), "An operation failed: of no number; correct this"),
        (TimeoutError(), "An operation failed: TimeoutError; correct this"),
        (OSError(errno.EIO, "Bad disk", "a\nb"), r"'a\u000ab' cannot be used: Bad disk; repair it"),
        (OSError(errno.EIO, "Bad disk", b"caf\xe9"), r"'caf\udce9' cannot be used: Bad disk; rep"),
    ],
)
def test_an_error_of_the_system_is_told_with_its_reason_and_its_file(error, told):
    assert sentence(error).startswith(told)


@pytest.mark.parametrize("length", [0, LONGEST_MESSAGE, LONGEST_MESSAGE + 1, 10**6])
def test_a_message_about_an_image_is_cut_where_it_is_too_long(length):
    message = ImageError("decode", "corrupt", "x" * length).message
    assert len(message) == min(length, LONGEST_MESSAGE)
    assert message.endswith("…") == (length > LONGEST_MESSAGE)


def test_an_exception_that_cannot_say_what_it_is_is_described_too():
    class OddError(Exception):
        def __str__(self):
            raise KeyError("odd")

    assert describe(OddError()) == "OddError: (its message raises KeyError)"
    assert len(describe(ValueError("x" * 10**6))) == LONGEST_MESSAGE


@pytest.mark.parametrize(
    ("value", "text"), [(None, "nothing"), ("", "''"), (58 * "x", repr(58 * "x"))]
)
def test_a_wrong_value_is_shown_as_it_was_given(value, text):
    assert shown(value) == text
    assert shown(59 * "x") == f"'{59 * 'x'}..."
