"""Installed competitors do the same job; none is required, and other jobs are not compared."""

import json
import os
import shutil

import pytest
from PIL import Image

from pixelmill.benchmark import bare_pools, competitors
from pixelmill.benchmark.samples import Case
from pixelmill.core.errors import UserError
from pixelmill.core.schemas import check
from pixelmill.dataset.catalog import scan
from pixelmill.imaging.recipe_parser import parse
from tests.helpers.projects import SMALL, write_config

STRETCHED = parse({"steps": [{"resize": {"width": 24, "height": 20}}]})
FITTED = parse({"steps": [{"resize": {"longest": 24}}]})


@pytest.fixture(params=competitors.installed())
def tool(request):
    """Each installed competitor."""
    return request.param


@pytest.mark.parametrize(
    ("recipe", "size"),
    [pytest.param(STRETCHED, (24, 20), marks=pytest.mark.slow), (FITTED, (24, 16))],
)
def test_a_rival_makes_every_image_in_the_size_that_the_recipe_asks_for(
    tmp_path, photos, tool, recipe, size
):
    source = photos(tmp_path / "in", 2)
    (source / "deep").mkdir()
    shutil.copy(source / "0.jpg", source / "deep/0.jpg")  # the same name once more
    shutil.copy(source / "1.jpg", source / "-e ü.jpg")
    out, entries = tmp_path / "out", scan(str(source))[0].entries
    seconds, images = competitors.run_rival(tool, str(source), str(out), recipe, entries, 2)
    made = list((out / "images").iterdir())
    assert images == len(made) == 4
    assert seconds > 0
    for path in made:
        with Image.open(path) as image:
            assert (image.format, image.size) == ("JPEG", size)


def test_one_bad_image_affects_only_that_image_of_a_rival(tmp_path, photos, tool):
    source = photos(tmp_path / "in", 3)
    (source / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    entries = scan(str(source))[0].entries
    folders = str(source), str(tmp_path / "out")
    assert competitors.run_rival(tool, *folders, STRETCHED, entries, 1)[1] == 3


def test_a_rival_that_makes_nothing_is_reported(tmp_path, tool):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    entries = scan(str(tmp_path / "in"))[0].entries
    folders = str(tmp_path / "in"), str(tmp_path / "out")
    with pytest.raises(UserError, match="wrote no image"):
        competitors.run_rival(tool, *folders, STRETCHED, entries, 1)


def test_without_any_tool_the_bare_pools_are_left(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    assert competitors.installed() == bare_pools.available()
    assert {"opencv-pool", "opencv-area-pool"} <= set(bare_pools.available())
    assert competitors.versions() == {}


def test_ours_and_each_rival_are_measured_on_all_cores():
    cases = competitors.cases(4, ["gm"])
    assert Case("rival", 4, "gm") in cases
    assert {case.workers for case in cases if case.kind != "loop"} == {4}


@pytest.mark.skipif(os.name == "nt", reason="its programs are no scripts")
def test_another_program_with_the_name_of_a_rival_is_omitted(tmp_path, photos, monkeypatch, caplog):
    other = tmp_path / "bin/sharp"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho 'usage: sharp knife' >&2\n", encoding="utf-8")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(other.parent), prepend=os.pathsep)
    source = str(photos(tmp_path / "in", 2))
    assert "sharp" in competitors.installed()
    assert "sharp" not in competitors.willing(source, STRETCHED, scan(source)[0].entries)
    assert "'sharp' wrote no image: usage: sharp knife" in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="it has another shell")
@pytest.mark.parametrize(
    ("files", "parts"), [(8, [2, 2, 2, 2]), (9, [3, 3, 3]), (900, [200, 200, 200, 200, 100])]
)
def test_files_are_shared_among_several_short_calls_that_use_one_thread_each(
    tmp_path, monkeypatch, files, parts
):
    told = 'echo "$# files, $UV_THREADPOOL_SIZE thread of $TOOL" >&2'
    names = [f"{number}.jpg" for number in range(files)]
    monkeypatch.setenv("UV_THREADPOOL_SIZE", "8")
    monkeypatch.setenv("TOOL", "it")
    messages = competitors._calls(["/bin/sh", "-c", told, "sh"], tmp_path, names, 1)
    assert messages.splitlines() == [f"{count} files, 1 thread of it" for count in parts]


@pytest.mark.parametrize(
    "recipe",
    [
        {"steps": []},
        {"steps": [{"resize": {"longest": 9}}, "grayscale"]},
        {"steps": [{"resize": {"percent": 50}}]},
        {"steps": [{"resize": {"width": 9}}]},
        {"steps": [{"resize": {"width": 9, "height": 9, "fit": "cover"}}]},
        {"steps": [{"resize": {"longest": 9, "linear": True}}]},
        {"steps": [{"resize": {"longest": 9, "upscale": "never"}}]},
        {"steps": [{"resize": {"longest": 9}}], "outputs": [{"name": "a"}, {"name": "b"}]},
        {"steps": [], "output": {"format": "jpeg"}},
        {"steps": [{"resize": {"longest": 9}}], "output": {"format": "png"}},
    ],
    ids=str,
)
def test_what_other_tools_are_not_asked_for_is_a_sentence(recipe):
    with pytest.raises(UserError, match=r"^Other tools cannot apply this recipe: .*\.$"):
        competitors.task_of(parse(recipe))


def test_tools_that_support_it_receive_the_size_hint():
    commands = [competitors.COMMANDS[tool] for tool in ("gm", "mogrify")]
    told = [" ".join(command(competitors.task_of(FITTED), "")) for command in commands]
    assert all("60x60" in line for line in told)
    plain = parse({"steps": [{"resize": {"longest": 24}}], "shrink_margin": 0})
    told = [" ".join(command(competitors.task_of(plain), "")) for command in commands]
    assert not any("60x60" in line for line in told)


@pytest.mark.slow
def test_the_target_rivals_measures_only_comparable_recipes(small, snakemake):
    run = {**SMALL["run"], "recipes": ["light", "intensive"]}
    write_config(small, {**SMALL, "run": run, "benchmark": {"images": 3, "repeats": 1}})
    ran = snakemake(small, "rivals")
    assert ran.status == 0, ran.text
    assert "Measure other tools on mine with light" in ran.jobs
    assert not any("intensive" in job for job in ran.jobs)
    measured = json.loads((small / "results/mine/light/rivals.json").read_text("utf-8"))
    check(measured, "scaling", "rivals.json")
    assert "opencv-pool" in [row.get("tool") for row in measured["figures"]]
    assert "Write the report" in snakemake(small, "report").jobs
    page = (small / "results/report/report.html").read_text("utf-8")
    assert "Comparison with other tools" in page and "The recipe changed after" not in page
    (small / "results/mine/light/rivals.json").unlink()
    assert snakemake(small, "--dry-run", "report").jobs == ["Write the report"]
