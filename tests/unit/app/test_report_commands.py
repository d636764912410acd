"""The commands that measure hand their options to the work."""

import inspect as signatures

import pytest

from pixelmill.app import command, report_commands
from pixelmill.benchmark import manager
from pixelmill.core.errors import UserError
from pixelmill.inspection import inspect, parts
from pixelmill.report import inspection_page


@pytest.fixture
def asked(monkeypatch, tmp_path, photos):
    """Function that replaces one of the library, and returns the arguments that it was given."""
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "in", 1)

    def replace(module, name, result=None):
        signature, given = signatures.signature(getattr(module, name)), {}

        def noted(*arguments, **named):
            bound = signature.bind(*arguments, **named)
            bound.apply_defaults()
            given.update(bound.arguments)
            return result

        monkeypatch.setattr(module, name, noted)
        return given

    return replace


def call(name, *arguments):
    getattr(report_commands, name)(command._parser().parse_args([name, *arguments]))


@pytest.fixture
def inspected(asked, monkeypatch):
    """What an inspection and a split were asked for; nothing is measured."""
    monkeypatch.setattr(inspection_page, "write", lambda found, source, target: target)
    monkeypatch.setattr(inspection_page, "lines", lambda found: ["9 images"])
    return asked(inspect, "inspect"), asked(parts, "split_images", {"train": 1})


def test_an_inspection_and_its_split_get_folders_workers_and_thresholds(inspected):
    thresholds = ("--threshold", "blurred=15", "--threshold", "near_duplicate=3")
    call("inspect", "in", "out", "--workers", "1", *thresholds, "--split", "train=0.8", "test=0.2")
    found, split = inspected
    request = found["request"]
    assert (request.source, request.target, request.workers) == ("in", "out", 1)
    expected = {"blurred": 15.0, "near_duplicate": 3.0}
    assert found["thresholds"] == expected
    assert (split["target"], split["thresholds"]) == ("out", expected)
    assert split["ratios"] == {"train": 0.8, "test": 0.2}


def test_an_inspection_without_a_split_writes_none(inspected):
    call("inspect", "in", "out", "--workers", "1")
    found, split = inspected
    assert (found["thresholds"], split) == ({}, {})


def test_a_part_that_is_given_twice_is_told_before_anything_is_measured(inspected):
    with pytest.raises(UserError, match="--split: 'train' is given twice; give each part one"):
        call("inspect", "in", "out", "--workers", "1", "--split", "train=0.5", "train=0.5")
    assert inspected == ({}, {})


def test_a_benchmark_gets_recipe_images_repeats_workers_and_file(asked):
    found = asked(manager, "run", {"figures": [], "advice": []})
    options = ("--images", "12", "--repeats", "3", "--workers", "2", "--json", "samples.json")
    call("scaling", "in", "--longest", "9", *options)
    assert (found["source"], found["images"], found["repeats"]) == ("in", 12, 3)
    assert found["output"] == "samples.json"
    assert found["recipe"].steps[0].params["longest"] == 9
    assert max(case.workers for case in found["cases"]) == 2
