"""Times are summarised in a few numbers, for any number of images."""

import json
import shutil

import numpy as np
import pytest

from pixelmill.core.jobs import BusyInterval, Outcome, OutputFile
from pixelmill.dataset.ledger import Fingerprints, Ledger
from pixelmill.dataset.passes import Pass
from pixelmill.imaging.recipe_parser import parse
from pixelmill.report.timings import distributions, latency, timeline
from tests.helpers.passes import process_folder

FINGERPRINTS = Fingerprints("recipe", "code", "limits")


def outcome(source, seconds, status="ok"):
    made = (OutputFile("", f"{source}.jpg", 8, 8, 100, "0"),) if status == "ok" else ()
    reason = "" if status == "ok" else "corrupt"
    return Outcome(source, made, status, "", reason, "", 100, 0, "", 64, seconds)


def finished(is_full=True, workers=2, seconds=4.0, startup=1.0, images=10, conditions=None):
    return Pass(
        is_full, "threads", workers, seconds, startup, images, 0, 0, 0, 0.0, "c", "r", "k", "m",
        conditions or {},
    )  # fmt: skip


@pytest.fixture
def tree(tmp_path):
    """Function that makes a tree of ten images and its pass; it returns its folder."""

    def make(outcomes=(), **changes):
        with Ledger(str(tmp_path / "ledger.sqlite")) as ledger:
            stages = (0.0, 0.1, 0.2, 0.1, 0.0)
            ledger.record([outcome(f"{k}.jpg", stages) for k in range(10)], FINGERPRINTS)
            ledger.record(outcomes, FINGERPRINTS)
            ledger.add_pass(finished(**changes), [BusyInterval("a", 5.0, 8.0, 10)])
        return str(tmp_path)

    return make


def test_a_planted_slow_image_is_the_first_of_the_slowest(tree):
    slow = outcome("a/slow.jpg", (0.0, 0.1, 30.0, 0.1, 0.0))
    found = distributions(tree([slow]))
    assert len(found["slowest"]) == 10
    assert found["slowest"][0]["image"] == "a/slow.jpg"
    assert found["slowest"][0]["stages"]["steps"] == 30.0
    assert found["latency"]["slowest"] == 30.2


def test_failed_images_have_no_latency(tree):
    found = distributions(tree([outcome("bad.jpg", (0.0, 99.0, 0.0, 0.0, 0.0), "failed")]))
    assert found["images"] == 10
    assert found["latency"]["slowest"] == 0.4


def test_worker_time_that_no_image_took_is_waiting(tree):
    # Two workers for three seconds: 0.6 s for each of ten images, of which 0.4 s were work.
    assert distributions(tree())["stages"] == {
        "read": 0.0, "decode": 0.1, "steps": 0.2, "encode": 0.1, "write": 0.0, "wait": 0.2,
    }  # fmt: skip


@pytest.mark.parametrize(("conditions", "expected"), [({}, None), ({"cpu_seconds": 3.0}, 0.3)])
def test_the_cpu_time_of_an_image_is_its_share_of_that_of_the_pass(tree, conditions, expected):
    assert distributions(tree(conditions=conditions))["cpu_seconds"] == expected


def test_after_a_partial_pass_waiting_is_not_shown(tree):
    assert "wait" not in distributions(tree(is_full=False))["stages"]


@pytest.mark.parametrize("what", ["no ledger", "another version", "no image"])
def test_without_a_ledger_to_read_there_are_no_distributions(tmp_path, what):
    path = str(tmp_path / "ledger.sqlite")
    if what == "another version":
        with Ledger(path) as ledger:
            ledger._database.execute("PRAGMA user_version = 1")
    elif what == "no image":
        Ledger(path).__exit__(None, None, None)
    assert distributions(str(tmp_path)) is None


def test_every_image_is_in_the_bin_that_its_seconds_lie_in():
    seconds = np.geomspace(0.001, 10, 1000)
    found = latency(seconds)
    edges = np.array(found["edges"])
    assert sum(found["counts"]) == 1000
    assert len(edges) == len(found["counts"]) + 1
    assert np.allclose(edges[1:] / edges[:-1], 10 ** (1 / 20), rtol=1e-3)
    assert (np.cumsum(found["counts"])[:-1] == [(seconds < e).sum() for e in edges[1:-1]]).all()


def test_quantiles_are_those_of_all_images():
    found = latency(np.arange(1, 1001) / 1000)
    assert (found["median"], found["p95"], found["p99"]) == (0.5005, 0.95, 0.99)


def test_no_time_at_all_has_its_bin_too():
    assert latency(np.zeros(3))["counts"] == [3]


def test_however_many_batches_there_were_a_timeline_stays_small():
    random = np.random.default_rng(1)
    stretches = [
        (worker, began, began + random.uniform(0.1, 0.9), 100)
        for began in range(2000)
        for worker in range(32)
    ]
    rows = timeline(stretches)
    assert len(rows) == 32
    assert sum(row["images"] for row in rows) == 32 * 2000 * 100
    assert sum(len(row["busy"]) for row in rows) <= 1650


def test_of_many_workers_longer_pauses_are_closed():
    """A chart has as many pixels for all of them together."""
    stretches = [
        (worker, t, t + 5.0, 1) for t in np.arange(0.0, 2000.0, 15) for worker in range(32)
    ]
    assert {len(row["busy"]) for row in timeline(stretches)} == {1}
    few = timeline([stretch for stretch in stretches if stretch[0] == 0])
    assert [len(row["busy"]) for row in few] == [134]


def test_batches_that_overlap_are_one_bar_to_the_end_of_the_longer_one():
    """The threads of a worker may report one behind the other."""
    stretches = [(0, 0.0, 5.0, 1), (0, 1.0, 2.0, 1), (0, 9.0, 10.0, 1)]
    assert timeline(stretches)[0]["busy"] == [[0.0, 5.0], [9.0, 10.0]]


def test_long_pauses_stay(tree):
    assert timeline([(1, 0.0, 1.0, 3), (0, 0.5, 1.0, 2), (1, 5.0, 9.0, 1)]) == [
        {"worker": 1, "images": 2, "busy": [[0.5, 1.0]]},
        {"worker": 2, "images": 4, "busy": [[0.0, 1.0], [5.0, 9.0]]},
    ]
    assert timeline([]) == []


def test_the_result_is_plain_data(tree):
    found = distributions(tree())
    assert json.loads(json.dumps(found)) == found


def test_reading_times_changes_nothing(tree, tmp_path):
    folder = tree()
    before = shutil.copy(f"{folder}/ledger.sqlite", tmp_path / "before")
    distributions(folder)
    with open(before, "rb") as old, open(f"{folder}/ledger.sqlite", "rb") as new:
        assert old.read() == new.read()


#: Takes long for the widest image, and for no other.
DAWDLING = """
import time


def dawdle(image):
    time.sleep(0.3 if image.width == 97 else 0.0)
    return image
"""


def test_an_image_that_really_takes_long_is_found_with_the_stage_that_did(
    tmp_path, photos, picture
):
    (tmp_path / "my.py").write_text(DAWDLING, encoding="utf-8")
    source = photos(tmp_path / "in", 12)
    picture(1, size=(97, 64)).save(source / "slow.jpg")
    recipe = parse({"steps": [{"call": {"function": "my:dawdle"}}]}, folder=str(tmp_path))
    process_folder(str(source), str(tmp_path / "out"), recipe, "threads", 2)
    found = distributions(str(tmp_path / "out"))
    slowest = found["slowest"][0]
    assert slowest["image"] == "slow.jpg"
    assert max(slowest["stages"], key=slowest["stages"].get) == "steps"
    assert found["latency"]["slowest"] >= 0.3
