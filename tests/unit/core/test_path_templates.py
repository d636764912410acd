"""Templates give relative paths, whatever the values of their fields are."""

from pathlib import PurePosixPath

import pytest

from pixelmill.core.path_templates import FIELDS, fields_of, fill

HOSTILE = ["..", ".", "", "...", " ", "a", "../..", "/etc", "a/../b", "{stem}", "%s"]


@pytest.mark.parametrize(
    "template",
    ["{name}", "{folder}/{name}", "a/{stem}-{width}x{height}.{ext}", "{stem}/{stem}.{ext}"],
)
def test_a_template_is_accepted(template):
    assert fields_of(template) <= set(FIELDS)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{stem}", r"ends with \.\{ext\} or \{name\}"),
        ("{stem}{ext}", r"ends with"),
        ("", "without empty names"),
        ("/{name}", "without empty names"),
        ("a//{name}", "without empty names"),
        ("../{name}", "names of dots"),
        ("a/./{name}", "names of dots"),
        ("a./{name}", "dots at an end"),
        ("a /{name}", "dots at an end"),
        ("{name", "with the fields"),
        ("{}{name}", "with the fields"),
        ("{0}{name}", "with the fields"),
        ("{stem.__class__}.{ext}", "with the fields"),
        ("{stem[0]}.{ext}", "with the fields"),
        ("{stem!r}.{ext}", "with the fields"),
        ("{stem:>300}.{ext}", "with the fields"),
        ("{taken}.{ext}", "with the fields"),
        ("c:/{name}", "without <"),
        ("a\\{name}", "without <"),
        ("a\0{name}", "without <"),
        ("a*{name}", "without <"),
    ],
)
def test_what_is_no_relative_path_is_refused(template, message):
    with pytest.raises(ValueError, match=message):
        fields_of(template)


@pytest.mark.parametrize(
    "template", ["{stem}/x.{ext}", "{folder}/{stem}/{name}", "{stem}{stem}.{ext}"]
)
@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_leads_out_of_the_folder(template, value):
    made = fill(template, {**dict.fromkeys(FIELDS, value), "ext": "jpg"})
    path = PurePosixPath(made)
    assert not path.is_absolute()
    assert not {"..", "."} & set(made.split("/"))
    assert "" not in made.split("/") or not made
