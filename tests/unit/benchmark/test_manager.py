"""The benchmark measures cases in fresh processes and in turns, and keeps every sample."""

import pytest

from pixelmill.benchmark.manager import run, select
from pixelmill.benchmark.samples import Case
from pixelmill.core.errors import UserError
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.imaging.recipe_parser import parse

RECIPE = parse({"steps": [{"resize": {"width": 24, "height": 16}}, "grayscale"]})


@pytest.mark.parametrize(
    ("count", "chosen"), [(1, [0]), (2, [0, 5]), (5, [0, 2, 4, 6, 8]), (99, list(range(10)))]
)
def test_images_are_chosen_evenly_over_the_catalog(count, chosen):
    entries = Entries(Entry(f"{number}.jpg", 1, 1, "jpeg") for number in range(10))
    assert [int(entry.path[:-4]) for entry in select(entries, count)] == chosen


def test_an_empty_folder_is_reported():
    with pytest.raises(UserError, match="nothing to measure"):
        select([], 5)


@pytest.fixture(scope="module")
def measured(tmp_path_factory, photos):
    """What a benchmark of three cases on three photos gives and says, and its folder."""
    folder = tmp_path_factory.mktemp("measured")
    source, scratch = photos(folder / "in", 4), folder / "scratch"
    scratch.mkdir()
    logged = []
    cases = [Case("loop", 1), Case("threads", 2), Case("steps", 2)]
    return run(str(source), RECIPE, cases, 3, 2, str(scratch), logged.append), logged, folder


def test_cases_are_measured_apart_and_all_samples_are_kept(measured):
    result, logged, folder = measured
    assert (result["images"], result["repeats"]) == (3, 2)
    assert [len(entry["samples"]) for entry in result["samples"]] == [2, 2]
    assert [row["kind"] for row in result["figures"]] == ["loop", "threads"]
    assert len(logged) == 2 * 3 + 2
    assert list((folder / "scratch").iterdir()) == []
    assert str(folder) not in str(result)


def test_memory_is_looked_at_in_a_run_of_its_own_and_no_clock_suffers(measured):
    result, logged, _ = measured
    assert all(row["peak_mib"] > 0 for row in result["figures"])
    assert sum(line.startswith("memory") for line in logged) == 2


def test_the_times_of_steps_stand_apart_from_the_cases(measured):
    assert [step["step"] for step in measured[0]["steps"]] == ["resize", "grayscale"]
    assert all(step["alone"] > 0 and step["together"] > 0 for step in measured[0]["steps"])


def test_what_was_measured_says_where_and_with_what(measured):
    assert {"cores", "processor"} <= measured[0]["machine"].keys()
    assert {"Pillow", "Dask", "Python"} <= measured[0]["software"].keys()


def test_a_failed_measurement_gives_one_sentence(tmp_path, photos):
    source = photos(tmp_path / "in", 1)
    with pytest.raises(UserError, match=r"Measuring 'no such case' failed") as caught:
        run(str(source), RECIPE, [Case("no such case", 1)], 1, 1, str(tmp_path), print)
    assert "Traceback" not in str(caught.value)
