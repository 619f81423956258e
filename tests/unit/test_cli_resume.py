"""A sampler that is killed, or stopped, goes on where it was: the same bytes as without."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEPS = 40
SETTINGS = {"steps": STEPS, "sampler_name": "dpmpp_2m_sde"}
"""A sampler with a memory and with noise, in one stage."""


def run(
    folder: Path, *options: str, end: signal.Signals | None = None, at: int = 0
) -> tuple[int, dict[str, list[int]]]:
    """How `weft run` ends that gets a signal after a step, and the steps that it told of, by event."""
    values = {"6.end_at_step": STEPS, "7.start_at_step": STEPS}
    values |= {f"{node}.{name}": value for node in (6, 7) for name, value in SETTINGS.items()}
    changes = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    command = [sys.executable, "-m", "weft", "run", str(ROOT / "workflows" / "prompt_switch.api.json"), *changes]
    environment = {**os.environ, "WEFT_CHECKPOINT_SECONDS": "0.1", "PYTHONPATH": os.pathsep.join(sys.path)}
    told: dict[str, list[int]] = {}
    silent: dict[str, Any] = {"stderr": subprocess.DEVNULL, "env": environment, "text": True}
    place = ("--events", "--output", str(folder))
    with subprocess.Popen([*command, *place, *options], stdout=subprocess.PIPE, **silent) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event: dict[str, Any] = json.loads(line)
            if event.get("node_id") == "6" and "value" in event:
                told.setdefault(event["event"], []).append(event["value"])
                if end is not None and event["value"] == at:
                    process.send_signal(end)
    return process.returncode, told


@pytest.mark.slow
def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    cache = ("--cache", str(tmp_path / "cache"))
    assert run(tmp_path / "cold", "--no-cache")[0] == 0
    code, told = run(tmp_path / "out", *cache, end=signal.SIGKILL, at=15)
    assert (code, "NodeResumed" in told) == (-signal.SIGKILL, False)
    code, told = run(tmp_path / "out", *cache, end=signal.SIGINT, at=30)
    (first,) = told["NodeResumed"]
    assert code == 130 and 1 <= first <= 15
    assert told["Progress"][0] == first + 1
    reached = told["Progress"][-1]
    code, told = run(tmp_path / "out", *cache)
    # The step that was told of last may have been done by then, or not; all before it are.
    (first,) = told["NodeResumed"]
    assert code == 0 and first in (reached - 1, reached)
    assert told["Progress"] == list(range(first + 1, STEPS + 1))
    (cold,), (warm,) = (list((tmp_path / name).glob("*.png")) for name in ("cold", "out"))
    assert cold.read_bytes() == warm.read_bytes()
