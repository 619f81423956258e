"""docs/differences.md: every line is whole, has an id of its own, and names a test that is there."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "differences.md"
HEADER = ("id", "what", "ComfyUI 0.3.64", "Weft", "why", "test")


class Difference(NamedTuple):
    """A line of the table."""

    id: str
    what: str
    theirs: str
    ours: str
    why: str
    test: str


def differences() -> list[Difference]:
    """The lines of every table of the document, in its order."""
    rows = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    return [Difference(*row) for row in cells if tuple(row) != HEADER and set("".join(row)) != {"-"}]


@functools.cache
def functions(file: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if hasattr(node, "name")}


def test_ids_are_unique_and_stable_words() -> None:
    ids = [row.id for row in differences()]
    assert len(ids) == len(set(ids)) > 0
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in ids), ids


@pytest.mark.parametrize("row", differences(), ids=lambda row: row.id)
def test_a_difference_names_its_test(row: Difference) -> None:
    assert all(row), row
    found = re.fullmatch(r"`(tests/[\w/]+\.py)::(\w+)(\[.+\])?`", row.test)
    assert found, f"expected `tests/FILE.py::test_name`, got {row.test}"
    assert found[2] in functions(ROOT / found[1]), row.test
