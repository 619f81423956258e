"""What the editor does to seeds between runs: the control word after a widget's value."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

from weft.engine.formats.widgets import SEED_NAMES, as_number, plain
from weft.engine.schema.node import InputSpec
from weft.engine.schema.sockets import Combo, Number

MAX_RANDOM = 2**50
"""The largest seed that randomize gives: what JavaScript's random numbers can fill."""


class ControlWord(StrEnum):
    """What happens to a value after a run."""

    FIXED = "fixed"
    INCREMENT = "increment"
    DECREMENT = "decrement"
    RANDOMIZE = "randomize"


class SeedControl(NamedTuple):
    """What happens to an input's value after a run. Inputs with one `place` (a JSON pointer) share one value."""

    word: ControlWord
    place: str

    @property
    def changes(self) -> bool:
        """Whether the value is another one in the next run."""
        return self.word is not ControlWord.FIXED


_LEGACY = {True: ControlWord.RANDOMIZE, False: ControlWord.FIXED, None: ControlWord.FIXED}
_STEPS = {ControlWord.INCREMENT: 1, ControlWord.DECREMENT: -1}


def control_word(spec: InputSpec, saved: Any) -> ControlWord:
    """The word that stands in a control slot: itself, a boolean of early 2023, or the null of a pack's button.

    Anything else is what the editor puts there for a new node: randomize for a seed, fixed for the rest.
    """
    if saved is None or isinstance(saved, bool):
        return _LEGACY[saved]
    try:
        return ControlWord(saved)
    except ValueError:
        return ControlWord.RANDOMIZE if spec.name in SEED_NAMES else ControlWord.FIXED


def next_seed(value: Any, control: ControlWord, spec: InputSpec, random: Callable[[], float]) -> Any:
    """The value of the next run. Numbers keep to the input's range and step, choices to its list.

    `random` gives floats in [0, 1), and is asked once for randomize, else never. A value that is no number, or none of
    the choices, stays as it is unless it is drawn anew.
    """
    if control is ControlWord.FIXED:
        return value
    if isinstance(spec.socket, Combo):
        return _next_choice(value, control, spec.socket, random)
    if not isinstance(spec.socket, Number):
        return value
    low, high, step = (as_number(spec.socket.options.get(name)) for name in ("min", "max", "step"))
    low, high, step = low or 0, MAX_RANDOM if high is None else high, step or 1
    if control is ControlWord.RANDOMIZE:
        low, high = max(low, -MAX_RANDOM), min(high, MAX_RANDOM)
        return plain(math.floor(random() * ((high - low) / step)) * step + low)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return plain(min(max(value + _STEPS[control] * step, low), high))


def _next_choice(value: Any, control: ControlWord, socket: Combo, random: Callable[[], float]) -> Any:
    choices = socket.choices or ()
    if control is ControlWord.RANDOMIZE:
        return choices[math.floor(random() * len(choices))] if choices else value
    if value not in choices:
        return value
    return choices[min(max(choices.index(value) + _STEPS[control], 0), len(choices) - 1)]
