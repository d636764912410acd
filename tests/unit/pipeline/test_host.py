"""A host reports when its workers are ready, the outcome of each batch, and its end."""

import queue
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from PIL import Image

from pixelmill.app.config import named_recipe
from pixelmill.core.errors import TreeError
from pixelmill.core.jobs import Batch, failed
from pixelmill.core.sandbox import Sandbox
from pixelmill.dataset.catalog_table import refresh
from pixelmill.dataset.output_names import Outputs
from pixelmill.engines.registry import LOCAL, has_processes
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.renderer import Renderer
from pixelmill.pipeline import breadcrumbs, messages
from pixelmill.pipeline.child_processes import ChildProcesses
from pixelmill.pipeline.host import Work, _BatchWorker, confinement, modules

pytestmark = pytest.mark.usefixtures("started_children")

RECIPE = named_recipe("light")


class Refusing(Renderer):
    """Raises an error about a path that must not be followed, for every image."""

    def render(self, job):
        raise TreeError("'out' is a link.")


class Lacking(Renderer):
    """Finds that the system has no more of something that all images need."""

    def render(self, job):
        raise OSError(24, "Too many open files")


class Measuring(Renderer):
    """Tells the limits of its process, in place of an outcome."""

    def render(self, job):
        import resource

        limits = [
            resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE)
        ]
        return failed(job, "steps", "step_failed", " ".join(map(str, limits)), "")


class Unreadable:
    """In place of entries; what is wrong with it takes many words."""

    @property
    def sizes(self):
        error = ValueError("no sizes")
        error.add_note("and no end " * 2000)
        raise error


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

    def run(self, engine, limits=Limits()):  # noqa: B008
        """The kinds and contents of its messages."""
        work = Work(
            self.renderer,
            engine,
            2,
            limits,
            self.breadcrumb_dir,
            seconds_per_image=None,
        )
        inbox = queue.Queue()
        with ChildProcesses() as children:
            helper = children.start("host", inbox, modules=modules(RECIPE))
            helper.give(work, (self.entries, self.outputs))
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


def test_each_thread_is_a_worker_of_its_own(tmp_path):
    both = threading.Barrier(2)

    def render(batch, mark):
        both.wait(60)
        return []

    work = _BatchWorker(render, str(tmp_path))
    with ThreadPoolExecutor(2) as pool:
        packed = list(pool.map(work, [Batch([]), Batch([])]))
    workers = {messages.unpack(content, {}.get, [""])[1].worker for content in packed}
    assert len(workers) == 2


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_a_path_that_must_not_be_followed_is_reported_as_such(hosted, tmp_path, engine):
    hosted.renderer = Refusing(str(tmp_path / "in"), str(tmp_path / "out"), RECIPE)
    kind, content = hosted.run(engine)[-1]
    assert kind == "refused"
    assert type(messages.refused(content)) is TreeError
    assert str(messages.refused(content)) == "'out' is a link."


def test_what_the_system_lacks_for_all_images_is_reported_in_a_sentence(hosted, tmp_path):
    hosted.renderer = Lacking(str(tmp_path / "in"), str(tmp_path / "out"), RECIPE)
    kind, content = hosted.run("threads")[-1]
    assert kind == "refused"
    assert "Too many open files" in str(messages.refused(content))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_each_image_has_the_memory_of_the_limits(hosted, tmp_path, engine):
    """So much for each worker process, or for so many workers together in one process."""
    hosted.renderer = Measuring(str(tmp_path / "in"), str(tmp_path / "out"), RECIPE)
    mebibytes = 10**6  # compared with which a process has none to begin with
    told = hosted.run(engine, Limits(memory_mb=mebibytes))
    for outcomes, _ in (
        messages.unpack(content, hosted.jobs.get, [""]) for kind, content in told if kind == "batch"
    ):
        for outcome in outcomes:
            memory, file = (int(size) / 2**20 / mebibytes for size in outcome.message.split())
            assert (round(memory), file) == (1 if has_processes(engine) else 2, 1)


OWN = {"steps": [{"call": {"function": "own:step"}}, {"watermark": {"image": "mark.png"}}]}


@pytest.mark.parametrize("engine", ["threads", "distributed"])
@pytest.mark.parametrize("keeps", [False, True])
def test_a_worker_may_read_sources_and_files_of_steps_and_write_where_it_must(
    tmp_path, engine, keeps
):
    """Own steps may import their neighbours."""
    (tmp_path / "own.py").write_text("def step(image): return image", encoding="utf-8")
    Image.new("RGB", (4, 4)).save(tmp_path / "mark.png")
    recipe = parse({**OWN, "keep_mtime": keeps}, folder=str(tmp_path))
    sandbox = SimpleNamespace(confine=lambda *given: given)
    assert confinement(sandbox, recipe, "in", ["images", "breadcrumbs"], engine) == (
        ["in", str(tmp_path / "mark.png"), str(tmp_path)],
        ["images", "breadcrumbs"],
        keeps,
        "distributed" if engine == "distributed" else "",
    )


def test_workers_may_read_the_archives_of_a_dataset_and_nothing_beside_them(tmp_path):
    for name in ("0.tar", "1.tar", "other.tar"):
        (tmp_path / name).touch()
    allowed = confinement(
        Sandbox(), parse({}), str(tmp_path / "{0..1}.tar"), [str(tmp_path / "out")], "threads"
    )
    assert allowed.read == (str(tmp_path / "0.tar"), str(tmp_path / "1.tar"))


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


def test_an_error_of_many_words_is_cut_to_what_a_message_may_hold(hosted):
    hosted.entries = Unreadable()
    kind, content = hosted.run("sequential")[-1]
    message, trace = messages.texts(content)
    assert (kind, message, len(trace)) == ("error", "ValueError: no sizes", messages.MOST_TEXT)
