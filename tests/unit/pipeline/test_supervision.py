"""The supervisor's decisions, with children and a quarantine that only play their part.

`test_supervisor` has real processes that crash and hang, and takes long.
"""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from pixelmill.core.errors import TreeError, UserError
from pixelmill.core.jobs import BusyInterval, failed
from pixelmill.core.reasons import DOUBTFUL, TRIED_ALONE
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.output_names import Outputs
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.recipe_parser import parse
from pixelmill.pipeline import breadcrumbs, messages, supervisor
from pixelmill.pipeline.batching import MOST_IMAGES
from pixelmill.pipeline.breadcrumbs import Breadcrumb
from pixelmill.pipeline.messages import MalformedError
from pixelmill.pipeline.quarantine import MOST_DEATHS

RECIPE = parse({})

LIMITS = Limits(seconds_per_image=77.0)


#: A batch of all images that a child is given.
ALL = object()


def names(*numbers):
    return [f"{number:04d}.jpg" for number in numbers]


class Play:
    """A supervised pass over images: what its children do, and what is recorded of it.

    Parameters
    ----------
    count : int
        Number of images.
    turns : mapping of int to str
        Of the images that are tried alone, those that fail, counted from 0, and their reasons.
    """

    def __init__(self, monkeypatch, count, turns=()):
        entries = Entries(Entry(name, 9, 1, "jpeg") for name in names(*range(count)))
        renderer = SimpleNamespace(recipe=RECIPE)
        self.work = SimpleNamespace(
            renderer=renderer, engine="threads", workers=2,
            limits=LIMITS, breadcrumb_dir="breadcrumbs", seconds_per_image=0.01,
            confinement="confined",
        )  # fmt: skip
        self.entries, self.turns = entries, dict(turns)
        self.outputs = Outputs(entries, RECIPE)
        self.children, self.tried, self.recorded, self.breadcrumbs = [], [], [], []
        self.given, self.events = [], []
        self.of_children = "children"
        monkeypatch.setattr(supervisor, "HostProcess", lambda *given: self.children.pop(0))
        monkeypatch.setattr(supervisor, "Quarantine", self.quarantine)
        monkeypatch.setattr(breadcrumbs, "read", self.read)
        monkeypatch.setattr(messages, "unpack", lambda content, job_of, variants: content)
        monkeypatch.setattr(messages, "whole_number", lambda content: content)
        monkeypatch.setattr(messages, "texts", lambda content: content)

    def read(self, folder):
        assert folder == "breadcrumbs"
        found = self.breadcrumbs.pop(0)
        return found() if callable(found) else found

    def child(self, *batches, workers=2, ends=True, error=None, overdue=(), breadcrumbs=()):
        """Add a child that renders these batches, or all, and dies unless it `ends`."""
        play = self

        class Child:
            startup_seconds = 0.25

            def __enter__(self):
                play.events.append("child")
                return self

            def __exit__(self, *error):
                pass

            def give(self, work, rest, outputs):
                assert (work, outputs) == (play.work, play.outputs)
                play.given.append([entry.path for entry in rest])

            def messages(self, work, finished):
                yield "ready", workers
                for number, batch in enumerate(batches):
                    batch = play.given[-1] if batch is ALL else batch
                    yield "batch", (play.outcomes(batch), BusyInterval(f"{number}", 0.0, 1.0, 1))
                if error is not None:
                    if isinstance(error, Exception):
                        raise error
                    yield error
                assert finished() is ends

            def end(self):
                play.events.append("end")

        child = Child()
        child.overdue = overdue
        self.children.append(child)
        if not ends:
            self.breadcrumbs.append(
                [Breadcrumb(one, 0.0, tuple(rest)) for one, rest in breadcrumbs]
            )
        return child

    def outcome(self, name, reason=""):
        job = self.outputs.job(self.entries[self.entries.find(name)])
        made = failed(job, "steps" if reason else "", reason, "", "")
        return made if reason else made._replace(status="ok")

    def outcomes(self, batch):
        """Outcomes of names, or of pairs of a name and a reason."""
        pairs = [(one, "") if isinstance(one, str) else one for one in batch]
        return [self.outcome(*pair) for pair in pairs]

    def quarantine(self, children, renderer, limits, workers, deaths, confinement):
        assert (children, renderer) == (self.of_children, self.work.renderer)
        assert (limits, workers, confinement) == (LIMITS, 2, "confined")

        def run(jobs, on_result):
            self.tried.append([])
            for job in jobs:
                reason = self.turns.get(sum(map(len, self.tried)), "")
                self.tried[-1].append(job.source)
                if reason in TRIED_ALONE:
                    deaths.explain()
                on_result(self.outcome(job.source, reason))

        return SimpleNamespace(run=run)

    def record(self, outcomes):
        self.recorded.append([(one.source, one.reason) for one in outcomes])

    def run(self, **options):
        return supervisor.render(
            self.work, self.entries, self.outputs, self.record, children=self.of_children, **options
        )

    @property
    def sources(self):
        return [source for batch in self.recorded for source, _ in batch]


@pytest.fixture
def play(monkeypatch):
    return lambda *given, **named: Play(monkeypatch, *given, **named)


@pytest.mark.parametrize(("workers", "used"), [(1, 1), (2, 2), (9, 2)])
def test_without_trouble_one_child_renders_all_and_the_pass_is_summed_up(play, workers, used):
    acting = play(4)
    acting.child(names(0, 1), names(2, 3), workers=workers)
    stats = acting.run()
    assert acting.recorded == [[(name, "") for name in names(*pair)] for pair in ((0, 1), (2, 3))]
    assert (stats.workers, stats.had_trouble) == (used, False)
    assert [interval.worker for interval in stats.busy] == ["0", "1"]
    assert 0.25 <= stats.seconds < 0.75
    assert (acting.tried, acting.events) == ([], ["child", "end"])


def test_without_images_no_child_starts(play):
    assert play(0).run().workers == 0


def test_a_child_that_was_started_early_is_the_first_and_the_digests_are_computed_once(play):
    acting = play(2)
    early = acting.child(names(0), ends=False, breadcrumbs=[(names(1)[0], [])])
    acting.children.clear()
    calls = []
    acting.run(early=early, while_starting=lambda: calls.append(len(acting.given)))
    assert calls == [1]  # once the child has its work
    assert acting.sources == names(0, 1)


def test_what_a_dead_child_had_in_hand_is_tried_alone_then_its_batch_then_those_that_follow(play):
    acting = play(300, turns={0: "crashed"})
    seven, eight, nine = names(7, 8, 9)
    acting.child(names(0, 1, 2), ends=False, breadcrumbs=[(seven, [eight, nine])])
    acting.child(ALL)
    stats = acting.run()
    in_hand, batch, following = acting.tried
    assert (in_hand, batch) == ([seven], [eight, nine])
    assert len(following) == supervisor.CALM
    first, second = acting.given
    assert first == names(*range(300))
    known = {*names(0, 1, 2), seven, eight, nine, *following}
    assert second == [name for name in first if name not in known]
    assert sorted(acting.sources) == first
    assert (stats.had_trouble, 0.5 <= stats.seconds < 1.0) == (True, True)


def test_images_that_took_too_long_are_tried_first_in_place_of_all_that_were_in_hand(play):
    acting = play(3)
    first, second, third = names(0, 1, 2)
    overdue = [Breadcrumb(third, 0.0)]
    acting.child(ends=False, overdue=overdue, breadcrumbs=[(first, []), (third, [second])])
    acting.run()
    assert acting.tried[:2] == [[third], [first, second]]


def test_an_image_that_breadcrumbs_name_twice_is_tried_once(play):
    """A worker may write there what it wants."""
    acting = play(3)
    first, second, third = names(0, 1, 2)
    acting.child(ends=False, breadcrumbs=[(first, [second, second]), (first, [])])
    acting.run()
    assert acting.tried == [[first], [second], [third]]


def test_trouble_is_over_when_enough_images_in_a_row_succeed(play):
    """Images that end their process often come together."""
    acting = play(3 * supervisor.CALM, turns=dict.fromkeys((2, 21, 41), "crashed"))
    acting.child(ends=False, breadcrumbs=[(names(0)[0], [])])
    acting.child(ALL)
    acting.run()
    assert [len(tried) for tried in acting.tried] == [1, 41 + supervisor.CALM]


def test_other_failures_are_no_trouble(play):
    acting = play(200, turns=dict.fromkeys(range(1, 200), "corrupt"))
    acting.child(ends=False, breadcrumbs=[(names(0)[0], [])])
    acting.child(ALL)
    acting.run()
    assert [len(tried) for tried in acting.tried] == [1, supervisor.CALM]


def test_without_a_breadcrumb_all_that_may_have_been_handed_out_is_tried(play):
    handed_out = 2 * 2 * MOST_IMAGES
    acting = play(handed_out + 10)
    acting.child(ends=False)
    acting.child(ALL)
    assert acting.run().had_trouble
    assert [len(tried) for tried in acting.tried] == [handed_out]
    assert len(acting.given[1]) == 10


@pytest.mark.parametrize("reason", sorted(DOUBTFUL))
def test_an_outcome_that_other_images_may_have_caused_is_not_recorded_but_tried_again(play, reason):
    acting = play(3)
    second = names(1)[0]
    acting.child([names(0)[0], (second, reason), names(2)[0]])
    stats = acting.run()
    assert acting.recorded == [[(name, "") for name in names(0, 2)], [(second, "")]]
    assert acting.tried == [[second]]
    assert stats.had_trouble


def test_a_malformed_message_is_the_end_of_a_child(play):
    acting = play(3)
    acting.child(names(0), ends=False, error=MalformedError("no"), breadcrumbs=[(names(2)[0], [])])
    assert acting.run().had_trouble
    assert acting.tried == [names(2), names(1)]


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (("refused", ("UserError", "Mount it.")), UserError),
        (("error", ("Mount it.", "")), RuntimeError),
    ],
)
def test_an_error_that_is_no_images_fault_ends_the_pass(play, message, error):
    acting = play(3)
    acting.child(names(0), ends=False, error=message)
    with pytest.raises(error, match=r"Mount it\."):
        acting.run()
    assert acting.sources == names(0)


def test_children_that_die_without_an_image_to_blame_end_the_pass(play):
    acting = play(2 * MOST_DEATHS * (supervisor.CALM + 1))
    for number in range(MOST_DEATHS + 1):
        acting.child(ends=False, breadcrumbs=[(names(number)[0], [])])
    with pytest.raises(UserError, match="died in a row"):
        acting.run()
    assert acting.children == []


def test_any_number_of_children_may_die_if_an_image_is_to_blame_for_each(play):
    deaths = MOST_DEATHS + 5
    step = supervisor.CALM + 1  # what is tried after each death
    acting = play(2 * deaths * step, turns=dict.fromkeys(range(0, deaths * step, step), "crashed"))

    def breadcrumb_of_the_first_image():
        return [Breadcrumb(acting.given[-1][0], 0.0)]

    for _ in range(deaths):
        acting.child(ends=False)
        acting.breadcrumbs[-1] = breadcrumb_of_the_first_image
    acting.child(ALL)
    assert acting.run().had_trouble
    assert len(acting.sources) == len(acting.entries)


class ClusterPlay(Play):
    """A pass on a cluster, whose workers return these messages.

    Parameters
    ----------
    folder : Path
        Folder of the tables; that of the breadcrumbs below it is left from a killed run.
    returned : sequence of (str, object)
        Kind and content of each message.
    """

    def __init__(self, monkeypatch, folder, count, *returned):
        super().__init__(monkeypatch, count)
        self.work.engine, self.work.cluster = "distributed", "cluster"
        self.work.breadcrumb_dir = str(folder / "breadcrumbs")
        (folder / "breadcrumbs/left").mkdir(parents=True)
        self.of_children = SimpleNamespace(
            mark=lambda: {"MARK": "1"},
            note_others=lambda: self.events.append("note others"),
            end_others=lambda: self.events.append("end others"),
        )
        self.folder, self.returned = folder, returned
        monkeypatch.setattr(supervisor, "open_cluster", self.open_cluster)
        monkeypatch.setattr(messages, "split", lambda message: message)

    @contextlib.contextmanager
    def open_cluster(self, cluster, workers, folder, report, longest, environment):
        assert (cluster, workers, environment) == ("cluster", 2, {"MARK": "1"})
        assert (report, longest) == (str(self.folder / "performance.html"), 77.0)
        assert list(map(str, Path(self.work.breadcrumb_dir).iterdir())) == [folder]
        self.events.append("open")
        try:
            yield SimpleNamespace(workers=3, startup_seconds=0.5, run=self.run_tasks)
        finally:
            self.events.append("close")

    def run_tasks(self, work, tasks, on_result):
        self.given += [job.source for batch in tasks for job in batch.jobs]
        for message in self.returned:
            on_result(message)

    def returned_by_a_worker(self, *batch):
        return "batch", (self.outcomes(batch), BusyInterval("w", 0.0, 1.0, len(batch)))


ENDED = ["open", "note others", "close", "end others"]


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    """Function that makes a pass over some images on a cluster."""
    return lambda *given: ClusterPlay(monkeypatch, tmp_path, *given)


def test_a_cluster_gets_all_batches_and_a_folder_that_no_run_has_used(cluster):
    acting = cluster(3)
    acting.returned = [
        acting.returned_by_a_worker(*names(0, 2)), acting.returned_by_a_worker(*names(1)),
    ]  # fmt: skip
    stats = acting.run()
    assert sorted(acting.given) == names(0, 1, 2)
    assert acting.sources == names(0, 2, 1)
    assert (stats.workers, stats.seconds, stats.had_trouble) == (3, 0.5, False)
    assert [interval.images for interval in stats.busy] == [2, 1]
    assert (acting.tried, acting.events) == ([], ENDED)


def test_a_cluster_is_not_asked_for_anything_if_there_is_nothing_to_do(cluster):
    acting = cluster(0)
    assert (acting.run().workers, acting.events) == (0, [])


@pytest.mark.parametrize("reason", sorted(DOUBTFUL))
def test_what_a_worker_of_a_cluster_doubts_is_tried_alone_once_the_cluster_is_left(cluster, reason):
    acting = cluster(2)
    first, second = names(0, 1)
    acting.returned = [acting.returned_by_a_worker((first, reason), second)]
    assert acting.run().had_trouble
    assert (acting.tried, acting.events) == ([[first]], ENDED)
    assert acting.recorded == [[(second, "")], [(first, "")]]


def test_images_that_no_worker_of_a_cluster_reported_end_the_pass_after_the_others_are_recorded(
    cluster, monkeypatch
):
    acting = cluster(2)
    right = acting.returned_by_a_worker(names(1)[0])
    acting.returned = [("batch", None), right]

    def unpack(content, job_of, variants):
        if content is None:
            raise MalformedError("no")
        return content

    monkeypatch.setattr(messages, "unpack", unpack)
    with pytest.raises(UserError, match="did not report the outcomes of all images"):
        acting.run()
    assert (acting.sources, acting.events) == (names(1), ENDED)


def test_what_a_worker_of_a_cluster_refuses_ends_the_pass_and_all_that_it_started(cluster):
    acting = cluster(2)
    acting.returned = [("refused", ("TreeError", "'out' is a link."))]
    with pytest.raises(TreeError, match="'out' is a link"):
        acting.run()
    assert acting.events == ENDED
