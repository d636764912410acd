"""The search finds the last quality below an aim, and tries that one and the next."""

import math

import pytest

from pixelmill.imaging.codecs.quality_search import MOST, last_below

#: Functions that grow with the quality and pass the aim after it, as no format does and as some do.
COURSES = {
    "power": lambda quality, last: math.log((110 - last - 0.5) / (110 - quality)),
    "line": lambda quality, last: quality - last - 0.5,
    "cube": lambda quality, last: (quality - last - 0.5) ** 3,
    "step": lambda quality, last: -1.0 if quality <= last else 1.0,
    "cliff": lambda quality, last: -1e-9 if quality <= last else 50.0,
    "flat": lambda quality, last: 0.0 if quality <= last else 1e-9,
}


@pytest.mark.parametrize("course", COURSES.values(), ids=COURSES)
@pytest.mark.parametrize("start", [1, 75, 100])
def test_the_last_quality_below_is_found_with_few_tries(course, start):
    for last in range(MOST + 1):
        tried = []

        def surplus(quality, tried=tried, last=last):
            tried.append(quality)
            return course(quality, last)

        assert last_below(surplus, start) == last
        assert len(set(tried)) == len(tried) <= 13
        assert {last, last + 1} & set(range(1, 101)) <= set(tried)
