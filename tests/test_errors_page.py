"""docs/errors.md says what Weft prints of common mistakes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_page_is_what_the_command_makes() -> None:
    """In a process of its own: the folder and the environment are another's here."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}
    command = [sys.executable, str(ROOT / "docs" / "errors.py"), "--check"]
    ended = subprocess.run(
        command, env={**environment, "PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True
    )
    assert ended.returncode == 0, f"run: python docs/errors.py\n{ended.stdout}{ended.stderr}"


def test_it_has_forty_mistakes() -> None:
    rows = [line for line in (ROOT / "docs" / "errors.md").read_text().splitlines() if line.count(" | ") == 2]
    assert len(rows) >= 40 + 2 * 2
