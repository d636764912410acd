"""A run of the workflow says in a line what it does, and nothing that is of no use."""

import io
import logging
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from pixelmill.app import run_messages
from pixelmill.app.run_messages import RunMessages, install, short_reason
from pixelmill.core.errors import SAYS_STOPPED, STOPPED


class Snakemake:
    """Snakemake's logger, with records as it makes them."""

    def __init__(self, is_local, level=logging.NOTSET):
        self.logger = logging.getLogger("like snakemake")
        self.logger.handlers.clear()
        self.logger.propagate = False
        self.logger.setLevel(logging.INFO)
        self.stream = io.StringIO()
        self.default = logging.StreamHandler(self.stream)
        self.default.name = "DefaultStreamHandler"
        self.default.setLevel(level)
        self.file = logging.StreamHandler(io.StringIO())
        self.logger.addHandler(self.default)
        self.logger.addHandler(self.file)
        install(self.logger, lambda: {"all"}, lambda: is_local)

    def say(self, text="", level=logging.INFO, **extra):
        self.logger.log(level, text, extra=extra)

    def begin(self, number, message, reason=""):
        self.say(event="job_info", jobid=number, rule_msg=message, reason=reason)

    def fail(self, number, rule="process_seq", logs=("one.log",)):
        facts = {"jobid": number, "rule_name": rule, "rule_msg": None, "log": list(logs)}
        self.say("Error in rule", logging.ERROR, event="job_error", **facts)

    @property
    def lines(self):
        return self.stream.getvalue().splitlines()


@pytest.fixture(autouse=True)
def kept_as_it_was(monkeypatch):
    """What `install` changes for the process."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setenv(SAYS_STOPPED, "")
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def snakemake():
    return Snakemake(is_local=True)


def test_each_job_is_a_step_of_so_many(snakemake):
    snakemake.say(event="run_info", stats={"catalog": 1, "process_seq": 2, "all": 1, "total": 4})
    snakemake.begin(7, "Catalog mine")
    snakemake.begin(3, "Process mine", "Updated input files: a.py, b.py")
    snakemake.begin(3, "Process mine", "Forced execution")  # once more after a failure
    snakemake.begin(0, None)  # the rule `all`, which only names outputs
    snakemake.begin(4, "Verify mine")
    snakemake.begin(5, "Write the verdict")  # one more than was known before
    assert snakemake.lines == [
        "Step 1 of 3: Catalog mine",
        "Step 2 of 3: Process mine",
        "  because a.py and 1 more changed",
        "Step 2 of 3: Process mine",
        "  because it was asked for",
        "Step 3 of 3: Verify mine",
        "Step 4 of 4: Write the verdict",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Assuming unrestricted shared filesystem usage.",
        "Building DAG of jobs...",
        "Using shell: /usr/bin/bash",
        "Conda environments: ignored",
        "Select jobs to execute...",
        "Complete log(s): somewhere",
        "Elapsed time: 2 s",
        "Shutting down, this might take some time.",
        "Exiting because a job execution failed. Look above for error messages",
    ],
)
def test_lines_of_no_use_are_left_out_and_the_log_file_has_them(snakemake, text):
    snakemake.say(text)
    snakemake.say("Execute 1 jobs...", event="job_started")
    assert snakemake.lines == []
    assert text in snakemake.file.stream.getvalue()


@pytest.mark.parametrize(
    ("text", "level", "event"),
    [
        ("Nothing to be done (all requested files are present and up to date).", "INFO", None),
        ("A line of a later version", "INFO", None),
        ("A warning", "WARNING", None),
        ("MissingInputException: no such file", "ERROR", "error"),
    ],
)
def test_all_other_lines_are_passed_on(snakemake, text, level, event):
    snakemake.say(text, logging.getLevelName(level), **({"event": event} if event else {}))
    assert snakemake.lines == [text]


def test_a_job_that_fails_is_named_with_its_log_and_without_its_command(snakemake):
    snakemake.begin(3, "Process mine")
    snakemake.say("RuleException:\nCalledProcessError in file ...", logging.ERROR, event="error")
    snakemake.fail(3)
    words = "WorkflowError:\nAt least one job did not complete successfully."
    snakemake.say(words, logging.ERROR, event="error")
    assert snakemake.lines[1:] == ["Failed: Process mine; its log is one.log."]


def test_the_cause_is_taken_from_the_log_of_a_job_that_ran_elsewhere(tmp_path):
    snakemake = Snakemake(is_local=False)
    (tmp_path / "log").write_text("1 ERROR first\n2 INFO other\n3 ERROR The disk is full.\n")
    snakemake.begin(3, "Process mine")
    snakemake.fail(3, logs=[str(tmp_path / "log")])
    assert snakemake.lines[1:] == [
        f"Failed: Process mine; its log is {tmp_path / 'log'}. The disk is full."
    ]


@pytest.mark.parametrize("rule", ["verdict", "process", "verify"])
def test_nothing_follows_the_sentence_that_says_how_the_run_ended(snakemake, rule):
    snakemake.fail(1, rule)
    assert snakemake.lines == []


def test_a_stop_is_told_once_and_a_second_one_ends_at_once(snakemake, tmp_path, monkeypatch):
    (tmp_path / "log").write_text(f"1 DEBUG {STOPPED}\n")
    snakemake.begin(3, "Process mine")
    snakemake.fail(3, logs=[str(tmp_path / "log")])
    snakemake.say("Terminating processes on user request, this might take some time.")
    assert snakemake.lines[1:] == [STOPPED]
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    signal.getsignal(signal.SIGINT)(signal.SIGINT, None)
    assert ended == [130]


def test_what_snakemake_would_not_show_is_not_shown_either():
    """With `--quiet`, its handler refuses records; others are of a lower level than it shows."""
    snakemake = Snakemake(is_local=True, level=logging.WARNING)
    snakemake.say("A line of a later version")
    snakemake.default.addFilter(lambda record: False)
    snakemake.fail(3)
    snakemake.say("A warning", logging.WARNING)
    assert snakemake.lines == []
    quiet = Snakemake(is_local=True)
    quiet.default.addFilter(lambda record: record.event != "job_info")
    quiet.begin(3, "Process mine")
    assert quiet.lines == []


def test_a_stop_that_another_thread_reports_is_told_too(snakemake):
    """Only the main thread can decide what Ctrl-C does."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(snakemake.say, "Terminating processes on user request").result()
    assert snakemake.lines == [STOPPED]


def test_a_stop_before_the_first_job_is_told_in_the_same_sentence(snakemake, capsys):
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert snakemake.lines == [STOPPED]
    sys.excepthook(ValueError, ValueError("other"), None)
    assert "ValueError: other" in capsys.readouterr().err


class Gone(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [None, Gone()], ids=["closed", "broken"])
def test_a_run_goes_on_if_nobody_reads_what_it_says(snakemake, stream, capsys):
    snakemake.default.stream = stream
    snakemake.begin(1, "Catalog mine")
    snakemake.fail(1)
    assert capsys.readouterr().out == ""


def test_names_cannot_control_the_terminal(snakemake):
    snakemake.begin(1, "Catalog \x1b[2J")
    assert "\x1b" not in snakemake.stream.getvalue()


def test_handlers_of_others_stay(snakemake):
    assert snakemake.file in snakemake.logger.handlers
    assert snakemake.default not in snakemake.logger.handlers
    assert sum(isinstance(handler, RunMessages) for handler in snakemake.logger.handlers) == 1
    assert os.environ[SAYS_STOPPED] == "1"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Missing output files: a, b; Input files updated by another job: c", ""),
        ("Missing output files: a; Params have changed since last execution: b", ""),
        ("Updated input files: a.py", "a.py changed"),
        ("Updated input files: a.py, b.py, c.py; Code has changed since last execution",
         "the workflow changed, a.py and 2 more changed"),
        ("Params have changed since last execution: before: 'ab' now: 'cd'",
         "the settings changed"),
        ("Params have changed since last execution: Union of exclusive params before and now "
         "across all output: before: 'first' now: '4 outputs were found, not 1,005 (1709c577)' ",
         "4 outputs were found, not 1,005"),
        ("Params have changed since last execution: before: 'x' now: 'outputs were altered (0a)'",
         "outputs were altered"),
        ("Incomplete output files: a", "an earlier run was stopped"),
        ("Set of input files has changed since last execution", "it has other inputs"),
        ("Software environment definition has changed since last execution",
         "the software changed"),
        ("Rules with neither input nor output files are always executed.", ""),
    ],
)  # fmt: skip
def test_a_reason_is_told_in_a_few_words(reason, words):
    assert short_reason(reason) == words


def test_the_names_of_events_are_those_of_snakemakes_interface():
    from snakemake_interface_logger_plugins.common import LogEvent

    known = {str(event) for event in LogEvent}
    assert {*run_messages._SILENT, "job_info", "job_error", "error"} <= known
