"""Everything that a sidecar says is compared, and what is no sidecar is called so."""

import hashlib
import json

import pytest

from pixelmill.core.root import Root
from pixelmill.verification.sidecar_check import sidecar_fault


@pytest.fixture
def check(tmp_path, photo):
    """Function that compares a sidecar, of which some parts are changed, with its two files."""
    source, output = tmp_path / "a.png", tmp_path / "images/b/a.jpg"
    output.parent.mkdir(parents=True)
    photo(30, 20).save(source)
    photo(30, 20).save(output)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (source, output)]
    right = {
        "source": {"path": "a.png", "sha256": digests[0]},
        "output": {
            "path": "b/a.jpg", "width": 30, "height": 20, "bytes": output.stat().st_size,
            "sha256": digests[1],
        },
        "recipe": {"steps": []},
    }  # fmt: skip

    def compare(change):
        data = json.loads(json.dumps(right))
        content = change(data)
        content = json.dumps(data).encode() if content is None else content
        images = Root(str(tmp_path / "images"), follow=False)
        return sidecar_fault(content, images, "a.png", source)

    return compare


def set_in(part, key, value):
    return lambda data: data[part].__setitem__(key, value)


def lacking(part, key):
    return lambda data: data[part].__delitem__(key)


def test_a_right_sidecar_has_no_fault(check):
    assert check(lambda data: None) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            set_in("source", "path", "b\n.png"),
            r"describes an output of another source, 'b\u000a.png'",
        ),
        (set_in("source", "sha256", "0" * 64), "describes other content of its source"),
        (set_in("output", "sha256", "0" * 64), "describes other content of 'b/a.jpg'"),
        (set_in("output", "bytes", 7), "describes other content of 'b/a.jpg'"),
        (set_in("output", "width", 20), "says 20x20 pixels, not 30x20"),
        (set_in("output", "height", None), "says 30xNone pixels, not 30x20"),
    ],
)  # fmt: skip
def test_what_is_not_so_is_told(check, change, why):
    assert check(change) == why


@pytest.mark.parametrize("path", ["../a.png", "/etc/passwd", "a\0.jpg"])
def test_a_path_that_leads_elsewhere_is_not_followed(check, path):
    assert check(set_in("output", "path", path)).endswith("which cannot be the path of an output")


def test_what_is_missing_is_left_to_other_checks(check):
    assert check(set_in("output", "path", "b/gone.jpg")) is None


@pytest.mark.parametrize(
    "change",
    [
        *(lacking("output", key) for key in ("path", "width", "height", "bytes", "sha256")),
        *(lacking("source", key) for key in ("path", "sha256")),
        lambda data: data.pop("recipe") and None,
        lambda data: data.__setitem__("source", ["path"]),
        lambda data: data.__setitem__("source", "path"),
        lambda data: data.__setitem__("output", None),
        lambda data: b"",
        lambda data: b"[]",
        lambda data: b"\xff",
        lambda data: b"[" * 100_000,
    ],
)
def test_what_lacks_a_part_is_no_sidecar(check, change):
    assert check(change) == "is no sidecar"
