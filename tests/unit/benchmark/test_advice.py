"""Advice follows from the figures, and claims no difference that may be noise."""

import os
import random
import re
from dataclasses import asdict, replace

import pytest
from pytest import approx

from pixelmill.benchmark.advice import advise, best
from pixelmill.benchmark.manager import run
from pixelmill.benchmark.samples import PARALLEL, STAGES, Case, Sample
from pixelmill.benchmark.scaling_laws import Law, fit_all
from pixelmill.benchmark.speedups import equal
from pixelmill.imaging.recipe_parser import parse

LIGHT = {"steps": [{"resize": {"width": 24, "height": 16}}], "output": {"quality": 95}}

#: Images per second of the synthetic plain loop.
RATE = 100.0

#: Share of each stage unless a test sets another one.
EVEN = {"read": 0.1, "decode": 0.3, "steps": 0.3, "encode": 0.2, "write": 0.1}


class Machine:
    """A synthetic benchmark: speedups of cases, with the noise of a machine."""

    def __init__(
        self, noise=0.01, repeats=5, images=10_000, startup=0.5, stages=EVEN, wait=0.02, seed=3,
        tail=0.0,
    ):  # fmt: skip
        self.luck = random.Random(seed)
        self.noise, self.repeats, self.images = noise, repeats, images
        self.startup, self.stages, self.wait, self.tail = startup, stages, wait, tail
        self.samples = {}
        self.add("loop", 1, 1.0)

    def add(self, kind, workers, speedup):
        self.samples[Case(kind, workers)] = [self.sample(speedup) for _ in range(self.repeats)]
        return self

    def sample(self, speedup):
        seconds = self.images / (RATE * speedup * self.luck.gauss(1, self.noise))
        busy = {name: part * (1 - self.wait) * seconds for name, part in self.stages.items()}
        return Sample(
            seconds, self.startup, self.images, self.tail * seconds,
            stages={**busy, "wait": self.wait * seconds},
        )  # fmt: skip

    def engines(self, law, counts=(1, 2, 4)):
        for kind in PARALLEL:
            for workers in counts:
                self.add(kind, workers, law.speedup(workers))
        return self

    def advice(self, recipe=LIGHT, steps=(), folder=".", fits=None, part="text"):
        """A part of each advice by its rule; `fits` replaces those of the samples."""
        given = advise(
            {
                "images": self.images,
                "recipe": parse(recipe, folder=str(folder)).as_data(),
                "samples": [
                    {**case.as_data(), "samples": [asdict(s) for s in taken]}
                    for case, taken in self.samples.items()
                ],
                "steps": steps,
                "fits": fit_all(self.samples) if fits is None else fits,
            }
        )
        assert all(one["evidence"] for one in given)
        found = {one["rule"]: one[part] for one in given}
        assert len(found) == len(given)  # each rule says one thing at most
        return found


def test_engine_and_workers_are_named():
    machine = Machine().add("threads", 2, 1.5).add("processes", 2, 1.9).add("processes", 1, 0.97)
    assert machine.advice()["engine"].startswith("Use `processes` with 2 workers")


def test_equal_cases_are_reported_as_equal():
    machine = Machine(noise=0.03).engines(Law(1.0, 0.02))
    assert equal(machine.samples, Case("threads", 4), Case("futures", 4))
    chosen, equals = best(machine.samples)
    assert chosen == Case("threads", 4)
    assert {case for case in equals if case != chosen} <= {Case("processes", 4), Case("futures", 4)}


@pytest.mark.parametrize("noise", [0.01, 0.1], ids=["quiet", "busy"])
def test_of_many_cases_that_are_all_alike_the_luckiest_is_seldom_taken_for_the_best(noise):
    alike = Law(1.0, sigma=1.0)  # with any number of workers as fast as the loop
    machines = [Machine(noise, seed=seed).engines(alike, counts=(1, 2)) for seed in range(100)]
    named = sum(best(machine.samples)[0].kind != "loop" for machine in machines)
    assert named <= 0.05 * len(machines)


def test_of_equal_cases_the_one_with_fewer_workers_is_advised():
    machine = Machine(noise=0.03).add("threads", 2, 1.5).add("threads", 4, 1.5)
    assert "`threads` with 2 workers" in machine.advice()["engine"]


def test_no_engine_is_advised_that_is_no_faster_than_the_loop():
    machine = Machine(noise=0.03).add("threads", 2, 1.0).add("processes", 2, 0.98)
    assert "Use `sequential`" in machine.advice()["engine"]


def test_a_noisy_machine_is_no_reason_to_advise_the_loop():
    machine = Machine()
    for speedup in (0.8, 1.2, 1.4, 1.6, 2.0):
        machine.samples.setdefault(Case("processes", 2), []).append(machine.sample(speedup))
    assert "noise hides the difference" in machine.advice()["engine"]


def test_an_engine_is_not_named_for_being_as_fast_as_one_that_beats_the_loop():
    """Its confidence interval may contain the loop too."""
    machine = Machine().add("futures", 2, 1.5)
    for speedup in (0.5, 1.1, 1.2, 1.7, 1.9):
        machine.samples.setdefault(Case("threads", 2), []).append(machine.sample(speedup))
    assert equal(machine.samples, Case("threads", 2), Case("futures", 2))
    assert "`futures` with 2 workers" in machine.advice()["engine"]


def test_which_of_two_cases_is_asked_for_first_does_not_matter():
    for seed in range(50):
        samples = Machine(noise=0.1, seed=seed).add("threads", 2, 1.1).samples
        pair = Case("loop", 1), Case("threads", 2)
        assert equal(samples, *pair) == equal(samples, *reversed(pair))


def test_too_few_repeats_name_no_winner():
    advice = Machine(repeats=4).add("threads", 2, 1.9).advice()
    assert "too few repeats" in advice["engine"]


def test_advice_names_the_number_of_images_that_is_worth_the_start_up():
    advice = Machine(images=20).add("processes", 2, 2.0).advice()
    # Half a second of start, half of each second saved, at 100 images a second.
    assert int(re.search(r"from about (\d+) images", advice["startup"])[1]) == approx(100, 0.05)
    assert "startup" not in Machine(images=1000).add("processes", 2, 2.0).advice()


MEASURED = [
    {"step": "resize", "alone": 0.004, "together": 0.0042},
    {"step": "my:median", "alone": 0.02, "together": 0.039},
]


def test_a_planted_step_that_holds_the_gil_is_named():
    advice = Machine().add("threads", 2, 1.05).add("processes", 2, 1.9).advice(steps=MEASURED)
    assert re.fullmatch(
        r"Threads lose 4\d % to the GIL in `my:median`: use processes\.", advice["gil"]
    )


def test_the_step_that_loses_most_is_to_blame_and_the_one_that_takes_longest_costs_most():
    steps = [
        {"step": "long", "alone": 0.05, "together": 0.07},
        {"step": "holding", "alone": 0.02, "together": 0.05},
        {"step": "free", "alone": 0.03, "together": 0.031},
    ]
    machine = Machine(noise=0, stages={**dict.fromkeys(EVEN, 0.1), "steps": 0.6})
    machine.add("threads", 2, 1.05).add("processes", 2, 1.9)
    for given in (steps, steps[::-1]):
        advice = machine.advice(steps=given, fits={})
        assert "to the GIL in `holding`: use processes" in advice["gil"]
        assert "above all `long`" in advice["stage"]
    busier = [{**step, "together": 2 * step["together"]} for step in steps[::2]]
    assert "above all `long`" in machine.advice(steps=busier, fits={})["stage"]
    costly = [{"step": "a", "alone": 0.03, "together": 0.03}, {**steps[1], "together": 0.09}]
    assert "above all `a`" in machine.advice(steps=costly, fits={})["stage"]


def test_without_times_of_steps_own_ones_are_named(tmp_path):
    machine = Machine().add("threads", 2, 1.05).add("processes", 2, 1.9)
    (tmp_path / "my.py").write_text("def boost(image):\n    return image\n", encoding="utf-8")
    recipe = {"steps": [*LIGHT["steps"], {"call": {"function": "my:boost"}}]}
    assert "in `my:boost`" in machine.advice(recipe, folder=tmp_path)["gil"]
    assert "to the GIL: use" in machine.advice()["gil"]


@pytest.mark.parametrize("threads", [1.88, 1.8])
def test_threads_that_lose_little_are_not_mentioned(threads):
    assert "gil" not in Machine().add("threads", 2, threads).add("processes", 2, 1.9).advice()


def test_a_single_thread_loses_nothing_to_others():
    assert "gil" not in Machine().add("threads", 1, 0.5).add("processes", 1, 1.0).advice()


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [
        ("encode", "Encoding takes 60 % of the time (jpeg, quality 95"),
        ("decode", "Decoding takes 60 %"),
        ("steps", "The steps take 60 % of the time, above all `my:median`"),
    ],
)
def test_a_planted_slow_stage_is_named(stage, sentence):
    stages = {**dict.fromkeys(EVEN, 0.1), stage: 0.6}
    advice = Machine(stages=stages).add("threads", 2, 1.9).advice(steps=MEASURED)
    assert advice["stage"].startswith(sentence)


def test_no_stage_is_named_if_none_dominates():
    assert "stage" not in Machine().add("threads", 2, 1.9).advice()


def test_a_disk_that_takes_most_of_the_time_is_the_bound():
    stages = {**dict.fromkeys(EVEN, 0.1), "write": 0.5, "read": 0.2}
    advice = Machine(stages=stages).add("threads", 2, 1.9).advice()
    assert "The disk is the bottleneck: reading and writing take 70 %" in advice["disk"]
    assert "disk" not in Machine().add("threads", 2, 1.9).advice()


def test_workers_that_wait_are_seen():
    assert "wait for 40 %" in Machine(wait=0.4).add("threads", 2, 1.2).advice()["wait"]


@pytest.mark.slow
def test_more_cores_are_advised_against_where_they_are_predicted_to_win_little():
    assert "cores" in Machine().engines(Law(1.0, 0.5)).advice()
    assert "cores" not in Machine().engines(Law(1.0, 0.02)).advice()


@pytest.mark.parametrize(
    ("likely", "most", "given"), [(1.1, 1.2, True), (1.1, 1.3, False), (1.3, 1.4, False)]
)
def test_more_cores_are_advised_against_where_even_the_most_that_may_come_is_little(
    likely, most, given
):
    machine = Machine(noise=0).engines(Law(1.0, 0.5))
    now = Law(1.0, 0.5).speedup(4)
    ahead = {"workers": 8, "speedup": likely * now, "low": now, "high": most * now}
    fits = {
        kind: {**fitted, "predictions": [ahead]}
        for kind, fitted in fit_all(machine.samples).items()
    }
    assert ("cores" in machine.advice(fits=fits)) is given


def test_more_cores_are_not_mentioned_if_fewer_workers_are_best():
    """The curve has passed its maximum, so that a prediction beyond it is not useful."""
    machine = Machine().add("threads", 1, 1.0).add("threads", 2, 1.5).add("threads", 4, 1.5)
    advice = machine.advice()
    assert "`threads` with 2 workers" in advice["engine"]
    assert "cores" not in advice


#: A machine without noise, on which each rule says something; how it is asked, and what it says.
WORDS = {
    "engine": (
        Machine(noise=0).add("threads", 2, 1.5).add("processes", 4, 1.5), {},
        "Use `threads` with 2 workers: 150 images/s, 1.50 times the plain loop.",
        "speedup 1.50 to 1.50 over 5 repeats; equal within the noise: processes x4",
    ),
    "engine, one worker": (
        Machine(noise=0).add("processes", 1, 1.5), {},
        "Use `processes` with 1 worker: 150 images/s, 1.50 times the plain loop.",
        "speedup 1.50 to 1.50 over 5 repeats",
    ),
    "engine, the loop": (
        Machine(noise=0).add("threads", 2, 1.0), {},
        "Use `sequential`: no engine is faster than it by more than the noise.",
        "100 images/s with the plain loop; equal within the noise: threads x2",
    ),
    "engine, too few repeats": (
        Machine(repeats=4), {},
        "No engine is recommended: there are too few repeats to tell a difference from noise.",
        "4 repeats; an interval needs 5",
    ),
    "startup": (
        Machine(noise=0, images=20).add("processes", 2, 2.0), {},
        "The set is too small to offset the start-up: `processes` is faster from about 100 "
        "images on.",
        "the plain loop takes 0.20 s for 20 images; processes x2 starts in 0.50 s",
    ),
    "gil": (
        Machine(noise=0).add("threads", 2, 1.2).add("processes", 2, 1.6)
        .add("threads", 4, 1.2).add("processes", 4, 3.0),
        {"steps": MEASURED},
        "Threads lose 60 % to the GIL in `my:median`: use processes.",
        "threads x4 reach 0.40 to 0.40 of processes x4; my:median takes 20.0 ms alone and 39.0 ms "
        "while another thread runs it",
    ),
    "stage": (
        Machine(noise=0, stages={**dict.fromkeys(EVEN, 0.1), "steps": 0.6}), {"steps": MEASURED},
        "The steps take 60 % of the time, above all `my:median`: faster libraries help "
        "(envs/README.md).",
        "shares of the time of the plain loop: read 10 %, decode 10 %, steps 60 %, encode 10 %, "
        "write 10 %; my:median takes 20.0 ms for an image",
    ),
    "disk": (
        Machine(noise=0, stages={**dict.fromkeys(EVEN, 0.1), "write": 0.5, "read": 0.2})
        .add("threads", 2, 1.9), {},
        "The disk is the bottleneck: reading and writing take 70 % of the time, and more workers "
        "would wait for it too.",
        "threads x2: read 20 %, write 50 %",
    ),
    "wait": (
        Machine(noise=0, wait=0.4, tail=0.15).add("threads", 2, 1.2), {},
        "Workers wait for 40 % of the time: for the last batch, if the set is small, or for the "
        "disk of the ledger.",
        "threads x2: 15 % of the time passes between the end of the first and of the last worker",
    ),
    "cores": (
        Machine(noise=0).add("threads", 4, 1.6),
        {"fits": {"threads": {"predictions": [
            {"workers": 8, "speedup": 1.7, "low": 1.5, "high": 1.9},
            {"workers": 16, "speedup": 1.75, "low": 1.4, "high": 1.9},
        ]}}},
        "More cores would gain little: 8 workers are predicted to reach 1.70 times the plain loop.",
        "prediction, 1.50 to 1.90; 1.60 with 4 now",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WORDS)
def test_an_advice_says_what_to_do_and_which_measurements_it_rests_on(case):
    machine, asked, text, evidence = WORDS[case]
    rule = case.partition(",")[0]
    assert machine.advice(**{"fits": {}, **asked})[rule] == text
    assert machine.advice(**{"fits": {}, **asked}, part="evidence")[rule] == evidence


def test_the_start_up_is_that_of_most_repeats():
    machine = Machine(noise=0, images=20).add("processes", 2, 2.0)
    case = Case("processes", 2)
    starts = (0.1, 0.5, 0.5, 0.6, 9.0)
    machine.samples[case] = [
        replace(sample, startup_seconds=start)
        for sample, start in zip(machine.samples[case], starts, strict=True)
    ]
    assert machine.advice(fits={}, part="evidence")["startup"].endswith("starts in 0.50 s")


def test_a_stage_is_named_by_its_share_of_the_plain_loop():
    """Beside one another, workers share the disk and the memory, which no stage can help."""
    machine = Machine(noise=0, stages={**dict.fromkeys(EVEN, 0.1), "decode": 0.6})
    machine.stages = {**dict.fromkeys(EVEN, 0.1), "encode": 0.6}
    machine.add("threads", 2, 1.9)
    assert machine.advice(fits={})["stage"].startswith("Decoding takes 60 %")


def test_the_most_important_advice_comes_first():
    machine = Machine(noise=0, images=20, wait=0.4, stages={**EVEN, "steps": 3.0})
    machine.add("threads", 2, 1.2).add("processes", 2, 1.9)
    rules = list(machine.advice(steps=MEASURED, fits={}))
    assert rules == ["engine", "startup", "gil", "stage", "wait"]


def test_a_noisy_engine_that_may_be_worth_it_is_named_with_its_bounds():
    machine = Machine(noise=0)
    for speedup in (0.8, 1.2, 1.4, 1.6, 2.0):
        machine.samples.setdefault(Case("processes", 2), []).append(machine.sample(speedup))
    assert machine.advice(fits={}, part="evidence")["engine"] == (
        "processes x2 at 0.80 to 2.00 times the plain loop"
    )


@pytest.mark.parametrize(
    ("formats", "words"),
    [
        ([{"format": "webp", "quality": 90}], "Encoding takes 60 % of the time (webp, quality 90"),
        (
            [{"name": "a", "format": "png", "level": 9}, {"name": "b", "format": "same"}],
            "Encoding takes 60 % of the time (png, level 9; same): ",
        ),
    ],
)
def test_an_advice_about_encoding_names_the_formats_of_all_outputs(formats, words):
    recipe = {"outputs": formats} if "name" in formats[0] else {"output": formats[0]}
    machine = Machine(noise=0, stages={**dict.fromkeys(EVEN, 0.1), "encode": 0.6})
    assert machine.advice(recipe, fits={})["stage"].startswith(words)


def test_a_step_of_one_of_several_outputs_is_suspected_too(tmp_path):
    machine = Machine(noise=0).add("threads", 2, 1.05).add("processes", 2, 1.9)
    (tmp_path / "my.py").write_text("def boost(image):\n    return image\n", encoding="utf-8")
    step = {"call": {"function": "my:boost"}}
    recipe = {"outputs": [{"name": "a"}, {"name": "b", "steps": [step]}]}
    assert "in `my:boost`" in machine.advice(recipe, folder=tmp_path, fits={})["gil"]


def test_without_a_loop_no_advice_is_given():
    result = {"samples": [{"kind": "threads", "workers": 2, "samples": []}]}
    assert advise(result) == []


def test_every_stage_is_one_of_a_sample():
    assert tuple(EVEN) == ("read", "decode", "steps", "encode", "write")
    assert (*EVEN, "wait") == STAGES


#: Sleeps without releasing the GIL, so that the test does not depend on the machine.
HOLDING = """
import ctypes


def stall(image):
    ctypes.PyDLL(None).usleep(30_000)
    return image
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no usleep")
def test_a_step_that_really_holds_the_gil_is_found_by_a_real_benchmark(tmp_path, photos):
    (tmp_path / "my.py").write_text(HOLDING, encoding="utf-8")
    source = str(photos(tmp_path / "in", 24))
    recipe = parse(
        {"steps": [*LIGHT["steps"], {"call": {"function": "my:stall"}}]}, folder=str(tmp_path)
    )
    cases = [Case("loop", 1), Case("threads", 2), Case("processes", 2), Case("steps", 2)]
    given = {one["rule"]: one for one in run(source, recipe, cases, 24, 5)["advice"]}
    assert "to the GIL in `my:stall`" in given["gil"]["text"]
    assert "above all `my:stall`" in given["stage"]["text"]
