"""Which checks verification makes, and what it says about each that fails."""

import inspect
import pickle

from pixelmill.verification import verify as module
from pixelmill.verification.checks import remedies
from pixelmill.verification.inspector import Finding, Task, Tasks
from pixelmill.verification.passed_cache import PassedCache
from pixelmill.verification.verify import Tally, verify

CHECKS = [
    "inputs", "missing", "extra", "temporaries", "decodes", "format", "size", "mode", "sha256",
    "similarity",
]  # fmt: skip


def test_each_failed_check_names_its_remedy():
    failed = [{"name": name, "passed": False} for name in CHECKS]
    passed = [{"name": name, "passed": True} for name in CHECKS]
    assert [line.split(": ", 1)[0] for line in remedies({"checks": failed})] == CHECKS
    assert all(line.split(": ", 1)[1] for line in remedies({"checks": failed}))
    assert list(remedies({"checks": passed})) == []


def test_by_default_processes_that_open_images_are_confined():
    assert inspect.signature(verify).parameters["confined"].default is True


class Made(list):
    """Tasks that note when they are made."""

    def __init__(self, events, count):
        super().__init__([Task("a.jpg", "a.png", "", "", False)] * count)
        self.events = events

    def __getitem__(self, place):
        self.events.append("made")
        return super().__getitem__(place)


def test_tasks_are_made_when_a_worker_is_free_for_them():
    """A million would take more memory than all that is known of the outputs."""
    events = []

    def inspector(tasks):
        assert len(list(tasks)) == 2
        events.append("inspected")
        return []

    module._inspect(Made(events, 8), inspector, 1, lambda findings: None, None)
    assert events == ["made", "inspected"] * module.SHARES


def test_a_batch_that_is_sent_to_a_worker_has_only_its_tasks():
    sent = pickle.loads(pickle.dumps(Tasks(["a", "b", "c", "d", "elephant"], slice(2, 4))))
    assert list(sent) == ["c", "d"]
    assert b"elephant" not in pickle.dumps(sent)


def test_outputs_are_counted_by_what_was_asked_of_them():
    right = Finding("a.jpg", (), "aa", 9, 1, 40.0, True, True, None)
    unsized = right._replace(similarity_db=None, sized=False)
    wrong = right._replace(faults=(("size", "is 1x1, not 2x2"),))
    tally = Tally()
    assert (tally.count, tally.sized, tally.pictures, tally.faulty) == (0, 0, 0, [])
    tally.add([right, unsized])
    tally.add([wrong])
    assert (tally.count, tally.sized, tally.pictures, tally.faulty) == (3, 2, 2, [wrong])


def test_pictures_of_the_first_outputs_that_differ_are_kept():
    """They are compared with one another, and a million of them would fill the memory."""
    wrong = Finding("", (("similarity", "does not look"),), "aa", 9, 1, 9.0, True, True, (1, 2))
    names = [f"{number:04}.jpg" for number in range(3 * module.MOST_COMPARED)]
    tally = Tally()
    for begin in range(0, len(names), 7):
        tally.add([wrong._replace(output=name) for name in names[::-1][begin : begin + 7]])
    assert sorted(tally.differing) == names[: module.MOST_COMPARED]
    assert set(tally.differing.values()) == {(1, 2)}
    assert [one.output for one in tally.faulty] == names[::-1]
    assert {one.pictures for one in tally.faulty} == {None}


def test_the_cache_records_whether_an_output_was_compared(tmp_path):
    right = Finding("a.jpg", (), "aa", 9, 1, 40.0, True, True, None)
    findings = [
        right,
        right._replace(output="not asked.jpg", similarity_db=None, is_sampled=False),
        right._replace(output="not comparable.jpg", similarity_db=None),
        right._replace(output="wrong.jpg", faults=(("sha256", "bytes differ"),)),
    ]
    with PassedCache(str(tmp_path / "cache.sqlite")) as cache:
        cache.store("rules", findings)
        known = {one.output: bool(one.incomparable) for one in cache.load("rules")}
        assert known == {"a.jpg": False, "not asked.jpg": False, "not comparable.jpg": True}
        assert list(cache.load("other rules")) == []


def test_the_cache_forgets_outputs_that_are_gone(tmp_path):
    names = ["gone.jpg", "kept\n.jpg", "gone too.jpg", "kept.jpg"]
    findings = [Finding(name, (), "aa", 9, 1, None, False, True, None) for name in names]
    with PassedCache(str(tmp_path / "cache.sqlite")) as cache:
        cache.store("rules", findings)
        cache.keep_only(lambda name: name.startswith("kept"))
        assert {one.output for one in cache.load("rules")} == {"kept\n.jpg", "kept.jpg"}
        cache.keep_only(lambda name: False, least=2)
        assert len(list(cache.load("rules"))) == 2
