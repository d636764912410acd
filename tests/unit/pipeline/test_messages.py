"""Messages of child processes are restored exactly, and anything else is refused."""

import contextlib
import json
import os
import threading

import pytest

from pixelmill.core.errors import ImageError, TreeError, UserError
from pixelmill.core.jobs import (
    SOURCE_KEPT,
    UP_TO_DATE,
    BusyInterval,
    Job,
    OutputFile,
    StageTimer,
    failed,
)
from pixelmill.pipeline import messages
from pixelmill.pipeline.messages import Channel, MalformedError, bodies, pack, split, unpack

ODD = 'odd \udcff \n \u2028 ".png'

JOBS = {
    "a.png": Job("a.png", ("x/a.jpg", "y/a.png"), bytes=7, mtime_ns=8, changed_ns=11),
    ODD: Job(ODD, ("x/odd.jpg", "y/odd.png"), bytes=9, mtime_ns=10),
}

VARIANTS = ("x", "y")

STRETCH = BusyInterval("worker", 1.5, 2.25, 2)


def outcomes():
    timer = StageTimer()
    timer.bytes_in, timer.digest, timer.pixels_in = 7, "ab12", 12
    timer.files += [
        OutputFile("x", "x/a.jpg", 4, 3, 99, "0" * 64),
        OutputFile("y", "y/a.png", 8, 6, 9, "f" * 64, SOURCE_KEPT),
    ]
    error = ImageError("steps", "step_failed", "at \udcff: no")
    return [timer.outcome(JOBS["a.png"]), timer.outcome(JOBS[ODD], error)]


def test_the_outcomes_of_a_batch_are_restored():
    assert unpack(pack(outcomes(), STRETCH), JOBS.get, VARIANTS) == (outcomes(), STRETCH)


def test_an_outcome_has_no_outputs_that_were_not_asked_for():
    (whole, _) = outcomes()
    job = JOBS["a.png"]._replace(outputs=(UP_TO_DATE, "y/a.png"))
    only = whole._replace(files=whole.files[1:])
    stretch = STRETCH._replace(images=1)
    assert unpack(pack([only], stretch), {"a.png": job}.get, VARIANTS) == ([only], stretch)
    with pytest.raises(MalformedError):
        unpack(pack([whole], stretch), {"a.png": job}.get, VARIANTS)


def test_an_outcome_made_for_a_dead_process_is_restored_too():
    told = [failed(JOBS["a.png"], "render", "crashed", "signal 11", "")]
    stretch = STRETCH._replace(images=1)
    assert unpack(pack(told, stretch), JOBS.get, VARIANTS) == (told, stretch)


def test_a_text_that_is_too_long_is_cut_off():
    told = failed(JOBS["a.png"], "steps", "step_failed", "x", "")._replace(message="x" * 10**6)
    (back,), _ = unpack(pack([told], STRETCH._replace(images=1)), JOBS.get, VARIANTS)
    assert back.message == "x" * 10_000


def altered(change):
    """What `pack` writes, changed in one place."""
    value = json.loads(pack(outcomes(), STRETCH))
    change(value)
    return json.dumps(value).encode()


def put(*path_and_value):
    """Function that puts a value at a place in the outcomes."""
    *path, last, value = path_and_value

    def change(place):
        for step in path:
            place = place[step]
        place[last] = value

    return change


def test_what_was_measured_of_an_image_without_outputs_is_restored():
    job = Job("a.png", (), bytes=7)
    timer = StageTimer()
    timer.facts = '{"width": 4, "camera": "\\u00e9"}'
    stretch = STRETCH._replace(images=1)
    assert unpack(pack([timer.outcome(job)], stretch), {"a.png": job}.get, ()) == (
        [timer.outcome(job)], stretch,
    )  # fmt: skip


@pytest.mark.parametrize("facts", ["", "[]", "7", "no", '{"x": NaN}', "{" * 10_000, "\xe9", 5])
def test_facts_that_are_no_object_are_refused(facts):
    job = Job("a.png", (), bytes=7)
    timer = StageTimer()
    timer.facts = facts
    with pytest.raises(MalformedError):
        unpack(pack([timer.outcome(job)], STRETCH._replace(images=1)), {"a.png": job}.get, ())


SOURCE, FILE, STAGE, REASON, MESSAGE, BYTES, DIGEST, PIXELS, TIMES, FACTS = range(10)

#: Changes that make a message invalid.
LIES = {
    "a source that was not asked for": put(0, 0, SOURCE, "../etc/passwd"),
    "a source that is no text": put(0, 0, SOURCE, 5),
    "one source twice": put(0, 1, SOURCE, "a.png"),
    "an outcome more": lambda value: value[0].append(value[0][0]),
    "an outcome less": lambda value: value[0].pop(),
    "no list of outcomes": put(0, {}),
    "no outcome": put(0, 0, None),
    "too few fields": lambda value: value[0][0].pop(),
    "an output less": lambda value: value[0][0][FILE].pop(),
    "an output more": lambda value: value[0][0][FILE].append(value[0][0][FILE][0]),
    "outputs that are no list": put(0, 0, FILE, "ab"),
    "outputs of what failed": put(0, 1, FILE, [[1, 1, 1, "0" * 64, ""]] * 2),
    "a side that is negative": put(0, 0, FILE, 0, 0, -1),
    "a side that is no whole number": put(0, 0, FILE, 0, 0, 1.5),
    "a side that is a truth value": put(0, 0, FILE, 0, 0, True),
    "a size beyond all": put(0, 0, FILE, 0, 2, 2**63),
    "a sha256 that is too short": put(0, 0, FILE, 0, 3, "0" * 63),
    "a sha256 in capitals": put(0, 0, FILE, 0, 3, "F" * 64),
    "a sha256 that is no text": put(0, 0, FILE, 0, 3, None),
    "an unknown note": put(0, 0, FILE, 0, 4, "crashed"),
    "a note that is no text": put(0, 0, FILE, 0, 4, None),
    "a digest that is none": put(0, 0, DIGEST, "<script>"),
    "a digest that is too long": put(0, 0, DIGEST, "0" * 129),
    "an unknown reason": put(0, 1, REASON, "bored"),
    "a reason that is no text": put(0, 1, REASON, ["crashed"]),
    "a reason that is nothing": put(0, 1, REASON, None),
    "an unknown stage": put(0, 1, STAGE, "nowhere"),
    "a stage without a reason": put(0, 0, STAGE, "read"),
    "a message without a reason": put(0, 0, MESSAGE, "ha"),
    "a message that is too long": put(0, 1, MESSAGE, "x" * 10_001),
    "a message that is no text": put(0, 1, MESSAGE, 5),
    "bytes that are no number": put(0, 0, BYTES, "7"),
    "pixels that are negative": put(0, 0, PIXELS, -1),
    "times that are too many": put(0, 0, TIMES, [0.0] * 6),
    "a time that is no number": put(0, 0, TIMES, 0, "0"),
    "a time that is negative": put(0, 0, TIMES, 0, -0.1),
    "a time beyond all": put(0, 0, TIMES, 0, 10**400),
    "facts of an image with outputs": put(0, 0, FACTS, "{}"),
    "facts of what failed": put(0, 1, FACTS, "{}"),
    "a worker that is no text": put(1, 0, 5),
    "a worker of much text": put(1, 0, "x" * 10_001),
    "a moment that is none": put(1, 1, None),
    "another number of images": put(1, 3, 3),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_impossible_message_is_refused(lie):
    with pytest.raises(MalformedError):
        unpack(altered(LIES[lie]), JOBS.get, VARIANTS)


NO_JSON = [
    b"", b"no", b"\xff", b"[[], [1", b"NaN", b"[[], [\"w\", Infinity, 0, 0]]", b"[" * 100_000,
    b"[[], [\"w\", 1e999, 0, 0]]", b"1" * 10_000, b"cos\nsystem\n(S'true'\ntR.", b"{}", b"null",
]  # fmt: skip


@pytest.mark.parametrize("content", NO_JSON)
def test_a_message_that_is_not_the_expected_json_is_refused(content):
    for read in (
        lambda content: unpack(content, JOBS.get, VARIANTS),
        messages.whole_number, messages.texts, messages.refused,
    ):  # fmt: skip
        with pytest.raises(MalformedError):
            read(content)


@pytest.mark.parametrize("kind", [UserError, TreeError])
def test_an_error_that_only_a_user_can_correct_comes_back_unchanged(kind):
    back = messages.refused(json.dumps(messages.refusal(kind("a \udcff sentence"))).encode())
    assert type(back) is kind
    assert str(back) == str(kind("a \udcff sentence"))


def test_an_error_of_many_words_that_only_a_user_can_correct_is_cut_off():
    back = messages.refused(json.dumps(messages.refusal(UserError("x" * 10**6))).encode())
    assert str(back) == "x" * 10_000


@pytest.fixture
def pipe():
    receiver, sender = os.pipe()
    yield receiver, sender
    for end in (receiver, sender):
        with contextlib.suppress(OSError):  # a test closed it
            os.close(end)


def test_messages_arrive_whole_and_in_order_however_large(pipe):
    receiver, sender = pipe
    told = [("small", 5), ("large", "x" * 10**6), ("odd", ODD), ("nothing", None)]

    def send():
        for kind, content in told:
            Channel(sender).send(kind, content)
        os.close(sender)

    thread = threading.Thread(target=send)
    thread.start()
    arrived = [split(body) for body in bodies(receiver)]
    thread.join()
    assert [(kind, json.loads(content)) for kind, content in arrived] == told


def test_a_message_of_which_a_part_is_missing_does_not_arrive(pipe):
    receiver, sender = pipe
    Channel(sender).send("first")
    os.write(sender, (100).to_bytes(8, "big") + b"batch [")
    os.close(sender)
    assert [split(body)[0] for body in bodies(receiver)] == ["first"]


def test_a_message_that_claims_to_be_huge_is_refused(pipe):
    receiver, sender = pipe
    os.write(sender, (2**62).to_bytes(8, "big"))
    with pytest.raises(MalformedError):
        list(bodies(receiver))


def test_a_message_may_be_as_large_as_is_accepted(pipe):
    receiver, sender = pipe
    Channel(sender).forward("kind", b"1234")
    Channel(sender).forward("kind", b"12345")
    accepted = bodies(receiver, most=len(b"kind 1234"))
    assert next(accepted) == b"kind 1234"
    with pytest.raises(MalformedError, match="a message of 10 bytes"):
        next(accepted)
