"""A store of objects on this machine for each test."""

import pytest

from tests.helpers.s3_server import S3Server


@pytest.fixture
def store(monkeypatch):
    """A server of S3 with an empty bucket, which is the one that the environment names."""
    server = S3Server()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    yield server
    server.close()
