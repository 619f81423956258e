"""Processes that share a cache, killed at random moments: no corrupt read, no finished cell lost, no other result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from weft import DiskCache

from . import kills


def slaughtered(folder: Path, count: int, *arguments: str, seed: int = 1) -> dict[str, Any]:
    """What tests/kills.py tells of so many kills."""
    command = [sys.executable, str(Path(kills.__file__)), str(folder), str(seed), str(count), *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=7200)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def check_toys(folder: Path, count: int) -> None:
    found = slaughtered(folder, count)
    assert found["kills"] >= count
    assert {**found, "kills": 0, "ends": 0} == {
        "kills": 0, "ends": 0, "codes": [0], "said": [], "computed again": [], "wrong": []}  # fmt: skip
    cache = DiskCache(folder / "cache")
    # Half a file that nobody will finish is no fault.
    assert {fault.kind for fault in cache.verify()} <= {"unknown"}
    cache.close()


def test_toys(tmp_path: Path) -> None:
    check_toys(tmp_path, 6)


@pytest.mark.slow
def test_toys_a_hundred_times(tmp_path: Path) -> None:
    check_toys(tmp_path, 100)
