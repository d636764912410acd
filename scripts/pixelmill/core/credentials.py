"""Credentials: what the environment says about places, kept from processes that decode."""

from __future__ import annotations

import os

#: How the names of variables begin by which programs find object stores and their secrets, and
#: agents that sign in to other machines.
_STORES = ("AWS_", "AZURE_", "GOOGLE_", "GCS_", "GCP_", "OBJECT_STORE_")
_MACHINES = ("SSH_", "KRB5")


def forget() -> None:
    """Remove them from the environment of this process, and so of those that it starts."""
    for name in list(os.environ):
        if name.upper().startswith(_STORES + _MACHINES):
            del os.environ[name]
