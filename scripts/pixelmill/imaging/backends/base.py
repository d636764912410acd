"""What the renderer needs of a backend, the library that does a recipe's work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from pixelmill.imaging.codecs.decoded import Decoded, DecodeOptions, SizeHint
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.parameters import Box, Size
from pixelmill.imaging.recipe import Step

#: Takes a picture and, of what was decoded smaller, the region that holds it; returns one.
Prepared: TypeAlias = Callable[[Any, Box | None], Any]

#: Takes frames, the descriptor of an empty file, and what was decoded; writes the file and
#: returns its content.
Encode: TypeAlias = Callable[[Sequence[Any], int, Decoded], bytes]


class Backend(Protocol):
    """What `pixelmill.imaging.renderer` needs of a library; pictures are its own kind of array."""

    def decode(
        self, data: bytes, target: SizeHint | None, reading: DecodeOptions, limits: Limits
    ) -> Decoded:
        """Decode a file; see `pixelmill.imaging.codecs.decoding.decode`."""

    def prepare(self, step: Step, folder: str) -> Prepared:
        """Return what does a step; all that its parameters decide is decided here, once."""

    def reduce(self, picture: Any, factor: int, box: Box | None) -> tuple[Any, Box | None]:
        """Average blocks of pixels, where that makes a resize faster; follow the region."""

    def encoder(self, name: str, options: Mapping[str, Any], background: str) -> Encode:
        """Return what writes outputs of a format."""

    def size(self, picture: Any) -> Size:
        """Width and height in pixels."""
