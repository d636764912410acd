"""What processes that open images may do, and what they are refused."""

import contextlib
import json
import os
import shutil
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from PIL import Image

from pixelmill.app import step_gallery
from pixelmill.core import safe_path
from pixelmill.core.errors import UserError
from pixelmill.core.jobs import Job
from pixelmill.core.sandbox import Sandbox
from pixelmill.engines.registry import LOCAL
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.renderer import Renderer
from pixelmill.imaging.steps import STEPS
from pixelmill.pipeline.child_processes import ChildProcesses
from pixelmill.pipeline.quarantine import DeathCounter, Quarantine
from pixelmill.verification import verify
from tests.helpers.sandboxed import needs_sandbox, policy_of, tree_of

pytestmark = pytest.mark.usefixtures("started_children")


@pytest.fixture
def place(tmp_path, photos, repository):
    """A folder with a source, another tree, a secret, and a step that attempts everything."""
    photos(tmp_path / "source", 1)
    (tmp_path / "outside/images").mkdir(parents=True)
    (tmp_path / "outside/images/old").write_text("old")
    (tmp_path / "outside/secret").write_text("secret")
    (tmp_path / "steps").mkdir()
    shutil.copy(repository / "tests/helpers/attempts.py", tmp_path / "steps/attempts.py")
    return tmp_path


@pytest.fixture
def listening(place, monkeypatch):
    """A port with a listener; a Unix socket in the other folder has one too."""
    monkeypatch.chdir(place)  # a socket's path must be short
    with contextlib.ExitStack() as opened:
        tcp = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = opened.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind("outside/socket")
        unix.listen()
        yield tcp.getsockname()[1]


def attempt(place, port, script, engine, *options):
    """Run a pass whose step attempts everything; return the result of each attempt."""
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
    """Content, permissions and times of all files below a folder."""
    return {
        path: (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


#: What a file system or the system's rules for debuggers may refuse anyway.
NOT_EVERYWHERE = {"set an attribute of a source", "read the parent's memory"}


#: Engines whose workers are processes and threads represent all in short runs.
EACH = [
    pytest.param(name, marks=() if name in ("processes", "threads") else pytest.mark.slow)
    for name in LOCAL
]


@needs_sandbox
@pytest.mark.parametrize("engine", EACH)
@pytest.mark.parametrize("method", ["forkserver", pytest.param("spawn", marks=pytest.mark.slow)])
def test_a_worker_can_only_render_images(place, listening, script, engine, method, monkeypatch):
    if method == "spawn":  # as where the path of the fork server's socket would be too long
        (place / ("deep" * 30)).mkdir()
        monkeypatch.setenv("TMPDIR", str(place / ("deep" * 30)))
    before = state_of(place / "source"), state_of(place / "outside")
    found = attempt(place, listening, script, engine)
    assert succeeded(found) == set()
    assert (state_of(place / "source"), state_of(place / "outside")) == before


#: Writes to another folder, and then kills its process, so that the image is tried alone.
WRITES_AND_CRASHES = """
import os
def step(image, path):
    try:
        open(path, "a").close()
    except OSError:
        pass
    os.abort()
"""


@needs_sandbox
@pytest.mark.parametrize("engine", ["processes", pytest.param("threads", marks=pytest.mark.slow)])
def test_an_image_that_is_tried_alone_can_do_no_more_than_others(place, script, engine):
    (place / "steps/own.py").write_text(WRITES_AND_CRASHES, encoding="utf-8")
    call = {"function": "own:step", "path": str(place / "outside/planted")}
    recipe = place / "steps/recipe.yaml"
    recipe.write_text(yaml.safe_dump({"steps": [{"call": call}]}), encoding="utf-8")
    done = script(
        "process_parallel.py", "source", "tree", "--recipe", recipe, "--engine", engine,
        "--workers", "2", cwd=place,
    )  # fmt: skip
    assert "1 crashed" in done.text
    assert not (place / "outside/planted").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the attempts are those of Linux")
def test_without_a_sandbox_a_worker_can_do_everything(place, listening, script):
    """Otherwise, failed attempts would prove nothing."""
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
def test_a_worker_can_also_do_what_the_config_allows(place, listening, script, allowed, expected):
    found = attempt(place, listening, script, "processes", *policy_of(**allowed))
    assert succeeded(found) == expected


@needs_sandbox
def test_file_times_can_be_set_if_outputs_keep_those_of_their_sources(place, script, photos):
    os.utime(place / "source/0.jpg", (1e9, 1e9))
    recipe = place / "recipe.yaml"
    recipe.write_text("steps: []\nkeep_mtime: true\n", encoding="utf-8")
    done = script("process_sequential.py", "source", "tree", "--recipe", recipe, cwd=place)
    assert done.status == 0, done.text
    assert (place / "tree/images/0.jpg").stat().st_mtime == 1e9


@needs_sandbox
def test_an_image_in_quarantine_is_confined_too(place):
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
    with ChildProcesses() as children:
        quarantine = Quarantine(children, renderer, Limits(), 1, DeathCounter(), confinement)
        quarantine.run([job], outcomes.append)
    (outcome,) = outcomes
    assert outcome.reason == "step_failed" and "PermissionError" in outcome.message
    assert not (place / "outside/new").exists()


#: Names of environment variables that hold secrets.
SECRETS = (
    "MY_SECRET", "AWS_ACCESS_KEY_ID", "GITHUB_TOKEN", "DB_PASSWORD", "DB_PASS", "DB_PWD", "GH_PAT",
    "MY_KEY", "APIKEY", "SSH_AUTH_SOCK", "npm_config__auth",
)  # fmt: skip


@needs_sandbox
@pytest.mark.parametrize(
    ("engine", "allowed"),
    [
        ("processes", False),
        *(
            pytest.param(engine, allowed, marks=pytest.mark.slow)
            for engine in LOCAL
            for allowed in (False, True)
            if (engine, allowed) != ("processes", False)
        ),
    ],
)
def test_secrets_of_the_environment_are_withheld_unless_the_network_is_allowed(
    place, script, engine, allowed, monkeypatch
):
    for name in (*SECRETS, "ORDINARY"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("DATABASE_URL", "postgres://me:hunter2@host/photos")
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
    """A replacement of the inspector that writes."""

    def __init__(self, path):
        self.path = path

    def __call__(self, tasks):
        try:
            Path(self.path).write_text("x")
            return [SimpleNamespace(faults="wrote")]
        except PermissionError:
            return [SimpleNamespace(faults="refused")]


@needs_sandbox
@pytest.mark.parametrize("batches", [1, 2])
def test_verification_cannot_write(tmp_path, batches):
    tasks = [verify.Task("a", "a", "", "", False)] * batches
    for confinement, expected in ((Sandbox().confine([], []), "refused"), (None, "wrote")):
        found = []

        def take(findings, found=found):
            found.extend(findings)

        verify._inspect(tasks, Intruder(str(tmp_path / "new")), 2, take, confinement)
        assert {finding.faults for finding in found} == {expected}


@pytest.fixture(scope="module")
def every_format(tmp_path_factory, photo):
    """A folder with a picture in each output format, and animations."""
    folder = tmp_path_factory.mktemp("formats")
    for name in OUTPUT_FORMATS:
        photo(90, 70).save(folder / f"{name}.{name}", name)
    frames = [photo(60, 40, seed) for seed in (1, 2)]
    for name in ("gif", "webp", "png"):
        frames[0].save(folder / f"moving.{name}", save_all=True, append_images=frames[1:])
    return folder


def every_step(folder, backend):
    """Recipes that together have all steps of a backend, each in every format."""
    step_gallery._write_look(str(folder / "look.cube"))
    Image.new("RGBA", (9, 9), "#80402080").save(folder / "mark.png")
    (folder / "own.py").write_text(
        "import decimal, neighbour\ndef step(image):\n    return image\n", encoding="utf-8"
    )
    (folder / "neighbour.py").write_text("import colorsys\n", encoding="utf-8")
    steps = [{"call": {"function": "own:step"}}, {"watermark": {"image": "mark.png"}}]
    steps += [{name: dict(kind.examples[0])} for name, kind in STEPS.items()]
    kept = []
    for step in steps:
        with contextlib.suppress(UserError):  # not all backends do all steps
            parse({"steps": [step], "backend": backend}, folder=str(folder))
            kept.append(step)
    outputs = [{"name": name, "format": name} for name in OUTPUT_FORMATS]
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
    """The source and the results may be links, and an image may be a link to another one."""
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
def test_another_sandbox_makes_no_image_stale(tmp_path, photos, script):
    source = photos(tmp_path / "source", 2)
    for options in ((), ("--sandbox", "off"), policy_of(network=True)):
        done = script("process_parallel.py", source, tmp_path / "tree", *options)
        assert done.status == 0, done.text
    assert done.made == [0]


@needs_sandbox
def test_the_error_of_a_refused_step_says_what_to_do(tmp_path, photos, script):
    source = photos(tmp_path / "source", 1)
    (tmp_path / "mine.py").write_text("def step(image): open('log', 'w')\n", encoding="utf-8")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("steps: [{call: {function: 'mine:step'}}]\n", encoding="utf-8")
    done = script("process_sequential.py", source, tmp_path / "tree", "--recipe", recipe)
    assert "allow it with the key 'sandbox' of the config" in done.text
