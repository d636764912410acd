"""Templates give relative paths, whatever the values of their fields are."""

from pathlib import PurePosixPath

import pytest

from pixelmill.core.path_templates import FIELDS, DateTaken, fields_of, fill

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
        ("{taken!r}.{ext}", "with the fields"),
        ("{takenn:%Y}.{ext}", "with the fields"),
        ("{taken:%Y:%m}/{name}", "without <"),
        ("{taken:%Y\\%m}/{name}", "without <"),
        ("{taken:%Y/../%m}/{name}", "names of dots"),
        ("{taken:%Y//%m}/{name}", "without empty names"),
        ("{taken:%Y.}/{name}", "dots at an end"),
        ("{taken:%Y}/{taken:%m}", "ends with"),
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
    "form",
    ["%b", "%B", "%A", "%c", "%x", "%e", "%-d", "%Z", "%%", "%", "Y", "album", "/%Y", "%Y/",
     "%Y{m}", "{width}", "%Y%", "%s", "%j"],
)  # fmt: skip
def test_a_date_has_only_digits_and_no_slash_at_its_ends(form):
    with pytest.raises(ValueError, match=r"of %Y, %y, %m, %d, %H, %M, %S and text, with / only"):
        fields_of(f"{{taken:{form}}}/{{name}}")


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("{taken}", "0987-06-05"),
        ("{taken:}", "0987-06-05"),
        ("{taken:%Y/%m}", "0987/06"),
        ("{taken:%y%m%d-%H%M%S}", "870605-040302"),
        ("{taken:%Y/%Y-%m (photos)/day %d}", "0987/0987-06 (photos)/day 05"),
        ("{taken:at %Hh%M}", "at 04h03"),
    ],
)
def test_a_date_is_written_in_digits(field, expected):
    template = f"{field}/x.{{ext}}"
    assert fields_of(template) == {"taken", "ext"}
    assert fill(template, {"taken": DateTaken(9870605040302), "ext": "jpg"}) == f"{expected}/x.jpg"
    for unknown in (0, -1):
        assert fill(template, {"taken": DateTaken(unknown), "ext": "jpg"}) == "undated/x.jpg"


@pytest.mark.parametrize("number", [1, 10**13, 10**14 - 1, 10**18, 2**63 - 1, -(2**63)])
def test_whatever_stands_for_a_date_gives_digits(number):
    """A catalog may have been edited."""
    made = f"{DateTaken(number):%Y/%m}"
    assert made == "undated" or made.replace("/", "", 1).isdecimal()


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
