"""What is compared here, with the reference or with each other, is computed from the beginning."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def from_the_beginning(each_for_itself: None) -> None:
    """For every test of this folder."""
