"""Outcomes are recorded batch by batch, and replace what an image had before."""

import errno
import os
import shutil

import pytest

from pixelmill.core.disk import Reserve
from pixelmill.core.errors import UserError
from pixelmill.core.jobs import OutputFile, failed
from pixelmill.core.progress import Progress
from pixelmill.dataset import catalog
from pixelmill.dataset.output_tree import Workspace
from pixelmill.pipeline.planning import fingerprints_of, plan_pass
from pixelmill.pipeline.policy import Policy
from pixelmill.pipeline.recorder import OutcomeRecorder
from pixelmill.pipeline.request import PassContext, ProcessRequest
from tests.helpers.processed import RECIPE, Tree, filled


class Recording:
    """A pass over a tree whose image ``0.jpg`` changed, until its recorder takes outcomes."""

    def __init__(self, tree, ledger, workspace, **policy):
        request = ProcessRequest(
            str(tree.source), str(tree.target), RECIPE, policy=Policy(**policy)
        )
        entries = catalog.scan(request.source)[0].entries
        fingerprints = fingerprints_of(request)
        self.context = PassContext(request, entries, workspace, ledger, fingerprints)
        self.plan = plan_pass(self.context)
        self.progress = Progress(len(self.plan.to_render), "test")
        reserve = Reserve(workspace.state)
        self.recorder = OutcomeRecorder(self.context, self.plan, self.progress, reserve)

    def fail(self, reason, source="0.jpg", message="why"):
        entry = self.context.entries[self.context.entries.find(source)]
        outcome = failed(self.plan.outputs.job(entry), "decode", reason, message, "")
        self.recorder.record([outcome])

    def succeed(self, source, made):
        entry = self.context.entries[self.context.entries.find(source)]
        outcome = failed(self.plan.outputs.job(entry), "", "", "", "")
        self.recorder.record([outcome._replace(status="ok", files=(made,))])


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos):
    return filled(tmp_path_factory.mktemp("made"), photos)


@pytest.fixture
def tree(made, tmp_path, picture):
    copy = Tree(shutil.copytree(made, tmp_path / "tree"))
    picture(50).save(copy.source / "0.jpg")
    return copy


@pytest.fixture
def begin(tree):
    """Function that begins a pass, by a policy."""
    workspace = Workspace(str(tree.target))
    with workspace.open() as ledger:
        yield lambda **policy: Recording(tree, ledger, workspace, **policy)


def test_a_failure_is_recorded_and_removes_the_earlier_output(begin, tree):
    recording = begin()
    recording.fail("corrupt")
    row = recording.context.ledger.rows()["0.jpg"]
    assert (row.status, row.reason, row.files) == ("failed", "corrupt", ())
    assert not (tree.images / "0.jpg").exists()
    assert (recording.recorder.totals.images, recording.recorder.totals.failed) == (1, 1)
    assert (recording.progress.done, recording.progress.failed) == (1, 1)


@pytest.mark.parametrize("reason", ["unreadable", "vanished"])
def test_an_image_whose_source_cannot_be_read_keeps_its_output(begin, tree, reason):
    recording = begin()
    before = (tree.images / "0.jpg").read_bytes()
    recording.fail(reason)
    (made,) = recording.context.ledger.rows()["0.jpg"].files
    assert (made.path, made.bytes) == ("0.jpg", len(before))
    assert (tree.images / "0.jpg").read_bytes() == before


@pytest.mark.parametrize("content", [None, b"cut off"], ids=["gone", "cut off"])
def test_an_output_that_was_already_lost_is_not_kept(begin, tree, content):
    recording = begin()
    (tree.images / "0.jpg").unlink()
    if content is not None:
        (tree.images / "0.jpg").write_bytes(content)
    recording.fail("unreadable")
    assert recording.context.ledger.rows()["0.jpg"].files == ()


def test_an_image_keeps_an_output_that_another_image_had_before(begin, tree, picture):
    """As after a run that was killed before the other one got its new name."""
    made = OutputFile("", "x.jpg", 32, 24, (tree.images / "0.jpg").stat().st_size, "0" * 64)
    shutil.copy(tree.images / "0.jpg", tree.images / "x.jpg")
    for number, name in enumerate(("x.png", "x.jpg")):
        picture(number).save(tree.source / name)
        begin().succeed(name, made)
    picture(9).save(tree.source / "x.jpg")
    recording = begin()
    assert recording.plan.passed_on == {"x.jpg"}
    recording.fail("vanished", "x.jpg")
    assert recording.context.ledger.rows()["x.jpg"].files == (made,)


def test_no_more_images_may_lose_their_output_than_the_policy_allows(begin, tree):
    recording = begin(max_removal_rate=0.0)
    with pytest.raises(UserError, match="1 of 6 images failed in this pass"):
        recording.fail("corrupt")
    assert (tree.images / "0.jpg").exists()
    assert recording.context.ledger.rows()["0.jpg"].status == "ok"


def test_too_many_sources_that_vanish_stop_the_pass_and_are_not_recorded(begin, tree):
    recording = begin(max_removal_rate=0.0)
    with pytest.raises(UserError, match="1 of 6 images vanished"):
        recording.fail("vanished")
    assert recording.context.ledger.rows()["0.jpg"].status == "ok"


def test_the_first_failure_stops_the_pass_if_the_policy_says_so_and_is_recorded(begin):
    recording = begin(stop_on_first=True)
    with pytest.raises(UserError, match=r"'0\.jpg' failed \(corrupt: why\)"):
        recording.fail("corrupt")
    assert recording.context.ledger.rows()["0.jpg"].reason == "corrupt"


def test_a_full_disk_stops_the_pass_before_anything_is_recorded(begin):
    recording = begin()
    with pytest.raises(UserError, match="Finished work is kept"):
        recording.fail("write_failed", message=os.strerror(errno.ENOSPC))
    assert recording.context.ledger.rows()["0.jpg"].status == "ok"


def test_a_source_on_a_bad_part_of_its_disk_fails_alone(begin):
    """The same words about an output would concern all images."""
    recording = begin()
    recording.fail("unreadable", message=os.strerror(errno.EIO))
    assert recording.context.ledger.rows()["0.jpg"].reason == "unreadable"


def test_an_image_that_succeeds_keeps_what_was_written_for_it(begin, tree):
    recording = begin()
    made = OutputFile("", "0.jpg", 32, 24, (tree.images / "0.jpg").stat().st_size, "0" * 64)
    recording.succeed("0.jpg", made)
    assert recording.context.ledger.rows()["0.jpg"].files == (made,)
    assert (tree.images / "0.jpg").exists()


def test_what_a_worker_wrote_before_it_died_is_removed_though_no_pass_has_recorded_it(
    begin, tree, picture
):
    picture(51).save(tree.source / "new.jpg")
    recording = begin()
    (tree.images / "new.jpg").write_bytes(b"whole, but of nobody")
    recording.fail("crashed", "new.jpg")
    assert not (tree.images / "new.jpg").exists()
