"""docs/lint.md has a place for every rule, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.lints import registry
from weft.engine.linting.findings import rules_of
from weft.engine.linting.rules import LintRule

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "lint.md").read_text()
SECTIONS = dict(re.findall(r"^### ([A-Z]+\d+ .+)\n((?:(?!^##).*\n?)*)", PAGE, re.MULTILINE))
RULES = rules_of(registry().packs)
MEASURED = dict(re.findall(r"^\| ([A-Z]+\d+) \| \d+ \| \d+ \| ([\d.]+) \|$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_has_its_section(rule: LintRule) -> None:
    text = SECTIONS[f"{rule.code} {rule.name}"]
    assert "\nMend: " in text
    assert len(text.split()) > 25
    assert ("--fix" in text.partition("\nMend: ")[2]) == rule.fixes


def test_no_section_is_of_a_rule_that_is_not_there() -> None:
    assert set(SECTIONS) == {f"{rule.code} {rule.name}" for rule in RULES}
    assert MEASURED.keys() <= {rule.code for rule in RULES}


def test_pictures_are_there_and_small() -> None:
    named = set(re.findall(r"\(images/(lint-\w+\.png)\)", PAGE))
    there = {file.name for file in (ROOT / "docs" / "images").glob("lint-*")}
    assert named == there
    assert all((ROOT / "docs" / "images" / name).stat().st_size < 30_000 for name in there)
