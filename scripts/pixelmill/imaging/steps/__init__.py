"""All steps of recipes: importing this module registers every one of them.

To add a step, write its function in the module of its subject, declare its parameters in the
decorator, and test it. Recipes, the gallery and the docs include it automatically.
"""

from __future__ import annotations

from pixelmill.imaging.steps import filters, geometry, overlays, resize, tones
from pixelmill.imaging.steps.registry import MAX_SIDE, STEPS, StepKind

#: The modules that hold the steps, in the order in which people look for them.
MODULES = (resize, geometry, filters, tones, overlays)

__all__ = ["MAX_SIDE", "MODULES", "STEPS", "StepKind"]
