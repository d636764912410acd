"""Processes that decode images do not know the credentials of object stores and machines."""

import os

from pixelmill.core import credentials


def test_what_the_environment_says_about_places_is_forgotten(monkeypatch):
    names = ("AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "GOOGLE_APPLICATION_CREDENTIALS")
    names += ("SSH_AUTH_SOCK", "SSH_ASKPASS", "KRB5CCNAME")
    for name in (*names, "MY_AWS_KEY"):
        monkeypatch.setenv(name, "planted")
    path = os.environ["PATH"]
    credentials.forget()
    assert not any(name in os.environ for name in names)
    assert (os.environ["MY_AWS_KEY"], os.environ["PATH"]) == ("planted", path)
