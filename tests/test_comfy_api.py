"""docs/packs.md says of ComfyUI's API what there is of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_table_is_what_the_command_makes() -> None:
    spec = importlib.util.spec_from_file_location("comfy_api_table", ROOT / "docs" / "comfy_api.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.PAGE.read_text()
    assert module.page(text) == text, "run: python docs/comfy_api.py"
    assert "| `comfy.samplers` | " in text and "`MiniMaxH3Model`" in text
