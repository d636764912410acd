"""What the workflow does before Snakemake looks for jobs."""

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from pixelmill.app import workflow_setup
from pixelmill.app.config import complete
from pixelmill.app.workflow_setup import folders_of
from pixelmill.core import locks
from pixelmill.core.errors import UserError
from pixelmill.core.locks import exclusive
from pixelmill.core.progress import QUIET, VARIABLE
from pixelmill.dataset.shards import Shard, all_of, shard_of


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """Work in an empty folder, and in a run that has no tokens yet."""
    monkeypatch.chdir(tmp_path)
    for name in ("PIXELMILL_TOKENS", "PIXELMILL_RUNNER", VARIABLE):
        monkeypatch.setenv(name, "")  # so that it is restored after the test
        monkeypatch.delenv(name)
    return tmp_path


@pytest.mark.parametrize(
    ("configfiles", "folders"),
    [
        ([], ["."]),
        (["config.yaml"], ["."]),
        (["settings/config.yaml"], ["settings"]),
        (["one/a.yaml", "two/b.yaml", "config.yaml"], ["two", "one", "."]),
        (["one/a.yaml", "one/b.yaml", "one/config.yaml"], ["one"]),
    ],
)
def test_own_steps_are_searched_beside_the_last_config_first(configfiles, folders):
    """Its keys override those of the others; the config of the project comes last."""
    assert folders_of(configfiles) == os.pathsep.join(folders)


@pytest.mark.parametrize("path", [os.defpath, "", None])
def test_jobs_find_this_python_first_and_all_other_programs_after_it(monkeypatch, path):
    monkeypatch.setenv("PATH", path or "")
    if path is None:
        monkeypatch.delenv("PATH")
    workflow_setup.prefer_this_python()
    own = os.path.dirname(sys.executable)
    assert os.environ["PATH"].split(os.pathsep) == [own, *(path.split(os.pathsep) if path else ())]


@pytest.mark.parametrize("quiet", [False, True])
def test_jobs_are_told_which_process_runs_them_and_whether_to_be_silent(quiet):
    workflow_setup.announce_runner(quiet)
    assert os.environ["PIXELMILL_RUNNER"] == str(os.getpid())
    assert os.environ.get(VARIABLE) == (QUIET if quiet else None)


def test_a_folder_in_which_another_run_works_is_refused(monkeypatch):
    monkeypatch.setattr(locks, "LOCK_PATIENCE", 0.0)
    with (
        exclusive(".snakemake/pixelmill"),
        pytest.raises(UserError, match="Another Snakemake is running in this folder; wait for"),
    ):
        workflow_setup.hold()


def test_a_folder_is_held_until_the_run_ends(monkeypatch):
    monkeypatch.setattr(locks, "LOCK_PATIENCE", 0.0)
    with workflow_setup._held:
        workflow_setup.hold()
        with pytest.raises(UserError), exclusive(".snakemake/pixelmill"):
            pass
    with exclusive(".snakemake/pixelmill"):
        pass


def new_run():
    """Begin another run: its processes do not know the tokens of the one before."""
    os.environ.pop("PIXELMILL_TOKENS", None)


CHECKS = "results/mine/light/threads/verification.json"


def checks(folder, text):
    path = folder / CHECKS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_checks_that_passed_are_not_repeated(somewhere):
    checks(somewhere, json.dumps({"passed": True, "token": "known"}))
    assert workflow_setup.checks_token(CHECKS) == "known"
    new_run()
    assert workflow_setup.checks_token(CHECKS) == "known"


@pytest.mark.parametrize(
    "text",
    [None, '{"passed": false, "token": "known"}', '{"passed": true}', "{", ""],
    ids=["missing", "failed", "of no run", "damaged", "empty"],
)
def test_other_checks_are_repeated_in_every_run_but_once_in_each(somewhere, text):
    if text is not None:
        checks(somewhere, text)
    token = workflow_setup.checks_token(CHECKS)
    assert token and token != "known"
    assert workflow_setup.checks_token(CHECKS) == token
    assert workflow_setup.checks_token("another.json") != token
    new_run()
    assert workflow_setup.checks_token(CHECKS) != token


def test_a_token_stays_the_same_in_a_run_although_its_jobs_change_the_files(somewhere):
    checks(somewhere, json.dumps({"passed": True, "token": "known"}))
    assert workflow_setup.checks_token(CHECKS) == "known"
    checks(somewhere, json.dumps({"passed": False, "token": "other"}))
    assert workflow_setup.checks_token(CHECKS) == "known"


def test_images_that_were_not_generated_are_asked_for_in_every_run():
    first = workflow_setup.token("demo")
    assert workflow_setup.token("demo") == first != workflow_setup.token("other")
    new_run()
    assert workflow_setup.token("demo") != first


def test_a_digest_follows_the_content_and_the_order_of_the_files_that_exist(somewhere):
    def digest(**texts):
        for name in ("a", "b"):
            path = somewhere / name
            path.unlink(missing_ok=True)
            if name in texts:
                path.write_text(texts[name], encoding="utf-8")
        return workflow_setup.digest(["a", "b"])

    texts = [{}, {"a": "1"}, {"a": "1", "b": "2"}, {"a": "2", "b": "1"}, {"a": "12"}]
    assert len({digest(**each) for each in texts}) == len(texts)
    assert digest(a="1", b="2") == digest(b="2", a="1")


@pytest.fixture
def pictures(somewhere):
    (somewhere / "in").mkdir()
    for number in range(6):
        (somewhere / f"in/{number}.jpg").write_bytes(bytes([number]))
    return somewhere / "in"


def fingerprints(shards=1, **globs):
    workflow_setup._fingerprints.cache_clear()  # which is that of one run
    dataset = {"folder": "in", **globs}
    return [workflow_setup.fingerprint(dataset, shard) for shard in all_of(shards)]


def test_a_fingerprint_follows_the_files_of_a_folder(pictures):
    before = fingerprints()
    assert fingerprints() == before
    (pictures / "3.jpg").write_bytes(b"longer than before")
    changed = fingerprints()
    (pictures / "new.jpg").write_bytes(b"new")
    assert len({*before, *changed, *fingerprints()}) == 3


def test_a_fingerprint_follows_only_the_files_that_belong_to_the_dataset(pictures):
    before = [fingerprints(include=["*.jpg"]), fingerprints(exclude=["draft*"])]
    (pictures / "draft.png").write_bytes(b"new")
    assert [fingerprints(include=["*.jpg"]), fingerprints(exclude=["draft*"])] == before
    (pictures / "draft.jpg").write_bytes(b"new")
    assert fingerprints(include=["*.jpg"]) != before[0]
    assert fingerprints(exclude=["draft*"]) == before[1]


def test_a_new_file_changes_the_fingerprint_of_its_shard_alone(pictures):
    before = fingerprints(3)
    (pictures / "new.jpg").write_bytes(b"new")
    changed = [one != other for one, other in zip(before, fingerprints(3), strict=True)]
    assert changed == [shard == Shard(shard_of("new.jpg", 3), 3) for shard in all_of(3)]


def test_generated_images_have_no_fingerprint():
    """A token tells whether all of them exist."""
    assert workflow_setup.fingerprint({"generate": {"count": 4}}) == ""


def test_a_selection_has_both_globs():
    assert workflow_setup.selection({"folder": "in"}) == {"include": [], "exclude": []}
    chosen = workflow_setup.selection({"folder": "in", "include": ("a",), "exclude": ("b", "c")})
    assert chosen == {"include": ["a"], "exclude": ["b", "c"]}


@pytest.mark.parametrize("age", [-1, 1])
def test_the_verdict_of_a_run_that_did_not_finish_takes_the_place_of_an_older_one(tmp_path, age):
    verdict = tmp_path / "results/verdict.json"
    began = time.time()
    for _ in range(2):  # there is none at first
        workflow_setup.record_failure(str(verdict.parent), began)
        written = json.loads(verdict.read_text())
        assert (written["state"], written["sentence"][:7]) == ("failure", "Failed:")
    verdict.write_text('{"state": "success"}')
    os.utime(verdict, (began + age, began + age))
    workflow_setup.record_failure(str(verdict.parent), began)
    assert json.loads(verdict.read_text())["state"] == ("success" if age > 0 else "failure")


@pytest.mark.parametrize("place", ["results", "results/mine/light", "results/mine/light/threads"])
def test_a_file_in_the_place_of_a_folder_of_results_is_refused(place):
    Path("in").mkdir()
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    Path(place).write_text("a file")
    config = complete({
        "datasets": {"mine": {"folder": "in"}}, "recipes": {"light": {"steps": []}},
        "run": {"datasets": ["mine"], "recipes": ["light"], "engines": ["threads"]},
    })  # fmt: skip
    with pytest.raises(UserError, match=f"'{place}' is a file where a folder"):
        workflow_setup.check_trees(config)


@pytest.fixture
def linked(tmp_path):
    """Function that puts a link to another folder or file in a place, and checks all places."""
    for folder in ("in", "elsewhere"):
        Path(folder).mkdir()
    Path("elsewhere/file").write_text("mine")
    config = complete({
        "datasets": {"mine": {"folder": "in"}}, "recipes": {"light": {"steps": []}},
        "run": {"datasets": ["mine"], "recipes": ["light"], "engines": ["threads"]},
        "pack": {}, "scale": {"shards": 2},
    })  # fmt: skip

    def check(place, make=os.symlink, target="elsewhere"):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        make(os.path.abspath(target), place)
        workflow_setup.check_links(config)

    return check


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
@pytest.mark.parametrize(
    "place",
    [
        *("resources", "resources/mine", "logs", "benchmarks", "logs/mine"),
        *("results/report/figures", "results/report", "results/mine", "results/mine/light"),
        *("results/mine/shards", "results/mine/shards/1-of-2", "results/mine/light/packed"),
        *("results/mine/light/threads", "results/mine/light/threads/shards"),
        "results/mine/light/threads/shards/2-of-2",
    ],
)
def test_a_link_in_the_place_of_a_folder_that_is_written_to_is_refused(linked, place):
    with pytest.raises(UserError, match=f"'(\\./)?{place}' is a link"):
        linked(place)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
@pytest.mark.parametrize("place", ["logs/plan.log", "benchmarks/mine/light/threads.tsv"])
def test_nothing_is_written_through_links_of_logs(linked, place):
    with pytest.raises(UserError, match=f"'{place}' is a link, and nothing is written through it"):
        linked(place, target="elsewhere/file")
    Path(place).unlink()
    linked(place, os.link, "elsewhere/file")  # what has two names loses one of them
    assert not os.path.lexists(place)
    assert Path("elsewhere/file").read_text() == "mine"
    Path(place).write_text("of an earlier run")
    linked("logs/other.log", os.link, "elsewhere/file")
    assert Path(place).read_text() == "of an earlier run"


def test_a_run_does_not_wait_for_timers_that_have_no_effect_any_more():
    timer = threading.Timer(3600, pytest.fail)
    timer.start()
    workflow_setup.cancel_timers()
    timer.join(10)
    assert not timer.is_alive()
