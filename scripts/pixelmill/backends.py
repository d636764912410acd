"""Backends: which library decodes, does the steps and encodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any, Protocol

from PIL import Image

from pixelmill import decoding, encoding, own_steps
from pixelmill.decoding import Decoded, Reading, Target
from pixelmill.limits import Limits
from pixelmill.operations import STEPS, Box, Size


class Backend(Protocol):
    """What `pixelmill.transform` needs of a library; pictures are its own kind of array."""

    def decode(
        self, data: bytes, target: Target | None, reading: Reading, limits: Limits
    ) -> Decoded:
        """Decode a file; see `pixelmill.decoding.decode`."""

    def apply(
        self, picture: Any, name: str, params: Mapping[str, Any], box: Box | None, folder: str
    ) -> Any:
        """Do one step."""

    def reduce(self, picture: Any, factor: int, box: Box | None) -> tuple[Any, Box | None]:
        """Average blocks of pixels, where that makes a resize faster; follow the region."""

    def encode(
        self,
        frames: Sequence[Any],
        file: IO[bytes],
        name: str,
        options: Mapping[str, Any],
        background: str,
        decoded: Decoded,
    ) -> None:
        """Write an output to an open file."""

    def size(self, picture: Any) -> Size:
        """Width and height in pixels."""


class Pillow:
    """The default: every step and every format."""

    def decode(
        self, data: bytes, target: Target | None, reading: Reading, limits: Limits
    ) -> Decoded:
        """Decode a file."""
        return decoding.decode(data, target, reading, limits)

    def apply(
        self,
        picture: Image.Image,
        name: str,
        params: Mapping[str, Any],
        box: Box | None,
        folder: str,
    ) -> Image.Image:
        """Do one step."""
        if name == "call":
            return own_steps.call(picture, params, folder)
        if box is not None:
            return STEPS[name].function(picture, **params, box=box)
        return STEPS[name].function(picture, **params)

    def reduce(
        self, picture: Image.Image, factor: int, box: Box | None
    ) -> tuple[Image.Image, Box | None]:
        """Average blocks of pixels, and follow the region through it."""
        left, top, right, bottom = box or (0, 0, *picture.size)
        region = (left / factor, top / factor, right / factor, bottom / factor)
        return picture.reduce(factor), region

    def encode(
        self,
        frames: Sequence[Image.Image],
        file: IO[bytes],
        name: str,
        options: Mapping[str, Any],
        background: str,
        decoded: Decoded,
    ) -> None:
        """Write an output to an open file."""
        encoding.encode(
            frames,
            file,
            name,
            options,
            background=background,
            profile=decoded.profile,
            exif=decoded.exif,
            durations=decoded.durations,
            loop=decoded.loop,
        )

    def size(self, picture: Image.Image) -> Size:
        """Width and height in pixels."""
        return picture.size


def backend(name: str) -> Backend:
    """Backend by its name in a recipe; its library is imported only now."""
    if name == "opencv":
        from pixelmill.opencv_backend import OpenCV

        return OpenCV()
    return Pillow()
