"""Processes that share a cache, killed at random moments: no corrupt read, no finished cell lost, no other result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from . import kills

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"


def slaughtered(folder: Path, count: int, *arguments: str, seed: int = 1) -> dict[str, Any]:
    """What tests/kills.py tells of so many kills."""
    command = [sys.executable, str(Path(kills.__file__)), str(folder), str(seed), str(count), *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=7200)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def check(folder: Path, count: int, *arguments: str) -> None:
    found = slaughtered(folder, count, *arguments)
    assert found.pop("kills") >= count and found.pop("rounds") > 0
    assert found == {"codes": [0], "said": [], "lost": [], "wrong": []}


def test_toys(tmp_path: Path) -> None:
    check(tmp_path, 6)


@pytest.mark.slow
def test_toys_a_hundred_times(tmp_path: Path) -> None:
    check(tmp_path, 100)


@pytest.mark.slow
def test_a_sweep_a_hundred_times(tmp_path: Path) -> None:
    """On the model that comes with Weft: pictures are those of an undisturbed sweep, to the last byte."""
    axes = ("--grid", "KSampler.cfg=1,4", "--grid", "KSampler.steps=2..4", "--grid", "KSampler.seed=1,2")
    models = ("--models", str(WORKFLOWS / "models"), "--device", "cpu")
    check(tmp_path, 100, str(WORKFLOWS / "txt2img.json"), *axes, *models)
