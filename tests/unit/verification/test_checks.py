"""Each check counts what it compared, and finds what is wrong with a tree or an output."""

import io
from pathlib import Path

import pytest
from PIL import Image

from pixelmill.dataset.entries import Entries
from pixelmill.dataset.paths import Paths
from pixelmill.verification.checks import CHECKS, OUTPUT_CHECKS, TREE_CHECKS, Totals, is_repaired
from pixelmill.verification.expectations import expectations_of
from pixelmill.verification.manifest import Named, Outputs, Sources
from pixelmill.verification.opened_output import OpenedOutput
from pixelmill.verification.tree_contents import TreeContents


def there(named, *paths):
    """Note that some of the files that a manifest names exist."""
    for path in paths:
        named.exists[named.paths.find(path)] = 1
    return named


OUTPUTS = Outputs([(f"{name}.jpg", 0, "", "") for name in "abc"], Sources(Entries()))

#: Four inputs, of which one failed and one cannot be read; three outputs, and two that were kept
#: from an earlier pass, of which one each is gone.
TREE = TreeContents(
    outputs=there(OUTPUTS, "a.jpg", "b.jpg"),
    kept=there(Named(Paths(["lost.jpg", "old.jpg"])), "old.jpg"),
    files=4,
    extra=["stray\n.jpg"],
    temporaries=["x.tmp"],
    inputs=4,
    inputs_without_row=["new.png"],
    rows_without_input=["gone.png"],
)

TOTALS = Totals(
    inputs=100, outputs=80, kept=5, files=84, temporaries=2, opened=79, undecodable=3, sized=70,
    pictures=20,
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("inputs", (100, 0)),
        ("missing", (85, 0)),
        ("extra", (84, 0)),
        ("temporaries", (86, 0)),
        ("decodes", (79, 0)),
        ("format", (76, 3)),
        ("size", (70, 9)),
        ("mode", (76, 3)),
        ("sha256", (79, 0)),
        ("similarity", (20, 60)),
    ],
)
def test_a_check_counts_what_it_compared_and_what_it_could_not_compare(name, counts):
    (check,) = (check for check in CHECKS if check.name == name)
    assert check.counts(TOTALS) == counts


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (
            "inputs",
            {"new.png": "is an input without a row", "gone.png": "has a row but is not an input"},
        ),
        ("missing", dict.fromkeys(["c.jpg", "lost.jpg"], "is in the manifest but does not exist")),
        ("extra", {"stray\\u000a.jpg": "exists but is not in the manifest"}),
        ("temporaries", {"x.tmp": "was left by a run that was killed"}),
    ],
)
def test_a_check_of_the_tree_names_what_differs(name, found):
    (check,) = (check for check in TREE_CHECKS if check.name == name)
    assert dict(check.find(TREE)) == found


def test_the_next_run_repairs_all_but_files_of_others_and_its_own_code():
    repaired = {check.name for check in CHECKS if is_repaired(failing(check.name))}
    assert {check.name for check in CHECKS} - repaired == {"extra", "similarity"}
    assert is_repaired(failing("extra", "missing"))
    assert not is_repaired(failing())


def failing(*names):
    """A result in which these checks failed."""
    return {"checks": [{"name": c.name, "passed": c.name not in names} for c in CHECKS]}


def test_names_are_unique_and_each_check_asks_a_question_and_has_a_remedy():
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    for check in CHECKS:
        assert check.question.endswith("?")
        assert check.remedy and not check.remedy.endswith(".")


def opened(data, **changes):
    (expectation,) = expectations_of({"steps": ["grayscale"], "output": {"format": "png"}}).values()
    return OpenedOutput(expectation, Path("gone.png"), data, "0" * 64, False, 30.0, **changes)


@pytest.mark.parametrize(("data", "error"), [(b"", "is empty"), (b"some text", "is not an image")])
def test_an_output_that_does_not_decode_says_why(data, error):
    assert opened(data).decoding_error == error


def test_an_output_has_digest_format_mode_and_size():
    file = io.BytesIO()
    Image.new("L", (4, 3)).save(file, "PNG")
    output = opened(file.getvalue())
    assert (output.format, output.mode, output.size) == ("PNG", "L", (4, 3))
    assert (output.decoding_error, len(output.sha256)) == ("", 64)


def test_only_checks_of_the_bytes_examine_outputs_that_do_not_decode():
    assert {check.name for check in OUTPUT_CHECKS if not check.needs_picture} == {
        "decodes", "sha256",
    }  # fmt: skip
