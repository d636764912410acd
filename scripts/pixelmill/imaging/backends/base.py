"""The interface of a backend, the library that does the work of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from PIL import Image

from pixelmill.imaging.codecs.decoded import Decoded, DecodeOptions, SizeHint
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.parameters import Box, Size
from pixelmill.imaging.recipe import Step

#: Takes a picture and the region of it that a reduced decode left, or None; returns a picture.
Prepared: TypeAlias = Callable[[Any, Box | None], Any]

#: Takes frames, the descriptor of an empty file, and the decoded source; writes the file and
#: returns its content.
Encode: TypeAlias = Callable[[Sequence[Any], int, Decoded], bytes]


class Backend(Protocol):
    """What `pixelmill.imaging.renderer` needs; each backend has its own type of pictures."""

    def decode(
        self, data: bytes, size_hint: SizeHint | None, options: DecodeOptions, limits: Limits
    ) -> Decoded:
        """Decode a file; see `pixelmill.imaging.codecs.decoding.decode`."""

    def prepare(self, step: Step, folder: str) -> Prepared:
        """Return a function that does a step with its parameters."""

    def reduce(self, picture: Any, factor: int, box: Box | None) -> tuple[Any, Box | None]:
        """Average blocks of pixels if that makes a resize faster; return the new region too."""

    def encoder(self, name: str, options: Mapping[str, Any], background: str) -> Encode:
        """Return a function that writes outputs of a format."""

    def size(self, picture: Any) -> Size:
        """Width and height of a picture in pixels."""

    def image(self, picture: Any) -> Image.Image:
        """Return a picture as an image of Pillow."""
