"""The types of a file have the fields of its schema."""

import pytest

from pixelmill.benchmark import scaling_file
from pixelmill.core.schemas import schema


def part(*path):
    found = schema("scaling")
    for key in path:
        found = found[key]
    return found


FIT = ("properties", "fits", "additionalProperties")

#: Each type, and where the schema describes it.
TYPES = [
    ("ScalingFile", ()),
    ("CaseSamples", ("properties", "samples", "items")),
    ("SampleData", ("$defs", "sample")),
    ("StepTimeData", ("properties", "steps", "items")),
    ("Figures", ("properties", "figures", "items")),
    ("Fit", FIT),
    ("AmdahlData", (*FIT, "properties", "amdahl")),
    ("UslData", (*FIT, "properties", "usl")),
    ("Prediction", (*FIT, "properties", "predictions", "items")),
    ("AdviceData", ("properties", "advice", "items")),
]


@pytest.mark.parametrize(("name", "path"), TYPES)
def test_a_type_has_the_fields_of_its_schema(name, path):
    described = part(*path)
    kind = getattr(scaling_file, name)
    assert set(kind.__annotations__) == set(described["properties"])
    assert kind.__required_keys__ == set(described["required"])
