"""`[tool.weft.test]` in pyproject.toml, and what a command line says instead."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from weft.engine.documents import names_a_place, read_toml
from weft.engine.errors import UsageError, did_you_mean
from weft.engine.planning.digests import Marks
from weft.engine.schema.packs import Packs
from weft.engine.testing.tolerances import Rule, check_class, read_rules

_PATHS = ("models", "input")
_TEXTS = ("device", "dtype")
_VALUES = (*_PATHS, *_TEXTS, "tolerance")
_CODE = ("custom_nodes", "nodes")


@dataclass(frozen=True)
class Options:
    """How workflows are run and compared. None: not said, so what comes next in line decides; `settings` are packs'."""

    models: tuple[Path, ...] | None = None
    input: Path | None = None
    device: str | None = None
    dtype: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    tolerance: str | None = None
    rules: tuple[Rule, ...] = ()
    code: Mapping[str, Any] = field(default_factory=dict)
    """The settings that say whose code runs beside Weft's: custom_nodes, nodes, trust_custom_nodes."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where a value stands, for messages; by default it is an argument."""

    def over(self, other: Options) -> Options:
        """These, and where they say nothing the other's; the rules of both, these last."""
        mine = {name for name in _VALUES if getattr(self, name) is not None}
        said = {name: getattr(self if name in mine else other, name) for name in _VALUES}
        settings = {**other.settings, **self.settings}
        mine |= self.settings.keys()
        sources = {name: text for name, text in other.sources.items() if name not in mine} | dict(self.sources)
        code = {**other.code, **self.code}
        return Options(**said, settings=settings, rules=(*other.rules, *self.rules), code=code, sources=sources)


def options_for(folder: Path) -> Options:
    """What the nearest pyproject.toml with a [tool.weft.test] says for the workflows in a folder.

    The environment (WEFT_MODELS, ...) beats it. Raises UsageError naming file and key.
    """
    folder = folder.resolve()
    for parent in (folder, *folder.parents):
        file = parent / "pyproject.toml"
        if file.is_file():
            found = _read(file, Marks.of(str(file)))
            if found is not None:
                beaten: Any = {name: None for name in (*_PATHS, *_TEXTS) if _in_environment(name)}
                left = {name: value for name, value in found.settings.items() if not _in_environment(name)}
                code = {name: value for name, value in found.code.items() if not _in_environment(name)}
                return replace(found, settings=left, code=code, **beaten)
    return Options()


def _in_environment(name: str) -> bool:
    return bool(os.environ.get(f"WEFT_{name.upper()}"))


@lru_cache(maxsize=64)
def _read(file: Path, _marks: Marks) -> Options | None:
    table: Any = read_toml(file).get("tool", {})
    for name in ("weft", "test"):
        table = table.get(name) if isinstance(table, Mapping) else None
    if table is None:
        return None
    where = f"{file} [tool.weft.test]"
    if not isinstance(table, Mapping):
        raise UsageError(f"{where}: expected a table")
    packs = Packs.installed().settings
    known = (*_PATHS, *_TEXTS, *_CODE, *packs, "class", "tolerance")
    for name in table:
        if name not in known:
            raise UsageError(f"{where}: unknown key {name!r}", hint=did_you_mean(name, known))
    values: dict[str, Any] = {name: _text(table[name], f"{where} {name}") for name in _TEXTS if name in table}
    if "input" in table:
        values["input"] = _place(file.parent, table["input"], f"{where} input")
    if "models" in table:
        values["models"] = _places(file.parent, table["models"], f"{where} models")
    code = {name: _places(file.parent, table[name], f"{where} {name}") for name in _CODE if name in table}
    if "class" in table:
        values["tolerance"] = check_class(_text(table["class"], f"{where} class"), where)
    settings = {name: table[name] for name in packs if name in table}
    rules = tuple(read_rules(table.get("tolerance", ()), f"{file.name} [[tool.weft.test.tolerance]]"))
    sources = dict.fromkeys([*values, *settings, *code], where)
    return Options(**values, settings=settings, rules=rules, code=code, sources=sources)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{where}: expected text, got {value!r:.200}")
    return value


def _places(folder: Path, value: Any, where: str) -> tuple[Path, ...]:
    return tuple(_place(folder, item, where) for item in (value if isinstance(value, list) else [value]))


def _place(folder: Path, value: Any, where: str) -> Path:
    if not names_a_place(text := _text(value, where)):
        raise UsageError(f"{where}: {text!r:.200} is the path of no folder")
    return folder / text
