"""Rendering one image writes its outputs, or leaves nothing and gives the reason."""

import hashlib
import io
import json
import math
import os
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pixelmill.core.errors import TreeError
from pixelmill.core.filenames import unescape
from pixelmill.core.jobs import Batch, Job
from pixelmill.core.reasons import REASONS
from pixelmill.core.root import Root
from pixelmill.core.tables import read_table
from pixelmill.dataset.exports import write_failures
from pixelmill.dataset.ledger import Fingerprints, Ledger
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.codecs.reading import content_digest
from pixelmill.imaging.output_writer import OutputWriter
from pixelmill.imaging.renderer import Renderer
from pixelmill.imaging.steps import STEPS
from tests.helpers.imaging import ADOBE_RGB, icc_profile

RESIZE = {"resize": {"width": 40, "height": 30}}


@pytest.fixture
def roots(tmp_path):
    """Folders of the sources and of the outputs."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    return tmp_path / "in", tmp_path / "out"


@pytest.fixture
def render(roots):
    """Function that makes one image and returns its outcome."""

    def render_one(source, output, data=None, **options):
        parsed = recipe_parser.parse(data or {"steps": [RESIZE]}, folder=str(roots[0]))
        return Renderer(str(roots[0]), str(roots[1]), parsed, **options).render(
            Job(source, (output,), mtime_ns=5)
        )

    return render_one


def sha256(outcome):
    """Digest of the one output."""
    (made,) = outcome.files
    return made.sha256


def everything(folder):
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("format", OUTPUT_FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_an_outcome_has_what_was_read_and_written(roots, render, photo, format, mode):
    source = roots[0] / "a.png"
    photo(101, 67).convert(mode).save(source)
    made = render("a.png", "b/a.out", {"steps": [RESIZE], "output": {"format": format}})
    data = (roots[1] / "b" / "a.out").read_bytes()
    assert (made.status, made.stage, made.reason, made.message) == ("ok", "", "", "")
    (output,) = made.files
    assert (made.source, output.variant, output.path) == ("a.png", "", "b/a.out")
    assert (made.bytes_in, made.mtime_ns) == (source.stat().st_size, 5)
    assert made.digest == content_digest(source.read_bytes())
    assert made.pixels_in == 101 * 67
    assert (output.bytes, output.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert made.bytes_out == len(data)
    with Image.open(io.BytesIO(data)) as image:
        assert (output.width, output.height) == image.size == (40, 30)
        assert image.format == format.upper()
    assert everything(roots[1]) == ["a.out", "b"]


def test_each_stage_has_a_time(roots, render, photo):
    photo(50, 50).save(roots[0] / "a.png")
    seconds = render("a.png", "a.jpg").seconds
    assert len(seconds) == 5  # read, decode, steps, encode and write
    assert all(value > 0 for value in seconds)


def test_the_source_is_left_as_it_was(roots, render, photo):
    photo(50, 50).save(roots[0] / "a.png")
    before = (roots[0] / "a.png").read_bytes(), (roots[0] / "a.png").stat().st_mtime_ns
    render("a.png", "a.jpg")
    assert ((roots[0] / "a.png").read_bytes(), (roots[0] / "a.png").stat().st_mtime_ns) == before
    assert everything(roots[0]) == ["a.png"]


@pytest.mark.parametrize("format", OUTPUT_FORMATS)
def test_the_same_image_gives_the_same_bytes(roots, render, photo, format):
    photo(90, 70).save(roots[0] / "a.jpg")
    data = {"steps": [RESIZE, "sharpen"], "output": {"format": format}}
    first, second = render("a.jpg", "first", data), render("a.jpg", "second", data)
    assert sha256(first) == sha256(second)
    assert (roots[1] / "first").read_bytes() == (roots[1] / "second").read_bytes()


def test_steps_run_in_their_order(roots, render, photo):
    photo(60, 60).save(roots[0] / "a.png")
    steps = [{"median": {"size": 5}}, "sharpen", "grayscale"]
    forward = {"steps": steps, "output": {"format": "png"}}
    backward = {"steps": [steps[1], steps[0], steps[2]], "output": {"format": "png"}}
    assert sha256(render("a.png", "a", forward)) != sha256(render("a.png", "b", backward))
    with Image.open(roots[1] / "a") as image:
        assert (image.mode, image.size) == ("L", (60, 60))


def test_a_recipe_without_steps_turns_upright_and_saves(roots, render, photo, stored):
    pixels, exif = stored(photo(60, 40), 6)
    pixels.save(roots[0] / "a.png", exif=exif)
    assert render("a.png", "a.png", {"output": {"format": "png"}}).status == "ok"
    with Image.open(roots[1] / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(photo(60, 40)))


def test_a_recipe_that_shrinks_on_load_makes_the_same_picture(roots, render, photo):
    photo(1003, 701).save(roots[0] / "a.jpg", quality=92)
    pictures = []
    for margin in (0, 2.5):
        data = {"steps": [RESIZE], "output": {"format": "png"}, "shrink_margin": margin}
        assert render("a.jpg", f"{margin}", data).pixels_in == 1003 * 701
        with Image.open(roots[1] / f"{margin}") as image:
            pictures.append(np.asarray(image).astype(float))
    error = np.mean((pictures[0] - pictures[1]) ** 2)
    assert error > 0  # otherwise nothing was reduced, and the test would prove nothing
    assert 10 * math.log10(255**2 / error) >= 48


@pytest.mark.parametrize(
    ("steps", "size"),
    [
        pytest.param([RESIZE], (40, 30), id="stretch"),
        pytest.param([{"resize": {"width": 40, "height": 40, "fit": "contain"}}], (40, 30),
                     id="contain"),
        pytest.param([{"resize": {"width": 40, "height": 40, "fit": "pad"}}], (40, 30), id="pad"),
        pytest.param([{"resize": {"width": 30, "height": 30, "fit": "cover"}}], (40, 30),
                     id="cover"),
        pytest.param([{"resize": {"width": 40, "height": 30, "filter": "nearest"}}], None,
                     id="nearest-needs-every-pixel"),
        pytest.param([{"resize": {"longest": 40}}], (40, 30), id="longest"),
        pytest.param([{"resize": {"percent": 10}}], None, id="percent-is-of-the-whole-source"),
        pytest.param([{"resize": {"width": 40, "height": 30, "linear": True}}], None,
                     id="light-is-not-what-a-decoder-averages"),
        pytest.param(["sharpen", RESIZE], None, id="resize-is-not-first"),
        pytest.param([], None, id="no-steps"),
    ],
)  # fmt: skip
def test_a_decoder_receives_a_size_hint(steps, size):
    hint = Renderer("in", "out", recipe_parser.parse({"steps": steps})).size_hint
    assert (hint and hint((400, 300))) == (size and pytest.approx(size))


def test_an_output_replaces_an_older_one(roots, render, photo):
    photo(50, 50).save(roots[0] / "a.png")
    (roots[1] / "a.jpg").write_bytes(b"old")
    made = render("a.png", "a.jpg")
    assert sha256(made) == hashlib.sha256((roots[1] / "a.jpg").read_bytes()).hexdigest()


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
@pytest.mark.parametrize(
    "name", ["new\nline", "caf\udce9", "é" * 125], ids=["line", "bytes", "long"]
)
def test_an_unusual_name_is_handled(roots, render, photo, encoded, name):
    try:
        (roots[0] / name).write_bytes(encoded(photo(50, 50), "PNG"))
    except OSError:
        pytest.skip("this file system refuses the name")
    assert render(name, f"{name}.jpg").status == "ok"
    assert everything(roots[1]) == [f"{name}.jpg"]


def test_a_profile_that_is_kept_is_one_of_the_space_of_the_output(roots, render, photo):
    profile = icc_profile(ADOBE_RGB, 2.2)
    photo(50, 50).save(roots[0] / "a.png", icc_profile=profile)
    render("a.png", "color.jpg", {"color": "keep"})
    render("a.png", "gray.jpg", {"color": "keep", "steps": ["grayscale"]})
    render("a.png", "srgb.jpg")
    found = {}
    for name in ("color", "gray", "srgb"):
        with Image.open(roots[1] / f"{name}.jpg") as image:
            found[name] = image.info.get("icc_profile")
    assert found == {"color": profile, "gray": found["gray"], "srgb": None}
    assert found["gray"][16:20] == b"GRAY"


# Failures


def assert_failed(outcome, stage, reason):
    assert (outcome.status, outcome.stage, outcome.reason) == ("failed", stage, reason)
    assert outcome.message
    assert reason in REASONS
    assert (outcome.files, outcome.bytes_out) == ((), 0)
    assert len(outcome.seconds) == 5


def test_an_image_that_is_gone_has_vanished(roots, render):
    outcome = render("absent.jpg", "absent.jpg")
    assert_failed(outcome, "read", "vanished")
    assert (outcome.bytes_in, outcome.digest) == (0, "")
    assert everything(roots[1]) == []


def test_a_folder_in_place_of_the_image_is_unreadable(roots, render):
    (roots[0] / "a.jpg").mkdir()
    assert_failed(render("a.jpg", "a.jpg"), "read", "unreadable")
    assert everything(roots[1]) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "not_an_image"), (b"text", "not_an_image"), (b"\x89PNG\r\n\x1a\n", "corrupt")],
)
def test_an_image_that_does_not_decode_leaves_no_file(roots, render, content, reason):
    (roots[0] / "a.jpg").write_bytes(content)
    outcome = render("a.jpg", "a.jpg")
    assert_failed(outcome, "decode", reason)
    assert (outcome.bytes_in, outcome.digest) == (len(content), content_digest(content))
    assert everything(roots[1]) == []


@pytest.mark.filterwarnings("ignore")  # Pillow warns at the limit that it is given
def test_an_image_beyond_the_limits_is_refused(roots, render, photo):
    photo(50, 50).save(roots[0] / "a.png")
    assert_failed(render("a.png", "a.jpg", limits=Limits(max_pixels=2499)), "decode", "too_large")
    assert render("a.png", "a.jpg", limits=Limits(max_pixels=2500)).status == "ok"


def test_an_error_of_a_step_has_its_file_and_line(roots, render, photo):
    photo(50, 50).save(roots[0] / "a.png")
    (roots[0] / "mine.py").write_text("def boost(image):\n    raise ValueError('too dark')\n")
    outcome = render("a.png", "a.jpg", {"steps": [{"call": {"function": "mine:boost"}}]})
    assert_failed(outcome, "steps", "step_failed")
    assert outcome.message == "mine.py, line 2: ValueError: too dark"
    assert outcome.pixels_in == 2500
    assert everything(roots[1]) == []


@pytest.mark.parametrize("step", ["mine:greedy", "sharpen"])
def test_a_step_without_enough_memory_names_the_limit(roots, render, photo, monkeypatch, step):
    """It is a step of one's own or a built-in one."""
    photo(50, 50).save(roots[0] / "a.png")
    (roots[0] / "mine.py").write_text("def greedy(image):\n    raise MemoryError\n")

    def greedy(image):
        raise MemoryError

    monkeypatch.setitem(STEPS, "sharpen", replace(STEPS["sharpen"], function=greedy))
    steps = [{"call": {"function": step}} if ":" in step else step]
    outcome = render("a.png", "a.jpg", {"steps": steps}, limits=Limits(memory_mb=2048))
    assert_failed(outcome, "steps", "out_of_memory")
    assert outcome.message == "it needs more than limits.memory_mb = 2,048"


@pytest.mark.parametrize(
    ("error", "message"), [(OSError(28, "is full"), "is full"), (OSError("odd"), "odd")]
)
def test_an_error_of_the_disk_leaves_no_file(roots, render, photo, monkeypatch, error, message):
    photo(50, 50).save(roots[0] / "a.png")

    def refuse(*_):
        raise error

    monkeypatch.setattr(Root, "replace", refuse)
    outcome = render("a.png", "a.jpg")
    assert_failed(outcome, "write", "write_failed")
    assert outcome.message == message
    assert everything(roots[1]) == []


def test_if_one_output_cannot_be_placed_no_other_one_stays(roots, photo):
    photo(50, 50).save(roots[0] / "a.png")
    (roots[1] / "second").mkdir()
    parsed = recipe_parser.parse({"outputs": [{"name": name} for name in ("first", "second")]})
    renderer = Renderer(str(roots[0]), str(roots[1]), parsed)
    assert_failed(renderer.render(Job("a.png", ("first", "second"))), "write", "write_failed")
    assert everything(roots[1]) == ["second"]


MESSAGES = {
    "long": "'x' * 200_000",
    "lines": "'a\\nb\\0c\\x1b[31m'",
    "lone-surrogate": "'\\udcff'",
    "number": "7",
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_every_error_of_a_step_can_be_recorded_and_read(roots, render, photo, tmp_path, message):
    photo(50, 50).save(roots[0] / "a.png")
    (roots[0] / "mine.py").write_text(f"def boost(image):\n    raise ValueError({message})\n")
    outcome = render("a.png", "a.jpg", {"steps": [{"call": {"function": "mine:boost"}}]})
    assert_failed(outcome, "steps", "step_failed")
    assert outcome.message.startswith("mine.py, line 2: ValueError: ")
    assert len(outcome.message) <= 1000
    assert outcome.message.endswith("…") == (len(outcome.message) == 1000)
    with Ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        ledger.record([outcome], Fingerprints("recipe", "code", "limits"))
        write_failures(ledger, str(tmp_path))
    (row,) = read_table(tmp_path / "failures.csv")
    assert unescape(row["message"]) == outcome.message
    assert row["message"].isprintable()


@pytest.mark.parametrize("raises", ["ValueError", "RecursionError"])
def test_an_exception_whose_message_cannot_be_had_is_named(roots, render, photo, raises):
    photo(50, 50).save(roots[0] / "a.png")
    (roots[0] / "mine.py").write_text(
        "class Odd(Exception):\n"
        "    def __str__(self):\n"
        f"        raise {raises}\n"
        "def boost(image):\n"
        "    raise Odd\n"
    )
    outcome = render("a.png", "a.jpg", {"steps": [{"call": {"function": "mine:boost"}}]})
    assert_failed(outcome, "steps", "step_failed")
    assert outcome.message == f"mine.py, line 5: Odd: (its message raises {raises})"


def test_a_file_in_place_of_the_output_folder_stops_the_pass(roots, render, photo):
    photo(50, 50).save(roots[0] / "a.png")
    (roots[1] / "b").write_bytes(b"in the way")
    with pytest.raises(TreeError, match="b' is not a folder"):
        render("a.png", "b/a.jpg")
    assert everything(roots[1]) == ["b"]


def test_a_folder_in_place_of_the_output_is_a_failure_to_write(roots, render, photo):
    photo(50, 50).save(roots[0] / "a.png")
    (roots[1] / "a.jpg").mkdir(parents=True)
    assert_failed(render("a.png", "a.jpg"), "write", "write_failed")
    assert everything(roots[1]) == ["a.jpg"]


def test_an_image_that_its_format_does_not_support_leaves_no_file(roots, render):
    # WebP ends at 16,383 pixels a side.
    Image.new("L", (16_384, 20)).save(roots[0] / "a.png")
    outcome = render("a.png", "a.webp", {"output": {"format": "webp"}})
    assert outcome.status == "failed"
    assert outcome.stage == "encode"
    assert everything(roots[1]) == []


def test_no_message_contains_the_path_of_the_folders(roots, render, photo):
    photo(50, 50).save(roots[0] / "a.png")
    (roots[0] / "text.jpg").write_bytes(b"text")
    (roots[0] / "folder.jpg").mkdir()
    (roots[1] / "folder").mkdir(parents=True)
    for source, output in [("absent.jpg", "x"), ("text.jpg", "x"), ("folder.jpg", "x"),
                           ("a.png", "folder")]:  # fmt: skip
        message = render(source, output).message
        assert message
        assert str(roots[0].parent) not in message
        assert ".pixelmill-" not in message


# Batches


def test_a_batch_continues_after_a_failure(roots, photo):
    for name in ("a.png", "c.png"):
        photo(50, 50).save(roots[0] / name)
    batch = Batch([Job(name, (f"{name}.jpg",)) for name in ("a.png", "b.png", "c.png")])
    outcomes = Renderer(str(roots[0]), str(roots[1]), recipe_parser.parse({}))(batch)
    assert [outcome.source for outcome in outcomes] == ["a.png", "b.png", "c.png"]
    assert [outcome.status for outcome in outcomes] == ["ok", "failed", "ok"]


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps folders that are open")
def test_a_folder_that_was_replaced_between_two_batches_is_found_again(roots, photo):
    photo(50, 50).save(roots[0] / "a.png")
    renderer = Renderer(str(roots[0]), str(roots[1]), recipe_parser.parse({}))
    renderer(Batch([Job("a.png", ("b/first.jpg",))]))
    (roots[1] / "b").rename(roots[1] / "c")
    (roots[1] / "b").mkdir()
    renderer(Batch([Job("a.png", ("b/second.jpg",))]))
    assert (everything(roots[1] / "b"), everything(roots[1] / "c")) == (
        ["second.jpg"],
        ["first.jpg"],
    )


@pytest.mark.skipif(os.name == "nt", reason="has no such pipes")
def test_a_source_that_became_a_pipe_keeps_no_other_image_waiting(roots, photo):
    photo(50, 50).save(roots[0] / "a.png")
    os.mkfifo(roots[0] / "pipe.png")
    begun = []

    def begin(number):
        begun.append(number)
        if number == 1:  # it would wait for a writer from here on
            raise TimeoutError

    batch = Batch([Job(name, (f"{name}.jpg",)) for name in ("a.png", "pipe.png")])
    with pytest.raises(TimeoutError):
        Renderer(str(roots[0]), str(roots[1]), recipe_parser.parse({}))(batch, begin)
    assert begun == [0, 1]
    assert everything(roots[1]) == ["a.png.jpg"]


@pytest.mark.parametrize("format", OUTPUT_FORMATS)
def test_warming_up_leaves_nothing(roots, format):
    outputs = [{"name": "a", "format": format}, {"name": "b", "format": "jpeg"}]
    parsed = recipe_parser.parse({"steps": [RESIZE, "sepia"], "outputs": outputs})
    Renderer(str(roots[0]), str(roots[1]), parsed).warm_up()
    assert everything(roots[0].parent) == ["in", "out"]


def test_warming_up_does_every_step_and_makes_every_output(roots, monkeypatch):
    """The first output is the largest, and nothing of it may be left for the next one."""
    outputs = [
        {"name": "a", "format": "tiff", "compression": "none"},
        {"name": "b", "format": "webp", "steps": ["sharpen"]},
        {"name": "c", "format": "jpeg", "steps": ["edge_enhance"]},
    ]
    parsed = recipe_parser.parse({"steps": [RESIZE], "outputs": outputs})
    done = []

    def noted(self, pictures, descriptor, output, *more, write=OutputWriter.write):
        written = write(self, pictures, descriptor, output, *more)
        done.append(output.format)
        assert os.fstat(descriptor).st_size == len(written.data)
        return written

    monkeypatch.setattr(OutputWriter, "write", noted)
    for name in ("sharpen", "edge_enhance"):

        def step(image, function=STEPS[name].function, name=name):
            done.append(name)
            return function(image)

        monkeypatch.setitem(STEPS, name, replace(STEPS[name], function=step))
    Renderer(str(roots[0]), str(roots[1]), parsed).warm_up()
    assert done == ["sharpen", "edge_enhance", "tiff", "webp", "jpeg"]


def test_warming_up_calls_no_step_of_ones_own_and_fails_in_silence(roots):
    note = f"    open({str(roots[0] / 'called')!r}, 'w').close()"
    (roots[0] / "mine.py").write_text(f"def noted(image):\n{note}\n    return image\n")
    steps = [{"call": {"function": "mine:noted"}}, {"crop": {"left": 1000}}]
    parsed = recipe_parser.parse({"steps": steps}, folder=str(roots[0]))
    Renderer(str(roots[0]), str(roots[1]), parsed).warm_up()
    assert everything(roots[0].parent) == ["in", "mine.py", "out"]


def test_a_renderer_and_its_work_travel_to_other_processes(roots, photo):
    photo(50, 50).save(roots[0] / "a.png")
    renderer = Renderer(str(roots[0]), str(roots[1]), recipe_parser.parse({"steps": [RESIZE]}))
    batch = Batch([Job("a.png", ("a.jpg",))])
    for _ in range(2):  # when it is new, and when it has rendered
        sent, batch = pickle.loads(pickle.dumps((renderer, batch)))
        outcomes = pickle.loads(pickle.dumps(sent(batch)))
        renderer(batch)
    assert outcomes[0]._replace(seconds=()) == renderer(batch)[0]._replace(seconds=())


def test_threads_that_write_one_output_leave_it_whole(roots, render, photo):
    photo(90, 70).save(roots[0] / "a.png")
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: render("a.png", "b/a.jpg"), range(24)))
    assert {outcome.status for outcome in outcomes} == {"ok"}
    data = (roots[1] / "b" / "a.jpg").read_bytes()
    assert {sha256(outcome) for outcome in outcomes} == {hashlib.sha256(data).hexdigest()}
    assert everything(roots[1]) == ["a.jpg", "b"]


def test_a_synced_output_is_the_same(roots, render, photo):
    photo(50, 50).save(roots[0] / "a.png")
    assert sha256(render("a.png", "a", durable=True)) == sha256(render("a.png", "b"))


def test_a_place_that_this_process_does_not_see_is_named(roots, photo):
    archive = roots[0] / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.png", b"")
    recipe = recipe_parser.parse({})
    of_archive, of_folder = (
        Renderer(str(source), str(roots[1]), recipe) for source in (roots[0] / "*.zip", roots[0])
    )
    assert (of_archive.missing_folder(), of_folder.missing_folder()) == ("", "")
    archive.unlink()
    assert (of_archive.missing_folder(), of_folder.missing_folder()) == (str(archive), "")
    roots[1].rmdir()
    assert of_folder.missing_folder() == str(roots[1])


def test_a_sidecar_has_the_paths_that_the_recipe_gives(roots, photo):
    """Not those of this machine."""
    photo(50, 50).save(roots[0] / "a.png")
    photo(5, 5).save(roots[0] / "mark.png")
    data = {"steps": [{"watermark": {"image": "mark.png"}}], "output": {"sidecar": "json"}}
    parsed = recipe_parser.parse(data, folder=str(roots[0]))
    Renderer(str(roots[0]), str(roots[1]), parsed).render(Job("a.png", ("a.jpg", "a.json")))
    text = (roots[1] / "a.json").read_text()
    assert json.loads(text)["recipe"]["steps"][0]["watermark"]["image"] == "mark.png"
    assert str(roots[0]) not in text
