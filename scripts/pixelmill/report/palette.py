"""Palette: the colour of each engine and stage, the same on the whole page and in all figures."""

from __future__ import annotations

from itertools import cycle

from pixelmill.engines.registry import AUTO, ENGINES

#: Colours of engines in the order of the registry: those of Okabe & Ito (2008), which differ for
#: colour-blind readers too, each with a contrast of 3 on white and on the dark page.
_OKABE_ITO = ("#7f858e", "#0a78bd", "#00936b", "#c2689a", "#d55e00", "#3f97c9", "#8c7f00")

#: Colours of engines and of the other things that are measured.
COLORS = {
    **dict(zip(ENGINES, cycle(_OKABE_ITO), strict=False)),
    AUTO: "#b37a00",
    "loop": "#7f858e",
    "ceiling": "#8f7a2e",
    "rival": "#d55e00",
}

#: Colours of stages (after Paul Tol's "bright" scheme, which differs for colour-blind readers).
STAGE_COLORS = {
    "read": "#3f9fc4",
    "decode": "#4477aa",
    "steps": "#228833",
    "encode": "#a3912b",
    "write": "#e0566a",
    "wait": "#858a92",
}

#: Colour of what has none of its own: the text colour of the page.
INK = "currentColor"


def color_of(kind: str) -> str:
    """Return the colour of an engine or of another thing that was measured.

    Examples
    --------
    >>> color_of("threads") == color_of("threads"), color_of("something else")
    (True, 'currentColor')
    """
    return COLORS.get(kind, INK)
