"""The page on failures has every reason as the registry has it, and keeps the rest of its text."""

from pixelmill.app import failure_docs


def page_of(repository):
    return (repository / "docs/failures.md").read_text(encoding="utf-8")


def test_the_docs_match_the_registry(repository):
    page = page_of(repository)
    assert failure_docs.markdown(page) == page, "say: make docs"


def test_the_table_says_what_happened_what_to_do_and_when_the_image_is_tried_again(repository):
    rows = [row.strip("|").split("|") for row in page_of(repository).splitlines() if "| `" in row]
    told = {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in rows}
    assert told["timed_out"] == [
        "The image took longer than `limits.seconds_per_image`, twice.",
        "Raise that limit, or simplify the recipe.",
        "when it or the limits change",
        "yes",
    ]
    assert told["vanished"] == ["The file was gone when its turn came.", "", "in every pass", ""]


def test_only_the_table_of_a_page_is_replaced(repository):
    page = page_of(repository)
    begin, end = page.index("| reason |"), page.index("<!-- End")
    other = f"{page[:begin]}old\n{page[end:]} and more"
    assert failure_docs.markdown(other) == f"{page} and more"
