"""Registry of backends, by their names in recipes."""

from __future__ import annotations

from pixelmill.imaging.backends.base import Backend
from pixelmill.imaging.backends.pillow import Pillow


def backend(name: str) -> Backend:
    """Return a backend by its name in a recipe; its library is imported here."""
    if name == "opencv":
        from pixelmill.imaging.backends.opencv import OpenCV

        return OpenCV()
    return Pillow()
