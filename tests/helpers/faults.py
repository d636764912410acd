"""Images that kill their process, and the state of a tree afterwards, for the fault tests."""

import hashlib
import json

from PIL import Image

#: Seconds that an image may take in these tests.
SECONDS = 4

#: Heights of images at which the killing step acts.
POISON = {
    "segfault": (301, "crashed", "signal 11"),
    "hang": (302, "timed_out", "4 s"),
    "memory": (303, "out_of_memory", "memory"),
    "abort": (304, "crashed", "signal 6"),
}

STEPS = """
import os, signal, time
from PIL import Image


def poison(image: Image.Image) -> Image.Image:
    if image.height == 301:
        os.kill(os.getpid(), signal.SIGSEGV)
    if image.height == 302:
        time.sleep(10_000)
    if image.height == 303:
        hoard = []
        while True:
            hoard.append(bytearray(50_000_000))
    if image.height == 304:
        os.abort()
    return image
"""

RECIPE = """
steps:
  - call: {function: "my_steps:poison"}
  - resize: {width: 64, height: 64}
"""


def policy(sandbox="auto", **limits):
    """The policies of a config as the workflow passes them."""
    formats = ["jpeg", "png", "gif", "bmp", "tiff", "webp", "ppm", "ico", "avif"]
    return json.dumps(
        {
            "limits": {"formats": formats, **limits},
            "removals": {"max_rate": 0.5},
            "collisions": "rename",
            "durable": False,
            "run": {"check_outputs": False, "retry_failed": []},
            "failures": {"stop_on_first": False},
            "sandbox": sandbox,
        }
    )


def tree_digest(tree):
    """Digest of the manifest and of every output's bytes."""
    state = hashlib.sha256((tree / "manifest.csv").read_bytes())
    for path in sorted((tree / "images").rglob("*")):
        if path.is_file():
            state.update(path.name.encode() + path.read_bytes())
    return state.hexdigest()


def partial_outputs(tree):
    """Files under final names that do not decode."""
    wrong = []
    for path in (tree / "images").rglob("*.jpg"):
        try:
            with Image.open(path) as image:
                image.load()
        except OSError:
            wrong.append(path)
    return wrong


def assert_poison_alone_is_blamed(tree, made):
    """Each killing image is reported with its reason, and all other images were processed."""
    rows = (tree / "failures.csv").read_text().splitlines()[1:]
    assert len(rows) == len(POISON)
    for name, (_, reason, message) in POISON.items():
        (row,) = [row for row in rows if row.startswith(f"{name}.jpg,")]
        assert f",{reason}," in row
        assert message in row
    assert (tree / "manifest.csv").read_text().count(",ok,") == made
