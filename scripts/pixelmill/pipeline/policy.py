"""Policy: what a pass may do and must not, from the config or the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pixelmill.core.sandbox import Sandbox
from pixelmill.imaging.codecs.limits import Limits


@dataclass(frozen=True)
class Policy:
    """How a pass treats what it finds.

    Attributes
    ----------
    limits : Limits
        What an image may cost.
    check_outputs : bool
        Hash outputs too, so that altered ones of the same size are made again.
    retry_failed : tuple of str
        Reasons whose failures are tried again.
    max_removal_rate : float
        A pass that would remove more than this part of the outputs stops and asks.
    collisions : {"rename", "error"}
        What to do where two inputs would give one output.
    durable : bool
        Sync each output to the disk before it counts as made.
    stop_on_first : bool
        Stop at the first image that fails.
    sandbox : Sandbox
        What the processes that make images may do. It decides no pixel, so that no image is
        made again if it changes.
    """

    limits: Limits = field(default_factory=Limits)
    check_outputs: bool = False
    retry_failed: tuple[str, ...] = ()
    max_removal_rate: float = 0.5
    collisions: str = "rename"
    durable: bool = False
    stop_on_first: bool = False
    sandbox: Sandbox = field(default_factory=Sandbox)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Policy:
        """Read the parts of a complete config that make a policy."""
        limits = dict(config["limits"])
        if "formats" in limits:
            limits["formats"] = tuple(limits["formats"])
        return cls(
            limits=Limits(**limits),
            check_outputs=config["run"]["check_outputs"],
            retry_failed=tuple(config["run"]["retry_failed"]),
            max_removal_rate=config["removals"]["max_rate"],
            collisions=config["collisions"],
            durable=config["durable"],
            stop_on_first=config["failures"]["stop_on_first"],
            sandbox=Sandbox.from_config(config["sandbox"]),
        )
