"""Which rules look: `[lint]` in weft.toml, or what a command line says; codes or their beginnings, as in ruff."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from weft.engine.documents import read_toml
from weft.engine.errors import UsageError, did_you_mean
from weft.engine.linting.rules import LintRule
from weft.engine.settings import SETTINGS_FILE

TABLE = "lint"
"""Of weft.toml."""

ALL = "ALL"


@dataclass(frozen=True)
class LintSelection:
    """Which rules look: those whose codes begin with one of `select`, but for those that begin with one of `ignore`.

    The longer beginning counts: `select = ["S101"]` and `ignore = ["S"]` leave S101.
    """

    select: Sequence[str] = (ALL,)
    ignore: Sequence[str] = ()

    def of(self, rules: Iterable[LintRule]) -> list[LintRule]:
        """The rules that look. Raises UsageError for what no code begins with."""
        known = list(rules)
        for said in (*self.select, *self.ignore):
            if said != ALL and not any(rule.code.startswith(said) for rule in known):
                hint = did_you_mean(said, [rule.code for rule in known]) or "weft lint --rules lists them"
                raise UsageError(f"no lint rule {said!r}", hint=hint)
        return [rule for rule in known if _length(rule, self.select) > _length(rule, self.ignore)]

    @classmethod
    def load(
        cls, select: Sequence[str] = (), ignore: Sequence[str] = (), *, folder: Path | None = None
    ) -> LintSelection:
        """What is in force: what is given, else what weft.toml in `folder` (default: cwd) says.

        Codes may stand together, with commas between them. Raises UsageError for a table that is none.
        """
        file = (folder if folder is not None else Path.cwd()) / SETTINGS_FILE
        table = read_toml(file).get(TABLE, {}) if file.is_file() else {}
        if not isinstance(table, dict):
            raise UsageError(f"{file}: {TABLE}: expected a table, got {table!r:.80}")
        for key, value in table.items():
            if key not in ("select", "ignore"):
                hint = did_you_mean(key, ("select", "ignore"))
                raise UsageError(f"{file} [{TABLE}]: unknown key {key!r}: expected select or ignore", hint=hint)
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                raise UsageError(f"{file} [{TABLE}]: {key}: expected a list of codes, got {value!r:.80}")
        return cls(_codes(select) or table.get("select") or (ALL,), _codes(ignore) or table.get("ignore") or ())


def _codes(texts: Sequence[str]) -> list[str]:
    return [code.strip() for text in texts for code in text.split(",") if code.strip()]


def _length(rule: LintRule, beginnings: Sequence[str]) -> int:
    """How long the longest of these is that the rule's code begins with; -1 for none."""
    return max(
        (0 if each == ALL else len(each) for each in beginnings if each == ALL or rule.code.startswith(each)),
        default=-1,
    )
