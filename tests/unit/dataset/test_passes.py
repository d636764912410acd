"""Outcomes are counted, and passes of shards are summed as if they ran one after another."""

import pytest

from pixelmill.core.jobs import BusyInterval, Outcome
from pixelmill.dataset.passes import Pass, Totals, concatenate, merge_passes

ONE = Pass(True, "processes", 2, 10.0, 0.5, 100, 1, 1000, 500, 12.0, "c", "r", "k", "m")
IDLE = ONE._replace(engine="sequential", workers=1, images=0, failed=0, seconds=0.1, is_full=False)


def test_a_pass_of_all_images_is_a_full_one():
    assert merge_passes([ONE, ONE], 200, "all").is_full
    assert not merge_passes([ONE, ONE], 201, "all").is_full
    assert not merge_passes([ONE, ONE._replace(is_full=False)], 200, "all").is_full


def test_sums_are_sums_and_the_catalog_is_that_of_all():
    done = merge_passes([ONE, ONE], 200, "all")
    assert (done.seconds, done.images, done.failed, done.bytes_in) == (20.0, 200, 2, 2000)
    assert (done.catalog, done.workers, done.engine) == ("all", 2, "processes")


def test_a_shard_with_nothing_to_do_does_not_change_the_engine():
    assert merge_passes([ONE, IDLE], 100, "all").engine == "processes"
    assert merge_passes([IDLE, IDLE], 100, "all").engine == "sequential"


def test_several_engines_are_what_auto_chose():
    assert merge_passes([ONE, ONE._replace(engine="threads")], 200, "all").engine == "auto"


def test_passes_on_two_kinds_of_machine_compare_with_neither():
    assert merge_passes([ONE, ONE._replace(machine="n")], 200, "all").machine == "m+n"


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
