"""Failures are grouped by reason in words, each with what to do and a command."""

import pytest

from pixelmill.core.reasons import REASONS
from pixelmill.report.failure_groups import failed_images
from pixelmill.report.render import html, markdown

COMMANDS = {"process": "make process", "all": "make all"}


def entry(*rows, engine="threads", recipe="light", **reasons):
    listed = [
        {"source": source, "stage": "decode", "reason": reason, "message": message}
        for source, reason, message in rows
    ]
    counted = {reason: sum(row[1] == reason for row in rows) for _, reason, _ in rows}
    counted |= reasons
    return {
        "dataset": "demo", "recipe": recipe, "engine": engine, "failed": sum(counted.values()),
        "images": 5000, "reasons": counted, "listed": listed,
    }  # fmt: skip


def groups(*entries):
    (found,) = failed_images(entries, COMMANDS)
    return found.groups


def test_the_most_frequent_reason_comes_first_with_its_words():
    corrupt, truncated = groups(
        entry(("a", "truncated", "x"), ("b", "corrupt", "y"), ("c", "corrupt", "y"), corrupt=900)
    )
    assert (corrupt.reason, corrupt.count, corrupt.title) == (
        "corrupt", 900, "The image data is damaged",
    )  # fmt: skip
    assert corrupt.remedy == "Copy or download it again. It is tried again when the file changes."
    assert corrupt.commands == (("Process again", "make process"),)
    assert (truncated.count, truncated.rows) == (1, (("a", ""),))


def test_the_same_failures_of_several_engines_and_recipes_are_told_once():
    row = ("a", "corrupt", "x")
    (found,) = failed_images(
        [entry(row, engine="sequential"), entry(row), entry(row, recipe="other")], COMMANDS
    )
    assert found.told_places == "light: sequential, threads; other: threads"
    both = failed_images([entry(row), entry(("b", "corrupt", "x"), engine="futures")], COMMANDS)
    assert [one.places for one in both] == [["light/threads"], ["light/futures"]]


def test_a_missing_package_is_told_with_the_command_that_installs_it():
    message = "HEIC needs the package pillow-heif: pip install pillow-heif"
    rows = [("a.heic", "unsupported", message), ("b.tif", "unsupported", "of 12 bits")]
    package, other = groups(entry(*rows))
    assert package.title == "A package is missing"
    assert package.commands[0] == ("Install it", "pip install pillow-heif")
    assert (package.count, other.count) == (1, 1)
    assert other.reason == "unsupported"


def test_a_message_is_told_once_if_only_its_numbers_differ():
    rows = [(f"{k}", "truncated", f"{k} bytes not processed") for k in range(3)]
    (group,) = groups(entry(*rows, ("z", "truncated", "another")))
    assert group.message == "0 bytes not processed"
    assert group.rows == (("0", ""), ("1", ""), ("2", ""), ("z", "another"))
    (each,) = groups(entry(("a", "corrupt", "one"), ("b", "corrupt", "two")))
    assert (each.message, each.rows) == ("", (("a", "one"), ("b", "two")))


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_title_and_says_what_to_do(reason):
    (group,) = groups(entry(("a", reason, "m")))
    assert group.title[0].isupper() and "_" not in group.title
    assert len(group.remedy.split()) > 3


def test_a_reason_of_a_later_version_is_told_by_its_name():
    (group,) = groups(entry(("a", "novel", "m")))
    assert (group.title, group.meaning) == ("novel", "")


def test_without_a_command_there_is_none():
    (found,) = failed_images([entry(("a", "corrupt", "m"))], {})
    assert found.groups[0].commands == ()


def page_of(*rows, **reasons):
    from tests.helpers.reports import REPORT

    return html({**REPORT, "failures": [entry(*rows, **reasons)]})


def test_the_page_lists_some_and_folds_the_rest():
    page = page_of(*((f"{k}.jpg", "corrupt", "bad") for k in range(20)), corrupt=1234)
    assert page.count("<li><code>") == 20
    assert "<summary>14 more, of 1,234 in all</summary>" in page
    assert "1,234 images" in page
    assert "Copy 20 paths" in page
    few = page_of(*((f"{k}.jpg", "corrupt", "bad") for k in range(9)))
    assert "more</summary>" not in few
    assert "Copy these paths" in few


def test_hostile_paths_and_messages_are_texts():
    page = page_of(("<img src=x>\u202e", "corrupt", "<script>x</script>"), ("b", "corrupt", "c"))
    assert "<img src=x" not in page and "<script>x" not in page and "\u202e" not in page
    assert "&lt;img src=x&gt;" in page


def test_the_text_names_the_first_and_counts_the_rest_of_all():
    """Also of those that the report does not list."""
    from tests.helpers.reports import REPORT

    rows = [(f"{k}.jpg", "corrupt", "bad") for k in range(7)]
    text = markdown({**REPORT, "failures": [entry(*rows, corrupt=1234)]})
    assert "- 4.jpg\n- and 1,229 more\n" in text
    few = markdown({**REPORT, "failures": [entry(*rows[:3], corrupt=9)]})
    assert "- 2.jpg\n- and 4 more\n" in few
    all_of_them = markdown({**REPORT, "failures": [entry(*rows[:5])]})
    assert "- 4.jpg\n\n" in all_of_them and " more\n" not in all_of_them
