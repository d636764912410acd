"""The benchmark measures cases in fresh processes and in turns, and keeps every sample."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from pixelmill.benchmark import manager
from pixelmill.benchmark.manager import run, select
from pixelmill.benchmark.samples import Case, Sample
from pixelmill.benchmark.unfinished import Unfinished, beside
from pixelmill.core.errors import UserError
from pixelmill.core.tables import read_json, write_json
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


@pytest.mark.slow
def test_cases_are_measured_apart_and_all_samples_are_kept(measured):
    result, logged, folder = measured
    assert (result["images"], result["repeats"]) == (3, 2)
    assert [len(entry["samples"]) for entry in result["samples"]] == [2, 2]
    assert [row["kind"] for row in result["figures"]] == ["loop", "threads"]
    assert len(logged) == 2 * 3 + 2
    assert list((folder / "scratch").iterdir()) == []
    assert str(folder) not in str(result)


@pytest.mark.slow
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


CASES = [Case("loop", 1), Case("sequential", 1)]


@pytest.fixture
def begun(tmp_path, photos, monkeypatch):
    """A benchmark of which Ctrl-C stops the fourth measurement, and how to run it again."""
    source, output = photos(tmp_path / "in", 2), tmp_path / "scaling.json"
    taken = []

    def again(recipe=RECIPE, stop=None, output=str(output), repeats=2):
        def measure(source, target, recipe, case, entries, memory):
            if len(taken) == stop:
                raise KeyboardInterrupt
            taken.append(case.name)
            number = float(len(taken))
            return {"peak_mib": number} if memory else asdict(Sample(number, 0.1, 2))

        monkeypatch.setattr(manager, "_measure_apart", measure)
        logged = []
        taken.clear()
        result = run(
            str(source), recipe, CASES, 2, repeats, str(tmp_path), logged.append, output=output
        )
        return result, list(taken), logged

    with pytest.raises(KeyboardInterrupt):
        again(stop=3)
    return again, output


def test_a_benchmark_that_was_stopped_continues_with_the_samples_it_has(begun):
    again, output = begun
    result, taken, logged = again()
    assert len(taken) == 2 * len(CASES) + len(CASES) - 3
    assert logged[0] == "continuing after 3 measurements of a run that was stopped"
    seconds = [s["seconds"] for case in result["samples"] for s in case["samples"]]
    assert sorted(seconds) == [1.0, 1.0, 2.0, 3.0]  # three of the first run, one of this one
    assert read_json(output) == json.loads(json.dumps(result))
    assert [path.name for path in output.parent.glob("*.json")] == ["scaling.json"]
    assert len(again()[1]) == 3 * len(CASES)  # a finished benchmark starts afresh


@pytest.mark.parametrize("change", ["recipe", "images", "repeats", "damaged file"])
def test_samples_under_other_conditions_are_not_used(begun, change, tmp_path, photos):
    again, output = begun
    recipe = parse({"steps": ["grayscale"]}) if change == "recipe" else RECIPE
    if change == "images":
        (tmp_path / "in" / "0.jpg").write_bytes((tmp_path / "in" / "1.jpg").read_bytes() + b"more")
    if change == "damaged file":
        Path(beside(str(output))).write_text('{"conditions": 1')
    repeats = 3 if change == "repeats" else 2
    assert len(again(recipe, repeats=repeats)[1]) == (repeats + 1) * len(CASES)


def test_a_benchmark_that_keeps_nothing_says_so_when_it_is_stopped(begun):
    with pytest.raises(UserError, match="Stopped; no measurement was kept") as caught:
        begun[0](stop=1, output=None)
    assert caught.value.status == 130


def test_a_failed_measurement_gives_one_sentence(tmp_path, photos):
    source = photos(tmp_path / "in", 1)
    with pytest.raises(UserError, match=r"Measuring 'no such case' failed") as caught:
        run(str(source), RECIPE, [Case("no such case", 1)], 1, 1, str(tmp_path), print)
    assert "Traceback" not in str(caught.value)


def test_what_follows_a_measurement_of_another_case_is_not_used(tmp_path):
    one, other = Case("threads", 1), Case("futures", 1)
    taken = [[case.name, False, {"number": k}] for k, case in enumerate((one, other, other))]
    write_json(tmp_path / "kept.json", {"conditions": "same", "taken": taken})
    measured = []

    def measure(case, memory):
        measured.append(case)
        return {"number": 9}

    kept = Unfinished(str(tmp_path / "kept.json"), "same", measure)
    assert kept.count == 3
    assert [kept(case, False)["number"] for case in (one, one, other)] == [0, 9, 9]
    assert (measured, kept.count) == ([one, other], 3)
