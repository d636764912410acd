"""Backends: which library decodes, does the steps and encodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias

from PIL import Image

from pixelmill import decoding, encoding, jpeg, own_steps
from pixelmill.core import files
from pixelmill.decoding import Decoded, Reading
from pixelmill.jpeg import Target
from pixelmill.levels import from_levels, levels_of, packed, reduced
from pixelmill.limits import Limits
from pixelmill.operations import STEPS, Box, Size
from pixelmill.recipe import Step

#: Takes a picture and, of what was decoded smaller, the region that holds it; returns one.
Prepared: TypeAlias = Callable[[Any, Box | None], Any]

#: Takes frames, the descriptor of an empty file, and what was decoded; writes the file and
#: returns its content.
Encode: TypeAlias = Callable[[Sequence[Any], int, Decoded], bytes]


class Backend(Protocol):
    """What `pixelmill.transform` needs of a library; pictures are its own kind of array."""

    def decode(
        self, data: bytes, target: Target | None, reading: Reading, limits: Limits
    ) -> Decoded:
        """Decode a file; see `pixelmill.decoding.decode`."""

    def prepare(self, step: Step, folder: str) -> Prepared:
        """Return what does a step; all that its parameters decide is decided here, once."""

    def reduce(self, picture: Any, factor: int, box: Box | None) -> tuple[Any, Box | None]:
        """Average blocks of pixels, where that makes a resize faster; follow the region."""

    def encoder(self, name: str, options: Mapping[str, Any], background: str) -> Encode:
        """Return what writes outputs of a format."""

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
        return decoding.decode_to_levels(data, target, reading, limits)

    def prepare(self, step: Step, folder: str) -> Prepared:
        """Return what does a step."""
        if step.name == "call":
            return lambda picture, box: own_steps.call(_image(picture), step.params, folder)
        kind = STEPS[step.name]
        on_image = partial(kind.function, **step.params)
        if kind.on_levels is None:
            return lambda picture, box: on_image(_image(picture))
        on_levels: Callable[..., Any] = kind.on_levels(**step.params)
        if not kind.from_images:
            return on_levels

        def do(picture: Any, box: Box | None) -> Any:
            if not isinstance(picture, Image.Image):
                # What owns its memory is not padded; to ask `packed` costs a microsecond.
                return on_levels(picture if picture.base is None else packed(picture))
            if picture.mode in ("L", "RGB"):  # 8 bits, no alpha
                return on_levels(levels_of(picture))
            return on_image(picture)

        return do

    def reduce(self, picture: Any, factor: int, box: Box | None) -> tuple[Any, Box | None]:
        """Average blocks of pixels, and follow the region through it."""
        left, top, right, bottom = box or (0, 0, *self.size(picture))
        region = (left / factor, top / factor, right / factor, bottom / factor)
        if isinstance(picture, Image.Image):
            return picture.reduce(factor), region
        return reduced(picture, factor), region

    def encoder(self, name: str, options: Mapping[str, Any], background: str) -> Encode:
        """Return what writes outputs of a format."""
        values = encoding.values_of(name, options)
        encode_levels = jpeg.encoder(**values) if name == "jpeg" else None

        def encode(frames: Sequence[Any], descriptor: int, decoded: Decoded) -> bytes:
            first = frames[0]
            plain = (
                not decoded.exif and decoded.profile is None and not isinstance(first, Image.Image)
            )
            if encode_levels is not None and plain and first.ndim == 3:
                data = encode_levels(first)
                files.write_all(descriptor, data)
                return data
            images = [_image(frame) for frame in frames]
            return encoding.encode_to(descriptor, images, name, values, background, decoded)

        return encode

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
