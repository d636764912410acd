"""All steps of recipes: importing this module registers every one of them.

To add a step, write its function in the module of its subject, declare its parameters
in the decorator, and test it; recipes, the gallery and the docs know it at once.
"""

from __future__ import annotations

from pixelmill import filters, geometry, overlays, resizing, tones
from pixelmill.levels import Size
from pixelmill.resizing import constant_size, resampled_size, scaled_size
from pixelmill.steps import MAX_SIDE, STEPS, Box, StepKind

#: The modules that hold the steps, in the order in which people look for them.
MODULES = (resizing, geometry, filters, tones, overlays)

__all__ = [
    "MAX_SIDE",
    "MODULES",
    "STEPS",
    "Box",
    "Size",
    "StepKind",
    "constant_size",
    "resampled_size",
    "scaled_size",
]
