"""Trajectory: what is known, before it runs, of a node that passes through states step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


class ForetoldInputs(dict[str, Any]):
    """The inputs of a node, as far as they are known before it runs.

    Of one that is linked there are bytes that say to what; or its value, where the source foretells a number or a text.
    What else sources foretell is in `foretold`, by input.
    """

    def __init__(self, inputs: Mapping[str, Any], foretold: Mapping[str, Any]) -> None:
        super().__init__(inputs)
        self.foretold = foretold


Tell = Callable[[ForetoldInputs, Settings], Trajectory | None]
"""(inputs, settings of the run) -> the trajectory of a node."""

Foretell = Callable[[ForetoldInputs, Settings], Sequence[Any] | None]
"""(inputs, settings of the run) -> what is known of a node's outputs before it runs, slot by slot: a number or a text
is its very value; None where nothing is known."""


def its_values(given: ForetoldInputs, settings: Settings) -> Sequence[Any]:
    """See Foretell: of a node that gives what it is given."""
    return [None if type(value) is bytes else value for value in given.values()]
