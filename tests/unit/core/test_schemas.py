"""JSON files conform to their schemas, and the schemas describe every field."""

import copy
import json

import pytest
from jsonschema import Draft202012Validator

from pixelmill.benchmark.manager import run
from pixelmill.benchmark.samples import cases_for
from pixelmill.core.errors import UserError
from pixelmill.core.schemas import check, schema
from pixelmill.imaging.recipe_parser import parse

pytestmark = pytest.mark.slow  # real benchmarks take their time

NAMES = ["scaling", "benchmark"]


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid(name):
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize("name", NAMES)
def test_every_field_at_the_top_is_explained(name):
    assert all(part.get("description") for part in schema(name)["properties"].values())


@pytest.fixture(scope="module")
def scaling(tmp_path_factory, photos):
    """A real scaling.json of all cases on two cores, as read back from JSON."""
    source = photos(tmp_path_factory.mktemp("photos"), 2)
    recipe = parse({"steps": [{"resize": {"width": 24, "height": 16}}]})
    return json.loads(json.dumps(run(str(source), recipe, cases_for(2), 2, 1, log=str)))


@pytest.mark.slow
def test_a_real_scaling_json_conforms_to_its_schema(scaling):
    check(scaling, "scaling", "scaling.json")


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [["samples", 0, "samples", 0, "seconds"], ["machine", "cores"], ["figures", 1, "kind"]]
)
def test_a_missing_field_is_named(scaling, path):
    broken = copy.deepcopy(scaling)
    *places, last = path
    part = broken
    for place in places:
        part = part[place]
    del part[last]
    with pytest.raises(UserError, match=f"'mine' is not a scaling.json of this version .*{last}"):
        check(broken, "scaling", "mine")


def test_a_real_benchmark_json_conforms_to_its_schema(finished):
    written = (finished / "results/report/benchmark.json").read_text(encoding="utf-8")
    check(json.loads(written), "benchmark", "benchmark.json")
