"""The head of the page says in plain words what happened, and warns of a busy machine."""

import subprocess
import sys

import pytest

from pixelmill.dataset.layout import Tree
from pixelmill.imaging.recipe_parser import parse
from pixelmill.report.collect import collect
from pixelmill.report.comparison import compare
from pixelmill.report.conclusion import State
from pixelmill.report.headline import (
    OTHERS_CORES,
    headline,
    told_load,
    told_sentence,
    told_time,
    warnings,
)
from pixelmill.report.render import html, markdown
from tests.helpers.passes import process_folder
from tests.helpers.reports import NAMES, PASS, REPORT


def head_of(**changes):
    report = {**REPORT, "scaling": [], **changes}
    return headline(report, compare(report))


def verdict(state, **changes):
    return {
        "state": str(state),
        "sentence": "S.",
        "images": 9,
        "processed": 9,
        "failed": 0,
        **changes,
    }


@pytest.mark.parametrize(
    ("state", "title", "look"),
    [
        (State.SUCCESS, "Everything worked", "good"),
        (State.PARTIAL, "It worked, but some images failed", "partial"),
        (State.FAILURE, "The run failed", "bad"),
    ],
)
def test_each_state_has_its_words(state, title, look):
    head = head_of(verdict=verdict(state))
    assert (head.title, head.look) == (title, look)
    assert f'<div class="card {look}">' in html({**REPORT, "verdict": verdict(state)})


def test_the_sentence_does_not_repeat_the_state():
    assert told_sentence("Success: 9 of 9 images processed.") == "9 of 9 images processed."
    assert told_sentence("Failed: checks failed for a/b.") == "Checks failed for a/b."
    assert told_sentence("So it is.") == "So it is."
    assert told_sentence("Note: so it is.") == "Note: so it is."


def test_the_large_numbers_are_images_failures_savings_and_the_best_engine():
    base = {**PASS, "engine": "sequential", "workers": 1, "images_per_second": 10.0}
    head = head_of(rows=[base, {**PASS, "images_per_second": 19.1}], conditions=[])
    assert [(figure.value, figure.label) for figure in head.figures] == [
        ("4,969", "of 5,000 images made"),
        ("31", "images failed"),
        ("75 %", "smaller"),
        ("1.91x", "the speed of sequential: threads on 3 workers"),
    ]
    assert head.figures[2].notes == ("24.0 MB became 6.0 MB",)
    assert head.figures[3].notes == ("one pass, no interval",)


@pytest.mark.parametrize(
    ("processes", "told"), [(18.2, ["about as fast: processes 1.82x"]), (18.1, [])]
)
def test_engines_within_a_twentieth_of_the_best_one_are_told(processes, told):
    base = {**PASS, "engine": "sequential", "workers": 1, "images_per_second": 10.0}
    rows = [base, {**PASS, "images_per_second": 19.1},
            {**PASS, "engine": "processes", "images_per_second": processes}]  # fmt: skip
    notes = head_of(rows=rows, conditions=[]).figures[3].notes
    assert notes == (*told, "one pass, no interval")


def test_the_head_tells_if_no_engine_was_faster():
    base = {**PASS, "engine": "sequential", "workers": 1, "images_per_second": 20.0}
    best = head_of(rows=[base, {**PASS, "images_per_second": 19.1}]).figures[3]
    assert (best.value, best.label) == ("None", "of the engines was faster than sequential")


def test_a_measured_speedup_has_its_interval():
    loop = {"kind": "loop", "workers": 1, "images_per_second": 50.0, "slowest": 49, "fastest": 51}
    threads = {**loop, "kind": "threads", "workers": 2, "images_per_second": 96.0, "speedup": 1.93,
               "speedup_spread": [1.88, 1.97]}  # fmt: skip
    head = head_of(scaling=[{**NAMES, "figures": [loop, threads]}], conditions=[])
    assert head.figures[-1].value == "1.92x"
    assert head.figures[-1].label == "the speed of a plain loop: threads on 2 workers"
    assert head.figures[-1].notes == ("(1.88 to 1.97)",)


def test_of_several_recipes_each_has_its_savings_and_its_best_engine():
    rows = [
        {**PASS, "recipe": recipe, "engine": engine, "images_per_second": rate, "workers": 2}
        for recipe, fast in (("light", 18.0), ("intensive", 19.0))
        for engine, rate in (("sequential", 10.0), ("threads", fast))
    ]
    sizes = [{**NAMES, "bytes_in": 4000, "bytes_out": 1000},
             {**NAMES, "recipe": "intensive", "bytes_in": 4000, "bytes_out": 5000}]  # fmt: skip
    saved, best = head_of(rows=rows, sizes=sizes, conditions=[]).figures[2:]
    assert (saved.value, saved.label) == ("25 %", "smaller on average")
    assert saved.notes[1] == "intensive: 4.0 kB became 5.0 kB"
    assert best.value == "1.90x"
    assert best.notes[0] == "light: threads 1.80x"
    assert best.notes[-1] == "single passes, no intervals"


def test_the_throughput_of_the_only_pass_is_told():
    (speed,) = head_of(rows=[PASS], conditions=[]).figures[3:]
    assert (speed.value, speed.label) == ("13.2", "images per second: threads on 3 workers")
    assert speed.notes == ("start-up included",)


def test_a_speed_on_a_busy_machine_refers_to_the_caution():
    base = {**PASS, "engine": "sequential", "workers": 1, "images_per_second": 10.0}
    for rows in ([PASS], [base, PASS]):
        head = head_of(rows=rows)
        assert head.warnings
        assert head.figures[3].notes[-1] == "not reliable: the machine was busy"
        assert head.figures[3].look == "partial"  # in the colour of the caution


@pytest.mark.parametrize(
    ("after", "share", "word"), [(1500, "50 %", "larger"), (1000, "0 %", "smaller")]
)
def test_outputs_are_called_larger_only_if_they_are(after, share, word):
    head = head_of(sizes=[{**NAMES, "bytes_in": 1000, "bytes_out": after}])
    assert (head.figures[2].value, head.figures[2].label) == (share, word)


def test_the_throughput_of_the_only_engine_that_was_measured_is_without_its_start_up():
    threads = {"kind": "threads", "workers": 2, "images_per_second": 96.0, "slowest": 95,
               "fastest": 97}  # fmt: skip
    speed = head_of(scaling=[{**NAMES, "figures": [threads]}], conditions=[]).figures[-1]
    assert (speed.value, speed.notes) == ("96.0", ())


def test_passes_were_processed_when_the_last_one_began_and_their_loads_are_a_span():
    earlier = {**REPORT["conditions"][0], "started": 5.0, "load_before": 0.2, "load_after": 2.94}
    for conditions in ([earlier, *REPORT["conditions"]], [*REPORT["conditions"], earlier]):
        facts = dict(head_of(conditions=conditions).facts)
        assert facts["Processed"] == "9 September 2001, 02:46 (UTC+01:00)"
        assert facts["Load"].startswith("0.2 to 0.6 before the passes, 2.9 after them; other")


def test_the_facts_are_date_machine_version_and_load():
    facts = dict(head_of(software={"pixelmill": "0.2.0"}).facts)
    assert facts["Written"] == "5 November 2026, 09:03 (UTC+01:00)"
    assert facts["Processed"] == "9 September 2001, 02:46 (UTC+01:00)"
    assert facts["Machine"] == "Quick 1, 4 cores, 8 GiB, Linux"
    assert facts["Version"] == "pixelmill 0.2.0, commit 0123456789ab"
    assert facts["Load"].startswith("0.6 before the passes, 2.9 after them; other processes")
    named = dict(head_of(machine={**REPORT["machine"], "host": "mill-7"}).facts)
    assert named["Machine"].startswith("mill-7, Quick 1")


@pytest.mark.parametrize("text", ["2026-11-05T09:03:00-03:30", "2026-11-05T09:03:00+00:00"])
def test_a_time_has_its_zone(text):
    assert told_time(text).endswith("(UTC-03:30)" if "-03:30" in text else "(UTC)")


def warned(cores=4, **conditions):
    entry = {**NAMES, "engine": "threads", **conditions}
    return list(warnings({"machine": {"cores": cores}, "conditions": [entry]}))


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({"other_cores": 1.04}, "other processes used 1.0 of 4 cores during demo/light/threads"),
        ({"load_before": 3.1}, "the load average was 3.1 on 4 cores before demo/light/threads"),
        ({"steal": 0.12, "other_cores": 0.0}, "12 % of their time went to others"),
    ],
)
def test_a_busy_machine_is_warned_of(conditions, words):
    (sentence,) = warned(**conditions)
    assert words in sentence
    assert "not reliable" in sentence


@pytest.mark.parametrize(
    "conditions",
    [{}, {"other_cores": 0.15, "load_before": 3.5}, {"load_before": 1.0}, {"steal": 0.01}],
)
def test_a_quiet_machine_is_not(conditions):
    assert warned(**conditions) == []


@pytest.mark.parametrize(("cores", "most"), [(1, 0.2), (2, 0.2), (4, 0.2), (8, 0.4), (28, 1.4)])
def test_others_may_use_a_fifth_of_a_core_or_a_share_of_many(cores, most):
    assert warned(cores, other_cores=most - 0.01) == []
    assert len(warned(cores, other_cores=most + 0.01)) == 1


@pytest.mark.parametrize(("cores", "most"), [(1, 0.75), (4, 3.0), (28, 21.0)])
def test_the_load_may_be_a_share_of_the_cores(cores, most):
    assert warned(cores, load_before=most - 0.01) == []
    assert len(warned(cores, load_before=most + 0.01)) == 1


def test_the_load_of_earlier_passes_is_no_reason_to_warn():
    passes = [
        {**NAMES, "engine": "threads", "started": 50.0, "load_before": 3.9},
        {**NAMES, "engine": "sequential", "started": 10.0, "load_before": 0.1},
    ]
    assert list(warnings({"machine": {"cores": 4}, "conditions": passes})) == []
    passes[1]["load_before"] = 3.2
    (sentence,) = warnings({"machine": {"cores": 4}, "conditions": passes})
    assert "the load average was 3.2 on 4 cores before demo/light/sequential began." in sentence


def test_the_pass_from_which_most_time_was_stolen_is_named():
    passes = [
        {**NAMES, "engine": engine, "other_cores": 0.0, "steal": share}
        for engine, share in (("sequential", 0.12), ("threads", 0.31), ("futures", 0.2))
    ]
    (sentence,) = warnings({"machine": {"cores": 4}, "conditions": passes})
    assert "31 % of their time went to others during demo/light/threads, and less in 2" in sentence


def test_the_worst_of_several_passes_is_named_and_the_page_and_the_text_have_the_warning():
    conditions = [
        {**NAMES, "engine": engine, "other_cores": cores}
        for engine, cores in (("sequential", 0.5), ("threads", 1.5), ("futures", 0.0))
    ]
    report = {**REPORT, "conditions": conditions}
    (sentence,) = warnings(report)
    assert "demo/light/threads, and less in 1 other pass." in sentence
    assert sentence in html(report)
    assert "> [!WARNING]" in markdown(report)
    assert "Caution" not in html({**REPORT, "conditions": []})


def test_what_the_system_does_not_tell_is_not_told():
    assert told_load([{"started": 5.0}]) == "not told by this system"
    assert told_load([{"load_before": 0.1, "load_after": 2.0}, {"load_before": 1.0}]) == (
        "0.1 to 1.0 before the passes, 2.0 after them"
    )
    stolen = [
        told_load([{"load_before": 0, "load_after": 0, "steal": s}]) for s in (0.0004, 0.0006)
    ]
    assert ["virtual" in text for text in stolen] == [False, True]


#: Makes the pass long enough to tell how busy the machine is.
SLOW = "import time\n\n\ndef wait(image):\n    time.sleep(0.3)\n    return image\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the time of all processes")
def test_the_page_warns_if_another_process_burned_a_core_during_the_pass(tmp_path, photos):
    (tmp_path / "my.py").write_text(SLOW, encoding="utf-8")
    recipe = parse({"steps": [{"call": {"function": "my:wait"}}]}, folder=str(tmp_path))
    source, target = photos(tmp_path / "in", 4), tmp_path / "results/mine/slow/sequential"
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as burning:
        process_folder(source, target, recipe)
        burning.kill()
    report = collect([Tree.at(target)], {})
    assert report["conditions"][0]["other_cores"] > OTHERS_CORES
    assert "Caution.</strong> The machine was busy: other processes used" in html(report)
