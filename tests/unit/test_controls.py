from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.engine.formats.controls import ControlWord, control_word, next_seed
from weft.engine.formats.widgets import MISSING
from weft.engine.schema.node import InputSpec
from weft.engine.schema.sockets import socket_from

FIXED, INCREMENT, DECREMENT, RANDOMIZE = ControlWord


def spec(io_type: Any = "INT", name: str = "seed", **options: Any) -> InputSpec:
    return InputSpec(name, socket_from(io_type, options))


@pytest.mark.parametrize(
    ("saved", "word"),
    [
        ("fixed", FIXED),
        ("increment", INCREMENT),
        ("decrement", DECREMENT),
        ("randomize", RANDOMIZE),
        (True, RANDOMIZE),
        (False, FIXED),
        (None, FIXED),
        (MISSING, RANDOMIZE),
        (20, RANDOMIZE),
    ],
)
def test_control_words(saved: Any, word: ControlWord) -> None:
    assert control_word(spec(), saved) is word


def test_what_is_no_seed_stays_unless_told() -> None:
    assert control_word(spec(name="value"), MISSING) is FIXED


@pytest.mark.parametrize(
    ("value", "word", "expected"),
    [
        (5, FIXED, 5),
        (5, INCREMENT, 6),
        (5, DECREMENT, 4),
        (0, DECREMENT, 0),
        (2**64 - 1, INCREMENT, 2**64 - 1),
        (2**60, INCREMENT, 2**60 + 1),
        (5, RANDOMIZE, 2**49),
        ("x", INCREMENT, "x"),
        ("x", RANDOMIZE, 2**49),
    ],
)
def test_next_seed(value: Any, word: ControlWord, expected: Any) -> None:
    assert next_seed(value, word, spec(min=0, max=2**64 - 1), lambda: 0.5) == expected


def test_steps_and_ranges() -> None:
    assert next_seed(16, INCREMENT, spec(min=16, max=512, step=8), lambda: 0.0) == 24
    assert next_seed(16, RANDOMIZE, spec(min=16, max=512, step=8), lambda: 0.99) == 16 + 61 * 8
    assert next_seed(0.5, INCREMENT, spec("FLOAT", min=0.0, max=0.6, step=0.25), lambda: 0.0) == 0.6
    assert next_seed(5, RANDOMIZE, spec(min=-(2**63)), lambda: 0.0) == -(2**50)
    assert next_seed("text", RANDOMIZE, spec("STRING"), lambda: 0.5) == "text"


def test_choices() -> None:
    choices = spec(["a", "b", "c"])
    assert [next_seed("b", word, choices, lambda: 0.99) for word in ControlWord] == ["b", "c", "a", "c"]
    assert next_seed("c", INCREMENT, choices, lambda: 0.0) == "c"
    assert next_seed("gone", INCREMENT, choices, lambda: 0.0) == "gone"
    assert next_seed("gone", RANDOMIZE, spec([]), lambda: 0.0) == "gone"


@given(st.floats(0, 1, exclude_max=True), st.integers(-100, 100), st.integers(0, 1000), st.integers(1, 9))
def test_a_random_value_is_in_the_range(draw: float, low: int, span: int, step: int) -> None:
    value = next_seed(0, RANDOMIZE, spec(min=low, max=low + span, step=step), lambda: draw)
    assert low <= value <= low + span
    assert (value - low) % step == 0
