"""Of thousands of images, Snakemake runs process only those that changed."""

import re

import pytest
import yaml

from tests.helpers.projects import copied

pytestmark = pytest.mark.slow

COUNT = 2_000

RESIZE = {"resize": {"width": 24, "height": 24}}

CONFIG = {
    "datasets": {"mine": {"folder": "pictures"}},
    "recipes": {
        "plain": {"steps": [RESIZE]},
        "soft": {"steps": [RESIZE, {"gaussian_blur": {"radius": 1.0}}]},
    },
    "run": {"datasets": ["mine"], "recipes": ["plain", "soft"], "check_outputs": True},
}


def write_config(folder, config):
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def tree_of(project, recipe):
    return project / "results/mine" / recipe / "auto"


def identities(folder):
    """Time and inode of each file by its path, which change if the file is made again."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    states = {str(path.relative_to(folder)): path.stat() for path in files}
    return {name: (state.st_mtime_ns, state.st_ino) for name, state in states.items()}


def made_otherwise(before, after):
    """Names of files that were replaced by other files."""
    return {name for name in before.keys() & after.keys() if before[name] != after[name]}


@pytest.fixture(scope="module")
def processed(tmp_path_factory, script, snakemake, repository):
    """A project of 2,000 generated JPEGs, processed with two recipes."""
    project = tmp_path_factory.mktemp("processed") / "project"
    size = ("--width", "32", "64", "--height", "32", "64")
    assert script("generate.py", project / "pictures", "--count", COUNT, *size).status == 0
    write_config(project, CONFIG)
    ran = snakemake(project, "process", code=repository)
    assert ran.status == 0, ran.text
    assert ran.made == [COUNT, COUNT]
    return project


@pytest.fixture
def project(processed, tmp_path):
    """A copy of it that a test may change."""
    return copied(processed, tmp_path / "project")


@pytest.fixture
def process(project, snakemake, repository):
    """Function that runs the everyday target in the project."""

    def run_it():
        ran = snakemake(project, "process", code=repository)
        assert ran.status == 0, ran.text
        return ran

    return run_it


def test_exactly_the_changed_images_of_2000_are_made_and_missing_ones_removed(
    project, process, picture
):
    write_config(project, {**CONFIG, "run": {**CONFIG["run"], "recipes": ["plain"]}})
    sources, images = project / "pictures", tree_of(project, "plain") / "images"
    overwritten = images / "00000005.jpg"
    whole = overwritten.read_bytes()
    before = identities(images)
    picture(1).save(sources / "added.jpg")
    picture(2).save(sources / "00000001.jpg")
    (sources / "00000002.jpg").unlink()
    (sources / "00000003.jpg").touch()
    (images / "00000004.jpg").unlink()
    overwritten.write_bytes(bytes(len(whole)))

    ran = process()

    (plan,) = re.findall(r"^make 4: (.+); keep 1,996; remove 1$", ran.text, re.MULTILINE)
    reasons = ["1 new", "1 output altered", "1 output missing", "1 source changed"]
    assert sorted(plan.split(", ")) == reasons
    after = identities(images)
    assert before.keys() - after.keys() == {"00000002.jpg"}
    assert after.keys() - before.keys() == {"added.jpg"}
    again = {"00000001.jpg", "00000004.jpg", "00000005.jpg"}
    assert made_otherwise(before, after) == again
    assert overwritten.read_bytes() == whole


def test_another_quality_renders_only_the_images_of_that_recipe(project, process):
    before = {recipe: identities(tree_of(project, recipe)) for recipe in CONFIG["recipes"]}
    plain = {**CONFIG["recipes"]["plain"], "output": {"quality": 95}}
    write_config(project, {**CONFIG, "recipes": {**CONFIG["recipes"], "plain": plain}})

    ran = process()

    assert ran.made == [COUNT]
    assert f"make {COUNT:,}: {COUNT:,} recipe changed; keep 0; remove 0" in ran.text
    assert identities(tree_of(project, "soft")) == before["soft"]
    after = identities(tree_of(project, "plain"))
    assert {f"images/{n:08}.jpg" for n in range(COUNT)} <= made_otherwise(before["plain"], after)


def test_another_recipe_leaves_the_files_of_the_others_untouched(project, process):
    trees = [tree_of(project, recipe) for recipe in CONFIG["recipes"]]
    before = [identities(tree) for tree in trees]
    config = {**CONFIG, "recipes": {**CONFIG["recipes"], "other": {"steps": ["grayscale"]}}}
    write_config(project, {**config, "run": {**CONFIG["run"], "recipes": [*config["recipes"]]}})

    assert process().made == [COUNT]

    assert [identities(tree) for tree in trees] == before
    assert len(identities(tree_of(project, "other") / "images")) == COUNT


def test_touching_every_input_renders_nothing(project, process):
    trees = [tree_of(project, recipe) / "images" for recipe in CONFIG["recipes"]]
    before = [identities(tree) for tree in trees]
    for source in (project / "pictures").iterdir():
        source.touch()

    assert process().made == [0, 0]

    assert [identities(tree) for tree in trees] == before
