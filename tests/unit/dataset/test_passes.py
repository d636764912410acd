"""Outcomes are counted, and passes of shards are summed as if they ran one after another."""

import pytest

from pixelmill.core.jobs import BusyInterval, Outcome, OutputFile
from pixelmill.dataset.passes import Pass, Totals, concatenate, merge_passes

ONE = Pass(True, "processes", 2, 10.0, 0.5, 100, 1, 1000, 500, 12.0, "c", "r", "k", "m")
IDLE = ONE._replace(engine="sequential", workers=1, images=0, failed=0, seconds=0.1, is_full=False)


def test_a_pass_of_all_images_is_a_full_one():
    assert merge_passes([ONE, ONE], 200, "all").is_full
    assert not merge_passes([ONE, ONE], 201, "all").is_full
    assert not merge_passes([ONE, ONE._replace(is_full=False)], 200, "all").is_full


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(25.0, "4.0/s"), (10.02, "10.0/s"), (10.0, "10/s"), (0.1, "1,000/s"), (0.0, "/s")],
)
def test_the_speed_of_a_pass_has_the_digits_that_count(seconds, told):
    assert f"{told}, processes, 2 workers" in ONE._replace(seconds=seconds).told()


def test_sums_are_sums_and_the_catalog_is_that_of_all():
    two = Pass(True, "processes", 3, 20.0, 0.25, 200, 5, 7000, 300, 18.0, "d", "r", "k", "m")
    assert merge_passes([ONE, two], 300, "all") == Pass(
        True, "processes", 3, 30.0, 0.75, 300, 6, 8000, 800, 30.0, "all", "r", "k", "m"
    )


@pytest.mark.parametrize("key", ["recipe", "code", "machine"])
def test_passes_that_differ_compare_with_neither(key):
    assert getattr(merge_passes([ONE, ONE._replace(**{key: "a"})], 200, "all"), key) == (
        f"a+{getattr(ONE, key)}"
    )


def test_a_shard_with_nothing_to_do_changes_only_the_seconds():
    idle = IDLE._replace(workers=9, recipe="old", code="old", machine="another")
    merged = merge_passes([ONE, idle], 100, "all")
    expected = ONE._replace(seconds=10.1, startup_seconds=1.0, megapixels_in=24.0, catalog="all")
    assert merged == expected._replace(bytes_in=2000, bytes_out=1000)


def test_if_no_shard_has_anything_to_do_the_engine_is_theirs():
    assert merge_passes([IDLE, IDLE], 100, "all").engine == "sequential"


def test_several_engines_are_what_auto_chose():
    assert merge_passes([ONE, ONE._replace(engine="threads")], 200, "all").engine == "auto"


@pytest.mark.parametrize("seconds", [[10.0], [10.0, 10.0], [10.0, 30.0, 20.0, 40.0]])
def test_workers_of_a_shard_are_busy_after_those_of_all_shards_before_it(seconds):
    intervals = [BusyInterval("0", 0.0, 4.0, 50), BusyInterval("1", 1.0, 9.0, 50)]
    moved = concatenate([(ONE._replace(seconds=taken), intervals) for taken in seconds])
    begins = [sum(seconds[:number]) for number in range(len(seconds))]
    busy = [(begin + 0.0, begin + 4.0) for begin in begins]
    assert [(s.began, s.ended) for s in moved if s.worker == "0"] == busy
    assert [s.ended - s.began for s in moved if s.worker == "1"] == [8.0] * len(seconds)
    whole = merge_passes([ONE._replace(seconds=taken) for taken in seconds], 100, "all")
    assert max(s.ended for s in moved) <= whole.seconds


def failed(reason, message):
    return Outcome("a", (), "failed", "steps", reason, message, 10, 0, "", 4, (0.0,) * 5)


def test_bytes_and_pixels_are_summed_for_images_that_are_made_too():
    files = (OutputFile("a", "a.jpg", 4, 3, 70, "0"), OutputFile("b", "b.jpg", 4, 3, 7, "0"))
    made = Outcome("a", files, "ok", "", "", "", 1000, 0, "", 64, (0.0,) * 5)
    totals = Totals()
    totals.add([made, failed("corrupt", "")])
    totals.add([made])
    assert (totals.images, totals.failed) == (3, 1)
    assert (totals.bytes_in, totals.bytes_out, totals.pixels_in) == (2010, 154, 132)


def test_failures_are_counted_by_their_reasons():
    totals = Totals()
    totals.add([failed("corrupt", ""), failed("corrupt", ""), failed("vanished", "")])
    assert (totals.images, totals.failed) == (3, 3)
    assert totals.reasons == {"corrupt": 2, "vanished": 1}
    assert (totals.bytes_in, totals.pixels_in) == (30, 12)


def test_a_step_without_permission_is_distinguished_from_other_failures():
    totals = Totals()
    totals.add([failed("unreadable", "PermissionError: no"), failed("step_failed", "ValueError")])
    assert totals.refused is False
    totals.add([failed("step_failed", "PermissionError: no"), failed("step_failed", "ValueError")])
    assert totals.refused is True
