"""Registry of steps: what recipes can name, with parameters and what each can take.

A step takes an image and returns one, both RGB, L, RGBA or LA. What becomes of alpha
is settled here, once, so that a step's function need not know of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from PIL import Image

from pixelmill.imaging.arrays import from_levels, levels_of
from pixelmill.imaging.parameters import Parameter
from pixelmill.imaging.steps.alpha import filled

Function: TypeAlias = Callable[..., Image.Image]
OnLevels: TypeAlias = Callable[[Any], Any]
Check: TypeAlias = Callable[[Mapping[str, Any]], None]

#: What becomes of alpha: the function sees the colours alone and alpha stays as it is;
#: or premultiplied pixels, whose neighbours can be averaged; or colours and alpha apart, to
#: sharpen them: premultiplied they would be clipped; or it takes any mode itself.
Alpha: TypeAlias = Literal["kept", "premultiplied", "apart", "own"]

#: Largest side of an output, in pixels: what JPEG can hold.
MAX_SIDE = 65_500

#: How often a step is kept prepared, each with other parameters: a recipe has fewer.
_PREPARED = 64

#: The mode that has alpha too, by the one that has not.
WITH_ALPHA = {"RGB": "RGBA", "L": "LA"}

#: The mode in colour, by that in grey.
IN_COLOR = {"L": "RGB", "LA": "RGBA"}


@dataclass(frozen=True)
class StepKind:
    """A step that recipes can name.

    Attributes
    ----------
    name : str
    function : callable
        Takes an image and the parameters by name.
    parameters : dict of str to Parameter
    check : callable or None
        Takes all parameters in their normal form; raises ValueError with what to give
        where they do not go together.
    holds_gil : bool
        Most of its time it holds the GIL, so that threads do not scale on it.
    deep : bool
        It takes 16-bit grey (Pillow's mode ``I;16``) too, and keeps it.
    opencv : bool
        It is done by OpenCV, so that another version of that may make other pixels.
    on_levels : callable or None
        Takes the parameters by name and returns the same on levels (see
        `pixelmill.imaging.arrays`), where it works on those.
    from_images : bool
        An image is turned into levels for that, as it would do that itself. Else that takes
        both, and with them the region that holds the picture, or None.
    """

    name: str
    function: Function
    parameters: dict[str, Parameter]
    check: Check | None = None
    holds_gil: bool = False
    deep: bool = False
    opencv: bool = False
    on_levels: Callable[..., Any] | None = None
    from_images: bool = False


#: All steps by name.
STEPS: dict[str, StepKind] = {}


def step(
    alpha: Alpha,
    *,
    check: Check | None = None,
    holds_gil: bool = False,
    deep: bool = False,
    opencv: bool = False,
    on_levels: Callable[..., Any] | None = None,
    **parameters: Parameter,
) -> Callable[[Function], Function]:
    """Register a function as a step with the parameters that a recipe may give.

    Parameters
    ----------
    alpha : {"kept", "premultiplied", "apart", "own"}
        What the function gets of an image with alpha: its colours alone (for steps
        that change each pixel by itself), premultiplied pixels in mode RGBa (for
        those that average neighbours), the colours, with hidden pixels filled, and then
        alpha (for those that sharpen), or the image as it is.
    check, holds_gil, deep, opencv, on_levels, parameters
        As in `StepKind`.
    """

    def register(function: Function) -> Function:
        return _registered(
            function, alpha, parameters, check=check, holds_gil=holds_gil, deep=deep,
            opencv=opencv, on_levels=on_levels,
        )  # fmt: skip

    return register


def step_on_levels(
    alpha: Alpha, *, opencv: bool = False, **parameters: Parameter
) -> Callable[[Callable[..., OnLevels]], Function]:
    """Register a function that takes parameters and returns one of levels without padding.

    Weights and tables are made there, once for a worker; and between two such steps
    nothing is copied: both would hold the GIL. What comes of it takes images, as all steps
    do. Parameters as of `step`; of premultiplied pixels arrays have four channels.
    """

    def register(prepare: Callable[..., OnLevels]) -> Function:
        prepared = functools.lru_cache(maxsize=_PREPARED)(prepare)

        @functools.wraps(prepare)
        def on_image(image: Image.Image, /, **params: Any) -> Image.Image:
            made = prepared(**params)(levels_of(image))
            return from_levels(made, "RGBa" if image.mode == "RGBa" else None)

        return _registered(
            on_image, alpha, parameters, opencv=opencv, on_levels=prepared, from_images=True
        )

    return register


def _registered(
    function: Function, alpha: Alpha, parameters: dict[str, Parameter], **more: Any
) -> Function:
    ways = {
        "kept": _beside_alpha, "premultiplied": _premultiplied, "apart": _apart, "own": _itself,
    }  # fmt: skip
    registered = ways[alpha](function)
    name = function.__name__
    STEPS[name] = StepKind(name, registered, parameters, **more)
    return registered


def _itself(function: Function) -> Function:
    return function


def _beside_alpha(function: Function) -> Function:
    @functools.wraps(function)
    def apply(image: Image.Image, /, **params: Any) -> Image.Image:
        if image.mode not in ("RGBA", "LA"):
            return function(image, **params)
        return with_alpha_of(image, function(image.convert(image.mode[:-1]), **params))

    return apply


def with_alpha_of(image: Image.Image, colors: Image.Image) -> Image.Image:
    """Give `colors` (RGB or L) the alpha of `image` (RGBA or LA, of the same size)."""
    # It holds the GIL for 1.5 ms of 1500x1500 pixels; by NumPy, free of it, it took 25 ms.
    made = colors.convert(WITH_ALPHA[colors.mode])
    made.putalpha(image.getchannel("A"))
    return made


def _premultiplied(function: Function) -> Function:
    @functools.wraps(function)
    def apply(image: Image.Image, /, **params: Any) -> Image.Image:
        if image.mode not in ("RGBA", "LA"):
            return function(image, **params)
        # Grey too as RGBa, since not everything takes two channels.
        made = function(image.convert("RGBA").convert("RGBa"), **params)
        return made.convert("RGBA").convert(image.mode)

    return apply


def _apart(function: Function) -> Function:
    @functools.wraps(function)
    def apply(image: Image.Image, /, **params: Any) -> Image.Image:
        if image.mode not in ("RGBA", "LA"):
            return function(image, **params)
        import numpy as np

        colors = filled(np.asarray(image))
        mode = image.mode[:-1]
        made = function(Image.fromarray(colors[..., 0] if mode == "L" else colors), **params)
        made = made.convert(image.mode)
        made.putalpha(function(image.getchannel("A"), **params))
        return made

    return apply
