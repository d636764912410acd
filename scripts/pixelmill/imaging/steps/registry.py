"""Registry of steps: what recipes can name, with parameters, examples and effects.

A step takes an image and returns one, both in mode RGB, L, RGBA or LA. The decorators handle
transparency, so that most functions never see alpha.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from PIL import Image

from pixelmill.imaging.arrays import array_of, image_of
from pixelmill.imaging.parameters import Parameter
from pixelmill.imaging.steps.alpha import filled

if TYPE_CHECKING:
    from pixelmill.imaging.arrays import Array

Function: TypeAlias = Callable[..., Image.Image]

#: A step whose parameters are set: takes an array and returns one.
ArrayStep: TypeAlias = "Callable[[Array], Array]"

#: Takes all parameters; raises ValueError with what to give if they do not fit together.
Check: TypeAlias = Callable[[Mapping[str, Any]], None]

#: What the function of a step receives if the image has alpha: the colours alone, so that alpha
#: stays as it is; premultiplied pixels, whose neighbours can be averaged; colours and alpha apart,
#: because sharpening would clip premultiplied ones; or the image as it is.
Alpha: TypeAlias = Literal["color_only", "premultiplied", "apart", "any_mode"]

#: Whether the result has the size of the image, one that follows from the parameters (and the
#: image's size), or one that depends on what the image shows.
SizeEffect: TypeAlias = Literal["same", "by_parameters", "by_content"]

#: Whether the result is in colour or grey as the image is, is always grey, is always in colour, or
#: gets colour or transparency if the parameters ask for it.
ModeEffect: TypeAlias = Literal["same", "gray", "color", "by_parameters"]

#: The picture that the gallery shows a step on: the plain one; with little contrast; out of focus;
#: with noise; with black and white pixels; on a white sheet.
Subject: TypeAlias = Literal["photo", "flat", "soft", "noisy", "speckled", "scanned"]

#: Largest side of an output, in pixels: what JPEG can hold.
MAX_SIDE = 65_500

#: How many prepared array steps are kept, each with other parameters; a recipe has fewer.
_PREPARED = 64

#: The mode with alpha for each mode without.
WITH_ALPHA = {"RGB": "RGBA", "L": "LA"}

#: The mode in colour for each mode in grey.
IN_COLOR = {"L": "RGB", "LA": "RGBA"}


@dataclass(frozen=True)
class StepKind:
    """A step that recipes can name.

    Attributes
    ----------
    name : str
    function : callable
        Takes an image and the parameters by name, and returns an image.
    parameters : dict of str to Parameter
    check : callable or None
        Takes all parameters in their normal form, files by the paths that they are read from;
        raises ValueError with what to give if they do not fit together.
    size_effect : {"same", "by_parameters", "by_content"}
        What determines the size of the result.
    mode_effect : {"same", "gray", "color", "by_parameters"}
        What determines whether the result is grey or in colour, and whether it has alpha.
    examples : sequence of mapping
        Parameters to show the step with, as a recipe gives them; tests use the first ones.
    subject : str
        The picture that the gallery shows the step on.
    holds_gil : bool
        Whether it holds the GIL for most of its time, so that threads do not scale.
    deep : bool
        Whether it takes 16-bit grey (Pillow's mode ``I;16``) too, and keeps it.
    opencv : bool
        Whether OpenCV does the work, so that another version may give other pixels.
    on_array : callable or None
        Takes the parameters by name and returns an `ArrayStep`; None if the step works on images.
    array_only : bool
        Whether that takes arrays only, so that an image is converted to one first. Otherwise it
        takes both, and the region that holds the picture, or None.
    """

    name: str
    function: Function
    parameters: dict[str, Parameter]
    check: Check | None = None
    size_effect: SizeEffect = "same"
    mode_effect: ModeEffect = "same"
    examples: Sequence[Mapping[str, Any]] = ({},)
    subject: Subject = "photo"
    holds_gil: bool = False
    deep: bool = False
    opencv: bool = False
    on_array: Callable[..., Any] | None = None
    array_only: bool = False


#: All steps by name.
STEPS: dict[str, StepKind] = {}


def step(
    alpha: Alpha,
    *,
    check: Check | None = None,
    size_effect: SizeEffect = "same",
    mode_effect: ModeEffect = "same",
    examples: Sequence[Mapping[str, Any]] = ({},),
    subject: Subject = "photo",
    holds_gil: bool = False,
    deep: bool = False,
    opencv: bool = False,
    on_array: Callable[..., Any] | None = None,
    **parameters: Parameter,
) -> Callable[[Function], Function]:
    """Register a function as a step with the parameters that a recipe may give.

    Parameters
    ----------
    alpha : {"color_only", "premultiplied", "apart", "any_mode"}
        What the function receives if the image has alpha: its colours alone (for steps that
        change each pixel by itself), premultiplied pixels in mode RGBa (for steps that average
        neighbours), first the colours, with hidden pixels filled, and then alpha (for steps that
        sharpen), or the image as it is.
    check, size_effect, mode_effect, examples, subject : optional
    holds_gil, deep, opencv, on_array, parameters : optional
        As in `StepKind`.
    """

    def register(function: Function) -> Function:
        return _registered(
            function, alpha, parameters, check=check, size_effect=size_effect,
            mode_effect=mode_effect, examples=examples, subject=subject, holds_gil=holds_gil,
            deep=deep, opencv=opencv, on_array=on_array,
        )  # fmt: skip

    return register


def array_step(
    alpha: Alpha,
    *,
    mode_effect: ModeEffect = "same",
    examples: Sequence[Mapping[str, Any]] = ({},),
    subject: Subject = "photo",
    opencv: bool = False,
    **parameters: Parameter,
) -> Callable[[Callable[..., ArrayStep]], Function]:
    """Register a function that takes parameters and returns a function of arrays.

    Weights and tables are computed once for each worker. Between two such steps nothing is
    copied, which would hold the GIL. The registered step takes images, like all others. The
    arrays have no padding; premultiplied pixels have four channels. Parameters are those of
    `step`.
    """

    def register(prepare: Callable[..., ArrayStep]) -> Function:
        prepared = functools.lru_cache(maxsize=_PREPARED)(prepare)

        @functools.wraps(prepare)
        def on_image(image: Image.Image, /, **params: Any) -> Image.Image:
            made = prepared(**params)(array_of(image))
            return image_of(made, "RGBa" if image.mode == "RGBa" else None)

        return _registered(
            on_image, alpha, parameters, mode_effect=mode_effect, examples=examples,
            subject=subject, opencv=opencv, on_array=prepared, array_only=True,
        )  # fmt: skip

    return register


def _registered(
    function: Function, alpha: Alpha, parameters: dict[str, Parameter], **more: Any
) -> Function:
    wrappers = {
        "color_only": _beside_alpha, "premultiplied": _premultiplied, "apart": _apart,
        "any_mode": _unwrapped,
    }  # fmt: skip
    registered = wrappers[alpha](function)
    name = function.__name__
    STEPS[name] = StepKind(name, registered, parameters, **more)
    return registered


def _unwrapped(function: Function) -> Function:
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
