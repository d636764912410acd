"""A web server on this machine."""

import pytest

from tests.helpers.web_server import WebServer


@pytest.fixture(scope="session")
def only_web():
    server = WebServer()
    yield server
    server.close()


@pytest.fixture
def web(only_web, monkeypatch):
    """A web server without answers, in an environment without proxies, and no pauses."""
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    monkeypatch.setattr("pixelmill.transfer.web._PAUSE", 0.0)
    only_web.answers.clear()
    only_web.requests.clear()
    return only_web
