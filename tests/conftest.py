"""Fixtures shared by every test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def shared_folder() -> Path:
    """Where the reference data lies: WEFT_SHARED, else ../shared beside the checkout."""
    return Path(os.environ.get("WEFT_SHARED") or ROOT.parent / "shared").resolve()


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = shared_folder()
    if not folder.is_dir():
        pytest.skip("reference data absent: set WEFT_SHARED to its folder")
    return folder


@pytest.fixture(scope="session")
def parity(shared: Path) -> Path:
    return shared / "parity"
