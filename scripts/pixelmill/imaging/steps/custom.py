"""Steps that users write: ``- call: {function: "my_steps:boost", amount: 2}``.

The function takes an image and returns one. The annotation of its first argument says which kind:
``numpy.ndarray`` for a uint8 array of shape (height, width, channels) or (height, width), alpha
last; anything else for a `PIL.Image.Image`. The file is searched for beside the config, then on
Python's path. It is parsed when the recipe is checked, and runs only when images are processed.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import json
import os
import re
import signal
import sys
import traceback
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from pixelmill.core import regular_files
from pixelmill.core.errors import ImageError, UserError, describe, shown
from pixelmill.imaging.codecs.color import WORKING_MODES
from pixelmill.imaging.steps import process_state

_REFERENCE = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)")


def check(params: Mapping[str, Any], where: str, folder: str) -> dict[str, Any]:
    """Check a call: the function exists and takes these parameters.

    Parameters
    ----------
    params : mapping
        ``function`` and the keyword arguments.
    where : str
        Name of the step, for messages.
    folder : str
        Folders in which the module is searched for first, separated as in a search path.

    Raises
    ------
    UserError
        If something is wrong. No code of the user's file runs.
    """
    reference = params.get("function")
    if not isinstance(reference, str) or not _REFERENCE.fullmatch(reference):
        raise UserError(
            f"{where}.function: '{reference}' names no function; "
            'write "module:function", such as "my_steps:boost".'
        )
    module, name = reference.split(":")
    try:
        path = find(reference, folder)
    except UserError as error:
        raise UserError(f"{where}.function: {error}") from error
    for key, value in params.items():
        if not _is_plain(value):
            raise UserError(
                f"{where}.{key}: found {shown(value)}; give numbers, texts, lists or maps."
            )
    try:
        text = regular_files.content(path, _MOST_BYTES).decode("utf-8")
        tree = ast.parse(text, str(path))
    except OSError as error:
        raise UserError(f"{where}.function: '{path}' cannot be read: {error.strerror}.") from error
    except (SyntaxError, UnicodeDecodeError) as error:
        line = getattr(error, "lineno", None) or 1
        raise UserError(f"{where}.function: '{path}', line {line}: {error}") from error
    function = next(
        (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name), None
    )
    if function is None:
        raise UserError(
            f"{where}.function: '{path}' has no function '{name}' at its top level; "
            "define it there, or correct the name."
        )
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    if not names and not arguments.vararg:
        raise UserError(
            f"{where}.function: '{module}:{name}' takes no image; give it a first argument."
        )
    allowed = names[1:] + [a.arg for a in arguments.kwonlyargs]
    given = [key for key in params if key != "function"]
    unknown = [key for key in given if key not in allowed]
    if unknown and not arguments.kwarg:
        raise UserError(
            f"{where}.{unknown[0]}: '{module}:{name}' takes no such parameter; "
            f"it takes {', '.join(allowed) or 'none'}."
        )
    optional = names[len(names) - len(arguments.defaults) :] + [
        a.arg
        for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if d is not None
    ]
    missing = [key for key in allowed if key not in given and key not in optional]
    if missing:
        raise UserError(f"{where}.{missing[0]}: '{module}:{name}' needs this parameter; give it.")
    return dict(params)


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def find(reference: str, folder: str) -> Path:
    """Path of the file that a reference ``module:function`` points to.

    Raises
    ------
    UserError
        If there is none.
    """
    module = reference.split(":")[0]
    for place in folder.split(os.pathsep):
        beside = Path(place, *module.split(".")).with_suffix(".py")
        if os.path.isfile(beside):  # False for a name that is too long
            return beside
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        raise UserError(
            f"the step's module '{module}' is neither '{beside}' nor on Python's path; "
            "put the file beside the config, or correct the name."
        )
    return Path(spec.origin)


@functools.cache
def load(reference: str, folder: str) -> Callable[..., Any]:
    """Import the function, once in each process."""
    path = find(reference, folder)
    name = f"pixelmill_own_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # A user's file may import its neighbours.
    if (beside := str(path.parent)) not in sys.path:
        sys.path.append(beside)
    spec.loader.exec_module(module)
    function: Callable[..., Any] = getattr(module, reference.split(":")[1])
    return function


def call(image: Image.Image, params: Mapping[str, Any], folder: str) -> Image.Image:
    """Run a user's function on an image.

    Raises
    ------
    ImageError
        If the function raises, or does not return an image; with its file and line.
    """
    arguments = {key: value for key, value in params.items() if key != "function"}
    before = process_state.remembered()
    try:
        return _checked(_called(image, params["function"], arguments, folder))
    except (ImageError, MemoryError):
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) != _IGNORED:
            raise  # from the user
        raise ImageError(
            "steps", "step_failed", _locate(error, params["function"], folder)
        ) from error
    finally:
        before.restore()


#: Largest size of a file of own steps, in bytes.
_MOST_BYTES = 4 * 2**20

#: Workers ignore Ctrl-C, so that there only a step raises KeyboardInterrupt.
_IGNORED = signal.SIG_IGN


def _called(
    image: Image.Image, reference: str, arguments: Mapping[str, Any], folder: str
) -> Image.Image:
    """Call a user's function with the kind of image that it takes."""
    function = load(reference, folder)
    if _takes_array(function):
        import numpy as np

        made = function(np.array(image), **arguments)
        if not isinstance(made, np.ndarray) or made.dtype != np.uint8:
            raise TypeError("an array step must return a uint8 array")
        return Image.fromarray(made)
    result = function(image, **arguments)
    if not isinstance(result, Image.Image):
        raise TypeError("a step must return an image")
    return result


def _checked(image: Image.Image) -> Image.Image:
    """Check that an image is consistent, and convert it to a mode that steps take."""
    image.load()
    if (image.size, image.mode) != (image.im.size, image.im.mode):
        raise TypeError("the size or mode of the image is not that of its pixels")
    return image if image.mode in WORKING_MODES else image.convert("RGB")


def _takes_array(function: Callable[..., Any]) -> bool:
    first = next(iter(inspect.signature(function).parameters), None)
    hint = typing.get_type_hints(function).get(first or "")
    return getattr(typing.get_origin(hint) or hint, "__name__", "") == "ndarray"


def _locate(error: BaseException, reference: str, folder: str) -> str:
    """Say at which line of the user's file an error was raised."""
    own = os.path.abspath(find(reference, folder))
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if os.path.abspath(frame.filename) == own]
    if isinstance(error, SyntaxError) and error.filename == own:
        lines = [error.lineno]
    place = f"{os.path.basename(own)}, line {lines[-1]}" if lines else reference
    return f"{place}: {describe(error)}"
