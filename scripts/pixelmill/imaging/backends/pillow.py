"""Pillow as a backend, with every step and every format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from PIL import Image

from pixelmill.core import files
from pixelmill.imaging.arrays import array_of, as_bgr, image_of, reduced
from pixelmill.imaging.backends.base import Encode, Prepared
from pixelmill.imaging.codecs import decoding, encoding
from pixelmill.imaging.codecs.decoded import Decoded, DecodeOptions, SizeHint
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.parameters import Box, Size
from pixelmill.imaging.recipe import Step
from pixelmill.imaging.steps import STEPS, custom


class Pillow:
    """The default backend.

    Pictures are Pillow's images, or arrays as long as all steps can work on them.
    """

    def decode(
        self, data: bytes, size_hint: SizeHint | None, options: DecodeOptions, limits: Limits
    ) -> Decoded:
        """Decode a file."""
        return decoding.decode_to_array(data, size_hint, options, limits)

    def prepare(self, step: Step, folder: str) -> Prepared:
        """Return a function that does a step."""
        if step.name == "call":
            return lambda picture, box: custom.call(_image(picture), step.params, folder)
        kind = STEPS[step.name]
        on_image = partial(kind.function, **step.params)
        if kind.on_array is None:
            return lambda picture, box: on_image(_image(picture))
        on_array: Callable[..., Any] = kind.on_array(**step.params)
        if not kind.array_only:
            return on_array

        def do(picture: Any, box: Box | None) -> Any:
            if not isinstance(picture, Image.Image):
                return on_array(as_bgr(picture))
            if picture.mode in ("L", "RGB"):  # 8 bits, no alpha
                return on_array(array_of(picture))
            return on_image(picture)

        return do

    def reduce(self, picture: Any, factor: int, box: Box | None) -> tuple[Any, Box | None]:
        """Average blocks of pixels, and return the region in the result."""
        left, top, right, bottom = box or (0, 0, *self.size(picture))
        region = (left / factor, top / factor, right / factor, bottom / factor)
        if isinstance(picture, Image.Image):
            return picture.reduce(factor), region
        return reduced(picture, factor), region

    def encoder(self, name: str, options: Mapping[str, Any], background: str) -> Encode:
        """Return a function that writes outputs of a format."""
        format_ = OUTPUT_FORMATS[name]
        values = format_.values_of(options)
        encode_array = format_.array_encoder(values)

        def encode(frames: Sequence[Any], descriptor: int, decoded: Decoded) -> bytes:
            first = frames[0]
            plain = (
                not decoded.exif and decoded.profile is None and not isinstance(first, Image.Image)
            )
            if encode_array is not None and plain and first.ndim == 3:
                data = encode_array(first)
                files.write_all(descriptor, data)
                return data
            images = [_image(frame) for frame in frames]
            return encoding.encode_to(descriptor, images, name, values, background, decoded)

        return encode

    def size(self, picture: Any) -> Size:
        """Width and height of a picture in pixels."""
        return picture.size if isinstance(picture, Image.Image) else picture.shape[1::-1]

    def image(self, picture: Any) -> Image.Image:
        """Return a picture as an image."""
        return _image(picture)


def _image(picture: Any) -> Image.Image:
    return picture if isinstance(picture, Image.Image) else image_of(picture)
