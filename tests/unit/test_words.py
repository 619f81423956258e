"""What the terminal says of plain values."""

from __future__ import annotations

import pytest

from weft.engine.terminal.words import seconds_text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.004, "0.00 s"), (59.99, "59.99 s"), (59.996, "1 min 00 s"), (299.7, "5 min 00 s"), (3725, "62 min 05 s")],
)
def test_seconds_are_rounded_before_they_are_parted(seconds: float, said: str) -> None:
    assert seconds_text(seconds) == said
