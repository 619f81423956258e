"""docs/glossary.md and docs/changing.md name what is there; no two classes have one name."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
ROWS = re.findall(r"^\| (`.+?) \| .+ \| (\S+\.py) \|$", GLOSSARY, re.MULTILINE)
NAMES = [(name, place) for names, place in ROWS for name in re.findall(r"`(\w+)`", names)]


def defined(file: Path) -> Iterator[str]:
    """The names that a module makes at its top: classes, functions, values."""
    for statement in ast.parse(file.read_text()).body:
        match statement:
            case ast.ClassDef() | ast.FunctionDef():
                yield statement.name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def test_the_glossary_is_read() -> None:
    assert len(NAMES) > 80
    assert len({name for name, _ in NAMES}) == len(NAMES), "a name stands there twice"


@pytest.mark.parametrize(("name", "place"), NAMES)
def test_a_term_stands_where_the_glossary_says(name: str, place: str) -> None:
    assert name in set(defined(ROOT / place))


def test_no_two_classes_have_one_name() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for package in ("engine", "nodes"):
        for file in sorted((ROOT / package).rglob("*.py")):
            if "nodes/compat/modules" in str(file):
                continue  # its names are ComfyUI's
            for statement in ast.parse(file.read_text()).body:
                if isinstance(statement, ast.ClassDef) and not statement.name.startswith("_"):
                    homes[statement.name].append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


PLACES = sorted(
    set(re.findall(r"`((?:engine|nodes|tests|docs)/[\w./]*|cli\.py)`", (ROOT / "docs" / "changing.md").read_text()))
)


def test_the_places_of_changes_are_read() -> None:
    assert len(PLACES) > 25


@pytest.mark.parametrize("place", PLACES)
def test_a_place_of_a_change_is_there(place: str) -> None:
    assert (ROOT / place).is_dir() if place.endswith("/") else (ROOT / place).is_file()
