"""The layout knows where everything lies, and clean removes what pixelmill made, only that."""

import pytest

from pixelmill.layout import Layout

CONFIG = {
    "datasets": {"demo": {"generate": {}}, "mine": {"folder": "photos", "exclude": ["drafts/*"]}},
    "recipes": {"light": {}, "heavy": {}},
    "run": {
        "datasets": ["demo", "mine"],
        "recipes": ["light"],
        "engines": ["threads", "sequential"],
        "production": "auto",
    },
    "results": "results",
}

MADE = [
    "resources/demo/00000000.jpg",
    "resources/demo/.generated.json",
    "results/demo/generated.json",
    "results/demo/catalog.csv",
    "results/demo/catalog.known.csv",
    "results/demo/shards/1-of-2/catalog.csv",
    "results/demo/shards/1-of-2/catalog.known.csv",
    "results/demo/light/sequential/images/00000000.jpg",
    "results/demo/light/threads/.lock",
    "results/mine/light/auto/ledger.sqlite",
    "results/mine/light/auto/shards/1-of-2/ledger.sqlite",
    "results/mine/light/comparison.json",
    "results/mine/heavy/scaling.json",
    "results/mine/heavy/rivals.json",
    "results/report/report.html",
    "results/verdict.txt",
    "results/verdict-process.txt",
    "logs/demo/light/threads.log",
    "logs/report.log",
    "benchmarks/mine/catalog.tsv",
    "benchmarks/report.tsv",
]

OTHERS = [
    "photos/0.jpg",
    "resources/mine/0.jpg",
    "results/notes.txt",
    "results/mine/light/my_notes.txt",
    "results/mine/other_recipe/sequential/images/0.jpg",
    "logs/other.txt",
    "config.yaml",
]


def fill(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_generated_images_lie_in_resources_and_own_ones_where_they_are():
    assert Layout(CONFIG).source("demo")[0] == "resources/demo"
    assert Layout(CONFIG).source("mine")[0] == "photos"


def test_a_dataset_selects_its_files():
    _, selects = Layout(CONFIG).source("mine")
    assert (selects("a.jpg"), selects("drafts/a.jpg")) == (True, False)


def test_trees_are_what_run_covers_sequential_first_and_each_once():
    assert [tree.path for tree in Layout(CONFIG).trees()] == [
        "results/demo/light/sequential",
        "results/demo/light/threads",
        "results/demo/light/auto",
        "results/mine/light/sequential",
        "results/mine/light/threads",
        "results/mine/light/auto",
    ]


def test_clean_removes_all_that_was_made_and_counts_it(here):
    fill(here, MADE)
    assert Layout(CONFIG).clean() == len(MADE)
    assert list(here.iterdir()) == []


def test_clean_leaves_alone_what_is_not_pixelmills(here):
    fill(here, [*MADE, *OTHERS])
    Layout(CONFIG).clean()
    assert files_below(here) == set(OTHERS)


def test_clean_leaves_alone_a_folder_that_was_not_generated(here):
    """Images of one's own in ``resources/demo`` bear no record of ours."""
    fill(here, ["resources/demo/mine.jpg"])
    assert Layout(CONFIG).clean() == 0


def test_clean_does_not_follow_a_link_out_of_the_results(here):
    fill(here, ["elsewhere/0.jpg"])
    (here / "results/mine/light").mkdir(parents=True)
    (here / "results/mine/light/threads").symlink_to(here / "elsewhere")
    Layout(CONFIG).clean()
    assert files_below(here) == {"elsewhere/0.jpg"}


def test_clean_twice_finds_nothing_more(here):
    fill(here, MADE)
    Layout(CONFIG).clean()
    assert Layout(CONFIG).clean() == 0
