"""Verification finds outputs that miss the target of their recipe, and no others."""

import io

import pytest

from pixelmill.dataset import catalog
from pixelmill.imaging.recipe_parser import parse
from pixelmill.verification.expectations import expectations_of
from pixelmill.verification.picture_check import check_pictures
from pixelmill.verification.verify import verify
from tests.helpers.processed import Tree
from tests.helpers.verified import faults_of


def expectation(**recipe):
    return expectations_of(recipe)[""]


def written(image, format="jpeg", **options):
    file = io.BytesIO()
    image.save(file, format.upper(), **options)
    return file.getvalue()


@pytest.fixture
def tree(tmp_path, photo):
    made = Tree(tmp_path)
    made.source.mkdir()
    for number in range(4):
        photo(160, 120, number).save(made.source / f"{number}.png")
    return made


def checked(tree, recipe):
    entries = catalog.scan(str(tree.source))[0].entries
    return verify(str(tree.source), str(tree.target), recipe, entries, 1, confined=False)


@pytest.mark.parametrize("format", ["jpeg", "webp", pytest.param("avif", marks=pytest.mark.slow)])
@pytest.mark.parametrize("target", [{"bytes": "1.2k"}, {"bytes": "12 kB"}, {"ssim": 0.85}])
@pytest.mark.parametrize("steps", [[], [{"resize": {"longest": 120}}]])
def test_outputs_that_meet_a_target_pass(tree, format, target, steps):
    recipe = {"steps": steps, "output": {"format": format, "target": target}}
    tree.process(recipe=parse(recipe))
    assert set(tree.noted().values()) == {"ok"}
    found = checked(tree, recipe)
    assert found["passed"], faults_of(found)


def test_outputs_that_miss_a_target_are_found(tree):
    tree.process(recipe=parse({"output": {"quality": 40}}))
    found = faults_of(checked(tree, {"output": {"target": {"bytes": "1k"}}}))
    assert set(found) == {"bytes"}
    assert all("more than the 1,000 of the target" in why for why in found["bytes"].values())
    found = faults_of(checked(tree, {"output": {"target": {"ssim": 0.99}}}))
    assert set(found) == {"similarity"}
    assert all("less than the 0.99 of the target" in why for why in found["similarity"].values())


@pytest.mark.parametrize(("asked", "wrong"), [(0.5, False), (0.999, True)])
@pytest.mark.parametrize("format", ["webp", "avif"])
def test_transparent_pictures_are_judged_on_the_background(photo, format, asked, wrong):
    image = photo(160, 120).convert("RGBA")
    image.putalpha(photo(160, 120, 5).convert("L"))
    wanted = expectation(output={"format": format, "target": {"ssim": asked}})
    source = written(image, "png")
    verdict = check_pictures(wanted, source, written(image, format, quality=50), 30.0)
    assert ("SSIM" in (verdict.why or "")) == wrong


@pytest.mark.parametrize(
    ("steps", "options"),
    [([{"resize": {"width": 160, "height": 120}}], {}), ([], {"icc_profile": b"x" * 200})],
)
def test_what_depends_on_kernels_or_profiles_is_not_judged(photo, steps, options):
    wanted = expectation(steps=steps, output={"target": {"ssim": 0.999}})
    source = written(photo(160, 120), "png", **options)
    verdict = check_pictures(wanted, source, written(photo(160, 120), quality=60), 20.0)
    assert "SSIM" not in (verdict.why or "")
