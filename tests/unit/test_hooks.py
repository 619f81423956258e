"""The hooks for pre-commit: each entry is a command that takes what pre-commit appends, the names of .json files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from weft.cli import main

ROOT = Path(__file__).resolve().parents[2]
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_passes_over_other_files_and_fails_for_a_bad_workflow(
    hook: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "package.json").write_text('{"name": "x"}')
    workflow = (ROOT / "workflows" / "txt2img.json").read_text()
    (tmp_path / "good.json").write_text(workflow)
    (tmp_path / "bad.json").write_text(workflow.replace('"links": [', '"links" [', 1))
    program, *arguments = shlex.split(hook["entry"])
    assert program == "weft" and hook["id"] == f"weft-{arguments[0]}"
    assert re.search(hook["files"], "all/good.json") and not re.search(hook["files"], "good.png")
    assert main([*arguments, "package.json"]) == 0
    assert main([*arguments, "good.json", "package.json"]) == 0
    assert main([*arguments, "good.json", "bad.json"]) != 0


def test_the_documents_show_every_hook() -> None:
    assert all(f"id: {hook['id']}\n" in (ROOT / "docs" / "batches.md").read_text() for hook in HOOKS)
