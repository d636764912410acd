"""Backends: which library decodes, does the steps and encodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from PIL import Image

from pixelmill import decoding, encoding, files, jpeg, own_steps
from pixelmill.decoding import Decoded, Reading, Target
from pixelmill.levels import from_levels, levels_of, reduced
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
        path: str,
        name: str,
        options: Mapping[str, Any],
        background: str,
        decoded: Decoded,
    ) -> bytes:
        """Write an output to a file, whose folder is made, and return what was written."""

    def size(self, picture: Any) -> Size:
        """Width and height in pixels."""


class Pillow:
    """The default: every step and every format.

    Its pictures are Pillow's images or, as long as all can work on them, levels.
    """

    def decode(
        self, data: bytes, target: Target | None, reading: Reading, limits: Limits
    ) -> Decoded:
        """Decode a file."""
        return decoding.decode(data, target, reading, limits, as_levels=True)

    def apply(
        self, picture: Any, name: str, params: Mapping[str, Any], box: Box | None, folder: str
    ) -> Any:
        """Do one step."""
        if name == "call":
            return own_steps.call(_image(picture), params, folder)
        kind = STEPS[name]
        given = params if box is None else {**params, "box": box}
        if kind.on_levels is not None:
            if not isinstance(picture, Image.Image):
                return kind.on_levels(picture, **given)
            if kind.from_images and picture.mode in ("L", "RGB"):  # 8 bits, no alpha
                return kind.on_levels(levels_of(picture), **given)
        return kind.function(_image(picture), **given)

    def reduce(self, picture: Any, factor: int, box: Box | None) -> tuple[Any, Box | None]:
        """Average blocks of pixels, and follow the region through it."""
        left, top, right, bottom = box or (0, 0, *self.size(picture))
        region = (left / factor, top / factor, right / factor, bottom / factor)
        if isinstance(picture, Image.Image):
            return picture.reduce(factor), region
        return reduced(picture, factor), region

    def encode(
        self,
        frames: Sequence[Any],
        path: str,
        name: str,
        options: Mapping[str, Any],
        background: str,
        decoded: Decoded,
    ) -> bytes:
        """Write an output to a file, and return what was written."""
        first = frames[0]
        plain = name == "jpeg" and not decoded.exif and decoded.profile is None
        if plain and not isinstance(first, Image.Image) and first.ndim == 3:
            data = jpeg.encode(first, encoding.values_of(name, options))
            files.write(path, data)
            return data
        images = [_image(frame) for frame in frames]
        return encoding.encode_to(path, images, name, options, background, decoded)

    def size(self, picture: Any) -> Size:
        """Width and height in pixels."""
        return picture.size if isinstance(picture, Image.Image) else picture.shape[1::-1]


def _image(picture: Any) -> Image.Image:
    return picture if isinstance(picture, Image.Image) else from_levels(picture)


def backend(name: str) -> Backend:
    """Backend by its name in a recipe; its library is imported only now."""
    if name == "opencv":
        from pixelmill.opencv_backend import OpenCV

        return OpenCV()
    return Pillow()
