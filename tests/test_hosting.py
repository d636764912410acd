"""A host says when its workers are ready, what became of each batch, and when it is done."""

import multiprocessing
import pickle

import pytest

from pixelmill import breadcrumbs, launch
from pixelmill.catalog import refresh
from pixelmill.config import named_recipe
from pixelmill.destinations import Outputs
from pixelmill.hosting import Work, modules
from pixelmill.jobs import unpack
from pixelmill.limits import Limits
from pixelmill.transform import Renderer

RECIPE = named_recipe("light")


@pytest.fixture
def hosted(tmp_path, photos):
    """Function that runs a host over five photos, and gives what it said."""

    def run(engine):
        source = photos(tmp_path / "in", 5, (40, 30))
        (tmp_path / "out").mkdir()
        entries = refresh(str(tmp_path / "catalog.csv"), str(source)).entries
        crumbs = str(tmp_path / "crumbs")
        breadcrumbs.clear(crumbs)
        work = Work(
            renderer=Renderer(str(source), str(tmp_path / "out"), RECIPE),
            outputs=Outputs(entries, RECIPE),
            engine=engine,
            workers=2,
            limits=Limits(),
            crumbs=crumbs,
            rate=None,
        )
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        all_gone, lifeline = context.Pipe(duplex=False)
        inbox, outbox = context.Pipe(duplex=False)
        arguments = (sender, lifeline, inbox, engine, modules(RECIPE))
        child = context.Process(target=launch.begin, args=arguments)
        child.start()
        for its_own in (sender, lifeline, inbox):
            its_own.close()
        outbox.send_bytes(pickle.dumps((work, entries)))
        said = []
        while not said or said[-1][0] not in ("end", "refused", "error"):
            said.append(receiver.recv())
        child.join()
        with pytest.raises(EOFError):
            all_gone.recv()  # its workers are gone with it
        return said

    return run


@pytest.mark.parametrize("engine", ["sequential", "threads", "processes", "futures"])
def test_every_image_is_told_of_once(hosted, tmp_path, engine):
    said = [told for told in hosted(engine) if told[0] not in ("scratch", "waited")]
    first, *batches, last = said
    assert first == ("ready", 1 if engine == "sequential" else 2)
    assert last == ("end", None)
    told = [unpack(content) for kind, content in batches if kind == "batch"]
    outcomes = [outcome for outcomes, _ in told for outcome in outcomes]
    assert [outcome.status for outcome in outcomes] == ["ok"] * 5
    assert sorted(outcome.source for outcome in outcomes) == sorted(
        path.name for path in (tmp_path / "in").iterdir()
    )
    assert all(stretch.ended >= stretch.began for _, stretch in told)
    assert breadcrumbs.read(str(tmp_path / "crumbs")) == []


def test_a_sentence_for_the_user_is_told_as_it_is(hosted):
    kind, sentence = hosted("no such engine")[-1]
    assert kind == "refused"
    assert "'no such engine' is unknown" in sentence
