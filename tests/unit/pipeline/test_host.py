"""A host reports when its workers are ready, the outcome of each batch, and its end."""

import queue

import pytest

from pixelmill.app.config import named_recipe
from pixelmill.core.errors import TreeError
from pixelmill.dataset.catalog import refresh
from pixelmill.dataset.output_names import Outputs
from pixelmill.engines.registry import LOCAL
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.renderer import Renderer
from pixelmill.pipeline import breadcrumbs, messages
from pixelmill.pipeline.child_processes import ChildProcesses
from pixelmill.pipeline.host import Work, modules

pytestmark = pytest.mark.usefixtures("started_children")

RECIPE = named_recipe("light")


class Refusing(Renderer):
    """Raises an error about a path that must not be followed, for every image."""

    def render(self, job):
        raise TreeError("'out' is a link.")


class Hosted:
    """A host that runs over five photos."""

    def __init__(self, folder, photos):
        source = photos(folder / "in", 5, (40, 30))
        self.entries = refresh(str(folder / "catalog.csv"), str(source)).entries
        self.outputs = Outputs(self.entries, RECIPE)
        self.jobs = {entry.path: self.outputs.job(entry) for entry in self.entries}
        self.breadcrumb_dir = str(folder / "breadcrumbs")
        breadcrumbs.clear(self.breadcrumb_dir)
        (folder / "out").mkdir()
        self.renderer = Renderer(str(source), str(folder / "out"), RECIPE)

    def run(self, engine):
        """The kinds and contents of its messages."""
        work = Work(
            self.renderer,
            self.outputs,
            engine,
            2,
            Limits(),
            self.breadcrumb_dir,
            seconds_per_image=None,
        )
        inbox = queue.Queue()
        with ChildProcesses() as children:
            helper = children.start("host", inbox, engine=engine, modules=modules(RECIPE))
            helper.give((work, self.entries))
            received = []
            while not received or received[-1][0] not in ("end", "error", "refused", "gone"):
                received.append(inbox.get(timeout=60)[1:])
        return received


@pytest.fixture
def hosted(tmp_path, photos):
    return Hosted(tmp_path, photos)


@pytest.mark.parametrize("engine", LOCAL)
def test_every_image_is_reported_once(hosted, engine):
    waited, ready, *batches, last = hosted.run(engine)
    assert waited[0] == "waited"
    assert messages.number(waited[1]) >= 0
    assert ready == ("ready", b"1" if engine == "sequential" else b"2")
    assert last == ("end", b"null")
    assert {kind for kind, _ in batches} == {"batch"}
    told = [messages.unpack(content, hosted.jobs.get, [""]) for _, content in batches]
    outcomes = [outcome for outcomes, _ in told for outcome in outcomes]
    assert [outcome.status for outcome in outcomes] == ["ok"] * 5
    assert sorted(outcome.source for outcome in outcomes) == sorted(hosted.jobs)
    assert all(stretch.ended >= stretch.began for _, stretch in told)
    assert breadcrumbs.read(hosted.breadcrumb_dir) == []


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_a_path_that_must_not_be_followed_is_reported_as_such(hosted, tmp_path, engine):
    hosted.renderer = Refusing(str(tmp_path / "in"), str(tmp_path / "out"), RECIPE)
    kind, content = hosted.run(engine)[-1]
    assert kind == "refused"
    assert type(messages.refused(content)) is TreeError
    assert str(messages.refused(content)) == "'out' is a link."


def test_an_error_that_only_a_user_can_correct_is_reported(hosted):
    kind, content = hosted.run("no such engine")[-1]
    assert kind == "refused"
    assert "'no such engine' is unknown" in str(messages.refused(content))


def test_an_error_in_the_host_is_reported(hosted):
    hosted.entries = None
    kind, content = hosted.run("sequential")[-1]
    assert kind == "error"
    message, trace = messages.texts(content)
    assert message.startswith("AttributeError")
    assert "Traceback" in trace
