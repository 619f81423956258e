"""Trajectory: what is known, before it runs, of a node that passes through states step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from weft.engine.settings import Settings


class Trajectory(NamedTuple):
    """The steps of a node: two nodes of one identity and one schedule have the same after every step that both do.

    `identity` is what the states are computed from, beside the schedule: plain data, and bytes for what is linked; None
    for a node that shares no steps. `schedule` says what its steps are, `steps` which of them it does; None where this
    is known only when it runs. `calls` says how often each of them evaluates a network. With `own_end` the last state
    is that of no other node that goes further.
    """

    identity: Mapping[str, Any] | None
    schedule: Any = None
    steps: range | None = None
    calls: tuple[int, ...] | None = None
    own_end: bool = False


Tell = Callable[[Mapping[str, Any], Settings], Trajectory | None]
"""(inputs, settings of the run) -> the trajectory of a node. Of an input that is linked, bytes that say to what."""
