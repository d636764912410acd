"""The cases suffice for a comparison, and samples can be read back from a file."""

from dataclasses import asdict

import pytest

from pixelmill.benchmark.samples import Arm, Sample, arms_for, ratios, read


@pytest.mark.parametrize(
    ("cores", "counts"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])]
)
def test_every_engine_and_the_ceiling_are_measured_at_each_power_of_two_and_all_cores(
    cores, counts
):
    arms = arms_for(cores)
    for kind in ("ceiling", "threads", "processes", "futures"):
        assert [arm.workers for arm in arms if arm.kind == kind] == counts
    assert {Arm("overhead", 1), Arm("loop", 1), Arm("synchronous", 1)} <= set(arms)
    assert len(set(arms)) == len(arms)


def test_steps_are_timed_in_two_threads_only_where_there_are_two_cores():
    assert [Arm("steps", 2) in arms_for(cores) for cores in (1, 2)] == [False, True]


def test_a_ratio_is_one_of_throughputs_within_a_repeat():
    ours, theirs = [Sample(1.0, 0.0, 10), Sample(4.0, 0.0, 10)], [Sample(2.0, 0.0, 10)] * 2
    assert ratios(ours, theirs) == [2.0, 0.5]


def test_samples_come_back_from_a_file_as_they_were():
    sample = Sample(1.5, 0.2, 10, 0.1, {}, {"read": 0.5}, [0.1])
    arms = [Arm("threads", 2), Arm("rival", 2, "gm")]
    entries = [{**arm.as_data(), "samples": [asdict(sample)]} for arm in arms]
    assert read({"samples": entries}) == {arm: [sample] for arm in arms}
