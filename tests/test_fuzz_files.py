"""Files made bad at random: each is read or refused by one clean error, in bounded memory, in one child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("fuzzing.py")
CASES = 150
SECONDS = 120


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(("--cases", str(CASES)), id="the same ones every time"),
        pytest.param(("--seconds", str(SECONDS)), id="others every time", marks=pytest.mark.slow),
    ],
)
def test_files_made_bad(how: tuple[str, str], tmp_path: Path) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run([sys.executable, str(SCRIPT), *how], capture_output=True, text=True, env=env)
    lines = ended.stdout.splitlines()
    failed = ended.stdout.partition("FAILED ")
    again = f"again: python {SCRIPT} TARGET SEED"
    assert not failed[1], f"{failed[1]}{failed[2][:4000]}\n{again}"
    assert ended.returncode == 0, f"exit {ended.returncode} at {lines[-1:]}: {ended.stderr[-2000:]}\n{again}"
    # Neither so good that all is read, nor so bad that nothing comes further than the first bytes.
    counts = json.loads(lines[-1])
    assert [name for name, count in counts.items() if not (count["read"] and count["refused"])] == []
