"""docs/packs.md says of ComfyUI's API what there is of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_table_is_what_the_command_makes() -> None:
    """In a process of its own: packs of other tests replace functions in these modules."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(ROOT / "docs" / "comfy_api.py"), "--check"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, f"run: python docs/comfy_api.py\n{ended.stderr}"
