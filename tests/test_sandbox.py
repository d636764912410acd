"""What processes that open images may do, and what is refused them."""

import contextlib
import errno
import json
import multiprocessing
import os
import queue
import shutil
import socket
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml
from PIL import Image

from pixelmill import config, engines, gallery, landlock, safe_path, sandbox, seccomp, verification
from pixelmill.encoding import ENCODERS
from pixelmill.errors import UserError
from pixelmill.jobs import Job
from pixelmill.limits import Limits
from pixelmill.offspring import Offspring
from pixelmill.operations import STEPS
from pixelmill.policy import Policy
from pixelmill.recipe import parse
from pixelmill.sandbox import Confinement, Sandbox
from pixelmill.transform import Renderer
from pixelmill.trials import Deaths, Trials

ENGINES = ["sequential", "threads", "processes", "futures"]

needs_sandbox = pytest.mark.skipif(bool(sandbox.shortcoming()), reason=sandbox.shortcoming())


def policy_of(**allowed):
    """A config's policies as the workflow gives them, with more allowed to own steps."""
    return ("--policy", json.dumps(config.complete({"sandbox": {"allow": allowed}})))


@pytest.fixture
def place(tmp_path, photos, repository):
    """A folder with a source, another tree, a secret, and a step that attempts all it can."""
    photos(tmp_path / "source", 1)
    (tmp_path / "outside/images").mkdir(parents=True)
    (tmp_path / "outside/images/old").write_text("old")
    (tmp_path / "outside/secret").write_text("secret")
    (tmp_path / "steps").mkdir()
    shutil.copy(repository / "tests/attempts.py", tmp_path / "steps/attempts.py")
    return tmp_path


@pytest.fixture
def listening(place, monkeypatch):
    """Port at which something listens; a Unix socket in the other folder does too."""
    monkeypatch.chdir(place)  # a socket's path must be short
    with contextlib.ExitStack() as opened:
        tcp = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = opened.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind("outside/socket")
        unix.listen()
        yield tcp.getsockname()[1]


def attempt(place, port, script, engine, *options):
    """Run a pass whose step attempts everything; return what became of each attempt."""
    params = {
        "function": "attempts:step",
        "root": str(place),
        "source": str(place / "source"),
        "tree": str(place / "tree"),
        "library": safe_path.LIBRARY,
        "port": port,
    }
    recipe = place / "steps/recipe.yaml"
    recipe.write_text(yaml.safe_dump({"steps": [{"call": params}]}), encoding="utf-8")
    done = script(
        "process_parallel.py", "source", "tree", "--recipe", recipe, "--engine", engine,
        "--workers", "2", *options, cwd=place,
    )  # fmt: skip
    assert done.status == 0 and "failed" not in done.text, done.text
    return json.loads((place / "tree/images/found.json").read_text(encoding="utf-8"))


def succeeded(found):
    return {name for name, what in found.items() if what == "succeeded"}


def state_of(folder):
    """Content, rights and times of all files below a folder."""
    return {
        path: (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


#: What a file system, or the system's own rules for debuggers, may refuse anyway.
NOT_EVERYWHERE = {"set an attribute of a source", "read the parent's memory"}


@needs_sandbox
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("method", ["forkserver", pytest.param("spawn", marks=pytest.mark.slow)])
def test_a_worker_can_do_nothing_but_make_images(
    place, listening, script, engine, method, monkeypatch
):
    if method == "spawn":  # as where the path of the fork server's socket would be too long
        (place / ("deep" * 30)).mkdir()
        monkeypatch.setenv("TMPDIR", str(place / ("deep" * 30)))
    before = state_of(place / "source"), state_of(place / "outside")
    found = attempt(place, listening, script, engine)
    assert succeeded(found) == set()
    assert (state_of(place / "source"), state_of(place / "outside")) == before


@pytest.mark.skipif(sys.platform != "linux", reason="the attempts are those of Linux")
def test_without_a_sandbox_it_can(place, listening, script):
    """Else the attempts that fail would show nothing."""
    found = attempt(place, listening, script, "processes", "--sandbox", "off")
    assert found.keys() - succeeded(found) <= NOT_EVERYWHERE, found


@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        ({"read": ["outside"]}, {"read a secret", "list a folder"}),
        (
            {"write": ["outside"]},
            {
                "read a secret", "list a folder", "write another tree", "make a folder elsewhere",
                "remove another tree's file", "set the times of a source",
            },
        ),
        (
            {"network": True},
            {"connect by TCP", "connect by UDP", "connect by a Unix socket"},
        ),
        ({"exec": True}, {"run a program", "spawn a program", "execute a program"}),
    ],
    ids=["read", "write", "network", "exec"],
)  # fmt: skip
def test_what_a_config_allows_it_can_do_besides(place, listening, script, allowed, expected):
    found = attempt(place, listening, script, "processes", *policy_of(**allowed))
    assert succeeded(found) == expected


@needs_sandbox
def test_times_can_be_set_where_outputs_keep_those_of_their_sources(place, script, photos):
    os.utime(place / "source/0.jpg", (1e9, 1e9))
    recipe = place / "recipe.yaml"
    recipe.write_text("steps: []\nkeep_mtime: true\n", encoding="utf-8")
    done = script("process_sequential.py", "source", "tree", "--recipe", recipe, cwd=place)
    assert done.status == 0, done.text
    assert (place / "tree/images/0.jpg").stat().st_mtime == 1e9


@needs_sandbox
def test_an_image_that_is_tried_alone_is_confined_too(place):
    (place / "steps/mine.py").write_text(
        "def step(image, path):\n    open(path, 'w').close()\n", encoding="utf-8"
    )
    call = {"call": {"function": "mine:step", "path": str(place / "outside/new")}}
    recipe = parse({"steps": [call]}, folder=str(place / "steps"))
    (place / "images").mkdir()
    renderer = Renderer(str(place / "source"), str(place / "images"), recipe)
    job = Job("0.jpg", ("0.jpg",), 0, mtime_ns=5)
    confinement = Sandbox().confine(
        [str(place / "source"), str(place / "steps")], [str(place / "images")]
    )
    outcomes = []
    with Offspring() as offspring:
        trials = Trials(offspring, renderer, Limits(), 1, Deaths(), confinement)
        trials.run([job], outcomes.append)
    (outcome,) = outcomes
    assert outcome.reason == "step_failed" and "PermissionError" in outcome.message
    assert not (place / "outside/new").exists()


@needs_sandbox
@pytest.mark.parametrize(
    ("engine", "allowed"),
    [*((engine, False) for engine in ENGINES), ("sequential", True), ("processes", True)],
)
def test_secrets_of_the_environment_are_withheld_unless_the_network_is_allowed(
    place, script, engine, allowed, monkeypatch
):
    for name in ("MY_SECRET", "AWS_ACCESS_KEY_ID", "GITHUB_TOKEN", "DB_PASSWORD", "ORDINARY"):
        monkeypatch.setenv(name, "hunter2")
    (place / "steps/told.py").write_text(
        "import os, pathlib\n"
        "def step(image, images):\n"
        "    names = [name for name, value in os.environ.items() if value == 'hunter2']\n"
        "    shown = pathlib.Path('/proc/self/environ').read_bytes().count(b'hunter2')\n"
        "    pathlib.Path(images, 'told').write_text(f'{sorted(names)} {shown}')\n"
        "    return image\n"
    )
    recipe = place / "steps/recipe.yaml"
    images = str(place / "tree/images")
    call = {"function": "told:step", "images": images}
    recipe.write_text(yaml.safe_dump({"steps": [{"call": call}]}), encoding="utf-8")
    options = policy_of(network=True) if allowed else ()
    done = script("process_parallel.py", "source", "tree", "--recipe", recipe, "--engine", engine,
                  *options, cwd=place)  # fmt: skip
    assert done.status == 0, done.text
    told = (place / "tree/images/told").read_text()
    assert told.startswith("['ORDINARY'] 1") != allowed, told


class Intruder:
    """In the place of what verifies images: it writes."""

    def __init__(self, path):
        self.path = path

    def __call__(self, tasks):
        try:
            Path(self.path).write_text("x")
            return ["wrote"]
        except PermissionError:
            return ["refused"]


@needs_sandbox
@pytest.mark.parametrize("batches", [1, 2])
def test_verification_cannot_write(tmp_path, batches):
    task = verification.Task("a", "a", "", "", False)
    tasks = [task] * (verification.BATCH * (batches - 1) + 1)
    for confinement, expected in ((Sandbox().confine([], []), "refused"), (None, "wrote")):
        said = []

        def take(findings, said=said):
            said.extend(findings)

        with contextlib.suppress(AttributeError):  # the words are no findings
            verification._open(tasks, Intruder(str(tmp_path / "new")), 2, take, confinement)
        assert set(said) == {expected}


def tree_of(folder):
    images = folder / "images"
    return {str(p.relative_to(images)): p.read_bytes() for p in images.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def every_format(tmp_path_factory, photo):
    """A folder with a picture in each format that is written, and moving ones."""
    folder = tmp_path_factory.mktemp("formats")
    for name in ENCODERS:
        photo(90, 70).save(folder / f"{name}.{name}", name)
    frames = [photo(60, 40, seed) for seed in (1, 2)]
    for name in ("gif", "webp", "png"):
        frames[0].save(folder / f"moving.{name}", save_all=True, append_images=frames[1:])
    return folder


def every_step(folder, backend):
    """Recipes that have all steps of a backend among them, each in every format."""
    gallery._write_look(str(folder / "look.cube"))
    Image.new("RGBA", (9, 9), "#80402080").save(folder / "mark.png")
    (folder / "own.py").write_text(
        "import decimal, neighbour\ndef step(image):\n    return image\n", encoding="utf-8"
    )
    (folder / "neighbour.py").write_text("import colorsys\n", encoding="utf-8")
    steps = [{"call": {"function": "own:step"}}, {"watermark": {"image": "mark.png"}}]
    steps += [{name: gallery.EXAMPLES.get(name, [{}])[0]} for name in STEPS]
    kept = []
    for step in steps:
        with contextlib.suppress(UserError):  # not all backends do all steps
            parse({"steps": [step], "backend": backend}, folder=str(folder))
            kept.append(step)
    outputs = [{"name": name, "format": name} for name in ENCODERS]
    return {"steps": kept, "outputs": outputs, "backend": backend, "keep_mtime": True}


@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_every_step_and_format_gives_the_same_bytes_with_a_sandbox(
    tmp_path, script, every_format, backend
):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(every_step(tmp_path, backend)), encoding="utf-8")
    trees = {}
    for engine in ("sequential", "processes"):
        for confined in ("auto", "off"):
            done = script(
                "process_parallel.py", every_format, tmp_path / f"{engine}-{confined}",
                "--recipe", recipe, "--engine", engine, "--workers", "2", "--sandbox", confined,
            )  # fmt: skip
            assert done.status == 0 and "failed" not in done.text, done.text
            trees[engine, confined] = tree_of(tmp_path / f"{engine}-{confined}")
    first, *others = trees.values()
    assert first and all(tree == first for tree in others)


@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sequential", "processes"])
def test_links_are_followed_as_before(tmp_path, photos, script, engine):
    """The source and the results may lie behind links, and an image may be a link to another."""
    photos(tmp_path / "disk/source/deep", 3)
    (tmp_path / "disk/source/linked.jpg").symlink_to("deep/0.jpg")
    (tmp_path / "disk/results").mkdir()
    (tmp_path / "source").symlink_to("disk/source")
    (tmp_path / "results").symlink_to("disk/results")
    done = script(
        "process_parallel.py", "source", "results/tree", "--engine", engine, "--workers", "2",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.status == 0 and "failed" not in done.text, done.text
    assert len(tree_of(tmp_path / "results/tree")) == 4
    verified = script("verify.py", "source", "results/tree", cwd=tmp_path)
    assert verified.status == 0, verified.text


@pytest.mark.slow
def test_another_sandbox_makes_no_image_again(tmp_path, photos, script):
    source = photos(tmp_path / "source", 2)
    for options in ((), ("--sandbox", "off"), policy_of(network=True)):
        done = script("process_parallel.py", source, tmp_path / "tree", *options)
        assert done.status == 0, done.text
    assert done.made == [0]


@needs_sandbox
def test_a_refused_step_is_told_what_to_do(tmp_path, photos, script):
    source = photos(tmp_path / "source", 1)
    (tmp_path / "mine.py").write_text("def step(image): open('log', 'w')\n", encoding="utf-8")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("steps: [{call: {function: 'mine:step'}}]\n", encoding="utf-8")
    done = script("process_sequential.py", source, tmp_path / "tree", "--recipe", recipe)
    assert "allow it by the key 'sandbox' of the config" in done.text


@pytest.mark.slow
def test_the_engine_distributed_says_that_it_is_not_confined(tmp_path, photos, script):
    source = photos(tmp_path / "source", 2)
    options = ("--engine", "distributed", "--workers", "1")
    done = script("process_parallel.py", source, tmp_path / "tree", *options)
    assert done.status == 0, done.text
    assert done.text.count("the workers of the engine distributed are not confined") == 1


def write_from(path):
    """Try to write, in whatever thread this runs."""
    try:
        Path(path).write_text("x")
    except PermissionError:
        return "refused"
    return "wrote"


def await_byte(pipe):
    with open(pipe, "rb", buffering=0) as file:
        file.read(1)


def host(sender, path, pipe):
    """Confine a process that has workers; say what its threads and its workers can write."""
    confinement = Confinement(())
    opened = os.open(pipe, os.O_RDWR)
    confine = partial(sandbox.confine_thread, confinement, has_workers=True)
    with engines.open_engine("futures", 2, confine=confine) as engine:
        sandbox.confine_process(confinement, has_workers=True)
        taking_in = queue.Queue()
        waiting = engine._executor.submit(await_byte, pipe)
        waiting.add_done_callback(lambda _: taking_in.put(write_from(path)))
        os.write(opened, b"x")  # not before: else this thread would call back
        sender.send((taking_in.get(), write_from(path)))
        sender.send(engine._executor.submit(write_from, path).result())


@needs_sandbox
@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_the_process_that_has_the_workers_is_confined_itself(tmp_path, monkeypatch, method):
    """It can end its workers and remove their semaphores nevertheless."""
    scratch = tmp_path / ("deep" * 30 if method == "spawn" else "tmp")
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))  # the fork server's socket needs a short path
    os.mkfifo(tmp_path / "pipe")
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(
        target=host, args=(sender, str(tmp_path / "new"), str(tmp_path / "pipe"))
    )
    child.start()
    sender.close()
    assert receiver.recv() == ("refused", "refused")
    assert receiver.recv() == "wrote"  # from a worker that was not confined
    child.join()
    assert child.exitcode == 0


#: Runs a script after this process has lost a system call, as in a container.
WITHOUT = """
import errno, os, runpy, sys
sys.path.insert(0, {library!r})
from pixelmill import seccomp
seccomp._install(seccomp.program({refused}, {{}}, {{}}))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize(
    ("refused", "why"),
    [
        ([444], "only partly confined: this kernel, processor or container has no Landlock"),
        ([317], "only partly confined: this kernel, processor or container has no filter"),
        ([317, 444], "are not confined: this kernel, processor or container does not allow it"),
    ],
    ids=["Landlock", "seccomp", "both"],
)
@pytest.mark.parametrize("engine", ["sequential", "processes"])
def test_work_goes_on_where_the_system_can_confine_nothing(
    tmp_path, photos, repository, engine, refused, why
):
    source = photos(tmp_path / "source", 2)
    program = WITHOUT.format(library=safe_path.LIBRARY, refused=refused)
    command = [sys.executable, "-c", program, repository / "scripts/process_parallel.py"]
    command += [source, tmp_path / "tree", "--engine", engine, "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("confined") == 1 and why in done.stderr
    assert len(tree_of(tmp_path / "tree")) == 2


def test_the_report_says_what_was_not_confined():
    off = "The workers were not confined: the config has 'sandbox: off'."
    assert sandbox.remark("off", ["threads"]) == off
    lacking = sandbox.shortcoming()
    assert sandbox.remark("auto", ["threads"]).lower() == (f"{lacking}." if lacking else "").lower()
    if not lacking:
        assert "distributed" in sandbox.remark("auto", ["threads", "distributed"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("auto", Sandbox()),
        (True, Sandbox()),
        ("off", Sandbox(on=False)),
        (False, Sandbox(on=False)),  # as YAML reads a plain off
        ({"allow": {"read": ["a", "b"]}}, Sandbox(read=("a", "b"))),
        ({"allow": {"write": ["a"], "exec": True}}, Sandbox(write=("a",), execute=True)),
        ({"allow": {"network": True}}, Sandbox(network=True)),
    ],
)
def test_a_config_says_it_in_few_words(value, expected):
    assert Policy.from_config(config.complete({"sandbox": value})).sandbox == expected


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("strict", "sandbox: found 'strict'; One of auto"),
        ({}, "sandbox: found {}; it needs the key 'allow'."),
        ({"allow": {}}, "sandbox.allow: found {}; it must not be empty."),
        ({"allow": {"read": "models"}}, "sandbox.allow.read: found 'models'; give a list."),
        ({"allow": {"exec": "yes"}}, "sandbox.allow.exec: found 'yes'; give true or false."),
        ({"allow": {"net": True}}, "sandbox.allow.net: unknown key; allowed are read, write"),
    ],
)
def test_a_wrong_value_is_refused_in_a_sentence(value, sentence):
    with pytest.raises(UserError) as caught:
        config.complete({"sandbox": value})
    assert str(caught.value).startswith(sentence)


def test_a_path_that_does_not_exist_is_refused_before_the_pass(tmp_path, photos, script):
    source = photos(tmp_path / "source", 1)
    done = script(
        "process_sequential.py", source, tmp_path / "tree", *policy_of(read=["models"]),
        cwd=tmp_path,
    )  # fmt: skip
    assert done.status == 2
    assert "sandbox.allow.read: 'models' does not exist; correct the path" in done.text


def run_filter(program, number, architecture=0xC000003E, arguments=()):
    """Do what the kernel does with a filter; return the action."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    word, at = 0, 0
    while True:
        code, if_true, if_false, operand = program[at]
        at += 1
        if code == 0x20:
            (word,) = struct.unpack_from("=I", data, operand)
        elif code in (0x15, 0x35):
            at += if_true if (word == operand if code == 0x15 else word >= operand) else if_false
        else:
            return operand


ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


def test_the_filter_refuses_by_number_argument_and_processor():
    program = seccomp.program([41, 59], {16: (1, [0x5412, 7])}, {62: (0, [123])})
    expected = {
        (0,): ALLOW, (41,): REFUSE, (59,): REFUSE, (60,): ALLOW, (1000,): ALLOW,
        # ioctl by its request, kill by its process
        (16, 0xC000003E, (9, 0x5412)): REFUSE, (16, 0xC000003E, (9, 7)): REFUSE,
        (16, 0xC000003E, (0x5412, 8)): ALLOW,
        (62, 0xC000003E, (123, 9)): ALLOW, (62, 0xC000003E, (124, 123)): REFUSE,
        (62, 0xC000003E, (2**64 - 1, 9)): REFUSE,
        # the calls of x32, of 32-bit programs, and of another processor
        (0x40000000,): REFUSE, (0x40000000 + 520,): REFUSE,
        (5, 0x40000003): REFUSE, (41, 0xC00000B7): ALLOW,
    }  # fmt: skip
    assert {call: run_filter(program, *call) for call in expected} == expected


def restricted(sender, known):
    """Restrict a thread as a kernel of some version can; say whether a rename still works."""
    landlock.version = lambda: known
    sandbox.confine_thread(Confinement((), (os.getcwd(),)))
    os.mkdir("made")
    Path("made/a").write_text("x")
    os.replace("made/a", "made/b")
    try:
        Path("../outside").write_text("x")
    except PermissionError:
        sender.send("refused")
    else:
        sender.send("wrote")


@needs_sandbox
@pytest.mark.parametrize("known", range(1, landlock.version() + 1))
def test_kernels_of_all_versions_get_what_they_know(tmp_path, monkeypatch, known):
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=restricted, args=(sender, known))
    child.start()
    sender.close()
    assert receiver.recv() == "refused"
    child.join()
    assert child.exitcode == 0
