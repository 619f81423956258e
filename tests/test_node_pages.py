"""docs/nodes/ is what its command makes, and its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "nodes"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("weft_docs_node_pages", FOLDER.parent / "node_pages.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_what_the_command_makes(script: ModuleType) -> None:
    texts = script.made()
    assert script.stale(texts) == [], f"make them anew: {script.COMMAND}"
    assert len({name.casefold() for name in texts}) == len(texts), "some systems cannot tell two of them apart"


def test_every_link_leads_to_a_page() -> None:
    there = {file.name for file in FOLDER.glob("*.md")}
    linked = {
        unquote(link) for file in FOLDER.glob("*.md") for link in re.findall(r"\]\((\S+?)\)", file.read_text("utf-8"))
    }
    assert linked == there


def test_a_page_that_is_not_up_to_date_is_noticed(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "Gone.md").write_text("x")
    (tmp_path / "A.md").write_text("x")
    (tmp_path / "B.md").write_text("y")
    monkeypatch.setattr(script, "FOLDER", tmp_path)
    assert script.stale({"A.md": "x", "B.md": "z", "New.md": ""}) == ["B.md", "Gone.md", "New.md"]
