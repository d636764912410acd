"""How busy the machine was beside a pass is recorded, where the system tells it."""

import subprocess
import sys
import time

import pytest

from pixelmill.core.machine_load import SHORTEST, Snapshot, conditions, merge, snapshot

STAT = "cpu  1000 100 300 5000 50 10 20 200 0 0\ncpu0 1 2 3\n"

BEFORE = Snapshot(1e9, 0.0, 0.5, 2.0, 100.0, 5.0, 400.0)


def test_counters_are_in_seconds_of_all_cores(tmp_path):
    (tmp_path / "stat").write_text(STAT, encoding="ascii")
    found = snapshot(tmp_path / "stat")
    tick = 5000 / (found.total - found.busy - found.steal - 50 * found.steal / 200)
    assert (found.busy * tick, found.steal * tick, found.total * tick) == pytest.approx(
        (1430, 200, 6680)
    )


@pytest.mark.parametrize("text", ["", "cpu 1 2\n", "cpu  a b c d e f g h\n"])
def test_counters_that_are_not_understood_are_unknown(tmp_path, text):
    (tmp_path / "stat").write_text(text, encoding="ascii")
    assert snapshot(tmp_path / "stat")[4:] == (None, None, None)
    assert snapshot(tmp_path / "none")[4:] == (None, None, None)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({}, {"cpu_seconds": 15.0, "other_cores": 0.5, "steal": 0.05}),
        ({"busy": 101.0}, {"cpu_seconds": 15.0, "other_cores": 0.0, "steal": 0.05}),
        ({"busy": None}, {"cpu_seconds": 15.0}),
        ({"steal": None}, {"cpu_seconds": 15.0, "other_cores": 0.5}),
        ({"now": 0.4}, {"cpu_seconds": 15.0}),
    ],
)
def test_conditions_leave_out_what_is_not_known(after, expected):
    ended = Snapshot(1e9 + 10, 10.0, 2.5, 17.0, 120.0, 6.0, 420.0)._replace(**after)
    loads = {"load_before": 0.5, "load_after": 2.5}
    assert conditions(BEFORE, ended) == {"started": 1e9, **loads, **expected}
    loadless = conditions(BEFORE._replace(load=None), ended)
    assert loadless == {"started": 1e9, **expected}


def test_of_passes_after_each_other_the_worst_conditions_count():
    first = {"started": 9.0, "cpu_seconds": 1.0, "other_cores": 0.25, "steal": 0.5}
    second = {"started": 5.0, "cpu_seconds": 2.0, "other_cores": 1.5}
    assert merge([first, second, {}]) == {
        "started": 5.0, "cpu_seconds": 3.0, "other_cores": 1.5, "steal": 0.5,
    }  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the time of all processes")
def test_a_process_that_burns_a_core_is_counted_and_a_child_that_ended_is_not():
    program = "import time; e = time.time() + 60\nwhile time.time() < e: pass"
    before = snapshot()
    with subprocess.Popen([sys.executable, "-c", program]) as burning:
        # Two cores together are busy for a second in half a second, which is too short to judge.
        while (now := snapshot()).busy - before.busy < 1.0 or now.now - before.now < 2 * SHORTEST:
            time.sleep(0.01)
        found = conditions(before, now)
        burning.kill()
    assert found["other_cores"] > 0.1
    assert found["cpu_seconds"] < 0.5
    assert conditions(before, snapshot())["cpu_seconds"] > found["cpu_seconds"]
