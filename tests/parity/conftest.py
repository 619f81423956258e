"""What is compared here, with the reference or with each other, is computed from the beginning, in its numbers.

The reference is ComfyUI 0.3.64's, but for what says otherwise.
"""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def from_the_beginning(each_for_itself: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """For every test of this folder."""
    monkeypatch.setenv("WEFT_NUMBERS", "0.3.64")
