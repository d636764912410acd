"""The cases suffice for a comparison, and samples can be read back from a file."""

from dataclasses import asdict

import pytest

from pixelmill.benchmark.samples import Case, Sample, cases_for, ratios, read


@pytest.mark.parametrize(
    ("cores", "counts"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])]
)
def test_every_engine_and_the_ceiling_are_measured_at_each_power_of_two_and_all_cores(
    cores, counts
):
    cases = cases_for(cores)
    for kind in ("ceiling", "threads", "processes", "futures"):
        assert [case.workers for case in cases if case.kind == kind] == counts
    assert {Case("overhead", 1), Case("loop", 1), Case("synchronous", 1)} <= set(cases)
    assert len(set(cases)) == len(cases)


def test_steps_are_timed_in_two_threads_only_where_there_are_two_cores():
    assert [Case("steps", 2) in cases_for(cores) for cores in (1, 2)] == [False, True]


def test_a_ratio_is_one_of_throughputs_within_a_repeat():
    ours, theirs = [Sample(1.0, 0.0, 10), Sample(4.0, 0.0, 10)], [Sample(2.0, 0.0, 10)] * 2
    assert ratios(ours, theirs) == [2.0, 0.5]


def test_samples_are_read_back_from_a_file_as_written():
    sample = Sample(1.5, 0.2, 10, 0.1, {}, {"read": 0.5}, [0.1])
    cases = [Case("threads", 2), Case("rival", 2, "gm")]
    entries = [{**case.as_data(), "samples": [asdict(sample)]} for case in cases]
    assert read({"samples": entries}) == {case: [sample] for case in cases}
