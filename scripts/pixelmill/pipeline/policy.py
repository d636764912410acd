"""Policy: what a pass is allowed to do, from the config or the command line."""

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
        Whether outputs are compared with their digests, so that altered ones of the same size
        are rendered again.
    retry_failed : tuple of str
        Reasons whose failures are tried again.
    max_removal_rate : float
        The largest share of the outputs, 0..1, that a pass may remove. If it would remove more,
        it stops and asks.
    collisions : {"rename", "error"}
        What to do if two inputs have the same output name.
    durable : bool
        Whether each output is synced to the disk before it is recorded.
    stop_on_first : bool
        Whether the pass stops at the first image that fails.
    sandbox : Sandbox
        What the rendering processes are allowed to do. It decides no pixel, so a change of it
        makes no image stale.
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
        """Build the policy from a complete config."""
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
