"""Images as bytes, and a catalog that may open no file."""

import pytest
from PIL import Image

from pixelmill.dataset import catalog


@pytest.fixture
def jpeg(encoded):
    return encoded(Image.new("RGB", (12, 8), "teal"), "JPEG")


@pytest.fixture
def png(encoded):
    return encoded(Image.new("RGB", (8, 8), "teal"), "PNG")


@pytest.fixture
def unopenable(monkeypatch):
    """Function after which no file can be opened."""

    def look(path, dated=False):
        raise AssertionError(f"{path} was opened")

    return lambda: monkeypatch.setattr(catalog, "_look", look)
