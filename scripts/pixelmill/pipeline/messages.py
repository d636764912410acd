"""Messages: what child processes send to the process that supervises them.

Children decode untrusted images with C libraries, so the supervising process treats what they
send as hostile: messages are JSON, never pickles, and each is bounded in size and checked. A
child that sends a malformed message counts as dead.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn, TypedDict

from pixelmill.core.errors import TreeError, UserError
from pixelmill.core.jobs import (
    NOTES,
    STAGES,
    UP_TO_DATE,
    BusyInterval,
    Job,
    Outcome,
    OutputFile,
)
from pixelmill.core.reasons import REASONS
from pixelmill.engines.base import MOST_RESULT_BYTES

#: Longest text of an error, in characters; the rest is cut off.
MOST_TEXT = 10_000

#: The length of a message, which precedes it.
_LENGTH = struct.Struct(">Q")

#: Bytes that are read at once: what a pipe holds on Linux.
_CHUNK = 65_536

#: Numbers in messages are below this; SQLite holds none that are larger.
_MOST = 2**63

#: Stages that an outcome may name; `render` if its process could not tell.
_STAGES = frozenset((*STAGES, "render"))

_HEXADECIMAL = re.compile(r"[0-9a-f]*")

#: Digits of a sha256, and the most digits of a content digest.
_SHA256_DIGITS, _MOST_DIGITS = 64, 128


class ChildSettings(TypedDict):
    """What every child process is told, whatever its task.

    `path` is the module search path, `parent` the number of the process that starts it, `token`
    that of the run, and `scratch` its folder for temporary files, empty for that of the system.
    """

    path: list[str]
    parent: int
    token: str
    scratch: str


class MalformedError(Exception):
    """A message is not of the expected form."""


class Channel:
    """Sends messages from a child to its supervisor.

    Parameters
    ----------
    descriptor : int
        The pipe to write to.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, kind: str, content: object = None) -> None:
        """Send a message of plain values."""
        self.forward(kind, json.dumps(content).encode("ascii"))

    def forward(self, kind: str, content: bytes) -> None:
        """Send a message whose content is already JSON."""
        body = kind.encode("ascii") + b" " + content
        with self._lock:
            write(self.descriptor, body)


def write(descriptor: int, body: bytes) -> None:
    """Write a message to a pipe, preceded by its length."""
    rest = memoryview(_LENGTH.pack(len(body)) + body)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def bodies(descriptor: int, most: int = MOST_RESULT_BYTES) -> Iterator[bytes]:
    """Yield each complete message that arrives through a pipe, until its writers are gone.

    Parameters
    ----------
    descriptor : int
    most : int
        Size of the largest message that is accepted, in bytes.

    Raises
    ------
    MalformedError
        If a message claims to be larger.
    """
    received = bytearray()
    while data := os.read(descriptor, _CHUNK):
        received += data
        while len(received) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(received)
            if length > most:
                raise MalformedError(f"a message of {length:,} bytes")
            end = _LENGTH.size + length
            if len(received) < end:
                break
            yield bytes(received[_LENGTH.size : end])
            del received[:end]


def split(body: bytes) -> tuple[str, bytes]:
    """Return the kind of a message and its content as JSON."""
    kind, _, content = body.partition(b" ")
    return kind.decode("ascii", "replace"), content


def whole_number(content: bytes) -> int:
    """Read a message that is one non-negative integer."""
    return _count(_parse(content))


def number(content: bytes) -> float:
    """Read a message that is one finite number."""
    return _finite(_parse(content))


def texts(content: bytes) -> tuple[str, str]:
    """Read a message that is two texts."""
    first, second = _row(_parse(content), 2)
    return _text(first), _text(second)


def refusal(error: UserError) -> tuple[str, str]:
    """Encode an error that only a user can correct."""
    return type(error).__name__, str(error)[:MOST_TEXT]


def refused(content: bytes) -> UserError:
    """Decode what `refusal` encoded."""
    name, sentence = texts(content)
    return (TreeError if name == TreeError.__name__ else UserError)(sentence)


def pack(outcomes: Iterable[Outcome], interval: BusyInterval) -> bytes:
    """Encode the outcomes of a batch, and when it was processed.

    What the supervising process knows is left out: the paths of outputs and the times of
    sources.
    """
    plain = [
        (
            one.source, [file[2:] for file in one.files], one.stage, one.reason,
            one.message[:MOST_TEXT], one.bytes_in, one.digest, one.pixels_in, one.seconds,
            one.facts,
        )
        for one in outcomes
    ]  # fmt: skip
    return json.dumps((plain, interval), check_circular=False).encode("ascii")


def unpack(
    content: bytes, job_of: Callable[[str], Job | None], variants: Sequence[str]
) -> tuple[list[Outcome], BusyInterval]:
    """Decode and check what `pack` encoded.

    Parameters
    ----------
    content : bytes
    job_of : callable
        Returns the job of a source; None if no outcome is expected for that source.
    variants : sequence of str
        Names of the recipe's outputs.

    Raises
    ------
    MalformedError
        If these jobs cannot have had these outcomes.
    """
    plain, times = _row(_parse(content), 2)
    if type(plain) is not list:
        raise MalformedError("no list of outcomes")
    outcomes = [_outcome(one, job_of, variants) for one in plain]
    if len({outcome.source for outcome in outcomes}) < len(outcomes):
        raise MalformedError("one source twice")
    worker, began, ended, images = _row(times, 4)
    if images != len(outcomes):
        raise MalformedError("another number of images")
    return outcomes, BusyInterval(_text(worker), _finite(began), _finite(ended), images)


def _outcome(
    value: object, job_of: Callable[[str], Job | None], variants: Sequence[str]
) -> Outcome:
    source, files, stage, reason, message, bytes_in, digest, pixels_in, seconds, facts = _row(
        value, 10
    )
    job = job_of(_text(source))
    if job is None:
        raise MalformedError("an image that was not asked for")
    if reason == "":
        named = zip(variants, job.outputs, strict=True)
        asked_for = [(variant, path) for variant, path in named if path != UP_TO_DATE]
        rows = _rows(files, len(asked_for), 5)
        files = tuple(
            _output(variant, path, row)
            for (variant, path), row in zip(asked_for, rows, strict=True)
        )
        if stage or message:
            raise MalformedError("an error without a reason")
    elif files or _text(reason) not in REASONS or _text(stage) not in _STAGES:
        raise MalformedError("an unknown reason or stage")
    if bool(_text(facts)) != (reason == "" and not job.outputs):
        raise MalformedError("facts of an image that was not only measured, or none")
    return Outcome(
        job.source,
        tuple(files),
        "failed" if reason else "ok",
        stage,
        reason,
        _text(message),
        _count(bytes_in),
        job.mtime_ns,
        _digits(digest),
        _count(pixels_in),
        tuple(map(_duration, _row(seconds, len(STAGES)))),
        job.changed_ns,
        _facts(facts),
    )


def _facts(text: str) -> str:
    """Check facts, which are empty or a JSON object."""
    if text and type(_parse(text.encode("utf-8", "surrogatepass"))) is not dict:
        raise MalformedError("facts that are no object")
    return text


def _output(variant: str, path: str, row: Sequence[Any]) -> OutputFile:
    width, height, size, sha256, note = row
    if _text(note) not in NOTES:
        raise MalformedError("an unknown note")
    return OutputFile(
        variant, path, _count(width), _count(height), _count(size), _sha256(sha256), note
    )


def _parse(content: bytes) -> Any:
    try:
        return _DECODER.decode(content.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise MalformedError("no JSON") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _row(value: Any, length: int) -> list[Any]:
    if type(value) is not list or len(value) != length:
        raise MalformedError(f"no list of {length}")
    return value


def _rows(value: Any, count: int, length: int) -> list[list[Any]]:
    return [_row(row, length) for row in _row(value, count)]


def _text(value: Any) -> str:
    if type(value) is not str or len(value) > MOST_TEXT:
        raise MalformedError("no text, or too long a one")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _MOST:
        raise MalformedError("no whole number")
    return value


def _finite(value: Any) -> float:
    if type(value) not in (int, float) or not -_MOST < value < _MOST or not math.isfinite(value):
        raise MalformedError("no finite number")
    return float(value)


def _duration(value: Any) -> float:
    if _finite(value) < 0:
        raise MalformedError("a negative duration")
    return float(value)


def _digits(value: Any) -> str:
    if len(_text(value)) > _MOST_DIGITS or not _HEXADECIMAL.fullmatch(value):
        raise MalformedError("no hexadecimal digest")
    return str(value)


def _sha256(value: Any) -> str:
    if len(_digits(value)) != _SHA256_DIGITS:
        raise MalformedError("no sha256")
    return str(value)
