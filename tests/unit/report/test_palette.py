"""Every engine has a colour of its own, the same everywhere."""

from pixelmill.core.jobs import STAGES
from pixelmill.engines.registry import AUTO, ENGINES
from pixelmill.report.palette import COLORS, INK, STAGE_COLORS, color_of
from pixelmill.report.render import html
from tests.helpers.reports import REPORT


def test_engines_and_stages_have_different_colours():
    engines = [COLORS[name] for name in (*ENGINES, AUTO)]
    assert len(set(engines)) == len(engines)
    assert {*STAGES, "wait"} == set(STAGE_COLORS)
    assert len(set(STAGE_COLORS.values())) == len(STAGE_COLORS)


def test_something_unknown_has_the_colour_of_the_text():
    assert color_of("novel") == INK
    assert color_of("threads") == COLORS["threads"]


def test_the_table_marks_an_engine_by_its_colour_in_the_charts():
    page = html({**REPORT, "scaling": []})
    assert f'style="background:{COLORS["threads"]}"' in page
    assert f'fill="{COLORS["threads"]}"' in page
